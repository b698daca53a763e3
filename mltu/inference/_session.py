"""OnnxInferenceModel: an ONNX file ready to run, to subclass as the tutorials teach."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import onnxruntime as ort

from mltu.inference._card import parse_json
from mltu.utils.checks import check_count

_LOGGER = logging.getLogger("mltu.inferenceModel")
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class OnnxInferenceModel:
    """An ONNX model to subclass: write `predict`, and calling the object calls it.

    A model is a program: one that was made for it takes any amount of memory and time when it
    runs. Run models of strangers in a process with limits.

    Args:
        model_path: the `.onnx` file, or a folder that holds `default_model_name`.
        force_cpu: True to stay on the CPU; False takes CUDA where onnxruntime offers it.
        default_model_name: the file to take when `model_path` is a folder.
        providers: the names of onnxruntime's execution providers, best first, instead of the
            choice of `force_cpu`.
        num_threads: of one run on the CPU; onnxruntime's choice, the number of cores, if None.

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
        ValueError: the file is not a model that onnxruntime can load, or it has no such provider.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] = "",
        force_cpu: bool = False,
        default_model_name: str = "model.onnx",
        *,
        providers: Sequence[str] | None = None,
        num_threads: int | None = None,
    ) -> None:
        wanted = _providers(force_cpu) if providers is None else _known_providers(providers)
        self.model_path = _find(Path(model_path), default_model_name)
        self.model = _load(self.model_path, wanted, num_threads)
        _tell_device(wanted[0], self.model.get_providers()[0], force_cpu or providers is not None)
        self._inputs = _described(self.model.get_inputs, self.model_path)
        self._outputs = _described(self.model.get_outputs, self.model_path)
        self.input_shapes = [list(value.shape) for value in self._inputs]
        self.input_names = [value.name for value in self._inputs]
        self.output_names = [value.name for value in self._outputs]
        self.input_shape = self.input_shapes[0][1:]
        self.input_name = self.input_names[0]
        self.output_name = self.output_names[0]
        self._texts = _stored_texts(self.model, self.model_path)
        self.metadata = {key: _parse(value) for key, value in self._texts.items()}

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Read one input; a subclass writes this."""
        raise NotImplementedError(f"{type(self).__name__} must define `predict`.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call `predict` with the same arguments."""
        return self.predict(*args, **kwargs)


class _Value(NamedTuple):
    """An input or output as the file has it; `kind` is such as "tensor(float)"."""

    name: str
    kind: str
    shape: list[Any]


def _described(values: Callable[[], Sequence[Any]], path: str) -> list[_Value]:
    """Return the inputs or outputs of a model.

    Raises:
        ValueError: there are none, or names that are no text.
    """
    try:
        found = [_Value(value.name, value.type, value.shape) for value in values()]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`model_path` must be a model whose names are UTF-8. Received {path!r}: {error}. "
            "Export it again."
        ) from error
    if not found or not all(isinstance(value.shape, list) for value in found):
        raise ValueError(
            "`model_path` must be a model with inputs and outputs that are tensors. Received "
            f"{path!r}, which has {[value.kind for value in found]}. Export it again."
        )
    return found


def _stored_texts(session: ort.InferenceSession, path: str) -> dict[str, str]:
    try:
        return dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`model_path` must be a model whose metadata is UTF-8. Received {path!r}: {error}. "
            "Export it again."
        ) from error


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
    wanted = [] if force_cpu else [_CUDA]
    available = ort.get_available_providers()
    return [name for name in wanted if name in available] + [_CPU]


def _known_providers(names: Sequence[str]) -> list[str]:
    available = ort.get_available_providers()
    if isinstance(names, str) or not names or any(name not in available for name in names):
        raise ValueError(
            f"`providers` must be names out of {available}, which this onnxruntime has. "
            f"Received {names!r}. For CUDA install onnxruntime-gpu in place of onnxruntime."
        )
    return list(names)


def _tell_device(wanted: str, found: str, is_chosen: bool) -> None:
    """Say it when a graphics card that could serve does not."""
    if wanted != found:
        _LOGGER.warning("Reading runs on %s: onnxruntime could not start %s.", found, wanted)
    elif found == _CPU and not is_chosen and shutil.which("nvidia-smi"):
        _LOGGER.warning(
            "Reading runs on the CPU: this onnxruntime has no CUDA, though the machine has an "
            "NVIDIA driver. Install onnxruntime-gpu in place of onnxruntime, or pass "
            "force_cpu=True."
        )


def _load(path: str, providers: list[str], num_threads: int | None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    if num_threads is not None:
        check_count("num_threads", num_threads, 1)
        options.intra_op_num_threads = num_threads
    try:
        return ort.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime has no common base class for its own errors.
        raise ValueError(
            f"`model_path` must be an ONNX model that onnxruntime {ort.__version__} can load. "
            f"Received {path!r}: {error}"
        ) from error


def _parse(value: str) -> Any:
    try:
        return parse_json(value)
    except (ValueError, RecursionError):
        return value
