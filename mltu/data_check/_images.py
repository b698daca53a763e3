"""The pass over the images, and what it finds: unreadable files, copies, sizes that do not fit."""

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

from mltu.data_check._findings import MAX_EXAMPLES, Expected, Hit, Joined, Positions
from mltu.data_check._labels import LabelFacts
from mltu.preprocessors import ImageReader, UnreadableImageError

NOT_READ, READ, MISSING, UNREADABLE = range(4)
_BLOCK = 1024  # Images under way at one time.
_READER = ImageReader()


class ImageFacts(NamedTuple):
    """What the pass leaves behind: arrays with one entry for each sample.

    `status` is uint8: NOT_READ, READ, MISSING or UNREADABLE; `first_paths` int64, the position of
    the first sample with the same path; `digests` int64, equal for files of equal content; `sizes`
    int32 of shape (samples, 2), width and height in pixels; `is_blank` bool. Samples that repeat a
    path have the entries of the first. `reasons` tells why the first unreadable files are.
    """

    status: npt.NDArray[np.uint8]
    first_paths: Positions
    digests: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int32]
    is_blank: npt.NDArray[np.bool_]
    reasons: dict[int, str]


class _Image(NamedTuple):
    status: int
    digest: int = 0
    size: tuple[int, int] = (0, 0)
    is_blank: bool = False
    reason: str = ""


def read_images(
    joined: Joined, *, num_read: int | None = None, workers: int = 2, progress: bool = True
) -> ImageFacts:
    """Read each image once; about 30 bytes for each sample are kept.

    Args:
        joined: the samples; data is a path, the bytes of an image file, or an array.
        num_read: how many images to read, drawn evenly over the samples; None reads all.
        workers: threads, at least 1.
        progress: show a progress bar.
    """
    size = len(joined)
    first_paths = _first_paths(joined)
    facts = ImageFacts(
        np.full(size, NOT_READ, np.uint8),
        first_paths,
        np.zeros(size, np.int64),
        np.zeros((size, 2), np.int32),
        np.zeros(size, bool),
        {},
    )
    chosen = np.flatnonzero(first_paths == np.arange(size))
    if num_read is not None and num_read < len(chosen):
        chosen = chosen[np.arange(num_read) * len(chosen) // num_read]
    bar = tqdm(total=len(chosen), desc="Looking at images", unit="images", disable=not progress)
    with bar, ThreadPoolExecutor(workers) as pool:
        # Block by block, or the pool would hold a task for each of millions of images.
        for block in np.split(chosen, range(_BLOCK, len(chosen), _BLOCK)):
            images = pool.map(partial(_read, joined), block.tolist())
            for position, image in zip(block.tolist(), images, strict=True):
                _store(facts, position, image)
            bar.update(len(block))
    return facts._replace(
        status=facts.status[first_paths],
        digests=facts.digests[first_paths],
        sizes=facts.sizes[first_paths],
        is_blank=facts.is_blank[first_paths],
    )


def first_equal(values: npt.NDArray[np.int64], among: npt.NDArray[np.bool_]) -> Positions:
    """Return for each position the first one of equal value; outside `among`, itself."""
    first = np.arange(len(values))
    positions = np.flatnonzero(among)
    _, indices, inverse = np.unique(values[positions], return_index=True, return_inverse=True)
    first[positions] = positions[indices[inverse]]
    return first


def _first_paths(joined: Joined) -> Positions:
    hashes = np.zeros(len(joined), np.int64)
    is_path = np.zeros(len(joined), bool)
    for position, path in enumerate(joined.paths()):
        if path is not None:
            hashes[position] = hash(path)
            is_path[position] = True
    return first_equal(hashes, is_path)


def _read(joined: Joined, position: int) -> _Image:
    """Read one image; whatever is wrong with it becomes its status."""
    try:
        data = joined.data(position)
        content = Path(data).read_bytes() if isinstance(data, str | os.PathLike) else data
        image = _READER.read(content)
    except FileNotFoundError:
        return _Image(MISSING)
    except UnreadableImageError as error:
        return _Image(UNREADABLE, reason=error.reason)
    except (OSError, TypeError, ValueError) as error:
        return _Image(UNREADABLE, reason=str(error))
    height, width = image.shape[:2]
    is_blank = bool((image == image[0, 0]).all())
    return _Image(READ, _digest(content), (width, height), is_blank)


def _digest(content: Any) -> int:
    hasher = hashlib.blake2b(digest_size=8)
    if isinstance(content, np.ndarray):
        hasher.update(repr((content.shape, content.dtype.str)).encode())
        content = np.ascontiguousarray(content)
    hasher.update(content)
    return int.from_bytes(hasher.digest(), "little", signed=True)


def _store(facts: ImageFacts, position: int, image: _Image) -> None:
    facts.status[position] = image.status
    facts.digests[position] = image.digest
    facts.sizes[position] = image.size
    facts.is_blank[position] = image.is_blank
    if image.reason and len(facts.reasons) < MAX_EXAMPLES:
        facts.reasons[position] = image.reason


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
