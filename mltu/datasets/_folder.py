"""Folders of images named after their labels, as captchas often are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from mltu.datasets._samples import Samples
from mltu.utils.files import StrPath

_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def read_folder(
    folder: StrPath,
    *,
    pattern: str = "*",
    recursive: bool = False,
    label_separator: str | None = None,
) -> Samples:
    """Read a folder of images that are named after their labels: `2b827.png` shows "2b827".

    Args:
        folder: the folder of images. Files with other suffixes and hidden files are ignored.
        pattern: file names to include, such as `"*.png"`; case-sensitive on every system.
        recursive: include images in subfolders.
        label_separator: the label ends before the first one: with `"_"`, `word_0012.png` shows
            "word". None, or a name without it, makes the whole name the label.

    Returns:
        (path, label) of each image, sorted by the path below `folder`, character by character:
        the order is the same on every machine.

    Raises:
        FileNotFoundError: there is no such folder, or no such image in it.
        OSError: a folder cannot be listed.
        ValueError: `label_separator` is empty.
    """
    if label_separator == "":
        raise ValueError("`label_separator` must be None or at least one character. Received ''.")
    images = find_images(folder, pattern=pattern, recursive=recursive)
    if not images:
        raise FileNotFoundError(
            f"`folder` must contain images ({', '.join(sorted(_SUFFIXES))}) with names like "
            f"{pattern!r}. Received {os.fspath(folder)!r}, which has no such file. Use "
            "`recursive=True` to include its subfolders."
        )
    pairs = [(image.replace("/", os.sep), _label(image, label_separator)) for image in images]
    return Samples.from_pairs(pairs).with_root(folder)


def find_images(folder: StrPath, *, pattern: str = "*", recursive: bool = False) -> list[str]:
    """List the images in a folder: relative paths with slashes, sorted by character.

    Args:
        folder: the folder of images. Files with other suffixes and hidden files are ignored.
        pattern: file names to include; case-sensitive on every system.
        recursive: include images in subfolders.

    Raises:
        FileNotFoundError: there is no such folder.
        OSError: a folder cannot be listed.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(
            f"`folder` must be a folder of images. There is no folder {os.fspath(folder)!r}."
        )
    return sorted(
        path for path in _images(folder, recursive) if fnmatchcase(path.rpartition("/")[2], pattern)
    )


def _images(folder: StrPath, recursive: bool) -> Iterator[str]:
    """Yield the path of each image below `folder`, with slashes; visit linked folders once."""
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


def _label(path: str, separator: str | None) -> str:
    stem = PurePosixPath(path).stem
    return stem if separator is None else stem.partition(separator)[0]
