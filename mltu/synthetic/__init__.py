"""Word images rendered from fonts: a data set without a download, on disk or drawn in training.

Floor 1: Pillow, OpenCV and NumPy, no Keras.
"""

from ._images import TextImages
from ._kinds import KINDS
from ._texts import LATIN, Texts
from .atlas import FontAtlas
from .families import family_weights
from .font_check import FontReport, check_font, check_fonts, find_fonts
from .fonts import shipped_fonts
from .render import render_word
from .scene import SceneWords
from .words import ALPHABET, MARKS, load_words, sample_word
from .writer import write_mjsynth

__all__ = [
    "ALPHABET",
    "KINDS",
    "LATIN",
    "MARKS",
    "FontAtlas",
    "FontReport",
    "SceneWords",
    "TextImages",
    "Texts",
    "check_font",
    "check_fonts",
    "family_weights",
    "find_fonts",
    "load_words",
    "render_word",
    "sample_word",
    "shipped_fonts",
    "write_mjsynth",
]
