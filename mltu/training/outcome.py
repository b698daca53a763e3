"""What a training came to: curves, a sheet of readings, and the figures of the ONNX file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mltu.datasets import Samples
from mltu.evaluation import Evaluation, evaluate_readings
from mltu.inferenceModel import Reading, TextRecognizer
from mltu.pictures import Image, plot_curves, write_contact_sheet
from mltu.preprocessors import ImageReader

_NUM_TILES = 48


def draw_curves(run: Path, history: Mapping[str, Sequence[float]]) -> None:
    """Write curves.png: loss, CER and WER of training and validation against epochs."""
    epochs = range(1, len(history["loss"]) + 1)
    panels = {
        name: {
            part: (epochs, history[key]) for part, key in (("train", name), ("val", f"val_{name}"))
        }
        for name in ("loss", "CER", "WER")
    }
    plot_curves(run / "curves.png", panels)


def evaluate_export(run: Path, samples: Samples, *, progress: bool) -> Evaluation:
    """Read the samples with model.onnx, and write readings.png.

    An image that cannot be read counts as read empty.
    """
    reader = TextRecognizer(run)
    readings = list(reader.predict_stream(samples.data, on_error="keep", progress=progress))
    _draw_readings(run, samples, readings)
    return evaluate_readings([reading.text for reading in readings], list(samples.labels))


def _draw_readings(run: Path, samples: Samples, readings: Sequence[Reading]) -> None:
    tiles: list[tuple[Image, str]] = []
    read = ImageReader().read
    for (data, label), reading in zip(samples, readings, strict=True):
        if len(tiles) == _NUM_TILES:
            break
        if reading.error is None:
            truth = "" if reading.text == label else f", truth: {label}"
            caption = f"{reading.text or '(nothing)'} {reading.confidence:.0%}{truth}"
            tiles.append((read(data), caption))
    if tiles:
        write_contact_sheet(run / "readings.png", tiles)
