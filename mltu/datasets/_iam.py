"""IAM: handwriting, its words listed in `words.txt` and its lines in `lines.txt`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from mltu.datasets._samples import Samples
from mltu.utils.checks import shorten
from mltu.utils.text_columns import TextColumn

_NUM_FIELDS = 9  # Of both lists: the name comes first, ok or err next, the text last.
_WORD_LINE = "a01-000u-00-00 ok 154 408 768 27 51 AT A"
_TEXT_LINE = "a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop"
_OFFICIAL = {
    "training": ("trainset.txt",),
    "validation": ("validationset1.txt", "validationset2.txt"),
    "test": ("testset.txt",),
}


class IamSplit(NamedTuple):
    """Samples of IAM in three parts."""

    training: Samples
    validation: Samples
    test: Samples


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
    return _read(root, "words", _WORD_LINE, include_err)


def read_iam_lines(root: str | os.PathLike[str], *, include_err: bool = False) -> Samples:
    """Read the text lines of the IAM handwriting database.

    A line `a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop` stands for the image
    `lines/a01/a01-000u/a01-000u-00.png` with the label "A MOVE to stop": each `|` becomes a space
    and nothing else is changed. IAM lists punctuation as words of its own, so that "stop." has the
    label "stop .", and word error rates count the full stop as a word.

    Args:
        root: the folder with `lines.txt` and the folder `lines`.
        include_err: True to take the lines marked `err` too: their words are badly cut apart, the
            line as a whole and its text are mostly sound.

    Returns:
        (path, label) of each line, in the order of the file; paths start with `root`.

    Raises:
        FileNotFoundError: there is no `lines.txt`.
        ValueError: as in `read_iam_words`.

    Source: as of `read_iam_words`.
    """
    samples = _read(root, "lines", _TEXT_LINE, include_err)
    labels = TextColumn.from_strings(label.replace("|", " ") for label in samples.labels)
    return Samples(samples.data, labels)


def split_iam(
    samples: Samples,
    root: str | os.PathLike[str] | None = None,
    *,
    share: float = 0.1,
    seed: int = 0,
) -> IamSplit:
    """Divide words or lines of IAM so that no form stands on two sides.

    Where `root` holds the four lists of the official task, `trainset.txt`, `validationset1.txt`,
    `validationset2.txt` and `testset.txt` with the name of a text line (`a01-000u-00`) in each
    line, they decide, and no writer stands on two sides; samples of lines that no list names are
    left out. Otherwise forms are drawn by chance. A form, `a01-000u`, is one page of one writer;
    some writers wrote several.

    Args:
        samples: of `read_iam_words` or `read_iam_lines`.
        root: the folder that may hold the lists; None to draw forms.
        share: of the forms that are drawn for validation, and as many for the test; in (0, 0.5).
        seed: of the draw, at least 0.

    Returns:
        The three parts, each in the order of `samples`.

    Raises:
        FileNotFoundError: some of the four lists are there and some are not.
        ValueError: a path is not named like those of IAM, a part would be empty, or `share` is out
            of its range.

    Source of the lists: IAM's "Large Writer Independent Text Line Recognition Task".
    """
    if not 0 < share < 0.5:
        raise ValueError(f"`share` must be in (0, 0.5). Received {share}.")
    lines = [_line_name(path) for path in samples.data]
    parts = None if root is None else _official_parts(Path(root))
    if parts is None:
        keys = [line.rpartition("-")[0] for line in lines]
        parts = _draw_parts(set(keys), share, seed)
    else:
        keys = lines
    taken = [[i for i, key in enumerate(keys) if key in part] for part in parts]
    kind = "lines" if keys is lines else "forms"
    for name, indices in zip(IamSplit._fields, taken, strict=True):
        if not indices:
            raise ValueError(
                f"`samples` must have some for each of {', '.join(IamSplit._fields)}. Received "
                f"{len(samples)} samples of {len(set(keys))} {kind}, with none for {name}. "
                "Take more samples, or divide them yourself."
            )
    return IamSplit(*map(samples.take, taken))


def _read(root: str | os.PathLike[str], kind: str, example: str, include_err: bool) -> Samples:
    """Read `<kind>.txt`, whose lines are like `example`."""
    listing = Path(root) / f"{kind}.txt"
    if not listing.is_file():
        raise FileNotFoundError(
            f"`root` must be a folder with the file {listing.name}. There is no file "
            f"{str(listing)!r}. Unpack the archives, and give the folder that holds it."
        )
    states = ("ok", "err") if include_err else ("ok",)
    with open(listing, encoding="utf-8-sig", newline="\n") as lines:
        try:
            found = [e for e in _entries(lines, str(listing), example) if e[1] in states]
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{str(listing)!r} must be a file in UTF-8. Received {error}"
            ) from error
    if not found:
        raise ValueError(f"{str(listing)!r} must list at least one {kind[:-1]}. Received none.")
    prefix = os.path.join(root, kind, "")
    paths = TextColumn.from_strings((_path(name) for name, _, _ in found), prefix)
    return Samples(paths, TextColumn.from_strings(label for _, _, label in found))


def _entries(lines: TextIO, source: str, example: str) -> Iterator[tuple[str, str, str]]:
    """Give the name, "ok" or "err", and the label of each line; `source` is for the errors."""
    num_hyphens = example.partition(" ")[0].count("-")
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        if not text.strip() or text.startswith("#"):
            continue
        fields = text.split(" ", _NUM_FIELDS - 1)
        name, state = fields[0], fields[1] if len(fields) > 1 else ""
        is_whole = len(fields) == _NUM_FIELDS and fields[-1] and name.count("-") == num_hyphens
        if not is_whole or state not in ("ok", "err"):
            raise ValueError(
                f"{source!r} must have lines like {example!r}. "
                f"Received {shorten(text)} in line {number}."
            )
        yield name, state, fields[-1]


def _path(name: str) -> str:
    form, page, *_ = name.split("-")
    return os.path.join(form, f"{form}-{page}", f"{name}.png")


def _line_name(path: str) -> str:
    """Return `a01-000u-00` for the path of that line, or of a word in it."""
    parts = Path(path).stem.split("-")
    if len(parts) not in (3, 4):
        raise ValueError(
            "`samples` must have paths like 'words/a01/a01-000u/a01-000u-00-00.png'. Received "
            f"{shorten(path)}. Divide samples of other sets with `DataProvider.split`."
        )
    return "-".join(parts[:3])


def _official_parts(root: Path) -> list[set[str]] | None:
    """Return the names of the lines of each part; None where there is no list."""
    files = {name: root / name for names in _OFFICIAL.values() for name in names}
    missing = [name for name, file in files.items() if not file.is_file()]
    if len(missing) == len(files):
        return None
    if missing:
        raise FileNotFoundError(
            f"`root` must hold all of {', '.join(files)}, or none of them. Received {str(root)!r} "
            f"without {', '.join(missing)}. Put them there, or take the others away."
        )
    return [
        {line for name in names for line in files[name].read_text(encoding="utf-8-sig").split()}
        for names in _OFFICIAL.values()
    ]


def _draw_parts(forms: Iterable[str], share: float, seed: int) -> list[set[str]]:
    names = sorted(forms)
    count = max(1, round(len(names) * share))
    order = np.random.default_rng(seed).permutation(len(names))
    drawn = [names[i] for i in order]
    return [set(drawn[2 * count :]), set(drawn[:count]), set(drawn[count : 2 * count])]
