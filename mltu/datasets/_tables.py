"""Tables of paths and labels: CSV files, and tab-separated lists without quoting."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mltu.datasets._folder import IMAGE_SUFFIXES
from mltu.datasets._samples import Samples
from mltu.utils.checks import shorten
from mltu.utils.files import StrPath, atomic_path

# The names of the columns in the tables of other tools.
_NAMES = {
    "path": {"path", "filename", "file_name", "file", "image", "image_path", "img"},
    "label": {"label", "text", "transcription", "word", "words"},
}
_IMAGE = rf"\S+(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))})"
_FILE = re.compile(r"[\\/]|\.\w{2,5}$")
_QUOTED = re.compile(rf'({_IMAGE}), ?"(.*)"', re.IGNORECASE)  # ICDAR: word_1.png, "text"
_SPACED = re.compile(rf"({_IMAGE}) (.*)", re.IGNORECASE)  # TRDG: word_1.png text


def read_table(
    path: StrPath, *, path_column: str | None = None, label_column: str | None = None
) -> Samples:
    """Read a table or list of images and labels in any form that can be recognized with certainty.

    - a CSV file with a comma, a semicolon or a tab between the cells, perhaps with Excel's first
      line `sep=;`, in UTF-8, or in UTF-16 with a byte order mark;
    - a `.tsv` or `.txt` file of `path<TAB>label` lines, with or without a header, without quotes;
    - a `.txt` file of `path label` or `path, "label"` lines, with or without a header.

    In the last two a first line of two words that name no file is a header, if the second begins
    with the name of one.

    Args:
        path: of the table.
        path_column: the name of the column of paths; None looks for `path` and for the names that
            other tools use, such as `filename`.
        label_column: the same for the labels: `label`, `text`, `words` ...

    Returns:
        (path, label) of each row, in the order of the file; paths as they are written.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has another form or encoding.
    """
    with open(path, "rb") as file:
        start = file.read(1 << 16)
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    lines = start.decode(encoding, errors="replace").lstrip().splitlines() or [""]
    names = (path_column, label_column)
    hint = re.fullmatch("sep=(.)", lines[0], re.IGNORECASE)
    head = lines[1] if hint and len(lines) > 1 else lines[0]
    delimiters = [hint[1]] if hint else [",", ";", "\t"]
    delimiter = next((d for d in delimiters if _find_columns(head.split(d), *names)), None)
    delimiter = delimiter or max(delimiters, key=head.count)
    is_list = os.fspath(path).lower().endswith((".tsv", ".txt")) and encoding != "utf-16"
    if is_list and not hint and names == (None, None) and not _find_columns(head.split(delimiter)):
        if "\t" in head or not os.fspath(path).lower().endswith(".txt"):
            return read_tsv(path)
        return Samples.from_pairs(_spaced_pairs(path), capacity=count_lines(path))
    if is_list and delimiter == "\t":
        return Samples.from_pairs(_tsv_pairs(path, names), capacity=count_lines(path))
    return _read_csv(path, delimiter, names, encoding=encoding, num_skipped=int(hint is not None))


def read_csv(path: StrPath) -> Samples:
    """Read a CSV file with the columns `path` and `label`; other columns are ignored.

    Every cell stays text: `007`, `NULL`, `nan` and the empty label survive.

    Args:
        path: a UTF-8 file, with or without a byte order mark, with one header line.

    Returns:
        (path, label) of each row, in the order of the file; paths as they are written.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing, a row has too few or too many cells, or the file is not
            CSV in UTF-8; the line is named.
    """
    return _read_csv(path, ",", (None, None))


def _read_csv(
    path: StrPath,
    delimiter: str,
    names: tuple[str | None, str | None],
    *,
    encoding: str = "utf-8-sig",
    num_skipped: int = 0,
) -> Samples:
    with open(path, encoding=encoding, newline="") as file:
        # Without `strict`, a quote that is never closed silently swallows the rest of the file.
        rows = csv.reader(file, strict=True, delimiter=delimiter)
        try:
            for _ in range(num_skipped):
                next(rows)
            return Samples.from_pairs(_csv_pairs(path, rows, names), capacity=count_lines(path))
        except (csv.Error, UnicodeError) as error:
            raise ValueError(
                f"{os.fspath(path)!r} must be a CSV file in UTF-8. Received an error near line "
                f"{rows.line_num}: {error}. Save it again, in Excel as 'CSV UTF-8'."
            ) from error


def read_tsv(path: StrPath) -> Samples:
    """Read a list of `path<TAB>label` lines, as used by scene text data sets.

    Quotes have no meaning: the label of `a.png<TAB>"` is one quotation mark. A first line with the
    cells `path` and `label` is a header, and then there may be more columns; without it, each line
    has two cells. Two other cells are a header if the first of them names no file and the second
    line begins with a name such as `a.png`. Blank lines are skipped.

    Args:
        path: a UTF-8 file, with or without a byte order mark.

    Returns:
        (path, label) of each line, in the order of the file; paths as they are written.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line has another number of cells or is not UTF-8; it is named.
    """
    return Samples.from_pairs(_tsv_pairs(path), capacity=count_lines(path))


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
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{os.fspath(path)!r} must be a file in UTF-8. Received "
                    f"{shorten(line.rstrip())} in line {number}: {error.reason}. Save it again as "
                    "UTF-8."
                ) from error
            yield number, text


def count_lines(path: StrPath) -> int:
    """Count the lines of a file; a last line without a line feed counts."""
    with open(path, "rb") as file:
        return 1 + sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _pairs(
    path: StrPath,
    rows: Iterable[tuple[int, list[str]]],
    columns: tuple[int, int],
    num_cells: int,
    fix: str,
) -> Iterator[tuple[str, str]]:
    """Yield (path, label) of each row, which comes with the number of its line."""
    first, second = columns
    for number, cells in rows:
        if cells in ([], [""]):
            continue
        if not max(columns) < len(cells) <= num_cells:
            raise ValueError(
                f"{os.fspath(path)!r} must have {num_cells} cells in each line. Received "
                f"{shorten(cells)} in line {number}. {fix}"
            )
        yield cells[first], cells[second]


def _csv_pairs(
    path: StrPath, rows: Any, names: tuple[str | None, str | None]
) -> Iterator[tuple[str, str]]:
    """Yield (path, label) of each row of an open `csv.reader` that begins with a header."""
    header: list[str] = next((row for row in rows if row), [])
    columns = _require_columns(path, header, names)
    fix = "Put labels with commas in double quotes."
    numbered = ((rows.line_num, row) for row in rows)  # with the number of its last line
    yield from _pairs(path, numbered, columns, len(header), fix)


def _require_columns(
    path: StrPath, header: Sequence[str], names: tuple[str | None, str | None]
) -> tuple[int, int]:
    columns = _find_columns(header, *names)
    if columns is None:
        path_name, label_name = (name or kind for name, kind in zip(names, _NAMES, strict=True))
        raise ValueError(
            f"{os.fspath(path)!r} must have the columns {path_name!r} and {label_name!r}. Received "
            f"the columns {shorten(header)}. Name them in the first line of the file, or say which "
            "they are: path_column= and label_column=, on the command line --path-column and "
            "--label-column."
        )
    return columns


def _tsv_pairs(
    path: StrPath, names: tuple[str | None, str | None] = (None, None)
) -> Iterator[tuple[str, str]]:
    lines = (
        (number, line.removesuffix("\n").removesuffix("\r").split("\t"))
        for number, line in read_lines(path)
    )
    written = (line for line in lines if line[1] != [""])
    head, second = next(written, (0, [])), next(written, (0, []))
    is_named = names != (None, None)
    columns = _require_columns(path, head[1], names) if is_named else _find_columns(head[1])
    is_header = columns or _is_header(path, head[1], second[1])
    rows = chain([second] if is_header else [head, second], lines)
    fix = "Name the columns in the first line if there are more than a path and a label."
    yield from _pairs(path, rows, columns or (0, 1), len(head[1]) if columns else 2, fix)


def _is_header(table: StrPath, first: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether the first of two lines names the columns, in words of its own."""
    if len(first) != 2 or len(second) != 2 or not _FILE.search(second[0]):
        return False
    beside = Path(table).parent / first[0]
    return not _FILE.search(first[0]) and not os.path.exists(first[0]) and not beside.exists()


