"""Every form of a data set becomes `Samples`, and is looked at before the training."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mltu.datasets.lmdb_reader import read_lmdb
from mltu.datasets.samples import JoinedColumn, LazyColumn, Samples
from mltu.datasets.tables import read_csv, read_tsv
from mltu.utils.text_columns import TextColumn

_NUM_NAMED = 10  # How many missing files an error names.


def load_samples(dataset: Any) -> Samples:
    """Bring every form of a data set that a `DataProvider` takes to columns of its own.

    Args:
        dataset: `Samples` (nothing is copied), pairs of (data, label), a pandas DataFrame, or the
            path of a CSV file, of a `.tsv` file, or of the folder of an LMDB.

    Returns:
        (data, label) of each sample.

    Raises:
        TypeError: an entry is no pair.
        ValueError: a DataFrame or file has other columns, or a folder holds no LMDB.
    """
    if isinstance(dataset, str | os.PathLike):
        return _read(Path(dataset))
    if isinstance(dataset, Samples):
        return Samples(dataset.data, dataset.labels)
    if hasattr(dataset, "iloc"):
        dataset = _select_columns(dataset).itertuples(index=False)
    return Samples.from_pairs(_pairs(dataset))


def check_samples(samples: Sequence[tuple[Any, Any]]) -> None:
    """Look at every label and file name, with a progress bar where it takes more than 2 s.

    Args:
        samples: pairs of (data, label); data that is no path is not looked at.

    Raises:
        TypeError: a label is a number or absent.
        FileNotFoundError: files do not exist; the first ten are named.
    """
    columns = Samples.from_pairs(samples)
    if not isinstance(columns.labels, TextColumn):
        _check_labels(columns.labels)
    data: Iterable[Any] = columns.data
    if isinstance(data, JoinedColumn):
        data = data.held()
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
            f"`dataset` must name files that exist. {len(missing)} of {len(columns)} do not, among "
            f"them {missing[:_NUM_NAMED]}. Relative paths start at the working directory, "
            f"{os.getcwd()!r}; `skip_validation=True` leaves this check out."
        )


def _read(path: Path) -> Samples:
    if (path / "data.mdb").is_file():
        return read_lmdb(path)
    if path.is_dir():
        raise ValueError(
            "`dataset` must be the path of a CSV or TSV file, or of a folder with an LMDB. Received"
            f" the folder {str(path)!r} without 'data.mdb'. Read its files with `read_folder`, "
            "`read_mjsynth` or `read_iam_words`."
        )
    return read_tsv(path) if path.suffix.lower() == ".tsv" else read_csv(path)


def _pairs(dataset: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    for row, sample in enumerate(dataset):
        if isinstance(sample, str) or not hasattr(sample, "__len__") or len(sample) != 2:
            raise TypeError(
                "`dataset` must hold pairs of a path and a label. "
                f"Received {sample!r} in row {row}."
            )
        yield sample[0], sample[1]


def _check_labels(labels: Sequence[Any]) -> None:
    for row, label in enumerate(labels):
        # None, numbers of Python and NumPy, NaN and pandas.NA have no length; texts and arrays do.
        if not hasattr(label, "__len__"):
            raise TypeError(
                f"`dataset` must have text as labels. Received {label!r} of type "
                f"{type(label).__name__} in row {row}. Read labels as text (in pandas: "
                "`dtype=str, keep_default_na=False`), or leading zeros are lost."
            )


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
