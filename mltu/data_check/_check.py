"""check_data: runs all checks in one pass over the labels and one over the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.data_check._findings import CHECKS, SEVERITIES, AllSamples, Expected, Match, make_finding
from mltu.data_check._images import NOT_READ, READ, ImageFacts, check_images, read_images
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
    """Check a data set before training: files, labels, duplicates, class balance and sizes.

    Each file is read once, and about 60 bytes per sample stay in memory. Nothing is changed, and
    no fault of a sample raises.

    Args:
        samples: training samples in any form that a `DataProvider` takes, such as pairs of (path,
            label) or the path of a CSV file. An image is a path, the bytes of a file, or an array.
        validation: validation samples in any such form, to compare with the training samples.
        vocab: the characters that the model knows; None takes those of the training labels.
        max_word_length: the longest label that the model takes, in characters.
        time_steps: time steps of the model's output, `model.output_shape[1]`.
        image_size: (width, height) of the model's input in pixels, to which images are resized.
        num_read: the number of images to read, sampled evenly; None reads all. Labels are all
            checked.
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
    both = AllSamples(samples, validation)
    if not both.num_training:
        raise ValueError("`samples` must contain at least one sample. Received an empty data set.")
    labels, of_labels = check_labels(both, expected, progress=progress)
    if not any(char.strip() for char in labels.counts):
        of_labels.append(Match("no_text", np.arange(both.num_training), lambda _: ""))
    images = read_images(both, num_read=num_read, workers=workers, progress=progress)
    of_images = check_images(both, images, labels, expected)

    is_examined = images.facts["status"] != NOT_READ
    num_training = int(np.count_nonzero(is_examined[: both.num_training]))
    num_examined = (num_training, int(np.count_nonzero(is_examined)) - num_training)
    findings = [
        make_finding(match, both, num_checked)
        for matches, num_checked in ((of_labels, both.sizes), (of_images, num_examined))
        for match in matches
        if match.positions.size
    ]
    order = list(CHECKS)
    findings.sort(key=lambda f: (SEVERITIES.index(f.severity), order.index(f.name)))
    return DataReport(
        both.num_training,
        both.num_validation,
        sum(num_examined),
        _statistics(labels, images),
        tuple(findings),
        _skipped_checks(expected, both),
    )


def _statistics(labels: LabelFacts, images: ImageFacts) -> dict[str, Any]:
    """Summarize training and validation samples together, in JSON types."""
    lengths = labels.lengths[labels.lengths >= 0]
    widths, heights = images.facts["size"][images.facts["status"] == READ].T
    return {
        "label_length": _quantiles(lengths),
        "num_labels_of_length": np.bincount(lengths).tolist(),
        "num_distinct_labels": len(np.unique(labels.hashes)),
        "character_counts": dict(sorted(labels.counts.items())),
        "image_width": _quantiles(widths),
        "image_height": _quantiles(heights),
        "width_by_height": _quantiles(widths / np.maximum(heights, 1)),
    }


def _quantiles(values: npt.NDArray[Any]) -> dict[str, Any]:
    """Return quantiles that occur among the values; an empty dictionary if there are none."""
    ranks = {"min": 0.0, "5%": 0.05, "median": 0.5, "95%": 0.95, "max": 1.0}
    if not len(values):
        return {}
    quantiles = np.quantile(values, list(ranks.values()), method="nearest")
    return dict(zip(ranks, quantiles.tolist(), strict=True))


def _skipped_checks(expected: Expected, samples: AllSamples) -> tuple[tuple[str, str], ...]:
    """Return each check that was skipped, with the arguments that it needs."""
    given = {name for name, value in expected._asdict().items() if value is not None}
    if samples.num_validation:
        given.add("validation")
    missing = {name: sorted(set(spec.needs) - given) for name, spec in CHECKS.items()}
    return tuple((name, " and ".join(needs)) for name, needs in missing.items() if needs)
