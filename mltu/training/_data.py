"""The data of a training run: samples, their check and their batches."""

from __future__ import annotations

import os
from typing import Any

from mltu._extras import explain_missing
from mltu.augmentors import (
    Augmentor,
    RandomBrightness,
    RandomContrast,
    RandomCutout,
    RandomErodeDilate,
    RandomMotionBlur,
    RandomNoise,
    RandomPerspective,
    RandomRotate,
)
from mltu.configs import ReaderConfigs
from mltu.data import epoch_order
from mltu.data_check import DataReport, Finding, check_data
from mltu.dataProvider import DataProvider
from mltu.datasets import Samples, load_samples, open_samples, open_validation
from mltu.preprocessors import ImageReader
from mltu.transformers import ExpandDims, ImageResizer, LabelIndexer, LabelPadding
from mltu.utils.text_columns import distinct_characters
from mltu.utils.text_order import turn_text

with explain_missing():
    import cv2

_TRAINING_SHARE = 0.9
_MANY = 10_000  # samples that need little augmentation
_NUM_CHECKED = 20_000  # images that the check reads; it reads all labels


class DatasetError(ValueError):
    """The data set has errors that would stop training or teach the model something wrong.

    Attributes:
        report: of the data check.
        errors: its findings of severity "error".
    """

    def __init__(self, report: DataReport) -> None:
        self.report = report
        self.errors: list[Finding] = [f for f in report.findings if f.severity == "error"]
        kinds = ", ".join(f"{error.name} ({error.count} samples)" for error in self.errors)
        super().__init__(f"The data has errors: {kinds}. `mltu check` shows them and their fixes.")


def all_characters(*parts: Samples, order: str | None = None) -> str:
    """Return the characters of all labels, sorted, and those of visual order, which has ( for )."""
    try:
        found = set().union(*(distinct_characters(part.labels) for part in parts))
    except TypeError as error:
        raise TypeError(
            "The labels of `data` must be text. Read them as text (in pandas: `dtype=str, "
            f"keep_default_na=False`), or leading zeros are lost. Received others: {error}."
        ) from error
    if order == "visual":
        found.update(*(turn_text(label) for part in parts for label in part.labels))
    return "".join(sorted(found))


def gather_samples(data: Any, validation: Any, seed: int) -> tuple[Samples, Samples]:
    """Read the training samples and the validation samples.

    Args:
        data: a path that `open_samples` knows, or anything that a `DataProvider` takes.
        validation: the same; None for the validation list of `data` in the layout of MJSynth, or
            else for a tenth of `data`.
        seed: random seed of the split.

    Raises:
        OSError, ValueError, TypeError: a data set cannot be read, or is too small to be split.
    """
    training = _open(data)
    own = _validation_list(data if validation is None else validation)
    if own is not None:
        return training, own
    return _split(training, seed) if validation is None else (training, _open(validation))


def require_sound_data(
    training: Samples,
    validation: Samples,
    configs: ReaderConfigs,
    *,
    time_steps: int,
    progress: bool,
) -> DataReport:
    """Check the data for a model with `time_steps` time steps.

    Raises:
        DatasetError: there are errors.
    """
    report = check_data(
        training,
        validation=validation,
        vocab=configs.vocab,
        max_word_length=configs.max_text_length,
        time_steps=time_steps,
        image_size=(widest(configs), configs.height or 0),
        num_read=_NUM_CHECKED,
        workers=max(1, configs.train_workers),
        progress=progress,
    ).prepared_by(configs.resize, configs.label_order)
    if not report.ok:
        raise DatasetError(report)
    return report


def make_augmentors(num_samples: int) -> list[Augmentor]:
    """Return the augmentors for a number of samples: fewer of them are varied more."""
    if num_samples >= _MANY:
        return [RandomBrightness(), RandomRotate(angle=5), RandomErodeDilate(probability=0.3)]
    return [
        RandomContrast(),
        RandomRotate(angle=5),
        RandomPerspective(0.7),
        RandomErodeDilate(0.3),
        RandomMotionBlur(0.2),
        RandomNoise(0.3),
        RandomCutout(0.4),
    ]


def widest(configs: ReaderConfigs) -> int:
    """Return the width of the widest input."""
    return max(configs.width) if isinstance(configs.width, list) else configs.width or 0


def make_provider(samples: Samples, configs: ReaderConfigs, *, training: bool) -> DataProvider:
    """Make batches of images (batch, height, width, channels) and indexed labels."""
    is_gray, vocab = configs.color == "GRAY", configs.vocab or ""
    return DataProvider(
        dataset=samples,
        data_preprocessors=[ImageReader(cv2.IMREAD_GRAYSCALE if is_gray else cv2.IMREAD_COLOR)],
        batch_size=configs.batch_size or 1,
        augmentors=make_augmentors(len(samples)) if training and configs.augment else [],
        transformers=[
            ImageResizer(
                configs.width or 0,
                configs.height or 0,
                keep_aspect_ratio=configs.resize == "fit",
                padding_color=configs.padding_color,
                widen_to=configs.widen_to,
            ),
            *([ExpandDims()] if is_gray else []),
            LabelIndexer(vocab, order=configs.label_order),
            LabelPadding(configs.max_text_length, padding_value=len(vocab)),
        ],
        shuffle=training,
        short_first=training,
        skip_validation=True,  # The data has been checked.
        seed=configs.seed,
        workers=configs.train_workers,
        processes=configs.train_processes if training else 0,
    )


def _open(data: Any) -> Samples:
    return open_samples(data) if isinstance(data, str | os.PathLike) else load_samples(data)


def _validation_list(data: object) -> Samples | None:
    """Return the validation list of a data set in the layout of MJSynth."""
    return open_validation(data) if isinstance(data, str | os.PathLike) else None


def _split(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    count = len(samples)
    num_training = min(round(count * _TRAINING_SHARE), count - 1)
    if num_training < 1:
        raise ValueError(
            "`data` must contain at least two samples to be split into training and validation. "
            f"Received {count}."
        )
    order = epoch_order(count, seed, 0, True)
    return samples.take(order[:num_training]), samples.take(order[num_training:])
