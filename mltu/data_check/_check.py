"""check_data: every check of a data set, in one pass over the labels and one over the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.data_check._findings import KINDS, SEVERITIES, Expected, Joined, make_finding
from mltu.data_check._images import (
    NOT_READ,
    READ,
    ImageFacts,
    check_copies,
    check_files,
    check_sizes,
    read_images,
)
from mltu.data_check._labels import LabelFacts, check_labels
from mltu.data_check._report import DataReport
from mltu.utils.checks import check_count


def check_data(
    samples: Any,
    *,
    validation: Any = None,
    vocab: Sequence[str] | None = None,
    max_word_length: int | None = None,
    time_steps: int | None = None,
    image_size: tuple[int, int] | None = None,
    num_read: int | None = None,
    workers: int = 2,
    progress: bool = True,
) -> DataReport:
    """Examine a data set before training: files, labels, copies, balance and sizes.

    Each label is looked at once and each file is read once; what is kept are some 60 bytes for
    each sample. Nothing is changed, and no fault of a sample raises.

    Args:
        samples: training samples in any form that a `DataProvider` takes, such as pairs of (path,
            label) or the path of a CSV file. An image is a path, the bytes of a file, or an array.
        validation: validation samples in any such form, to be compared with the training samples.
        vocab: the characters that the model knows; None takes those of the training labels.
        max_word_length: the longest label that the model takes, in characters.
        time_steps: of the model's output, `model.output_shape[1]`.
        image_size: (width, height) of the model's input in pixels, to which images are resized.
        num_read: how many images to read, drawn evenly; None reads all. Labels are all looked at.
        workers: threads that read images, at least 1.
        progress: show progress bars.

    Returns:
        The findings, the most severe first.

    Raises:
        ValueError: there is no training sample, or a number is below 1.
        TypeError, ValueError, OSError: `samples` or `validation` cannot be loaded.
    """
    numbers = {
        "max_word_length": max_word_length,
        "time_steps": time_steps,
        "image_size": None if image_size is None else min(image_size),
        "num_read": num_read,
        "workers": workers,
    }
    for name, number in numbers.items():
        if number is not None:
            check_count(name, number, 1)
    known = None if vocab is None else frozenset(vocab)
    expected = Expected(known, max_word_length, time_steps, image_size)
    joined = Joined(samples, validation)
    if not joined.num_training:
        raise ValueError("`samples` must hold at least one sample. Received none.")
    labels, hits = check_labels(joined, expected, progress=progress)
    images = read_images(joined, num_read=num_read, workers=workers, progress=progress)
    hits += check_files(images)
    hits += check_copies(joined, images, labels)
    hits += check_sizes(joined, images, labels, expected)

    is_examined = images.status != NOT_READ
    num_training = int(np.count_nonzero(is_examined[: joined.num_training]))
    num_examined = (num_training, int(np.count_nonzero(is_examined)) - num_training)
    findings = [make_finding(hit, joined, num_examined) for hit in hits if len(hit.positions)]
    order = {name: number for number, name in enumerate(KINDS)}
    findings.sort(key=lambda f: (SEVERITIES.index(f.severity), order[f.name]))
    return DataReport(
        joined.num_training,
        joined.num_validation,
        sum(num_examined),
        _statistics(joined, labels, images),
        tuple(findings),
        _left_out(expected, joined),
    )


def _statistics(joined: Joined, labels: LabelFacts, images: ImageFacts) -> dict[str, Any]:
    """Gather figures of training and validation together, as JSON knows them."""
    is_text = labels.lengths >= 0
    widths, heights = images.sizes[images.status == READ].T
    return {
        "label_length": _quantiles(labels.lengths[is_text]),
        "num_labels_of_length": np.bincount(labels.lengths[is_text]).tolist(),
        "num_distinct_labels": len(np.unique(labels.hashes)),
        "character_counts": dict(sorted(labels.counts.items())),
        "image_width": _quantiles(widths),
        "image_height": _quantiles(heights),
        "width_by_height": _quantiles(widths / np.maximum(heights, 1)),
    }


def _quantiles(values: npt.NDArray[Any]) -> dict[str, Any]:
    """Return some values that occur, by their rank; none of no values."""
    ranks = {"min": 0.0, "5%": 0.05, "median": 0.5, "95%": 0.95, "max": 1.0}
    if not len(values):
        return {}
    found = np.quantile(values, list(ranks.values()), method="nearest")
    return dict(zip(ranks, found.tolist(), strict=True))


def _left_out(expected: Expected, joined: Joined) -> tuple[tuple[str, str], ...]:
    """Name the checks that could not be made, each with the argument that was not given."""
    given = {name for name, value in expected._asdict().items() if value is not None}
    if joined.num_validation:
        given.add("validation")
    needed = {name: set(kind.needs) for name, kind in KINDS.items()}
    return tuple(
        (name, " and ".join(sorted(needs - given)))
        for name, needs in needed.items()
        if needs - given
    )
