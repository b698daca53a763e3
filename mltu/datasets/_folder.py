"""Folders of images whose file names are their labels, as captchas come."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from mltu.datasets._samples import Samples
from mltu.utils.text_columns import TextColumn

_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def read_folder(
    folder: str | os.PathLike[str],
    *,
    pattern: str = "*",
    recursive: bool = False,
    label_separator: str | None = None,
) -> Samples:
    """Read a folder of images that are named after what they show: `2b827.png` shows "2b827".

    Args:
        folder: that holds the images. Files with other suffixes and hidden ones are left alone.
        pattern: which file names to take, such as `"*.png"`; capitals matter on every system.
        recursive: True to take the images in folders below as well.
        label_separator: the label ends before the first one: with `"_"`, `word_0012.png` shows
            "word". A name without it is the label as a whole, and so is every name if None.

    Returns:
        (path, label) of each image, sorted by the path below `folder`, character by character:
        the order is the same on every machine.

    Raises:
        FileNotFoundError: there is no such folder, or no such image in it.
        OSError: a folder cannot be listed.
        ValueError: `label_separator` is empty.
    """
    if label_separator == "":
        raise ValueError("`label_separator` must have a character, or be None. Received ''.")
    found = find_images(folder, pattern=pattern, recursive=recursive)
    if not found:
        raise FileNotFoundError(
            f"`folder` must hold images ({', '.join(sorted(_SUFFIXES))}) named like {pattern!r}. "
            f"Received {os.fspath(folder)!r}, where there are none. "
            "`recursive=True` looks into the folders below it."
        )
    paths = (path.replace("/", os.sep) for path in found)
    labels = (_label(path, label_separator) for path in found)
    return Samples(
        TextColumn.from_strings(paths, os.path.join(folder, "")), TextColumn.from_strings(labels)
    )


def find_images(
    folder: str | os.PathLike[str], *, pattern: str = "*", recursive: bool = False
) -> list[str]:
    """List the images in a folder: paths below it with slashes, sorted by character.

    Args:
        folder: that holds the images. Files with other suffixes and hidden ones are left alone.
        pattern: which file names to take; capitals matter on every system.
        recursive: True to look into the folders below as well.

    Raises:
        FileNotFoundError: there is no such folder.
        OSError: a folder cannot be listed.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(
            f"`folder` must be a folder of images. There is no folder {os.fspath(folder)!r}."
        )
    return sorted(path for path in _images(folder, recursive) if _matches(path, pattern))


def _images(folder: str | os.PathLike[str], recursive: bool) -> Iterator[str]:
    """Give the path of each image below `folder`, with slashes; each folder once, by any link."""
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
            if os.path.splitext(name)[1].lower() in _SUFFIXES and not name.startswith("."):
                yield (below / name).as_posix()


def _raise(error: OSError) -> None:
    raise error


def _matches(path: str, pattern: str) -> bool:
    return fnmatchcase(path.rpartition("/")[2], pattern)


def _label(path: str, separator: str | None) -> str:
    stem = PurePosixPath(path).stem
    return stem if separator is None else stem.partition(separator)[0]
