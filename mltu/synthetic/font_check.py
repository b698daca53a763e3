"""Which fonts are fit to draw words: all characters there, legible, and small letters small."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mltu._extras import explain_missing

from .font_sheet import EM, draw_glyphs, in_processes
from .fonts import Mask, glyph_of, shipped_fonts
from .words import ALPHABET

SUFFIXES = {".ttf", ".otf", ".ttc", ".pfb"}

ALIKE = "draws small letters and capitals alike"
CAPITALS = "draws capitals for small letters"

# Letters whose two cases have different shapes in nearly every font.
_TWO_SHAPES = "abdeghnqr"
_SIDE = 16  # pixels of the square in which shapes are compared
_LIKENESS = 0.5  # correlation from which on two letters can count as one
_KINDS = (
    ("has no glyph", "lacks characters"),
    ("must draw all characters within", "draws a character empty or huge"),
)
_NEARLY_ALL = 0.75  # of the letters, from which on a font is one of capitals
_MIN_LEGIBLE = 0.43  # share of characters whose nearest shape in the shipped fonts is their own


class FontReport(NamedTuple):
    """A font file and why it is not fit; `reason` is empty for a font that is."""

    path: str
    reason: str

    @property
    def kind(self) -> str:
        """The reason without what is special to this font, or "fit"."""
        if not self.reason or self.reason.startswith("draws "):
            return self.reason or "fit"
        return next((kind for begin, kind in _KINDS if begin in self.reason), "cannot be read")


def find_fonts(folders: Sequence[str | os.PathLike[str]] | None = None) -> list[Path]:
    """List font files, sorted.

    Args:
        folders: to look through, with all folders in them; None for the system's own.

    Raises:
        NotADirectoryError: one of the folders is none.
        ImportError: the system's fonts are asked for and matplotlib, which finds them, is missing.
    """
    if folders is None:
        with explain_missing():
            from matplotlib.font_manager import findSystemFonts
        return sorted(map(Path, findSystemFonts()))
    for folder in folders:
        if not Path(folder).is_dir():
            raise NotADirectoryError(
                f"`folders` must be folders with font files. Received {os.fspath(folder)!r}."
            )
    files = (path for folder in folders for path in Path(folder).rglob("*"))
    return sorted({path for path in files if path.suffix.lower() in SUFFIXES})


def check_fonts(
    paths: Iterable[str | os.PathLike[str]],
    characters: str = ALPHABET,
    *,
    workers: int = 0,
    progress: bool = False,
) -> list[FontReport]:
    """Check many fonts; see `check_font`.

    Args:
        paths: of the font files.
        characters: that each must draw.
        workers: processes that draw; 0 for this one.
        progress: show a progress bar.
    """
    files = [os.fspath(path) for path in paths]
    reasons = in_processes(partial(check_font, characters=characters), files, workers)
    bar = tqdm(reasons, "Checking fonts", len(files), unit="font", disable=not progress)
    return [FontReport(path, reason) for path, reason in zip(files, bar, strict=True)]


def check_font(path: str | os.PathLike[str], characters: str = ALPHABET) -> str:
    """Say why a font should not draw words, or return "" if it may.

    Args:
        path: of the font file.
        characters: that it must draw.

    Returns:
        One of: cannot be read; a character is missing, empty or huge; different characters look
        the same; capitals stand for small letters; both cases look alike in another way; or its
        shapes are far from those that people read as these letters, as in fonts of symbols.
    """
    name = os.fspath(path)
    try:
        glyphs = draw_glyphs(name, characters)
    except (OSError, ValueError) as error:
        return str(error)
    shapes = {char: shape_of(g.mask) for char, g in zip(characters, glyphs, strict=True)}
    if len({shape.tobytes() for shape in shapes.values()}) < len(characters) / 2:
        return "draws different characters alike"
    known = [char for char in characters if char in ALPHABET]
    if known and legibility({char: shapes[char] for char in known}) < _MIN_LEGIBLE:
        return "draws shapes that are not read as these characters"
    both = [char for char in _TWO_SHAPES if {char, char.upper()} <= shapes.keys()]
    alike = [char for char in both if _is_alike(char, shapes)]
    if len(alike) <= len(both) / 3:
        return ""
    capitals = [c for c in alike if _nearness(c.upper(), shapes[c]) > _nearness(c, shapes[c])]
    return CAPITALS if len(capitals) > _NEARLY_ALL * len(both) else ALIKE


def _is_alike(char: str, shapes: dict[str, npt.NDArray[np.float32]]) -> bool:
    """Tell whether a letter looks more like the capital of its font than like any small letter."""
    likeness = shapes[char] @ shapes[char.upper()]
    return bool(likeness > max(_LIKENESS, _nearness(char, shapes[char]) - 1e-3))


def _nearness(char: str, shape: npt.NDArray[np.float32]) -> float:
    """Return the largest correlation with a character of the shipped fonts."""
    templates, texts = _templates()
    return float((templates[[text == char for text in texts]] @ shape).max())


def shape_of(mask: Mask) -> npt.NDArray[np.float32]:
    """Return the ink in a square of 16 pixels as a vector of length 1 around zero: (256,)."""
    x, y, width, height = cv2.boundingRect(mask)
    ink = mask[y : y + height, x : x + width]
    square = cv2.resize(ink, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    vector = (square - square.mean()).ravel()
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float32)


def legibility(shapes: dict[str, npt.NDArray[np.float32]]) -> float:
    """Return the share of characters whose nearest shape in the shipped fonts is their own."""
    templates, texts = _templates()
    nearest = np.argmax(np.stack([*shapes.values()]) @ templates.T, axis=1)
    pairs = zip(nearest, shapes, strict=True)
    return float(np.mean([texts[place].lower() == char.lower() for place, char in pairs]))


@lru_cache(maxsize=1)
def _templates() -> tuple[npt.NDArray[np.float32], list[str]]:
    fonts = [str(path) for path in shipped_fonts()]
    vectors = [shape_of(glyph_of(char, font, EM).mask) for font in fonts for char in ALPHABET]
    return np.stack(vectors), [*ALPHABET] * len(fonts)
