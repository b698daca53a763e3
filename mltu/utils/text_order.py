"""Right-to-left text: the order in which it is stored, and that in which an image shows it."""

from __future__ import annotations

import unicodedata
from itertools import groupby, product

from mltu._extras import explain_missing

ORDERS = ("logical", "visual")
_HIDDEN = ("BN", "")  # bidirectional classes: joiners and such, and what is not assigned
# python-bidi knows no isolates, but embeddings, which are dropped as they should be.
_EMBEDDINGS = str.maketrans("\u2066\u2067\u2068\u2069", "\u202a\u202b\u202a\u202c")
_MARKS = frozenset(map(chr, range(0x300, 0x370)))  # combining marks
_MAX_SIGNS = 6  # of a text, of which all combinations are tried


def is_right_to_left(text: str) -> bool:
    """Return whether a text has letters of a script such as Arabic or Hebrew."""
    return not text.isascii() and any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)


def turn_text(text: str) -> str:
    """Turn a text from the order of reading into that of the image, left to right.

    Numbers and Latin words keep their order within. A text without right-to-left letters stays as
    it is; any other is taken as a paragraph that begins at the right. Marks of direction are
    obeyed and left out.

    Source: the Unicode Bidirectional Algorithm (UAX 9).

    Raises:
        ImportError: python-bidi is missing.
    """
    if not is_right_to_left(text):
        return text
    with explain_missing():
        from bidi.algorithm import get_display
    text = text.translate(_EMBEDDINGS)
    # python-bidi drops joiners (of Persian); a mark goes with its letter.
    hidden = "".join({char for char in text if unicodedata.bidirectional(char) in _HIDDEN})
    marks = "".join(sorted(_MARKS.difference(text)))
    hidden, marks = hidden[: len(marks)], marks[: len(hidden)]
    shown = str(get_display(text.translate(str.maketrans(hidden, marks)), base_dir="R"))
    return shown.translate(str.maketrans(marks, hidden))


def turn_back(text: str) -> str:
    """Turn a text from the order of the image into that of reading: `turn_text` turns it into this.

    Turning twice does the same for most texts, but an Arabic letter before a number takes its
    signs away from it, and then "20%" would come back as "%20" and "12-34" as "34-12". There each
    sign is tried as a part of the number and as none.

    Raises:
        ImportError: python-bidi is missing.
    """
    guess = turn_text(text)
    if turn_text(guess) == text:
        return guess
    is_kept, signs = _runs(text)
    for chosen in product((True, False), repeat=min(len(signs), _MAX_SIGNS)):
        for i, value in zip(signs, chosen, strict=False):
            is_kept[i] = value
        found = ""
        for kept, run in groupby(reversed(range(len(text))), is_kept.__getitem__):
            part = [text[i] for i in run]
            found += "".join(reversed(part) if kept else map(_mirrored, part))
        if turn_text(found) == text:
            return found
    return guess


def _runs(text: str) -> tuple[list[bool], list[int]]:
    """Return whether each character keeps its place in a run of Latin or digits; and the signs."""
    kinds = [unicodedata.bidirectional(char) for char in text]
    is_kept, is_latin = [False] * len(text), False
    for i, kind in enumerate(kinds):
        is_latin = kind == "L" or (is_latin and kind not in ("R", "AL"))
        strong = (other for other in kinds[i:] if other in ("L", "EN", "AN", "R", "AL"))
        is_kept[i] = kind in ("L", "EN", "AN") or (is_latin and next(strong, "R") in ("L", "EN"))
    return is_kept, [i for i, kind in enumerate(kinds) if kind in ("ES", "ET", "CS")]


def _mirrored(char: str) -> str:
    return turn_text(f"\u05d0{char}")[0] if unicodedata.mirrored(char) else char
