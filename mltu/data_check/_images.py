"""Image checks: unreadable files, duplicates, conflicting labels, and unsuitable sizes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mltu._extras import explain_missing
from mltu.data_check._findings import MAX_EXAMPLES, AllSamples, Expected, Match, Positions
from mltu.data_check._labels import LabelFacts
from mltu.preprocessors import ImageReader, UnreadableImageError

with explain_missing():
    import cv2

NOT_READ, READ, MISSING, UNREADABLE = range(4)

_BLOCK = 1024  # images in progress at one time
_READER = ImageReader()

_DIM = 64  # of 256 values; an image of 14 bits in 16 has fewer
_TINY = 4  # pixels
_DENSE = 3  # pixels of width for each character
_STRETCHED = 3.0  # factor of one direction relative to the other
_UPSCALED = 2.0  # factor in both directions


# Equal digests are those of equal content; the size is width and height in pixels.
_FACTS = np.dtype(
    [("status", "u1"), ("digest", "i8"), ("size", "i4", 2), ("is_blank", "?"), ("is_dim", "?")]
)
_NOTHING = (0, (0, 0), False, False)  # known of an image that could not be read


class ImageFacts(NamedTuple):
    """Results of the pass over the images.

    `facts` has the fields of `_FACTS` for each sample, its `status` being NOT_READ, READ, MISSING
    or UNREADABLE; samples that repeat a path have the entry of the first, whose position is in
    `first_paths`. `reasons` says why the first few files are unreadable.
    """

    facts: npt.NDArray[Any]
    first_paths: Positions
    reasons: dict[int, str]


def read_images(
    samples: AllSamples, *, num_read: int | None = None, workers: int = 2, progress: bool = True
) -> ImageFacts:
    """Read, decode and hash each image once, in threads; arguments as in `check_data`."""
    size = len(samples)
    first_paths = _first_paths(samples)
    facts = np.zeros(size, _FACTS)
    reasons: dict[int, str] = {}
    chosen = np.flatnonzero(first_paths == np.arange(size))
    if num_read is not None and num_read < len(chosen):
        chosen = chosen[np.arange(num_read) * len(chosen) // num_read]
    bar = tqdm(total=len(chosen), desc="Checking images", unit="images", disable=not progress)
    with bar, ThreadPoolExecutor(workers) as pool:
        # In blocks, or the pool would hold a task for each of millions of images.
        for block in np.split(chosen, range(_BLOCK, len(chosen), _BLOCK)):
            images = pool.map(partial(_read, samples), block.tolist())
            for position, (found, reason) in zip(block.tolist(), images, strict=True):
                facts[position] = found
                if reason and len(reasons) < MAX_EXAMPLES:
                    reasons[position] = reason
            bar.update(len(block))
    return ImageFacts(facts[first_paths], first_paths, reasons)


def check_images(
    samples: AllSamples, images: ImageFacts, labels: LabelFacts, expected: Expected
) -> Iterator[Match]:
    """Yield the matches of the image checks."""
    status = images.facts["status"]
    yield Match("missing_file", np.flatnonzero(status == MISSING), lambda _: "")
    yield Match(
        "unreadable_file",
        np.flatnonzero(status == UNREADABLE),
        lambda position: images.reasons.get(int(images.first_paths[position]), ""),
    )
    yield from _check_copies(samples, images, labels)
    yield from _check_sizes(samples, images, labels, expected)


def _check_copies(samples: AllSamples, images: ImageFacts, labels: LabelFacts) -> Iterator[Match]:
    """Find samples with the path or content of an earlier one.

    A validation sample that is a copy of a training sample counts as leaked, whatever its label;
    other copies are conflicts or duplicates, depending on their label. A leaked sample with another
    label is a conflict too.
    """
    positions = np.arange(len(samples))
    first = _first_equal(images.facts["digest"], images.facts["status"] == READ)
    first = np.minimum(first, images.first_paths)
    is_copy = first < positions
    same_label = labels.hashes[first] == labels.hashes
    is_leaked = is_copy & (positions >= samples.num_training) & (first < samples.num_training)
    same_path = images.first_paths < positions
    leaked_by_path = is_leaked & (images.first_paths < samples.num_training)
    is_duplicate = is_copy & same_label & ~is_leaked
    masks = {
        "conflicting_labels": is_copy & ~same_label,
        "validation_path_in_training": leaked_by_path,
        "validation_image_in_training": is_leaked & ~leaked_by_path,
        "duplicate_path": is_duplicate & same_path,
        "duplicate_image": is_duplicate & ~same_path,
    }

    def duplicate_of(position: int) -> int:
        return int(first[position])

    def detail(position: int) -> str:
        label, earlier = samples.labels[position], duplicate_of(position)
        if same_label[position]:
            return f"{label!r}, as {samples.name(earlier)}"
        return f"{label!r}, but {samples.labels[earlier]!r} at {samples.name(earlier)}"

    for name, mask in masks.items():
        yield Match(name, np.flatnonzero(mask), detail, duplicate_of=duplicate_of)


def _check_sizes(
    samples: AllSamples, images: ImageFacts, labels: LabelFacts, expected: Expected
) -> Iterator[Match]:
    """Find images that are blank, too small for their label, or far from the model's input."""
    facts, is_read = images.facts, images.facts["status"] == READ
    widths, heights = np.maximum(facts["size"], 1).T
    is_tiny = is_read & (facts["size"].min(axis=1) < _TINY)
    is_usual = is_read & ~is_tiny

    def detail(position: int) -> str:
        label = samples.labels[position]
        return f"{label!r}, {widths[position]}x{heights[position]} pixels"

    is_blank = facts["is_blank"] & ~is_tiny & (labels.hashes != hash(""))
    yield Match("blank_image", np.flatnonzero(is_blank), detail)
    yield Match("unused_bits", np.flatnonzero(facts["is_dim"] & ~is_tiny), detail)
    yield Match("tiny_image", np.flatnonzero(is_tiny), detail, {"least": _TINY})

    shown = widths if expected.image_size is None else np.minimum(widths, expected.image_size[0])
    is_dense = is_usual & (labels.lengths > 0) & (shown < _DENSE * labels.lengths)
    yield Match("label_too_dense", np.flatnonzero(is_dense), detail, {"least": _DENSE})

    if expected.image_size is None:
        return
    width, height = expected.image_size
    across, down = width / widths, height / heights
    is_stretched = is_usual & (np.maximum(across / down, down / across) > _STRETCHED)
    is_upscaled = is_usual & (np.minimum(across, down) > _UPSCALED)
    for name, mask, most in (
        ("stretched_image", is_stretched, _STRETCHED),
        ("upscaled_image", is_upscaled, _UPSCALED),
    ):
        values = {"width": width, "height": height, "most": f"{most:g}"}
        yield Match(name, np.flatnonzero(mask), detail, values)


