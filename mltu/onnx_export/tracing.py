"""What the training process hands to the child: a traced SavedModel, or a `.keras` file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mltu._extras import explain_missing
from mltu.onnx_export.classes import Needed, stored_classes


def write_source(model: Any, folder: Path) -> dict[str, Any]:
    """Write what the child needs, and return its part of the job.

    On TensorFlow the inference function is traced here, so the child needs none of the classes of
    the model. JAX and PyTorch cannot be traced by TensorFlow: there the child rebuilds the model.

    Args:
        model: a built Keras model with one input.
        folder: to write into.

    Raises:
        ImportError: a class of the model is defined where the child cannot import it.
    """
    with explain_missing():
        import keras

    shape = [None, *model.inputs[0].shape[1:]]  # The batch is free.
    job = {"shape": shape, "name": model.inputs[0].name}
    if keras.backend.backend() != "tensorflow":
        source = folder / "source.keras"
        with in_float32(model):
            model.save(source)
        classes = stored_classes(source, keras.saving.get_custom_objects())
        _check_classes(classes)
        return {**job, "kind": "keras", "source": str(source), "classes": classes}
    source = folder / "saved_model"
    _write_saved_model(model, shape, job["name"], source)
    return {**job, "kind": "saved_model", "source": str(source)}


@contextmanager
def in_float32(model: Any) -> Iterator[None]:
    """Let layers of mixed precision compute in the type of their weights within the block."""
    mixed = [
        layer for layer in _layers_within(model) if layer.compute_dtype != layer.variable_dtype
    ]
    before = [layer.dtype_policy for layer in mixed]
    try:
        for layer in mixed:
            layer.dtype_policy = layer.variable_dtype
        yield
    finally:
        for layer, policy in zip(mixed, before, strict=True):
            layer.dtype_policy = policy


@contextmanager
def on_the_cpu(model: Any) -> Iterator[None]:
    """Trace the functions of the block for the CPU of TensorFlow: cuDNN's kernels have no ONNX."""
    import tensorflow as tf

    changed = [layer for layer in _layers_within(model) if getattr(layer, "use_cudnn", False)]
    before = [layer.use_cudnn for layer in changed]
    try:
        for layer in changed:
            layer.use_cudnn = False
        with tf.device("/CPU:0"):
            yield
    finally:
        for layer, value in zip(changed, before, strict=True):
            layer.use_cudnn = value


def _write_saved_model(model: Any, shape: list[int | None], name: str, path: Path) -> None:
    import keras
    import tensorflow as tf

    def infer(inputs: Any) -> Any:
        return model(inputs, training=False)

    archive = keras.export.ExportArchive()
    archive.track(model)
    with on_the_cpu(model), in_float32(model):
        signature = [tf.TensorSpec(shape, tf.float32, name=name)]
        archive.add_endpoint("serve", infer, input_signature=signature)
        archive.write_out(str(path), verbose=False)


def _layers_within(model: Any) -> list[Any]:
    """Return the model and all layers in it, also those that its layers keep as attributes."""
    import keras

    found: dict[int, Any] = {}
    todo = [model]
    while todo:
        value = todo.pop()
        if isinstance(value, list | tuple):
            todo += value
        elif isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, keras.layers.Layer) and id(value) not in found:
            found[id(value)] = value
            todo += vars(value).values()
    return list(found.values())


def _check_classes(classes: list[Needed]) -> None:
    unreachable = [name for module, name, _ in classes if module == "__main__"]
    if unreachable:
        raise ImportError(
            "The classes and functions of `model` must be importable: on this backend a child "
            f"process rebuilds the model for the export. Received {', '.join(unreachable)}, "
            "defined in the training script or notebook. Move them to a module of their own "
            "beside it and import them from there."
        )
