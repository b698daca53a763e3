"""Opens data sets of every supported form as `Samples`, and validates them."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mltu.datasets._folder import read_folder
from mltu.datasets._iam import read_iam_lines, read_iam_words
from mltu.datasets._lmdb import read_lmdb
from mltu.datasets._mjsynth import read_mjsynth
from mltu.datasets._samples import JoinedColumn, LazyColumn, Samples
from mltu.datasets._tables import read_table
from mltu.utils.files import StrPath
from mltu.utils.text_columns import TextColumn, as_column

_NUM_NAMED = 10  # missing files that an error names
_PARTS = ("train", "val", "test")
_IAM = {"words": read_iam_words, "lines": read_iam_lines}
_TABLES = ("labels.csv", "labels.tsv", "labels.txt", "gt.txt")  # in a folder of images
_NUM_TRIED = 100  # files to look for when deciding where relative paths start


def load_samples(dataset: Any) -> Samples:
    """Convert any data set that a `DataProvider` accepts to columns.

    Args:
        dataset: `Samples` (nothing is copied), pairs of (data, label), a pandas DataFrame, or the
            path of a table, as in `open_samples`, or of the folder of an LMDB.

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
    path: StrPath,
    *,
    part: str | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    label_pattern: str | None = None,
) -> Samples:
    """Detect the form of the data set at a path, and read it.

    - a folder with `data.mdb`: an LMDB;
    - a folder with `annotation_train.txt`, `_val` or `_test`: the layout of MJSynth;
    - a folder with `words.txt` and `words`, or else `lines.txt` and `lines`: that of IAM;
    - a folder with `labels.csv`, `labels.tsv`, `labels.txt` or `gt.txt`: that table;
    - any other folder: images in it and below it, named after their labels;
    - a file: a table in one of the forms of `read_table`.

    Relative paths in a table start at the working directory or, if none of the first hundred files
    is there, at the folder of the table.

    Args:
        path: the data set.
        part: in the layout of MJSynth, `"train"`, `"val"` or `"test"`; None is the first of them
            that exists. No other form has parts.
        path_column: the name of the column of paths in a table.
        label_column: the name of the column of labels in a table.
        label_pattern: finds the label in the names of images, as in `read_folder`; a table in
            the folder is then left alone.

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
            f"There is no data set at {os.fspath(path)!r}. Name a table (CSV, TSV), the folder of "
            "an LMDB or of MJSynth, or a folder of images named after their labels."
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
    for kind, read in _IAM.items():
        is_iam = (place / f"{kind}.txt").is_file() and (place / kind).is_dir()
        if is_iam and label_pattern is None:
            return read(place)
    if place.is_dir():
        table = next((place / name for name in _TABLES if (place / name).is_file()), None)
        if table is None or label_pattern is not None:
            return _open_folder(place, label_pattern)
        place = table
    return _read_table(place, os.getcwd(), path_column, label_column)


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
            f"folder {str(path)!r} without 'data.mdb'. Read its files with `open_samples`, "
            "`read_mjsynth` or `read_iam_words`."
        )
    return _read_table(path)


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
        is_other = isinstance(sample, str | bytes | Mapping | Set)
        if is_other or not hasattr(sample, "__len__") or len(sample) != 2:
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


def _open_folder(folder: Path, label_pattern: str | None) -> Samples:
    try:
        return read_folder(folder, recursive=True, label_pattern=label_pattern)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"The folder {str(folder)!r} holds no images, no LMDB and no lists of MJSynth."
        ) from error


def _read_table(
    table: Path,
    start: str = "",
    path_column: str | None = None,
    label_column: str | None = None,
) -> Samples:
    """Read a table; relative paths start at `start` or, if they exist only there, beside it."""
    if zipfile.is_zipfile(table) or tarfile.is_tarfile(table):
        if table.suffix.lower() in (".xlsx", ".xlsm", ".ods"):
            raise ValueError(f"{str(table)!r} is a spreadsheet. Save it as 'CSV UTF-8'.")
        raise ValueError(f"{str(table)!r} is an archive. Unpack it, and pass the folder.")
    samples = read_table(table, path_column=path_column, label_column=label_column)
    names = [n for n in islice(samples.data, _NUM_TRIED) if not os.path.isabs(n)]
    turned = [name.replace("\\", "/") for name in names]  # As they were written on Windows.
    for root in (start, str(table.parent)):
        if any(os.path.isfile(os.path.join(root, name)) for name in names):
            break
        if any(os.path.isfile(os.path.join(root, name)) for name in turned):
            data = as_column(name.replace("\\", "/") for name in samples.data)
            samples = Samples(data, samples.labels)
            break
    else:
        root = start
    return samples.with_root(root) if root else samples