def _first_paths(samples: AllSamples) -> Positions:
    hashes = np.zeros(len(samples), np.int64)
    is_path = np.zeros(len(samples), bool)
    for position in range(len(samples)):
        if (path := samples.path(position)) is not None:
            hashes[position], is_path[position] = hash(path), True
    return _first_equal(hashes, is_path)


def _first_equal(values: npt.NDArray[np.int64], among: npt.NDArray[np.bool_]) -> Positions:
    """Return for each position the first one with an equal value; outside `among`, itself."""
    first = np.arange(len(values))
    positions = np.flatnonzero(among)
    _, indices, inverse = np.unique(values[positions], return_index=True, return_inverse=True)
    first[positions] = positions[indices[inverse]]
    return first


def _read(samples: AllSamples, position: int) -> tuple[tuple[Any, ...], str]:
    """Return the facts about one image, and why it is unreadable if it is."""
    try:
        data = samples.data[position]
        content = Path(data).read_bytes() if isinstance(data, str | os.PathLike) else data
        image = _READER.read(content)
    except FileNotFoundError:
        return (MISSING, *_NOTHING), ""
    except UnreadableImageError as error:
        return (UNREADABLE, *_NOTHING), error.reason or str(error)
    except (OSError, TypeError, ValueError) as error:
        return (UNREADABLE, *_NOTHING), str(error)
    height, width = image.shape[:2]
    is_blank = bool((image == image[0, 0]).all())
    is_dim = not is_blank and image.max() < _DIM and _has_16_bits(content)
    return (READ, _digest(content), (width, height), is_blank, is_dim), ""


def _has_16_bits(content: Any) -> bool:
    if isinstance(content, np.ndarray):
        return False
    whole = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    return whole is not None and whole.dtype == np.uint16


def _digest(content: Any) -> int:
    hasher = hashlib.blake2b(digest_size=8)
    if isinstance(content, np.ndarray):
        hasher.update(repr((content.shape, content.dtype.str)).encode())
        content = np.ascontiguousarray(content)
    hasher.update(content)
    return int.from_bytes(hasher.digest(), "little", signed=True)
