"""Image checks: files that cannot be read, copies and contradictions, and sizes that do not fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mltu.data_check.findings import Expected, Hit
from mltu.data_check.image_pass import MISSING, READ, UNREADABLE, ImageFacts, first_equal
from mltu.data_check.joined import Joined
from mltu.data_check.label_checks import LabelFacts

_TINY = 4  # pixels
_CROWDED = 3  # pixels of width for each character
_STRETCHED = 3.0  # times, one direction against the other
_UPSCALED = 2.0  # times, in both directions

Mask = npt.NDArray[np.bool_]


def check_files(images: ImageFacts) -> Iterator[Hit]:
    """Find files that are missing or cannot be decoded."""
    missing = np.flatnonzero(images.status == MISSING)
    yield Hit("missing_file", missing, lambda position: "")
    unreadable = np.flatnonzero(images.status == UNREADABLE)
    yield Hit(
        "unreadable_file",
        unreadable,
        lambda position: images.reasons.get(int(images.first_paths[position]), ""),
    )


def check_copies(joined: Joined, images: ImageFacts, labels: LabelFacts) -> Iterator[Hit]:
    """Find samples with the path or the content of an earlier one.

    A validation sample whose twin is a training sample counts as leaked, whatever its label;
    other copies count as contradictions or as duplicates, by their label. A leaked sample with
    another label is a contradiction as well.
    """
    positions = np.arange(len(joined))
    first = np.minimum(first_equal(images.digests, images.status == READ), images.first_paths)
    is_copy = first < positions
    same_label = labels.hashes[first] == labels.hashes
    is_leaked = is_copy & (positions >= joined.num_training) & (first < joined.num_training)
    same_path = images.first_paths < positions
    leaked_by_path = is_leaked & (images.first_paths < joined.num_training)
    is_duplicate = is_copy & same_label & ~is_leaked
    masks = {
        "contradicting_label": is_copy & ~same_label,
        "validation_path_in_training": leaked_by_path,
        "validation_image_in_training": is_leaked & ~leaked_by_path,
        "duplicate_path": is_duplicate & same_path,
        "duplicate_image": is_duplicate & ~same_path,
    }

    def twin(position: int) -> int:
        return int(first[position])

    def detail(position: int) -> str:
        earlier = joined.name(twin(position))
        if same_label[position]:
            return f"{joined.label(position)!r}, as {earlier}"
        return f"{joined.label(position)!r}, but {joined.label(twin(position))!r} at {earlier}"

    for name, mask in masks.items():
        yield Hit(name, np.flatnonzero(mask), detail, twin=twin)


def check_sizes(
    joined: Joined, images: ImageFacts, labels: LabelFacts, expected: Expected
) -> Iterator[Hit]:
    """Find images that are blank, too small for their label, or far from the model's input."""
    is_read = images.status == READ
    widths, heights = np.maximum(images.sizes, 1).T
    is_tiny = is_read & (images.sizes.min(axis=1) < _TINY)
    is_usual = is_read & ~is_tiny

    def size(position: int) -> str:
        return f"{joined.label(position)!r}, {widths[position]}x{heights[position]} pixels"

    is_blank = images.is_blank & ~is_tiny & (labels.hashes != hash(""))
    yield Hit("blank_image", np.flatnonzero(is_blank), size)
    yield Hit("tiny_image", np.flatnonzero(is_tiny), size, {"least": _TINY})

    shown = widths if expected.image_size is None else np.minimum(widths, expected.image_size[0])
    is_crowded = is_usual & (labels.lengths > 0) & (shown < _CROWDED * labels.lengths)
    yield Hit("crowded_label", np.flatnonzero(is_crowded), size, {"least": _CROWDED})

    if expected.image_size is None:
        return
    width, height = expected.image_size
    across, down = width / widths, height / heights
    values = {"width": width, "height": height}
    masks: dict[str, tuple[Mask, float]] = {
        "stretched_image": (np.maximum(across / down, down / across) > _STRETCHED, _STRETCHED),
        "upscaled_image": (np.minimum(across, down) > _UPSCALED, _UPSCALED),
    }
    for name, (mask, most) in masks.items():
        yield Hit(name, np.flatnonzero(mask & is_usual), size, {**values, "most": f"{most:g}"})
