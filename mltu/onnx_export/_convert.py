"""Converts a Keras model to ONNX in a child process."""

from __future__ import annotations

import importlib
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

from mltu._extras import explain_missing
from mltu.utils.child_process import call_in_child
from mltu.utils.files import StrPath, atomic_path
from mltu.utils.plain_json import to_plain

if TYPE_CHECKING:
    import keras

Needed = tuple[str, str, str]  # module, name there, name in the file


def stored_classes(path: StrPath, registered: Mapping[str, Any] | None = None) -> list[Needed]:
    """List the non-Keras classes and functions in a `.keras` file, without loading it.

    Loss and metrics are left out, since a model can be loaded without compiling it.

    Args:
        path: of the file.
        registered: functions and classes by the name that the file has for them; for functions the
            file has nothing else.

    Returns:
        Sorted entries; the module of the training script or notebook is `"__main__"`.
    """
    with zipfile.ZipFile(path) as file:
        config = json.loads(file.read("config.json"))
    config.pop("compile_config", None)
    found = {_needed(entry, registered or {}) for entry in _walk(config) if "module" in entry}
    return sorted(entry for entry in found if entry is not None)


def _needed(entry: dict[str, Any], registered: Mapping[str, Any]) -> Needed | None:
    module, name = entry["module"], entry.get("class_name")
    if name == "function":
        name = entry.get("config")
        if not isinstance(name, str) or name not in registered:
            return None
        return registered[name].__module__, registered[name].__name__, name
    if not isinstance(name, str) or str(module).partition(".")[0] in ("keras", "builtins"):
        return None
    # Keras omits the module of the script, which nothing could import.
    return module or "__main__", name, entry.get("registered_name") or name


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _walk(item)


def write_source(model: keras.Model, folder: Path) -> dict[str, Any]:
    """Write the frozen graph or a `.keras` file for the child; return its part of the job.

    On TensorFlow the inference function is traced here, so the child does not need the classes of
    the model. TensorFlow cannot trace JAX and PyTorch, so there the child rebuilds the model.

    Args:
        model: a built Keras model with one input.
        folder: to write into.

    Raises:
        ImportError: a class of the model is defined where the child cannot import it.
    """
    with explain_missing():
        import keras

    shape = [None, *model.inputs[0].shape[1:]]  # The batch is free.
    # A Sequential has no `output_names`.
    (output_name,) = getattr(model, "output_names", [model.layers[-1].name])
    job = {
        "shape": shape,
        "name": model.inputs[0].name,
        "output_shape": [None, *model.outputs[0].shape[1:]],
        "output_name": re.sub(r"\W", "_", output_name),
    }
    if keras.backend.backend() != "tensorflow":
        source = folder / "source.keras"
        with in_float32(model):
            model.save(source)
        functions = _functions(model)  # Keras stores nothing but their names.
        by_name = {function.__name__: function for _, function in functions}
        classes = stored_classes(source, {**by_name, **keras.saving.get_custom_objects()})
        lambdas = [
            ("__main__", f"a lambda of the layer {layer.name!r}", "")
            for layer, function in functions
            if function.__name__ == "<lambda>" and not isinstance(layer, keras.layers.Lambda)
        ]
        _check_classes([*classes, *lambdas])
        return {**job, "kind": "keras", "source": str(source), "classes": classes}
    source = folder / "graph.pb"
    graph, ends = _freeze(model, shape, job["name"])
    source.write_bytes(graph.SerializeToString())
    return {**job, "kind": "graph", "source": str(source), "ends": ends}


def _functions(model: keras.Model) -> list[tuple[keras.Layer, FunctionType]]:
    """Return the functions that layers have as initializers and such, but for those of Keras."""
    from mltu.models._fused_layers import layers_within

    pairs = ((layer, value) for layer in layers_within(model) for value in vars(layer).values())
    return [
        (layer, value)
        for layer, value in pairs
        if isinstance(value, FunctionType) and value.__module__.split(".")[0] != "keras"
    ]


