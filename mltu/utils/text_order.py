"""Right-to-left text: the order in which it is stored, and that in which an image shows it."""

from __future__ import annotations

import unicodedata

from mltu._extras import explain_missing

ORDERS = ("logical", "visual")

# python-bidi drops the joiners of Persian spelling: variation selectors stand for them, which stay
# with the letter before as they do. It does not know isolates: embeddings stand for those.
_BEFORE = str.maketrans(
    "\u200c\u200d\u2066\u2067\u2068\u2069", "\U000e0100\U000e0101\u202a\u202b\u202a\u202c"
)
_AFTER = str.maketrans("\U000e0100\U000e0101", "\u200c\u200d")


def is_right_to_left(text: str) -> bool:
    """Return whether a text has letters of a script such as Arabic or Hebrew."""
    return not text.isascii() and any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)


def turn_text(text: str) -> str:
    """Turn a text from the order of reading into that of the image, left to right, or back.

    Numbers and Latin words keep their order within. A text without right-to-left letters stays as
    it is; any other is taken as a paragraph that begins at the right. Marks of direction and
    other invisible characters get lost, but the joiners of Persian spelling do not.

    Source: the Unicode Bidirectional Algorithm (UAX 9).

    Raises:
        ImportError: python-bidi is missing.
    """
    if not is_right_to_left(text):
        return text
    with explain_missing():
        from bidi.algorithm import get_display
    return str(get_display(text.translate(_BEFORE), base_dir="R")).translate(_AFTER)
