"""Right-to-left text: the order in which it is stored, and that in which an image shows it."""

from __future__ import annotations

import unicodedata

from mltu._extras import explain_missing

ORDERS = ("logical", "visual")


def is_right_to_left(text: str) -> bool:
    """Return whether a text has letters of a script such as Arabic or Hebrew."""
    return not text.isascii() and any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)


def turn_text(text: str) -> str:
    """Turn a text from the order of reading into that of the image, left to right, or back.

    Numbers and Latin words keep their order within. A text without right-to-left letters stays as
    it is; any other is taken as a paragraph that begins at the right.

    Source: the Unicode Bidirectional Algorithm (UAX 9).

    Raises:
        ImportError: python-bidi is missing.
    """
    if not is_right_to_left(text):
        return text
    with explain_missing():
        from bidi.algorithm import get_display
    return str(get_display(text, base_dir="R"))
