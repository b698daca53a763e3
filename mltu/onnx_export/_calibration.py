"""A temperature for a file that is there already: what an export fits by itself."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from mltu.decoders import to_probabilities
from mltu.evaluation import Calibration, fit_temperature
from mltu.inference import TextRecognizer
from mltu.onnx_export._compare import gather
from mltu.onnx_export._convert import write_metadata
from mltu.utils.files import atomic_path


def calibrate_onnx(
    path: str | os.PathLike[str], validation: Any, *, num_images: int = 2048
) -> Calibration:
    """Fit the temperature of a file's confidences anew and store it in the file.

    Args:
        path: of an `.onnx` file with a model card.
        validation: images and labels, as in `export_onnx`; images that the model did not train on.
        num_images: of `validation` to read at most.

    Returns:
        The temperature, and the calibration error before and after.

    Raises:
        ValueError: the file has no card, or `validation` no labels.
        ImportError: `onnx` is missing, with its pip line.
    """
    reader = TextRecognizer(path, force_cpu=True)
    card = reader.card
    images = gather(validation, card.vocab, num_images)
    if images.texts is None:
        raise ValueError("`validation` must have labels to calibrate by. Received images alone.")
    outputs = [
        to_probabilities(
            reader.model.run(None, {reader.input_name: np.asarray(batch, np.float32)})[0],
            card.outputs,
        )
        for batch in images.batches
    ]
    found = fit_temperature(outputs, images.texts, card.vocab)
    with atomic_path(Path(reader.model_path)) as temporary:
        shutil.copyfile(reader.model_path, temporary)
        temperature = {"temperature": found.temperature}
        figures = {**card.figures, **temperature, "calibration_error": found.error_after}
        write_metadata(temporary, {**temperature, "figures": figures})
    return found
