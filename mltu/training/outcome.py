"""What a training came to: a sheet of readings and the figures of the ONNX file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mltu.datasets import Samples
from mltu.evaluation import Evaluation, evaluate_readings
from mltu.inferenceModel import Reading, TextRecognizer
from mltu.plots import Image, write_readings
from mltu.preprocessors import ImageReader

_NUM_TILES = 48


def evaluate_export(
    run: str | os.PathLike[str], samples: Samples, *, progress: bool = True
) -> Evaluation:
    """Read the samples with the model.onnx of a run, and write readings.png beside it.

    The picture shows up to 48 of them, from all over.

    Args:
        run: the folder.
        samples: (path, label) of each; an image that cannot be read counts as read empty.
        progress: True for a progress bar.

    Raises:
        OSError, ValueError: there is no such model, or it is none for a `TextRecognizer`.
    """
    reader = TextRecognizer(run)
    readings = list(reader.predict_stream(samples.data, on_error="keep", progress=progress))
    _draw_readings(Path(run), samples, readings)
    return evaluate_readings([reading.text for reading in readings], list(samples.labels))


def _draw_readings(run: Path, samples: Samples, readings: Sequence[Reading]) -> None:
    read = ImageReader().read
    tiles: list[tuple[Image, tuple[str, float], str]] = []
    for i in range(0, len(samples), -(-len(samples) // _NUM_TILES) or 1):
        data, label = samples[i]
        if readings[i].error is None:
            tiles.append((read(data), (readings[i].text, readings[i].confidence), label))
    if tiles:
        write_readings(run / "readings.png", *zip(*tiles, strict=True))