@contextmanager
def in_float32(model: keras.Model) -> Iterator[None]:
    """Make layers of mixed precision compute in the dtype of their weights, within the block."""
    from mltu.models._fused_layers import layers_within

    mixed = [layer for layer in layers_within(model) if layer.compute_dtype != layer.variable_dtype]
    before = [layer.dtype_policy for layer in mixed]
    try:
        for layer in mixed:
            layer.dtype_policy = layer.variable_dtype
        yield
    finally:
        for layer, policy in zip(mixed, before, strict=True):
            layer.dtype_policy = policy


@contextmanager
def on_the_cpu(model: keras.Model) -> Iterator[None]:
    """Trace for the CPU of TensorFlow within the block: ONNX has no cuDNN kernels."""
    import tensorflow as tf

    from mltu.models._fused_layers import layers_within

    changed = [layer for layer in layers_within(model) if getattr(layer, "use_cudnn", False)]
    before = [layer.use_cudnn for layer in changed]
    try:
        for layer in changed:
            layer.use_cudnn = False
        with tf.device("/CPU:0"):
            yield
    finally:
        for layer, value in zip(changed, before, strict=True):
            layer.use_cudnn = value


def _freeze(model: keras.Model, shape: list[int | None], name: str) -> tuple[Any, list[str]]:
    """Trace a model for inference; return its graph with the weights in it, and both its ends."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    infer = tf.function(lambda inputs: model(inputs, training=False))
    with on_the_cpu(model), in_float32(model):
        traced = infer.get_concrete_function(tf.TensorSpec(shape, tf.float32, name=name))
        frozen = convert_variables_to_constants_v2(
            traced, lower_control_flow=False, aggressive_inlining=True
        )  # As the converter would freeze it.
    graph = frozen.graph.as_graph_def(add_shapes=True)
    return graph, [frozen.inputs[0].name, frozen.outputs[0].name]


def _check_classes(classes: list[Needed]) -> None:
    unreachable = [name for module, name, _ in classes if module == "__main__"]
    if unreachable:
        raise ImportError(
            "The classes and functions of `model` must be importable: on this backend a child "
            f"process rebuilds the model for the export. Received {', '.join(unreachable)}, "
            "defined in the training script or notebook. Move them to a separate module beside "
            "it and import them from there."
        )


def convert(job: Mapping[str, Any]) -> None:
    """Convert a stored model to an ONNX file.

    Args:
        job: `kind`, `"graph"` or `"keras"`; `source` and `target`, paths; `shape` and `name` of
            the input; `output_shape` and `output_name`; `opset`; for `"graph"` the names of its
            `ends`, for `"keras"` the `classes` to import.

    Raises:
        ImportError: TensorFlow, tf2onnx or onnx is missing; or a class of the model.
        RuntimeError: the model has operations that ONNX does not have.
        Exception: raised by the loader or the converter.
    """
    with explain_missing():  # The converter first: if it is missing, that shows in a second.
        import onnx
        import tf2onnx
        import tensorflow as tf  # isort: skip

    if job["kind"] == "graph":
        graph, (first, last) = tf.compat.v1.GraphDef(), job["ends"]
        graph.ParseFromString(Path(job["source"]).read_bytes())
    else:
        model = _load_keras(job["source"], job["classes"])
        graph, (first, last) = _freeze(model, job["shape"], job["name"])
    proto, _ = tf2onnx.convert.from_graph_def(
        graph, input_names=[first], output_names=[last], opset=job["opset"],
        tensors_to_rename={first: job["name"]},
    )  # fmt: skip
    _replace_erfc(proto)
    _check_operations(proto, onnx.defs)
    _name_axes(proto.graph, job)
    onnx.save(proto, job["target"])


def _replace_erfc(proto: Any) -> None:
    """Replace Erfc, of the exact GELU, by 1 - Erf."""
    from onnx import helper

    nodes = []
    for number, node in enumerate(proto.graph.node):
        if node.op_type != "Erfc":
            nodes.append(node)
            continue
        erf, one = f"erf_{number}", f"one_{number}"
        nodes += [
            helper.make_node("Erf", node.input, [erf]),
            helper.make_node("Constant", [], [one], value_float=1.0),
            helper.make_node("Sub", [one, erf], node.output),
        ]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


_AXES = {4: ("batch", "height", "width", "channels"), 3: ("batch", "time", "classes")}


def _name_axes(graph: Any, job: Mapping[str, Any]) -> None:
    """Give the output its name in Keras, and the sides of input and output their size or name."""
    new, old = job["output_name"], graph.output[0].name
    if new not in {name for node in graph.node for name in (*node.input, *node.output)}:
        graph.output[0].name = new
        for node in graph.node:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name == old:
                        names[i] = new
    for value, shape in ((graph.input[0], job["shape"]), (graph.output[0], job["output_shape"])):
        axes = _AXES.get(len(shape), ("batch", *(f"axis_{i}" for i in range(1, len(shape)))))
        for side, size, axis in zip(value.type.tensor_type.shape.dim, shape, axes, strict=True):
            if size is None:
                side.dim_param = axis
            else:
                side.dim_value = size


def _load_keras(path: str, classes: Sequence[Needed]) -> keras.Model:
    """Load a `.keras` file and the code in it, which the parent wrote a moment ago."""
    with explain_missing():
        import keras

    custom_objects = {}
    for module, name, stored_name in classes:
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ImportError(
                f"The model contains {name!r} of the module {module!r}, which the child process "
                f"cannot import ({error}). Define it at the top level of a separate module beside "
                "your script, and import it from there."
            ) from error
        custom_objects[name] = custom_objects[stored_name] = found
    return keras.models.load_model(path, custom_objects, compile=False, safe_mode=False)


def _check_operations(proto: Any, definitions: Any) -> None:
    """Reject a graph with operations that the converter could not convert."""
    versions = {opset.domain: opset.version for opset in proto.opset_import}
    unknown = sorted(
        f"{node.op_type} (in {node.name})"
        for node in proto.graph.node
        if node.domain in ("", "ai.onnx")
        and not definitions.has(node.op_type, max_inclusive_version=versions.get("", 1))
    )
    if unknown:
        raise RuntimeError(
            f"ONNX has no equivalent of {', '.join(unknown[:5])}. Build the layer from other "
            "operations, or remove it from the exported model."
        )


def run_child(job: Mapping[str, Any], timeout: float) -> None:
    """Convert in a child process, on the CPU of TensorFlow; see `convert` for the job.

    There, neither GPU kernels nor a full GPU memory can break an export.

    Raises:
        ImportError: the child could not import a package or a class.
        OSError: it could not read or write a file.
        TimeoutError: it took longer than `timeout` seconds.
        RuntimeError: anything else; the text holds the child's traceback, or what ended it.
    """
    environment = {"CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
    function = "mltu.onnx_export._convert:convert"
    call_in_child(function, job, timeout=timeout, environment=environment)


def write_metadata(path: StrPath, fields: Mapping[str, Any]) -> None:
    """Store values as JSON in the metadata of an ONNX file; its other keys stay.

    Args:
        path: the file, which is replaced.
        fields: such as those of a `mltu.inference.ModelCard`.

    Raises:
        TypeError: a value cannot be stored as JSON.
        OSError: the file cannot be written.
    """
    with explain_missing():
        import onnx

    proto = onnx.load(str(path))
    entries = {entry.key: entry.value for entry in proto.metadata_props}
    plain = to_plain(dict(fields))
    entries |= {key: json.dumps(value, ensure_ascii=False) for key, value in plain.items()}
    onnx.helper.set_model_props(proto, entries)
    with atomic_path(path) as temporary:
        onnx.save(proto, str(temporary))
