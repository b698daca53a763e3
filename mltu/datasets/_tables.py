"""Tables of paths and labels: CSV files, and tab-separated lists without quoting."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from typing import Any

from mltu.datasets._samples import Samples
from mltu.utils.checks import shorten
from mltu.utils.files import StrPath, atomic_path


def read_csv(path: StrPath, *, delimiter: str = ",") -> Samples:
    """Read a CSV file with the columns `path` and `label`; other columns are ignored.

    Every cell stays text: `007`, `NULL`, `nan` and the empty label survive.

    Args:
        path: a UTF-8 file, with or without a byte order mark, with one header line.
        delimiter: the character between the cells.

    Returns:
        (path, label) of each row, in the order of the file; paths as they are written.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing, a row has too few or too many cells, or the file is not
            CSV in UTF-8; the line is named.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        # Without `strict`, a quote that is never closed silently swallows the rest of the file.
        rows = csv.reader(file, strict=True, delimiter=delimiter)
        try:
            return Samples.from_pairs(_csv_pairs(rows, path), capacity=count_lines(path))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(
                f"`dataset` {os.fspath(path)!r} must be a CSV file in UTF-8. "
                f"Received an error near line {rows.line_num}: {error}"
            ) from error


def read_tsv(path: StrPath, *, root: StrPath | None = None) -> Samples:
    r"""Read a list of `path<TAB>label` lines, as used by scene text data sets.

    Quotes have no meaning: the label of `a.png<TAB>"` is one quotation mark. A first line with the
    cells `path` and `label` is a header, and then there may be more columns; without it, each line
    has two cells. Blank lines are skipped. Read a table with quotes with
    `read_csv(path, delimiter="\t")`.

    Args:
        path: a UTF-8 file, with or without a byte order mark.
        root: the folder of relative paths; None leaves them as they are written.

    Returns:
        (path, label) of each line, in the order of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line has another number of cells or is not UTF-8; it is named.
    """
    samples = Samples.from_pairs(_tsv_pairs(path), capacity=count_lines(path))
    return samples if root is None else samples.with_root(root)


def write_csv(path: StrPath, samples: Iterable[tuple[object, object]]) -> None:
    """Write a CSV file that `read_csv` reads back unchanged: a header, no index column.

    Args:
        path: the file to write, atomically.
        samples: pairs of (path, label), both text or paths.

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


def read_lines(path: StrPath) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and the text of each line of a UTF-8 file.

    Only a line feed ends a line, since a label may contain any other line separator of Unicode.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is not UTF-8; it is quoted with its number.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            yield from enumerate(file, 1)
    except UnicodeDecodeError as error:
        number, line = _first_undecodable(path)
        raise ValueError(
            f"{os.fspath(path)!r} must be a file in UTF-8. Received {shorten(line.rstrip())} in "
            f"line {number}: {error.reason}."
        ) from error


def count_lines(path: StrPath) -> int:
    """Count the lines of a file; a last line without a line feed counts."""
    with open(path, "rb") as file:
        return 1 + sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _first_undecodable(path: StrPath) -> tuple[int, bytes]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number, line
    raise RuntimeError(f"The file {os.fspath(path)!r} changed while it was being read.")


def _csv_pairs(rows: Any, path: StrPath) -> Iterator[tuple[str, str]]:
    """Yield (path, label) of each row of an open `csv.reader`; `path` is for the errors."""
    header: list[str] = next(rows, [])
    if not {"path", "label"} <= set(header):
        raise ValueError(
            f"`dataset` {os.fspath(path)!r} must have the columns 'path' and 'label'. "
            f"Received the columns {shorten(header)}. Name them in the first line of the file."
        )
    first, second = header.index("path"), header.index("label")
    for row in rows:
        if not row:  # A blank line.
            continue
        if not max(first, second) < len(row) <= len(header):
            raise ValueError(
                f"`dataset` {os.fspath(path)!r} must have {len(header)} cells in each line. "
                f"Received {shorten(row)} in line {rows.line_num}. Put labels with commas in "
                "double quotes."
            )
        yield row[first], row[second]


def _tsv_pairs(path: StrPath) -> Iterator[tuple[str, str]]:
    header: list[str] = []
    for number, line in read_lines(path):
        cells = line.removesuffix("\n").removesuffix("\r").split("\t")
        if cells == [""]:
            continue
        if not header:
            is_header = {"path", "label"} <= set(cells)
            header = cells if is_header else ["path", "label"]
            first, second = header.index("path"), header.index("label")
            if is_header:
                continue
        if len(cells) != len(header):
            raise ValueError(
                f"`dataset` {os.fspath(path)!r} must have {len(header)} cells in each line, "
                f"separated by tabs. Received {shorten(cells)} in line {number}. Name the columns "
                "in the first line if there are more than a path and a label."
            )
        yield cells[first], cells[second]
