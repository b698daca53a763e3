"""OnnxInferenceModel: an ONNX file ready to run, to subclass as the tutorials teach."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

from mltu.inference._model_card import parse_json
from mltu.inference._weights import resolve_model
from mltu.utils.checks import check_count
from mltu.utils.files import StrPath
from mltu.utils.nvidia import nvidia_smi

_LOGGER = logging.getLogger("mltu.inference")
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class OnnxInferenceModel:
    """An ONNX model to subclass: implement `predict`, which calling the object runs.

    A model is a program: a malicious one can take any amount of memory and time when it runs. Run
    untrusted models in a process with limits.

    Args:
        model_path: the `.onnx` file, a folder with `default_model_name` in it, or the name of a
            shipped reader, such as "words".
        force_cpu: True to use the CPU; False uses CUDA if onnxruntime offers it.
        default_model_name: the file to load if `model_path` is a folder.
        providers: onnxruntime's execution providers, best first, instead of `force_cpu`.
        num_threads: threads per run on the CPU; None for onnxruntime's default, one per core.

    Attributes:
        model: the `onnxruntime.InferenceSession`; run it with
            `self.model.run(None, {self.input_name: array})`.
        input_shapes: the shape of each input as in the file; free sides are None or a name.
        input_names: of all inputs.
        output_names: of all outputs.
        input_shape: of the first input, without the batch: `[32, 128, 3]`.
        input_name: of the first input.
        output_name: of the first output.
        metadata: the entries of the file, parsed as JSON; an entry that is not JSON stays a
            string. Nothing in it is ever evaluated.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: onnxruntime cannot load the file, or has no such provider.
    """

    def __init__(
        self,
        model_path: StrPath = "",
        force_cpu: bool = False,
        default_model_name: str = "model.onnx",
        *,
        providers: Sequence[str] | None = None,
        num_threads: int | None = None,
    ) -> None:
        wanted = _providers(force_cpu) if providers is None else _known_providers(providers)
        self.model_path = _find(resolve_model(model_path), default_model_name)
        self.model = _load(self.model_path, wanted, num_threads)
        _log_device(wanted[0], self.model.get_providers()[0], force_cpu or providers is not None)
        try:
            inputs, outputs = self.model.get_inputs(), self.model.get_outputs()
            self.input_names = [value.name for value in inputs]
            self.output_names = [value.name for value in outputs]
            entries = self.model.get_modelmeta().custom_metadata_map
            shapes = [[value.shape for value in values] for values in (inputs, outputs)]
        except UnicodeDecodeError as error:
            raise ValueError(
                "`model_path` must be a model whose names and metadata are UTF-8. Received "
                f"{self.model_path!r}: {error}. Export it again."
            ) from error
        for values, given in zip((inputs, outputs), shapes, strict=True):
            if not values or not all(isinstance(shape, list) for shape in given):
                raise ValueError(
                    "`model_path` must be a model with inputs and outputs that are tensors. "
                    f"Received {self.model_path!r}, which has {[value.type for value in values]}. "
                    "Export it again."
                )
        self.input_shapes = shapes[0]
        self.input_shape = self.input_shapes[0][1:]
        self.input_name = self.input_names[0]
        self.output_name = self.output_names[0]
        self.metadata = {key: _parse(value) for key, value in entries.items()}

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Read one input; implemented by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} must define `predict`.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call `predict` with the same arguments."""
        return self.predict(*args, **kwargs)


def _find(path: Path, default_name: str) -> str:
    file = path / default_name if path.is_dir() else path
    if not file.is_file():
        near = sorted(other.name for other in file.parent.glob("*.onnx"))[:5]
        hint = f" Found in that folder: {', '.join(near)}." if near else ""
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
    if isinstance(names, str) or not names:
        raise ValueError(f"`providers` must be a list of names. Received {names!r}.")
    available = ort.get_available_providers()
    for name in names:
        if name not in available:
            raise ValueError(
                f"Unknown provider {name!r}. Available: {', '.join(available)}. For CUDA, install "
                "onnxruntime-gpu in place of onnxruntime."
            )
    return list(names)


def _log_device(wanted: str, actual: str, is_chosen: bool) -> None:
    """Warn if a GPU that could run the model is not used."""
    if wanted != actual:
        _LOGGER.warning("Running on %s: onnxruntime could not start %s.", actual, wanted)
    elif actual == _CPU and not is_chosen and nvidia_smi():
        _LOGGER.warning(
            "Running on the CPU: this onnxruntime has no CUDA, although the machine has an NVIDIA "
            "driver. Install onnxruntime-gpu in place of onnxruntime, or pass force_cpu=True."
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
