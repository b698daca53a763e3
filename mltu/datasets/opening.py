"""open_samples: a path becomes samples, in whatever form the data set stands there."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from mltu.datasets.folder import find_images, read_folder
from mltu.datasets.lmdb_reader import read_lmdb
from mltu.datasets.mjsynth import read_mjsynth
from mltu.datasets.samples import Samples
from mltu.datasets.tables import read_csv, read_tsv
from mltu.utils.text_columns import TextColumn

_PARTS = ("train", "val", "test")
_NUM_TRIED = 100  # files that are looked for to learn where relative paths start


def open_samples(
    path: str | os.PathLike[str], *, part: str | None = None, label_separator: str | None = None
) -> Samples:
    """Recognise a data set by what stands at its path, and read it.

    - a folder with `data.mdb`: an LMDB;
    - a folder with `annotation_train.txt`, `_val` or `_test`: the layout of MJSynth;
    - another folder: images in it and below it, named after what they show;
    - a `.tsv` file: lines of `path<TAB>label`;
    - another file: CSV with the columns `path` and `label`.

    Relative paths in a table start at the working directory or, where none of the first hundred
    files is there, at the folder of the table.

    Args:
        path: of the data set.
        part: of the layout of MJSynth: `"train"`, `"val"` or `"test"`; the first of them that is
            there if None. No other form has parts.
        label_separator: of file names, as in `read_folder`.

    Returns:
        (path, label) of each sample, with absolute paths; of an LMDB (bytes, label).

    Raises:
        FileNotFoundError: there is nothing at the path, or a folder without images.
        ValueError: the file is an archive; a table lacks a column or a cell, or is no text; `part`
            was given for a data set that has none.
    """
    place = Path(os.path.abspath(path))
    if not place.exists():
        raise FileNotFoundError(
            "`path` must be a data set: a CSV or TSV file, the folder of an LMDB, of MJSynth, or "
            f"of images named after their labels. There is nothing at {os.fspath(path)!r}."
        )
    parts = _parts(place)
    if parts:
        return read_mjsynth(place, part or parts[0])
    if part is not None:
        raise ValueError(
            f"`part` must be None for a data set that is not in the layout of MJSynth. Received "
            f"{part!r} for {os.fspath(path)!r}. Leave it out."
        )
    if (place / "data.mdb").is_file():
        return read_lmdb(place)
    if place.is_dir():
        return _open_folder(place, label_separator)
    return _open_table(place)


def open_validation(path: str | os.PathLike[str]) -> Samples | None:
    """Read the validation list that an MJSynth-like data set has beside the training list, or None.

    Raises:
        ValueError: a line has another form.
    """
    has_both = {"train", "val"} <= set(_parts(Path(path)))
    return read_mjsynth(os.path.abspath(path), "val") if has_both else None


def _parts(place: Path) -> list[str]:
    return [part for part in _PARTS if (place / f"annotation_{part}.txt").is_file()]


def _open_folder(folder: Path, label_separator: str | None) -> Samples:
    if not find_images(folder, recursive=True):
        raise FileNotFoundError(
            "`path` must be a folder with images, an LMDB or the lists of MJSynth in it. Received "
            f"{str(folder)!r}, which has none of them."
        )
    return read_folder(folder, recursive=True, label_separator=label_separator)


def _open_table(table: Path) -> Samples:
    if zipfile.is_zipfile(table) or tarfile.is_tarfile(table):
        raise ValueError(
            f"`path` must be a data set as it lies in a folder. Received {str(table)!r}, an "
            "archive. Unpack it, and give the folder."
        )
    samples = read_tsv(table) if table.suffix.lower() == ".tsv" else read_csv(table)
    root = _root(samples.data, table.parent)
    paths = TextColumn.from_strings(os.path.join(root, name) for name in samples.data)
    return Samples(paths, samples.labels)


def _root(names: Iterable[str], folder: Path) -> str:
    """Return where relative paths start: the working directory, or the folder of the table."""
    relative = (name for name in islice(names, _NUM_TRIED) if not os.path.isabs(name))
    first = list(relative)
    is_beside = any(os.path.isfile(folder / name) for name in first)
    return str(folder) if is_beside and not any(map(os.path.isfile, first)) else os.getcwd()
