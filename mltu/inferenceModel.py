"""OnnxInferenceModel: an ONNX file ready to run, with NumPy and onnxruntime alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import onnxruntime as ort


class OnnxInferenceModel:
    """An ONNX model to subclass: write `predict`, and calling the object calls it.

    Args:
        model_path: the `.onnx` file, or a folder that holds `default_model_name`.
        force_cpu: True to stay on the CPU; False takes CUDA where onnxruntime offers it.
        default_model_name: the file to take when `model_path` is a folder.

    Attributes:
        model: the `onnxruntime.InferenceSession`; run it with
            `self.model.run(None, {self.input_name: array})`.
        input_shapes: the shape of each input as the file has it; free sides are None or a name.
        input_names: of all inputs.
        output_names: of all outputs.
        input_shape: of the first input, without the batch: `[32, 128, 3]`.
        input_name: of the first input.
        output_name: of the first output.
        metadata: what the file says of itself; values are parsed as JSON, and stay text where
            they are none. Nothing in it is ever evaluated.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a model that onnxruntime can load.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] = "",
        force_cpu: bool = False,
        default_model_name: str = "model.onnx",
    ) -> None:
        self.model_path = _find(Path(model_path), default_model_name)
        self.model = _load(self.model_path, _providers(force_cpu))
        inputs, outputs = self.model.get_inputs(), self.model.get_outputs()
        self.input_shapes = [list(value.shape) for value in inputs]
        self.input_names = [value.name for value in inputs]
        self.output_names = [value.name for value in outputs]
        self.input_shape = self.input_shapes[0][1:]
        self.input_name = self.input_names[0]
        self.output_name = self.output_names[0]
        stored = self.model.get_modelmeta().custom_metadata_map
        self.metadata = {key: _parse(value) for key, value in stored.items()}

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Read one input; a subclass writes this."""
        raise NotImplementedError(f"{type(self).__name__} must define `predict`.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call `predict` with the same arguments."""
        return self.predict(*args, **kwargs)


def _find(path: Path, default_name: str) -> str:
    file = path / default_name if path.is_dir() else path
    if not file.is_file():
        near = sorted(str(other) for other in file.parent.glob("*.onnx"))[:5]
        hint = f" Beside it stand {near}." if near else ""
        raise FileNotFoundError(
            f"`model_path` must be an .onnx file or a folder with {default_name!r} in it. "
            f"There is no file {str(file)!r}.{hint}"
        )
    return str(file)


def _providers(force_cpu: bool) -> list[str]:
    wanted = [] if force_cpu else ["CUDAExecutionProvider"]
    available = ort.get_available_providers()
    return [name for name in wanted if name in available] + ["CPUExecutionProvider"]


def _load(path: str, providers: list[str]) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(path, providers=providers)
    except Exception as error:  # onnxruntime has no common base class for its own errors.
        raise ValueError(
            f"`model_path` must be an ONNX model that onnxruntime {ort.__version__} can load. "
            f"Received {path!r}: {error}"
        ) from error


def _parse(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
