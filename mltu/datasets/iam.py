"""IAM: handwritten words, listed in `words.txt`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from mltu.datasets.samples import Samples
from mltu.utils.checks import shorten
from mltu.utils.text_columns import TextColumn

_NUM_FIELDS = 9  # Name, ok or err, grey level, x, y, width, height, grammatical tag, text.


def read_iam_words(root: str | os.PathLike[str], *, include_err: bool = False) -> Samples:
    """Read the words of the IAM handwriting database.

    A line `a01-000u-00-00 ok 154 408 768 27 51 AT A` stands for the image
    `words/a01/a01-000u/a01-000u-00-00.png` with the label "A", which is all that follows the eighth
    field, spaces included. Two images of the official set, `a01-117-05-02` and `r06-022-03-05`,
    are broken files: a `DataProvider` leaves them out and tells.

    Args:
        root: the folder with `words.txt` and the folder `words`.
        include_err: True to take the words marked `err` too: badly cut out, mostly legible.

    Returns:
        (path, label) of each word, in the order of the file; paths start with `root`.

    Raises:
        FileNotFoundError: there is no `words.txt`.
        ValueError: a line has another form, quoted with its number; the file is not in UTF-8; or
            there is no word.

    Source: Marti and Bunke, 2002, https://fki.tic.heia-fr.ch/databases/iam-handwriting-database
    """
    listing = Path(root) / "words.txt"
    if not listing.is_file():
        raise FileNotFoundError(
            f"`root` must be a folder with the file words.txt. There is no file {str(listing)!r}."
        )
    states = ("ok", "err") if include_err else ("ok",)
    with open(listing, encoding="utf-8-sig", newline="\n") as lines:
        try:
            words = [word for word in _words(lines, str(listing)) if word[1] in states]
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{str(listing)!r} must be a file in UTF-8. Received {error}"
            ) from error
    if not words:
        raise ValueError(f"{str(listing)!r} must list at least one word. Received none.")
    prefix = os.path.join(root, "words", "")
    paths = TextColumn.from_strings((_path(name) for name, _, _ in words), prefix)
    return Samples(paths, TextColumn.from_strings(label for _, _, label in words))


def _words(lines: TextIO, source: str) -> Iterator[tuple[str, str, str]]:
    """Give the name, "ok" or "err", and the label of each line; `source` is for the errors."""
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        if not text.strip() or text.startswith("#"):
            continue
        fields = text.split(" ", _NUM_FIELDS - 1)
        name, state = fields[0], fields[1] if len(fields) > 1 else ""
        is_whole = len(fields) == _NUM_FIELDS and fields[-1] and name.count("-") == 3
        if not is_whole or state not in ("ok", "err"):
            raise ValueError(
                f"{source!r} must have lines like 'a01-000u-00-00 ok 154 408 768 27 51 AT A'. "
                f"Received {shorten(text)} in line {number}."
            )
        yield name, state, fields[-1]


def _path(name: str) -> str:
    form, page, *_ = name.split("-")
    return os.path.join(form, f"{form}-{page}", f"{name}.png")