def _spaced_pairs(path: StrPath) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a list without tabs, as TRDG and the ICDAR challenges write it."""
    lines = ((number, line.rstrip("\r\n")) for number, line in read_lines(path))
    written = (line for line in lines if line[1])
    head, second = next(written, (0, "")), next(written, (0, ""))
    words = head[1].replace(",", " ").split()
    is_header = len(words) == 2 and not _FILE.search(words[0]) and _spaced_pair(second[1])
    for number, text in chain([second] if is_header else [head, second], written):
        pair = _spaced_pair(text)
        if pair:
            yield pair
        elif text:
            raise ValueError(
                f"{os.fspath(path)!r} must have lines like 'word_1.png text', with a tab or a "
                f"space. Received {shorten(text)} in line {number}. Write a CSV file with the "
                "columns path and label instead."
            )


def _spaced_pair(text: str) -> tuple[str, str] | None:
    found = _QUOTED.fullmatch(text) or _SPACED.fullmatch(text)
    if not found:
        return None
    return found[1], found[2].replace('\\"', '"') if text.endswith('"') else found[2]


def _find_columns(
    header: Sequence[str], path_column: str | None = None, label_column: str | None = None
) -> tuple[int, int] | None:
    """Return the indices of the columns of paths and labels; None if that is not certain."""
    if list(header) == ["0", "1"] and path_column is label_column is None:  # Of mltu 0.1 to 1.2.
        return 0, 1
    chosen = []
    for given, kind in ((path_column, "path"), (label_column, "label")):
        names = [given] if given is not None else [kind]
        if given is None and kind not in header:
            names = [name for name in header if name.strip().lower() in _NAMES[kind]]
        if len(names) != 1 or names[0] not in header:
            return None
        chosen.append(header.index(names[0]))
    return chosen[0], chosen[1]
