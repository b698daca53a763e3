"""Tables of paths and labels: CSV with quotes, and the tab separated lists that have none."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from mltu.datasets._samples import Samples
from mltu.utils.checks import shorten
from mltu.utils.files import atomic_path


def read_csv(path: str | os.PathLike[str], *, delimiter: str = ",") -> Samples:
    """Read a CSV file with the columns `path` and `label`; more columns are left alone.

    Every cell stays the text that it is: `007`, `NULL`, `nan` and the empty label survive.

    Args:
        path: a UTF-8 file, with or without a byte order mark, with one header line.
        delimiter: between the cells, one character.

    Returns:
        (path, label) of each row, in the order of the file; paths as they are written.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing, a row has too few cells, or the file is no CSV in UTF-8;
            the line is named.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        # Not strict, a quote that is never closed would swallow the rest of the file in silence.
        rows = csv.reader(file, strict=True, delimiter=delimiter)
        try:
            return Samples.from_pairs(_csv_pairs(rows, os.fspath(path)))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(
                f"`dataset` {os.fspath(path)!r} must be a CSV file in UTF-8. "
                f"Received an error near line {rows.line_num}: {error}"
            ) from error


def read_tsv(
    path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None
) -> Samples:
    r"""Read a list of `path<TAB>label` lines, as data sets of scene text have them.

    Quotes mean nothing: the label of `a.png<TAB>"` is one quotation mark. A first line with the
    cells `path` and `label` is a header, and then there may be more columns; without it, each line
    has two cells. Blank lines are left out. A table in which quotes do have a meaning is read by
    `read_csv(path, delimiter="\t")`.

    Args:
        path: a UTF-8 file, with or without a byte order mark.
        root: the folder at which relative paths start; if None, they stay as they are written.

    Returns:
        (path, label) of each line, in the order of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line has another number of cells, named with its number; or the file is not
            in UTF-8.
    """
    folder = "" if root is None else os.fspath(root)
    # Only a line feed ends a line: a label may hold any other separator of Unicode.
    with open(path, encoding="utf-8-sig", newline="\n") as file:
        try:
            return Samples.from_pairs(_tsv_pairs(file, os.fspath(path), folder))
        except UnicodeDecodeError as error:
            raise ValueError(
                f"`dataset` {os.fspath(path)!r} must be a file in UTF-8. Received {error}"
            ) from error


def write_csv(path: str | os.PathLike[str], samples: Iterable[tuple[object, object]]) -> None:
    """Write a CSV file that `read_csv` reads back unchanged: a header, no index column.

    Args:
        path: of the file, written as a whole or not at all.
        samples: pairs of (path, label); both must be text or paths.

    Raises:
        TypeError: a path or label is not text, so it could not be read back as it is.
        ValueError: one of them cannot be stored as UTF-8, such as a file name in another encoding.
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
            try:
                writer.writerow([os.fspath(data), label])
            except UnicodeEncodeError as error:
                raise ValueError(
                    "`samples` must be pairs of text to be stored as UTF-8. Received "
                    f"({os.fspath(data)!r}, {label!r}): {error.reason}. Rename the file."
                ) from error


def _csv_pairs(rows: Any, path: str) -> Iterator[tuple[str, str]]:
    """Read the header and the rows of an open `csv.reader`; `path` is for the errors."""
    header: list[str] = next(rows, [])
    missing = [name for name in ("path", "label") if name not in header]
    if missing:
        raise ValueError(
            f"`dataset` {path!r} must have the columns 'path' and 'label'. "
            f"Received the columns {shorten(header)}. Name them in the first line of the file."
        )
    first, second = header.index("path"), header.index("label")
    for row in rows:
        if not row:  # A blank line.
            continue
        if not max(first, second) < len(row) <= len(header):
            raise ValueError(
                f"`dataset` {path!r} must have {len(header)} cells in each line. "
                f"Received {shorten(row)} in line {rows.line_num}. Put a label with commas into "
                "double quotes."
            )
        yield row[first], row[second]


def _tsv_pairs(lines: TextIO, path: str, root: str) -> Iterator[tuple[str, str]]:
    header = ["path", "label"]
    is_first = True
    for number, line in enumerate(lines, 1):
        cells = line.removesuffix("\n").removesuffix("\r").split("\t")
        if cells == [""]:
            continue
        if is_first and {"path", "label"} <= set(cells):
            header, is_first = cells, False
            continue
        is_first = False
        if len(cells) != len(header):
            raise ValueError(
                f"`dataset` {path!r} must have {len(header)} cells in each line, divided by tabs. "
                f"Received {shorten(cells)} in line {number}. If there are more than a path and a "
                "label, name the columns in the first line."
            )
        row = dict(zip(header, cells, strict=True))
        yield os.path.join(root, row["path"]), row["label"]
