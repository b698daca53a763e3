"""Readings of images by readers that were not trained on them and are not kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mltu.data import epoch_order
from mltu.datasets import Samples, load_samples
from mltu.inference import Reading, TextRecognizer
from mltu.onnx_export import check_packages, export_run
from mltu.training._data import all_characters
from mltu.training._reader import train_reader
from mltu.utils.checks import check_count


def read_out_of_fold(
    data: Any, *, folds: int = 4, seed: int = 0, progress: bool = True, **settings: Any
) -> list[Reading]:
    """Train one reader for each fold of the data, which reads the images of its fold.

    Args:
        data: what a `DataProvider` takes.
        folds: number of readers, at least 2; each is trained on all other folds.
        seed: of the split and of the training runs.
        progress: as in `train_reader`.
        **settings: of the training runs, as in `train_reader`.

    Returns:
        A reading for each sample; one with an `error` where the image cannot be read.

    Raises:
        ValueError: there are fewer samples than folds; others as in `train_reader`.
    """
    check_count("folds", folds, 2)
    samples = load_samples(data)
    if len(samples) < folds:
        raise ValueError(
            f"`folds` must be at most the number of samples, {len(samples)}. Received {folds}."
        )
    order = epoch_order(len(samples), seed, 0, True)
    # A part may lack some characters.
    settings["vocab"] = settings.get("vocab") or all_characters(
        samples, order=settings.get("label_order")
    )
    readings: list[Reading | None] = [None] * len(samples)
    for fold in range(folds):
        held_out, others = order[fold::folds], np.delete(order, np.s_[fold::folds])
        print(f"Fold {fold + 1} of {folds}: {len(others)} images, read: {len(held_out)}.")
        found = train_and_read(
            samples.take(others), samples.take(held_out), seed=seed, progress=progress, **settings
        )
        for i, reading in zip(held_out, found, strict=True):
            readings[i] = reading
    return [reading for reading in readings if reading is not None]


def train_and_read(training: Samples, held_out: Samples, **settings: Any) -> list[Reading]:
    """Read samples with a reader that is trained on others and then deleted."""
    check_packages()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        train_reader(training, output=run, export=False, **settings)
        export_run(run)  # Once; `train_reader` also tries it before the first epoch.
        return list(TextRecognizer(run).predict_stream(held_out.data, on_error="keep"))
