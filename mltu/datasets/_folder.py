"""Folders of images named after their labels, as captchas often are."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from mltu.datasets._samples import Samples
from mltu.utils.files import StrPath

_LOGGER = logging.getLogger(__name__)

# Of the files that `ImageReader` reads.
IMAGE_SUFFIXES = (
    ".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm",
    ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip


def read_folder(
    folder: StrPath, *, recursive: bool = False, label_pattern: str | None = None
) -> Samples:
    """Read a folder of images that are named after their labels: `2b827.png` shows "2b827".

    Args:
        folder: the folder of images. Hidden files are ignored; files with other suffixes too, and
            they are counted in a warning.
        recursive: include images in subfolders.
        label_pattern: a regular expression that matches the beginning of each name without its
            suffix; the label is its first group, or else the whole match. `"[^_]+"` reads "word"
            from `word_0012.png`, and `".*-(.+)"` reads it from `0f3a-word.png`. None makes the
            whole name the label.

    Returns:
        (path, label) of each image, sorted by the path below `folder`, character by character:
        the order is the same on every machine.

    Raises:
        FileNotFoundError: there is no such folder, or no such image in it.
        OSError: a folder cannot be listed.
        ValueError: `label_pattern` is not a regular expression, or does not match a name.
    """
    images = find_images(folder, recursive=recursive)
    if not images:
        raise FileNotFoundError(
            f"There are no images in the folder {os.fspath(folder)!r}. Use `recursive=True` to "
            f"include its subfolders. Images are {', '.join(IMAGE_SUFFIXES)}."
        )
    labels = _labels([PurePosixPath(image).stem for image in images], label_pattern)
    pairs = zip((image.replace("/", os.sep) for image in images), labels, strict=True)
    return Samples.from_pairs(pairs).with_root(folder)


def find_images(folder: StrPath, *, recursive: bool = False) -> list[str]:
    """List the images in a folder: relative paths with slashes, sorted by character.

    Args:
        folder: the folder of images. Hidden files are ignored; files with other suffixes too, and
            they are counted in a warning.
        recursive: include images in subfolders.

    Raises:
        FileNotFoundError: there is no such folder.
        OSError: a folder cannot be listed.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(
            f"`folder` must be a folder of images. There is no folder {os.fspath(folder)!r}."
        )
    images, others = [], Counter[str]()
    for path in _files(folder, recursive):
        suffix = os.path.splitext(path)[1].lower()
        if suffix in IMAGE_SUFFIXES:
            images.append(path)
        else:
            others[suffix or "without a suffix"] += 1
    if images and others:
        kinds = ", ".join(f"{kind}: {count}" for kind, count in sorted(others.items()))
        _LOGGER.warning("Files in '%s' that are not images are left out (%s).", folder, kinds)
    return sorted(images)


def _files(folder: StrPath, recursive: bool) -> Iterator[str]:
    """Yield the path of each file below `folder`, with slashes; visit linked folders once."""
    seen = {os.path.realpath(folder)}
    for current, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        places = {name: os.path.realpath(os.path.join(current, name)) for name in sorted(folders)}
        folders.clear()
        for name, place in places.items():
            if recursive and not name.startswith(".") and place not in seen:
                seen.add(place)
                folders.append(name)
        below = Path(current).relative_to(folder)
        for name in names:
            if not name.startswith("."):
                yield (below / name).as_posix()


def _raise(error: OSError) -> None:
    raise error


def _labels(names: Iterable[str], pattern: str | None) -> list[str]:
    if pattern is None:
        return list(names)
    try:
        find = re.compile(pattern).match
    except re.error as error:
        raise ValueError(
            f"`label_pattern` must be a regular expression. Received {pattern!r}: {error}."
        ) from error
    labels = []
    for name in names:
        if (found := find(name)) is None or (label := found[found.re.groups and 1]) is None:
            raise ValueError(
                f"The label pattern {pattern!r} does not match the file name {name!r}. Change the "
                "pattern, or move such files away."
            )
        labels.append(label)
    return labels
