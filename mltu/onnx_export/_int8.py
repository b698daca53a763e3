"""An int8 variant of an ONNX file, by onnxruntime's own tools, with what it gains and costs."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.decoders import ctc_decoder
from mltu.inference import OnnxInferenceModel
from mltu.onnx_export._compare import ValidationImages, gather
from mltu.onnx_export._convert import write_metadata
from mltu.utils.error_rates import get_cer
from mltu.utils.files import atomic_path

Array = npt.NDArray[Any]

_ROUNDS = 3  # Of the timing; the best counts.


@dataclass(frozen=True, slots=True)
class Variant:
    """One file of a comparison.

    Attributes:
        path: of the file.
        num_bytes: its size.
        cer: pooled, on the validation images; None without labels.
        images_per_second: in batches of at most 64 on the CPU, the best of three rounds.
    """

    path: Path
    num_bytes: int
    cer: float | None
    images_per_second: float


@dataclass(frozen=True, slots=True)
class Int8Report:
    """The file as it was beside its int8 variant.

    Attributes:
        fp32: the file that was quantised.
        int8: the new file.
        num_images: that both have read.
    """

    fp32: Variant
    int8: Variant
    num_images: int

    def to_text(self) -> str:
        """Return a table for people."""
        lines = [f"{'':6}{'KiB':>8}{'CER':>9}{'images/s':>10}   ({self.num_images} images, CPU)"]
        for name, variant in (("fp32", self.fp32), ("int8", self.int8)):
            cer = "-" if variant.cer is None else f"{variant.cer:.4f}"
            lines.append(
                f"{name:6}{variant.num_bytes / 1024:8.0f}{cer:>9}{variant.images_per_second:10.0f}"
            )
        return "\n".join(lines)


def quantize_onnx(
    path: str | os.PathLike[str],
    validation: Any,
    *,
    output: str | os.PathLike[str] | None = None,
    num_calibration: int = 256,
    num_images: int = 2048,
) -> Int8Report:
    """Write a file whose convolutions and matrix products compute in int8; LSTMs stay in float.

    Activations get their ranges from the validation images (static quantisation, QDQ). Needs the
    package `onnx`, and neither Keras nor a framework.

    Args:
        path: of the `.onnx` file; it stays as it is.
        validation: images and labels, as in `export_onnx`. The vocabulary comes from the file.
        output: of the new file; `model.int8.onnx` beside `model.onnx` if None.
        num_calibration: of images that set the ranges.
        num_images: of images that both files read to be compared.

    Returns:
        Size, CER and speed of both files. The figures of the new one are stored in it.

    Raises:
        ImportError: `onnx` is missing, with its pip line.
        RuntimeError: onnxruntime cannot quantise the file.
        ValueError: `validation` holds no images, or does not fit the file.
    """
    with explain_missing():
        import onnx  # noqa: F401  The quantiser needs it, and would say nothing of the pip line.

    source = Path(path)
    target = source.with_suffix(".int8.onnx") if output is None else Path(output)
    model = OnnxInferenceModel(source, force_cpu=True)
    vocab = model.metadata.get("vocab")
    images = gather(validation, vocab, num_images)
    with atomic_path(target) as temporary:
        _quantize(source, temporary, _calibration(images, model.input_name, num_calibration))
        fp32, int8 = _measure((source, target), (source, temporary), images, vocab)
        figures = {**model.metadata.get("figures", {}), "cer_int8": int8.cer}
        write_metadata(temporary, {"figures": figures, "precision": "int8"})
    return Int8Report(fp32, int8, images.num_images)


def _quantize(source: Path, target: Path, batches: Iterator[dict[str, Array]]) -> None:
    from onnxruntime import quantization
    from onnxruntime.quantization import shape_inference

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # It has no types.
        def get_next(self) -> dict[str, Array] | None:
            return next(batches, None)

    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            prepared = Path(folder) / "prepared.onnx"
            # Its symbolic shape inference wants sympy and finds no more than ONNX's own here.
            shape_inference.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            quantization.quantize_static(
                str(prepared),
                str(target),
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "MatMul", "Gemm"],
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
    except Exception as error:  # onnxruntime has no common base class for its own errors.
        raise RuntimeError(
            f"`path` must be a model that onnxruntime can quantise. Received {str(source)!r}: "
            f"{error}. Use the fp32 file."
        ) from error


def _calibration(
    images: ValidationImages, name: str, num_images: int
) -> Iterator[dict[str, Array]]:
    for batch in images.batches:
        if num_images <= 0:
            return
        yield {name: np.asarray(batch[:num_images], np.float32)}
        num_images -= len(batch)


def _measure(
    names: Sequence[Path], files: Sequence[Path], images: ValidationImages, vocab: Any
) -> list[Variant]:
    """Let each file read all images; the rounds of the timing take turns, for equal luck."""
    models = [OnnxInferenceModel(file, force_cpu=True) for file in files]
    batches = [np.asarray(batch, np.float32) for batch in images.batches]
    cers: list[float | None] = [None] * len(models)
    if vocab is not None and images.texts is not None:
        for i, model in enumerate(models):
            outputs = (model.model.run(None, {model.input_name: batch})[0] for batch in batches)
            readings = [text for batch in outputs for text in ctc_decoder(batch, vocab)]
            cers[i] = get_cer(readings, images.texts)
    seconds = [float("inf")] * len(models)
    for _ in range(_ROUNDS):
        for i, model in enumerate(models):
            seconds[i] = min(seconds[i], _time(model, batches))
    return [
        Variant(name, file.stat().st_size, cer, images.num_images / best)
        for name, file, cer, best in zip(names, files, cers, seconds, strict=True)
    ]


def _time(model: OnnxInferenceModel, batches: Sequence[Array]) -> float:
    """Return the seconds in which a model reads all batches."""
    start = time.perf_counter()
    for batch in batches:
        model.model.run(None, {model.input_name: batch})
    return time.perf_counter() - start
