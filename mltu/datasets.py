"""Readers and writers of data sets: files on disk <-> a list of (path, label)."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mltu.utils.files import atomic_path

Sample = tuple[str, str]

_NUM_NAMED = 10  # How many missing files an error names.


def read_csv(path: str | os.PathLike[str]) -> list[Sample]:
    """Read a CSV file with the columns `path` and `label`; more columns are left alone.

    Every cell stays the text that it is: `007`, `NULL`, `nan` and the empty label survive.

    Args:
        path: a UTF-8 file, with or without a byte order mark, with one header line.

    Returns:
        (path, label) of each row, in the order of the file; paths as they are written.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing, a row has too few cells, or the file is no CSV in UTF-8;
            the line is named.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        # Not strict, a quote that is never closed would swallow the rest of the file in silence.
        rows = csv.reader(file, strict=True)
        try:
            return _read_rows(rows, os.fspath(path))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(
                f"`dataset` {os.fspath(path)!r} must be a CSV file in UTF-8. "
                f"Received an error near line {rows.line_num}: {error}"
            ) from error


def write_csv(path: str | os.PathLike[str], samples: Iterable[tuple[object, object]]) -> None:
    """Write a CSV file that `read_csv` reads back unchanged: a header, no index column.

    Args:
        path: of the file, written as a whole or not at all.
        samples: pairs of (path, label); both must be text or paths.

    Raises:
        TypeError: a path or label is not text, so it could not be read back as it is.
    """
    with (
        atomic_path(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        for data, label in samples:
            if not isinstance(data, str | os.PathLike) or not isinstance(label, str):
                raise TypeError(
                    "`samples` must be pairs of text to be stored as CSV. Received "
                    f"({type(data).__name__}, {type(label).__name__})."
                )
            writer.writerow([os.fspath(data), label])


def read_mjsynth(root: str | os.PathLike[str], part: str = "train") -> list[Sample]:
    """Read an annotation file of MJSynth (Synth90k), or of a data set in its layout.

    Its lines look like `./2425/1/115_Lube_45484.jpg 45484`; the label is what stands between the
    first two underscores of the file name.

    Args:
        root: the folder that holds the annotation files, such as `Datasets/90kDICT32px`.
        part: `"train"`, `"val"` or `"test"`, for `annotation_<part>.txt`.

    Returns:
        (path, label) of each line, in the order of the file; paths start with `root`.

    Raises:
        FileNotFoundError: the annotation file is missing; it is named.
        ValueError: a line has another form, quoted with its number; or there is no line.

    Source: Jaderberg et al., 2014, https://www.robots.ox.ac.uk/~vgg/data/text/
    """
    annotation = Path(root) / f"annotation_{part}.txt"
    if not annotation.is_file():
        raise FileNotFoundError(
            f"`root` must be a folder with the annotation file annotation_{part}.txt. "
            f"There is no file {str(annotation)!r}."
        )
    samples = []
    prefix = os.fspath(root)
    with open(annotation, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            name = line.partition(" ")[0].strip()
            if not name:
                continue
            parts = name.rpartition("/")[2].split("_")
            if len(parts) < 3:
                raise ValueError(
                    f"{str(annotation)!r} must have lines like './2425/1/115_Lube_45484.jpg 45484'."
                    f" Received {line.rstrip()!r} in line {number}."
                )
            samples.append((os.path.join(prefix, name.removeprefix("./")), parts[1]))
    if not samples:
        raise ValueError(f"{str(annotation)!r} must name at least one image. Received no line.")
    return samples


def load_samples(dataset: Any) -> list[tuple[Any, Any]]:
    """Bring every form of a data set that a `DataProvider` takes to a new list of pairs.

    Args:
        dataset: pairs of (data, label), a pandas DataFrame, or the path of a CSV file.

    Returns:
        (data, label) of each sample.

    Raises:
        TypeError: an entry is no pair.
        ValueError: a DataFrame or CSV file has other columns.
    """
    if isinstance(dataset, str | os.PathLike):
        return list(read_csv(dataset))
    if hasattr(dataset, "iloc"):
        dataset = _select_columns(dataset).itertuples(index=False)
    samples = []
    for row, sample in enumerate(dataset):
        if isinstance(sample, str) or not hasattr(sample, "__len__") or len(sample) != 2:
            raise TypeError(
                "`dataset` must hold pairs of a path and a label. "
                f"Received {sample!r} in row {row}."
            )
        samples.append((sample[0], sample[1]))
    return samples


def check_samples(samples: Sequence[tuple[Any, Any]]) -> None:
    """Look at every label and file name, with a progress bar where it takes more than 2 s.

    Args:
        samples: pairs of (data, label); data that is no path is not looked at.

    Raises:
        TypeError: a label is a number or absent.
        FileNotFoundError: files do not exist; the first ten are named.
    """
    missing = []
    progress = tqdm(samples, "Checking samples", unit="files", delay=2, leave=False)
    for row, (data, label) in enumerate(progress):
        # None, numbers of Python and NumPy, NaN and pandas.NA have no length; texts and arrays do.
        if not hasattr(label, "__len__"):
            raise TypeError(
                f"`dataset` must have text as labels. Received {label!r} of type "
                f"{type(label).__name__} in row {row}. Read labels as text (in pandas: "
                "`dtype=str, keep_default_na=False`), or leading zeros are lost."
            )
        if isinstance(data, str | os.PathLike) and not os.path.exists(data):
            missing.append(os.fspath(data))
    if missing:
        raise FileNotFoundError(
            f"`dataset` must name files that exist. {len(missing)} of {len(samples)} do not, among "
            f"them {missing[:_NUM_NAMED]}. Relative paths start at the working directory, "
            f"{os.getcwd()!r}; `skip_validation=True` leaves this check out."
        )


def _read_rows(rows: Any, path: str) -> list[Sample]:
    """Read the header and the rows of an open `csv.reader`; `path` is for the errors."""
    header: list[str] = next(rows, [])
    missing = [name for name in ("path", "label") if name not in header]
    if missing:
        raise ValueError(
            f"`dataset` {path!r} must have the columns 'path' and 'label'. "
            f"Received the columns {header}. Name them in the first line of the file."
        )
    first, second = header.index("path"), header.index("label")
    samples = []
    for row in rows:
        if not row:  # A blank line.
            continue
        if len(row) <= max(first, second):
            raise ValueError(
                f"`dataset` {path!r} must have {len(header)} cells in each line. "
                f"Received {row} in line {rows.line_num}."
            )
        samples.append((row[first], row[second]))
    return samples


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
