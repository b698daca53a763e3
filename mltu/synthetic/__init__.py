"""Images of text drawn from fonts: words and lines on signs, print, receipts, screens, displays.

A data set without a download, written to disk or drawn while a model trains.
"""

from mltu._extras import explain_missing

with explain_missing():
    import cv2  # noqa: F401  All modules of this package need it.

from mltu.synthetic._atlas import FontAtlas
from mltu.synthetic._glyphs import shipped_fonts
from mltu.synthetic._images import KINDS, Kind, TextImages, render_word
from mltu.synthetic._texts import ALPHABET, LATIN, Texts, Words, load_words, sample_word
from mltu.synthetic._writer import write_mjsynth

__all__ = [
    "ALPHABET",
    "KINDS",
    "LATIN",
    "FontAtlas",
    "Kind",
    "TextImages",
    "Texts",
    "Words",
    "load_words",
    "render_word",
    "sample_word",
    "shipped_fonts",
    "write_mjsynth",
]
