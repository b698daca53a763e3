"""The data of a training: samples to train on and to validate on, checked, and their batches."""

from __future__ import annotations

import os
from typing import Any

import cv2

from mltu.augmentors import RandomBrightness, RandomErodeDilate, RandomRotate
from mltu.data import epoch_order
from mltu.data_check import DataReport, Finding, check_data
from mltu.dataProvider import DataProvider
from mltu.datasets import Samples, load_samples, open_samples, open_validation
from mltu.preprocessors import ImageReader
from mltu.training.settings import ReaderConfigs
from mltu.transformers import ExpandDims, ImageResizer, LabelIndexer, LabelPadding

_TRAINING_SHARE = 0.9
_NUM_CHECKED = 20_000  # images read by the check; all labels are looked at


class UnfitDataError(ValueError):
    """The data set has faults with which a training would stop or learn wrong.

    Attributes:
        report: of the data check; `errors` are its findings that count.
    """

    def __init__(self, report: DataReport) -> None:
        self.report = report
        self.errors: list[Finding] = [f for f in report.findings if f.severity == "error"]
        faults = "; ".join(f"{fault.name} ({fault.count})" for fault in self.errors)
        super().__init__(
            f"`data` must have no faults to train on. Received samples with: {faults}. "
            "`mltu check` shows them with the way out."
        )


def gather_samples(data: Any, validation: Any, seed: int) -> tuple[Samples, Samples]:
    """Read the samples to train on and to validate on.

    Args:
        data: a path that `open_samples` knows, or anything that a `DataProvider` takes.
        validation: the same; None for the validation list of `data` in the layout of MJSynth, or
            else for a tenth of `data`.
        seed: of the division.

    Raises:
        OSError, ValueError, TypeError: a data set cannot be read, or is too small to be divided.
    """
    training = _open(data)
    if validation is not None:
        return training, _open_held(validation)
    own = open_validation(data) if isinstance(data, str | os.PathLike) else None
    return (training, own) if own is not None else _split(training, seed)


def check_samples(
    training: Samples, validation: Samples, configs: ReaderConfigs, time_steps: int, progress: bool
) -> DataReport:
    """Examine the data against the model.

    Raises:
        UnfitDataError: there are errors.
    """
    report = check_data(
        training,
        validation=validation,
        vocab=configs.vocab,
        max_word_length=configs.max_text_length,
        time_steps=time_steps,
        image_size=(configs.width, configs.height),
        num_read=_NUM_CHECKED,
        workers=max(1, configs.train_workers),
        progress=progress,
    )
    if not report.ok:
        raise UnfitDataError(report)
    return report


def make_provider(samples: Samples, configs: ReaderConfigs, *, trains: bool) -> DataProvider:
    """Make batches of images (batch, height, width, channels) and indexed labels."""
    is_gray = configs.color == "GRAY"
    augmentors = [RandomBrightness(), RandomRotate(angle=5), RandomErodeDilate(probability=0.3)]
    return DataProvider(
        dataset=samples,
        data_preprocessors=[ImageReader(cv2.IMREAD_GRAYSCALE if is_gray else cv2.IMREAD_COLOR)],
        batch_size=configs.batch_size,
        augmentors=augmentors if trains and configs.augment else [],
        transformers=[
            ImageResizer(configs.width, configs.height),
            *([ExpandDims()] if is_gray else []),
            LabelIndexer(configs.vocab),
            LabelPadding(configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        shuffle=trains,
        short_first=trains,
        skip_validation=True,  # The check has looked.
        seed=configs.seed,
        workers=configs.train_workers,
    )


def _open(data: Any) -> Samples:
    return open_samples(data) if isinstance(data, str | os.PathLike) else load_samples(data)


def _open_held(data: Any) -> Samples:
    """Read samples to validate on: of MJSynth its validation list."""
    own = open_validation(data) if isinstance(data, str | os.PathLike) else None
    return _open(data) if own is None else own


def _split(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    count = len(samples)
    num_training = min(round(count * _TRAINING_SHARE), count - 1)
    if num_training < 1:
        raise ValueError(
            "`data` must hold at least two samples to be divided into training and validation. "
            f"Received {count}."
        )
    order = epoch_order(count, seed, 0, True)
    return samples.take(order[:num_training]), samples.take(order[num_training:])
