"""Word images rendered from fonts, written in the layout of MJSynth: a data set without a download.

Floor 1: Pillow, OpenCV and NumPy, no Keras.
"""

from .fonts import shipped_fonts
from .render import render_word
from .words import load_words, sample_word
from .writer import write_mjsynth

__all__ = ["load_words", "render_word", "sample_word", "shipped_fonts", "write_mjsynth"]
