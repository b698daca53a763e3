"""Quantizes an ONNX file to int8: smaller and faster, with a report of the CER of both."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mltu._extras import explain_missing
from mltu.decoders import ctc_decoder
from mltu.inference import OnnxInferenceModel
from mltu.onnx_export._compare import Array, gather
from mltu.onnx_export._convert import write_metadata
from mltu.utils.error_rates import get_cer
from mltu.utils.files import StrPath, atomic_path

_NUM_CALIBRATION = 256  # images, whose activations set the ranges of int8
_ROUNDS = 3  # of the timing; the fastest counts


class Variant(NamedTuple):
    """Size in bytes, CER (None without labels) and images per second of one file."""

    num_bytes: int
    cer: float | None
    speed: float


class Int8Report(NamedTuple):
    """An ONNX file and its int8 variant, measured on the same images on the CPU."""

    fp32: Variant
    int8: Variant
    num_images: int

    def to_text(self) -> str:
        """Return a table to print."""
        lines = [f"{'':6}{'KiB':>8}{'CER':>9}{'images/s':>10}   ({self.num_images} images, CPU)"]
        for name, file in (("fp32", self.fp32), ("int8", self.int8)):
            cer = "-" if file.cer is None else f"{file.cer:.4f}"
            lines.append(f"{name:6}{file.num_bytes / 1024:8.0f}{cer:>9}{file.speed:10.0f}")
        return "\n".join(lines)


def quantize_onnx(
    path: StrPath, validation: Any, *, output: StrPath | None = None, num_images: int = 2048
) -> Int8Report:
    """Write a file with int8 convolutions and matrix products; LSTMs stay in float.

    The ranges of the activations come from the validation images (static quantization, QDQ). Needs
    the package `onnx`, but neither Keras nor a framework.

    Args:
        path: of the `.onnx` file; it stays as it is.
        validation: images and labels, as in `export_onnx`. The vocabulary comes from the file.
        output: path of the new file; by default `model.int8.onnx` beside `model.onnx`.
        num_images: number of images on which the two files are compared.

    Raises:
        ImportError: `onnx` is missing, with its pip line.
        RuntimeError: onnxruntime cannot quantize the file.
        ValueError: `validation` holds no images, or does not fit the file.
    """
    with explain_missing():
        import onnx  # noqa: F401  Without it, the quantizer would not name the pip line.

    source = Path(path)
    target = source.with_suffix(".int8.onnx") if output is None else Path(output)
    model = OnnxInferenceModel(source, force_cpu=True)
    vocab = model.metadata.get("vocab")
    images = gather(validation, vocab, num_images)
    batches = [np.asarray(batch, np.float32) for batch in images.batches]
    singles = [image[None] for batch in batches for image in batch][:_NUM_CALIBRATION]
    with atomic_path(target) as temporary:
        _quantize(source, temporary, [{model.input_name: image} for image in singles])
        fp32, int8 = _measure([source, temporary], batches, images.texts, vocab)
        metrics = model.metadata.get("metrics")  # Anything, in a file of another program.
        metrics = {**(metrics if isinstance(metrics, dict) else {}), "cer_int8": int8.cer}
        write_metadata(temporary, {"metrics": metrics, "precision": "int8"})
    return Int8Report(fp32, int8, images.num_images)


def _quantize(source: Path, target: Path, inputs: Iterable[dict[str, Array]]) -> None:
    from onnxruntime import quantization as ort
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(ort.CalibrationDataReader):  # type: ignore[misc]  # It has no types.
        left = iter(inputs)

        def get_next(self) -> dict[str, Array] | None:
            return next(self.left, None)

    prepared = target.with_name("prepared.onnx")
    try:
        # Its symbolic shape inference needs sympy and finds no more than ONNX's own here.
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        ort.quantize_static(
            str(prepared), str(target), Reader(), op_types_to_quantize=["Conv", "MatMul", "Gemm"],
            per_channel=True, activation_type=ort.QuantType.QUInt8,
        )  # fmt: skip
    except Exception as error:  # onnxruntime has no common base class for its own errors.
        raise RuntimeError(
            f"onnxruntime cannot quantize `path`, {str(source)!r}: {error}. Use the float32 file."
        ) from error


def _measure(
    files: list[Path], batches: list[Array], texts: list[str] | None, vocab: Any
) -> list[Variant]:
    models = [OnnxInferenceModel(file, force_cpu=True) for file in files]
    seconds = [float("inf")] * len(files)
    outputs: list[list[Array]] = [[]] * len(files)
    for _ in range(_ROUNDS):  # The files take turns, so that a slow moment hits both.
        for i, model in enumerate(models):
            start = time.perf_counter()
            outputs[i] = [model.model.run(None, {model.input_name: b})[0] for b in batches]
            seconds[i] = min(seconds[i], time.perf_counter() - start)
    cers: list[float | None] = [None] * len(files)
    if vocab is not None and texts is not None:
        readings = [[text for o in each for text in ctc_decoder(o, vocab)] for each in outputs]
        cers = [get_cer(each, texts) for each in readings]
    speeds = [sum(map(len, batches)) / best for best in seconds]
    sizes = [file.stat().st_size for file in files]
    return list(map(Variant, sizes, cers, speeds))
