"""Opens data sets of every supported form as `Samples`, and validates them."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mltu.datasets._folder import read_folder
from mltu.datasets._lmdb import read_lmdb
from mltu.datasets._mjsynth import read_mjsynth
from mltu.datasets._samples import JoinedColumn, LazyColumn, Samples
from mltu.datasets._tables import read_csv, read_tsv
from mltu.utils.files import StrPath
from mltu.utils.text_columns import TextColumn

_NUM_NAMED = 10  # missing files that an error names
_PARTS = ("train", "val", "test")
_NUM_TRIED = 100  # files to look for when deciding where relative paths start


def load_samples(dataset: Any) -> Samples:
    """Convert any data set that a `DataProvider` accepts to columns.

    Args:
        dataset: `Samples` (nothing is copied), pairs of (data, label), a pandas DataFrame, or the
            path of a CSV file, of a `.tsv` file, or of the folder of an LMDB.

    Returns:
        (data, label) of each sample.

    Raises:
        TypeError: an entry is not a pair.
        ValueError: a DataFrame or file has other columns, or a folder is not an LMDB.
    """
    if isinstance(dataset, str | os.PathLike):
        return _load_path(Path(dataset))
    if isinstance(dataset, Samples):
        return Samples(dataset.data, dataset.labels)
    if hasattr(dataset, "iloc"):
        dataset = _select_columns(dataset).itertuples(index=False)
    return Samples.from_pairs(_pairs(dataset))


def validate_samples(samples: Sequence[tuple[Any, Any]]) -> None:
    """Check that labels have a length and that files exist; shows a progress bar after 2 s.

    Args:
        samples: pairs of (data, label); only data that is a path is checked.

    Raises:
        TypeError: a label is a number or missing.
        FileNotFoundError: files do not exist; the first ten are named.
    """
    columns = Samples.from_pairs(samples)
    if not isinstance(columns.labels, TextColumn):
        _validate_labels(columns.labels)
    data: Iterable[Any] = columns.data
    if isinstance(data, JoinedColumn):
        data = data.stored()
    elif isinstance(data, LazyColumn):
        return
    progress = tqdm(data, "Checking samples", unit="files", delay=2, leave=False)
    missing = [
        os.fspath(path)
        for path in progress
        if isinstance(path, str | os.PathLike) and not os.path.exists(path)
    ]
    if missing:
        raise FileNotFoundError(
            f"The files of `dataset` must exist. {len(missing)} of {len(columns)} do not, among "
            f"them {missing[:_NUM_NAMED]}. Relative paths start at the working directory, "
            f"{os.getcwd()!r}; `skip_validation=True` skips this check."
        )


def open_samples(
    path: StrPath, *, part: str | None = None, label_separator: str | None = None
) -> Samples:
    """Detect the form of the data set at a path, and read it.

    - a folder with `data.mdb`: an LMDB;
    - a folder with `annotation_train.txt`, `_val` or `_test`: the layout of MJSynth;
    - any other folder: images in it and below it, named after their labels;
    - a `.tsv` file: lines of `path<TAB>label`;
    - any other file: CSV with the columns `path` and `label`.

    Relative paths in a table start at the working directory or, if none of the first hundred files
    is there, at the folder of the table.

    Args:
        path: the data set.
        part: in the layout of MJSynth, `"train"`, `"val"` or `"test"`; None is the first of them
            that exists. No other form has parts.
        label_separator: the end of labels in file names, as in `read_folder`.

    Returns:
        (path, label) of each sample, with absolute paths; for an LMDB (bytes, label).

    Raises:
        FileNotFoundError: nothing exists at the path, or a folder has no images.
        ValueError: the file is an archive; a table lacks a column or a cell, or is not text; `part`
            is given for a data set without parts.
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
            f"`part` is only for data sets in the layout of MJSynth. Received {part!r} for "
            f"{os.fspath(path)!r}. Omit it."
        )
    if (place / "data.mdb").is_file():
        return read_lmdb(place)
    return _open_folder(place, label_separator) if place.is_dir() else _open_table(place)


def open_validation(path: StrPath) -> Samples | None:
    """Read the validation list of a data set in the layout of MJSynth; None for any other.

    Raises:
        ValueError: a line has another form.
    """
    has_both = {"train", "val"} <= set(_parts(Path(path)))
    return read_mjsynth(os.path.abspath(path), "val") if has_both else None


def _load_path(path: Path) -> Samples:
    if (path / "data.mdb").is_file():
        return read_lmdb(path)
    if path.is_dir():
        raise ValueError(
            "`dataset` must be the path of a CSV or TSV file, or of an LMDB folder. Received the "
            f"folder {str(path)!r} without 'data.mdb'. Read its files with `read_folder`, "
            "`read_mjsynth` or `read_iam_words`."
        )
    return read_tsv(path) if path.suffix.lower() == ".tsv" else read_csv(path)


def _select_columns(frame: Any) -> Any:
    columns = list(frame.columns)
    if "path" in columns and "label" in columns:
        return frame[["path", "label"]]
    if len(columns) != 2:
        raise ValueError(
            "`dataset` must have the columns 'path' and 'label'. "
            f"Received a DataFrame with the columns {columns}."
        )
    return frame


def _pairs(dataset: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    for row, sample in enumerate(dataset):
        if isinstance(sample, str) or not hasattr(sample, "__len__") or len(sample) != 2:
            raise TypeError(
                "`dataset` must contain pairs of a path and a label. "
                f"Received {sample!r} in row {row}."
            )
        yield sample[0], sample[1]


def _validate_labels(labels: Sequence[Any]) -> None:
    for row, label in enumerate(labels):
        # None, numbers of Python and NumPy, NaN and pandas.NA have no length; texts and arrays do.
        if not hasattr(label, "__len__"):
            raise TypeError(
                f"The labels of `dataset` must be text. Received {label!r} of type "
                f"{type(label).__name__} in row {row}. Read labels as text (in pandas: "
                "`dtype=str, keep_default_na=False`), or leading zeros are lost."
            )


def _parts(place: Path) -> list[str]:
    return [part for part in _PARTS if (place / f"annotation_{part}.txt").is_file()]


def _open_folder(folder: Path, label_separator: str | None) -> Samples:
    try:
        return read_folder(folder, recursive=True, label_separator=label_separator)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            "`path` must be a folder that contains images, an LMDB or the lists of MJSynth. "
            f"Received {str(folder)!r}, which has none of them."
        ) from error


def _open_table(table: Path) -> Samples:
    if zipfile.is_zipfile(table) or tarfile.is_tarfile(table):
        raise ValueError(
            f"`path` must be an unpacked data set. Received {str(table)!r}, an archive. Unpack it, "
            "and pass the folder."
        )
    samples = read_tsv(table) if table.suffix.lower() == ".tsv" else read_csv(table)
    return samples.with_root(_root(samples.data, table.parent))


def _root(names: Iterable[str], folder: Path) -> str:
    """Return where relative paths start: the working directory, or the folder of the table."""
    relative = [name for name in islice(names, _NUM_TRIED) if not os.path.isabs(name)]
    is_beside = any(os.path.isfile(folder / name) for name in relative)
    return str(folder) if is_beside and not any(map(os.path.isfile, relative)) else os.getcwd()
