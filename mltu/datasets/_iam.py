"""IAM handwriting: words from `words.txt` and text lines from `lines.txt`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mltu.datasets._samples import Samples
from mltu.datasets._tables import read_lines
from mltu.utils.checks import shorten
from mltu.utils.files import StrPath

_SHARE = 0.1  # of the forms, for validation and for the test each
_NUM_FIELDS = 9  # In both lists: the name comes first, then ok or err; the text comes last.
_WORD_LINE = "a01-000u-00-00 ok 154 408 768 27 51 AT A"
_TEXT_LINE = "a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop"
_OFFICIAL = (("trainset.txt",), ("validationset1.txt", "validationset2.txt"), ("testset.txt",))


class IamSplit(NamedTuple):
    """Samples of IAM, split into three parts."""

    training: Samples
    validation: Samples
    test: Samples


def read_iam_words(root: StrPath, *, include_err: bool = False) -> Samples:
    """Read the words of the IAM handwriting database.

    A line `a01-000u-00-00 ok 154 408 768 27 51 AT A` stands for the image
    `words/a01/a01-000u/a01-000u-00-00.png` with the label "A", which is everything after the eighth
    field, spaces included. Two images of the official set, `a01-117-05-02` and `r06-022-03-05`,
    are broken files: a `DataProvider` skips them and logs it.

    Args:
        root: the folder with `words.txt` and the folder `words`.
        include_err: include the words marked `err`: badly segmented, mostly legible.

    Returns:
        (path, label) of each word, in the order of the file; paths start with `root`.

    Raises:
        FileNotFoundError: there is no `words.txt`.
        ValueError: a line has another form or is not UTF-8 (it is quoted with its number), or
            there is no word.

    Source: Marti and Bunke, 2002, https://fki.tic.heia-fr.ch/databases/iam-handwriting-database
    """
    return _read(root, "words", _WORD_LINE, include_err)


def read_iam_lines(root: StrPath, *, include_err: bool = False) -> Samples:
    """Read the text lines of the IAM handwriting database.

    A line `a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop` stands for the image
    `lines/a01/a01-000u/a01-000u-00.png` with the label "A MOVE to stop": each `|` becomes a space
    and nothing else changes. IAM lists punctuation marks as words, so "stop." has the label
    "stop .", and word error rates count the full stop as a word.

    Args:
        root: the folder with `lines.txt` and the folder `lines`.
        include_err: include the lines marked `err`: their words are badly segmented, but the image
            of the line and its text are mostly correct.

    Returns:
        (path, label) of each line, in the order of the file; paths start with `root`.

    Raises:
        FileNotFoundError: there is no `lines.txt`.
        ValueError: as in `read_iam_words`.

    Source: the same as `read_iam_words`.
    """
    return _read(root, "lines", _TEXT_LINE, include_err)


def split_iam(samples: Samples, root: StrPath | None = None, *, seed: int = 0) -> IamSplit:
    """Split words or lines of IAM so that all samples of a form are in the same part.

    If `root` holds the four lists of the official task, `trainset.txt`, `validationset1.txt`,
    `validationset2.txt` and `testset.txt` with the name of a text line (`a01-000u-00`) in each
    line, they decide, and all samples of a writer are in the same part; samples of lines in no list
    are dropped. Otherwise forms are split at random, a tenth of them for validation and as many for
    the test. A form, `a01-000u`, is one page by one writer; some writers wrote several.

    Args:
        samples: from `read_iam_words` or `read_iam_lines`.
        root: the folder that may hold the lists; None splits forms at random.
        seed: random seed of the split, at least 0.

    Returns:
        The three parts, each in the order of `samples`.

    Raises:
        FileNotFoundError: some of the four lists are missing, but not all.
        ValueError: a path is not named like those of IAM, or a part would be empty.

    Source of the lists: IAM's "Large Writer Independent Text Line Recognition Task".
    """
    keys = [_line_name(path) for path in samples.data]
    kind = "lines"
    parts = None if root is None else _official_parts(Path(root))
    if parts is None:
        keys = [line.rpartition("-")[0] for line in keys]
        kind = "forms"
        parts = _draw_parts(set(keys), seed)
    indices = [[i for i, key in enumerate(keys) if key in part] for part in parts]
    for name, part_indices in zip(IamSplit._fields, indices, strict=True):
        if not part_indices:
            raise ValueError(
                f"`samples` must suffice for {', '.join(IamSplit._fields)}. Received "
                f"{len(samples)} samples of {len(set(keys))} {kind}, which leave {name} empty. "
                "Provide more samples, or split them yourself."
            )
    return IamSplit(*map(samples.take, indices))


def _read(root: StrPath, kind: str, example: str, include_err: bool) -> Samples:
    """Read `<kind>.txt`, whose lines look like `example`."""
    listing = Path(root) / f"{kind}.txt"
    if not listing.is_file():
        raise FileNotFoundError(
            f"`root` must be a folder with the file {listing.name}. There is no file "
            f"{str(listing)!r}. Unpack the archives, and pass the folder that contains it."
        )
    samples = Samples.from_pairs(_pairs(listing, example, include_err))
    if not samples:
        raise ValueError(f"{str(listing)!r} must list at least one {kind[:-1]}. Received no line.")
    return samples.with_root(os.path.join(root, kind))


def _pairs(listing: Path, example: str, include_err: bool) -> Iterator[tuple[str, str]]:
    num_hyphens = example.partition(" ")[0].count("-")
    is_line = example == _TEXT_LINE
    for number, line in read_lines(listing):
        text = line.rstrip("\r\n")
        if not text.strip() or text.startswith("#"):
            continue
        fields = text.split(" ", _NUM_FIELDS - 1)
        name, state, label = fields[0], fields[1:2], fields[-1]
        is_whole = len(fields) == _NUM_FIELDS and label and name.count("-") == num_hyphens
        if not is_whole or state not in (["ok"], ["err"]):
            raise ValueError(
                f"{str(listing)!r} must have lines like {example!r}. "
                f"Received {shorten(text)} in line {number}."
            )
        if include_err or state == ["ok"]:
            form, page, *_ = name.split("-")
            path = os.path.join(form, f"{form}-{page}", f"{name}.png")
            yield path, label.replace("|", " ") if is_line else label


def _line_name(path: str) -> str:
    """Return `a01-000u-00` for the path of that line, or of a word in it."""
    parts = Path(path).stem.split("-")
    if len(parts) not in (3, 4):
        raise ValueError(
            "`samples` must have paths like 'words/a01/a01-000u/a01-000u-00-00.png'. Received "
            f"{shorten(path)}. Split samples of other data sets with `DataProvider.split`."
        )
    return "-".join(parts[:3])


def _official_parts(root: Path) -> list[set[str]] | None:
    """Return the names of the lines of each part; None if there are no lists."""
    files = {name: root / name for names in _OFFICIAL for name in names}
    missing = [name for name, file in files.items() if not file.is_file()]
    if len(missing) == len(files):
        return None
    if missing:
        raise FileNotFoundError(
            f"`root` must contain either all of {', '.join(files)} or none. Received {str(root)!r} "
            f"without {', '.join(missing)}. Add them, or remove the others."
        )
    return [
        {line for name in names for line in files[name].read_text(encoding="utf-8-sig").split()}
        for names in _OFFICIAL
    ]


def _draw_parts(forms: set[str], seed: int) -> list[set[str]]:
    names = sorted(forms)
    count = max(1, round(len(names) * _SHARE))
    order = np.random.default_rng(seed).permutation(len(names))
    drawn = [names[i] for i in order]
    return [set(drawn[2 * count :]), set(drawn[:count]), set(drawn[count : 2 * count])]
