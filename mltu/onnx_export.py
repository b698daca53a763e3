"""From a Keras model to a checked ONNX file; the only room that knows exporters."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.inferenceModel import OnnxInferenceModel
from mltu.utils.files import atomic_path

with explain_missing():
    import keras

TOLERANCE = 1e-4  # The largest difference between the outputs of Keras and of the ONNX file.


def export_onnx(
    model: Any,
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, Any] | None = None,
    images: npt.NDArray[Any] | None = None,
    opset: int | None = None,
) -> float:
    """Export a model, run the file, compare its outputs with Keras, then put it in its place.

    The file takes float32 inputs with a free batch size, in the range that the model was trained
    on (0..255 for the tutorials). Where anything fails, an older file at `path` stays.

    Args:
        model: a built Keras model with one input.
        path: of the `.onnx` file.
        metadata: stored in the file as JSON, one entry for each key, such as
            `{"vocab": "abc"}`; `OnnxInferenceModel.metadata` gives it back.
        images: to compare on, shape (batch, *input_shape); random values 0..255 if None.
        opset: of the ONNX file; the exporter's own default if None.

    Returns:
        The largest absolute difference between the outputs.

    Raises:
        RuntimeError: the backend or the model cannot be exported, or the outputs differ by more
            than `TOLERANCE`; from the exporter's own error.
        TypeError: the metadata cannot be stored as JSON.
        ImportError: the exporter is not installed; with its pip line.
    """
    with explain_missing():
        import onnx
        import tf2onnx  # noqa: F401  Keras calls it, and would say nothing of the pip line.

    _check_backend()
    stored = dict(metadata or {})
    entries = {key: json.dumps(value, ensure_ascii=False) for key, value in stored.items()}
    with atomic_path(path) as temporary:
        try:
            model.export(
                str(temporary),
                format="onnx",
                verbose=False,
                input_signature=[_input_spec(tensor) for tensor in model.inputs],
                opset_version=opset,
            )
        except Exception as error:
            raise RuntimeError(
                f"`model` {model.name!r} could not be exported to ONNX: {error}"
            ) from error
        proto = onnx.load(str(temporary))
        onnx.helper.set_model_props(proto, entries)
        onnx.save(proto, str(temporary))
        return _check_outputs(model, temporary, images)


def _check_backend() -> None:
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            f"The ONNX export needs Keras on TensorFlow. Received the backend {backend!r}. Save "
            "the model as .keras, load it with KERAS_BACKEND=tensorflow and call `export_onnx`."
        )


def _input_spec(tensor: Any) -> Any:
    return keras.InputSpec(shape=(None, *tensor.shape[1:]), dtype="float32", name=tensor.name)


def _check_outputs(
    model: Any, path: str | os.PathLike[str], images: npt.NDArray[Any] | None
) -> float:
    """Return the largest difference between Keras and the file; raise beyond the tolerance."""
    if images is None:
        shape = [side or 32 for side in model.input_shape[1:]]
        images = np.random.default_rng(0).uniform(0, 255, (2, *shape))
    inputs = np.asarray(images, np.float32)
    exported = OnnxInferenceModel(os.fspath(path), force_cpu=True)
    outputs = exported.model.run(None, {exported.input_name: inputs})[0]
    difference = float(np.abs(outputs - model.predict(inputs, verbose=0)).max())
    if not difference <= TOLERANCE:
        raise RuntimeError(
            f"The ONNX file must give the outputs of `model` to {TOLERANCE}. "
            f"Received a largest difference of {difference:.3g}; the file was not kept."
        )
    return difference
