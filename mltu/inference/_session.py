"""OnnxInferenceModel: an ONNX file ready to run, to subclass as the tutorials teach."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

from mltu.inference._model_card import parse_json
from mltu.inference._weights import resolve_model
from mltu.utils.checks import check_count
from mltu.utils.files import StrPath

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
            `self.model.run(None, {self.input_name: array})`. It refuses an empty batch, on which
            onnxruntime may end the process.
        input_shapes: the shape of each input as in the file; free sides are None or a name.
        input_names: of all inputs.
        output_names: of all outputs.
        input_shape: of the first input, without the batch: `[32, 128, 3]`.
        input_name: of the first input.
        output_name: of the first output.
        metadata: the entries of the file, parsed as JSON; an entry that is not JSON stays a
            string. `vocab` is a string or a list, also in files of mltu 1. Nothing in it is ever
            evaluated.

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
        # Of a copy, which may be made in another working directory.
        self._loaded = os.path.abspath(self.model_path), wanted, num_threads
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
        self.metadata = {key: _parse(key, value) for key, value in entries.items()}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the session; a copy opens the file again."""
        return {key: value for key, value in vars(self).items() if key != "model"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.model = _load(*self._loaded)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Read one input; implemented by the subclass."""
        raise NotImplementedError(f"{type(self).__name__} must define `predict`.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call `predict` with the same arguments."""
        return self.predict(*args, **kwargs)


def newest_run(folder: StrPath) -> Path:
    """Return the run folder with a `model.onnx` whose name comes last, such as the latest date.

    Args:
        folder: with one folder for each run, such as `Models/1_image_to_word`.

    Raises:
        FileNotFoundError: no run in it has a `model.onnx`.
    """
    runs = sorted(path.parent for path in Path(folder).glob("*/model.onnx"))
    if not runs:
        raise FileNotFoundError(
            f"There is no run with a model.onnx in {os.fspath(folder)!r}. Train one first, or pass "
            f"its folder. Relative paths start at the working directory, {str(Path.cwd())!r}."
        )
    return runs[-1]


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
    has_cuda = not force_cpu and _CUDA in ort.get_available_providers()
    return [_CUDA, _CPU] if has_cuda else [_CPU]


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
    elif actual == _CPU and not is_chosen and shutil.which("nvidia-smi"):
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
        return _Session(path, options, providers=providers)
    except Exception as error:  # onnxruntime has no common base class for its own errors.
        raise ValueError(
            f"`model_path` must be an ONNX model that onnxruntime {ort.__version__} can load. "
            f"Received {path!r}: {error}"
        ) from error


class _Session(ort.InferenceSession):  # type: ignore[misc]
    """Refuses arrays without values: an LSTM of onnxruntime would end the process on them."""

    def run(self, output_names: Any, input_feed: Any, run_options: Any = None) -> Any:
        _refuse_empty(input_feed)
        return super().run(output_names, input_feed, run_options)

    def run_async(self, output_names: Any, input_feed: Any, *args: Any, **options: Any) -> Any:
        _refuse_empty(input_feed)
        return super().run_async(output_names, input_feed, *args, **options)

    def run_with_ort_values(
        self, output_names: Any, input_dict_ort_values: Any, run_options: Any = None
    ) -> Any:
        _refuse_empty(input_dict_ort_values)
        return super().run_with_ort_values(output_names, input_dict_ort_values, run_options)

    def run_with_ortvaluevector(
        self, run_options: Any, feed_names: Any, feeds: Any, *args: Any, **options: Any
    ) -> None:
        _refuse_empty(dict(zip(feed_names, feeds, strict=True)))
        super().run_with_ortvaluevector(run_options, feed_names, feeds, *args, **options)

    def io_binding(self) -> ort.IOBinding:
        return _Binding(self)


class _Binding(ort.IOBinding):  # type: ignore[misc]
    """Refuses arrays without values; a session cannot ask a binding for its inputs."""

    def bind_cpu_input(self, name: str, arr_on_cpu: Any) -> None:
        _refuse_empty({name: arr_on_cpu})
        super().bind_cpu_input(name, arr_on_cpu)

    def bind_input(
        self, name: str, device_type: str, device_id: int, element_type: Any, shape: Any,
        buffer_ptr: int,
    ) -> None:  # fmt: skip
        _refuse_shape(name, shape)
        super().bind_input(name, device_type, device_id, element_type, shape, buffer_ptr)

    def bind_ortvalue_input(self, name: str, ortvalue: Any) -> None:
        _refuse_empty({name: ortvalue})
        super().bind_ortvalue_input(name, ortvalue)


def _refuse_empty(feed: Mapping[str, Any]) -> None:
    for name, value in feed.items():
        shape = getattr(value, "shape", ())
        _refuse_shape(name, shape() if callable(shape) else shape)  # It is a method of OrtValue.


def _refuse_shape(name: str, shape: Sequence[int]) -> None:
    if 0 in shape:
        raise ValueError(
            f"The input {name!r} must have at least one value. Received the shape "
            f"{tuple(shape)}. Leave out empty batches."
        )


def _parse(key: str, text: str) -> Any:
    try:
        value = parse_json(text)
    except (ValueError, RecursionError):
        value = text
    if key != "vocab" or isinstance(value, list) or (isinstance(value, str) and value != text):
        return value
    # mltu 1 stored `str(vocab)`: 123456789, which is a number in JSON, or ['0', '1'].
    if _PYTHON_LIST.fullmatch(text):
        chars = [found[1] or found[2] for found in _PYTHON_CHARACTER.finditer(text)]
        return [c.encode().decode("unicode_escape") if c[0] == "\\" else c for c in chars]
    return text


_PYTHON_CHARACTER = re.compile(
    r"""'([^'\\]|\\(?:[\\nrt']|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}))'|"(')\""""
)
_PYTHON_LIST = re.compile(
    rf"\[(?:{_PYTHON_CHARACTER.pattern})(?:, (?:{_PYTHON_CHARACTER.pattern}))*\]"
)
