"""The data of a training: samples, their check, their batches, and suitable settings."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, NamedTuple

from mltu._extras import explain_missing
from mltu.augmentors import RandomBrightness, RandomErodeDilate, RandomRotate
from mltu.configs import ReaderConfigs
from mltu.data import epoch_order
from mltu.data_check import DataReport, Finding, check_data
from mltu.dataProvider import DataProvider
from mltu.datasets import Samples, load_samples, open_samples, open_validation
from mltu.preprocessors import ImageReader
from mltu.transformers import ExpandDims, ImageResizer, LabelIndexer, LabelPadding

with explain_missing():
    import cv2

_TRAINING_SHARE = 0.9
_NUM_CHECKED = 20_000  # images that the check reads; it reads all labels


class DatasetError(ValueError):
    """The data set has errors that would stop a training or teach it something wrong.

    Attributes:
        report: of the data check.
        errors: its findings of severity "error".
    """

    def __init__(self, report: DataReport) -> None:
        self.report = report
        self.errors: list[Finding] = [f for f in report.findings if f.severity == "error"]
        kinds = ", ".join(f"{error.name} ({error.count} samples)" for error in self.errors)
        super().__init__(f"The data has errors: {kinds}. `mltu check` shows them and their fixes.")


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
    if validation is not None:
        own = _validation_list(validation)
        return training, _open(validation) if own is None else own
    own = _validation_list(data)
    return _split(training, seed) if own is None else (training, own)


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
        image_size=(configs.width, configs.height),
        num_read=_NUM_CHECKED,
        workers=max(1, configs.train_workers),
        progress=progress,
    )
    if configs.label_order == "visual":
        others = tuple(f for f in report.findings if f.name != "right_to_left")
        report = replace(report, findings=others)
    if not report.ok:
        raise DatasetError(report)
    return report


def make_provider(samples: Samples, configs: ReaderConfigs, *, training: bool) -> DataProvider:
    """Make batches of images (batch, height, width, channels) and indexed labels."""
    is_gray, vocab = configs.color == "GRAY", configs.vocab or ""
    augmentors = [RandomBrightness(), RandomRotate(angle=5), RandomErodeDilate(probability=0.3)]
    return DataProvider(
        dataset=samples,
        data_preprocessors=[ImageReader(cv2.IMREAD_GRAYSCALE if is_gray else cv2.IMREAD_COLOR)],
        batch_size=configs.batch_size,
        augmentors=augmentors if training and configs.augment else [],
        transformers=[
            ImageResizer(configs.width, configs.height),
            *([ExpandDims()] if is_gray else []),
            LabelIndexer(vocab, order=configs.label_order),
            LabelPadding(configs.max_text_length, padding_value=len(vocab)),
        ],
        shuffle=training,
        short_first=training,
        skip_validation=True,  # The data has been checked.
        seed=configs.seed,
        workers=configs.train_workers,
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


_HEIGHTS = (32, 48, 64)  # pixels; larger letters than the last has are scaled down
_WIDTHS = (64, 512)  # pixels, of which a reader is worth training on a CPU
_WIDTH_STEP = 32
_COLUMN = 4  # pixels of a time step of "columns"; "strong" has one for every second
_ROOM = 2  # time steps for a character: it needs one, and often a blank beside it
_MANY = 50_000  # samples from which the larger network pays off


class Choice(NamedTuple):
    """What to train with; the fields but `reasons` are arguments of `train_reader`."""

    width: int
    height: int
    model: str
    reasons: tuple[str, ...]


def choose_settings(report: DataReport) -> Choice:
    """Choose the input size and the network for a checked data set.

    The height is the next one up from that of the median image, among 32, 48 and 64. The width
    keeps its shape, and gives two time steps to each character of nearly all labels, since two
    equal ones need a blank between them (Graves et al., 2006), and more than one to those of the
    longest.

    Args:
        report: of `check_data`.

    Returns:
        Width and height in pixels, the name of the network, and a sentence for each.

    Raises:
        ValueError: no image could be read, or no label is a text.
    """
    heights, shapes = report.statistics["image_height"], report.statistics["width_by_height"]
    lengths = report.statistics["label_length"]
    if not heights or not lengths:
        raise ValueError(
            "`report` must cover readable images with text labels. Received a report "
            f"of {report.num_examined} images, none of them usable. `mltu check` shows the reasons."
        )
    height = next((h for h in _HEIGHTS if heights["median"] <= h * 1.1), _HEIGHTS[-1])
    own_width = shapes["median"] * height
    needed = _COLUMN * max(_ROOM * lengths["95%"], lengths["max"] * 5 // 4 + 1)
    width = min(max(_round_up(own_width), _round_up(needed), _WIDTHS[0]), _WIDTHS[1])
    is_crowded = needed > width
    model = "strong" if is_crowded or report.num_samples >= _MANY else "columns"
    return Choice(
        width,
        height,
        model,
        (
            f"height {height}: half of the images are at most {heights['median']} pixels high",
            f"width {width}: half of the images are at most {own_width:.0f} pixels wide at this "
            f"height, and the longest label has {lengths['max']} characters",
            f"model {model!r}: "
            + (
                "it has a time step for every second pixel of the width"
                if is_crowded
                else f"for {report.num_samples:,} samples"
            ),
        ),
    )


def _round_up(pixels: float) -> int:
    return -int(-pixels // _WIDTH_STEP) * _WIDTH_STEP
