"""Fonts: the shipped TrueType files, and glyph masks drawn from any font file."""

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing

with explain_missing():
    from PIL import ImageFont

Mask = npt.NDArray[np.uint8]

FONT_FOLDER = Path(__file__).parent / "data" / "fonts"
FONT_SUFFIXES = (".otf", ".ttf")

# A Unicode non-character: no font has a glyph for it, so it draws the font's "missing" box.
_NO_CHARACTER = "\uffff"
_PROBE_SIZE = 64


class Glyph(NamedTuple):
    """One drawn character; `left` and `top` of its mask from the pen, `advance` to the next."""

    mask: Mask
    left: int
    top: int
    advance: int


def shipped_fonts() -> list[Path]:
    """List the font files that come with the library, sorted by name.

    Origin and licence of each are in `data/README.md`; the licence texts lie beside the files.
    """
    return sorted(path for path in FONT_FOLDER.iterdir() if path.suffix in FONT_SUFFIXES)


@lru_cache(maxsize=2048)
def load_font(font_path: str, size: int) -> ImageFont.FreeTypeFont:
    """Open a font at `size` pixels per em, once per process.

    The basic layout engine is fixed: the other one is an optional part of Pillow, and the
    same word would have another width on another machine.

    Raises:
        FileNotFoundError: no file at `font_path`.
        ValueError: the file is no font that FreeType can read.
    """
    if not Path(font_path).is_file():
        raise FileNotFoundError(
            f"`font_path` must name a TrueType or OpenType file. Received '{font_path}', "
            "which does not exist. `shipped_fonts()` lists the fonts of the library."
        )
    try:
        return ImageFont.truetype(font_path, size, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise ValueError(
            f"`font_path` must name a TrueType or OpenType file. Received '{font_path}', "
            f"which cannot be decoded ({error}). Replace the file or leave it out."
        ) from error


def missing_characters(text: str, font_path: str) -> str:
    """Return the characters of `text` that the font has no glyph for, each once, sorted."""
    return "".join(sorted(char for char in set(text) if not _has_glyph(char, font_path)))


def text_size(text: str, font_path: str) -> tuple[float, float]:
    """Estimate width and height of the ink of `text` at a font size of 1, without drawing it."""
    glyphs = [glyph_of(char, font_path, _PROBE_SIZE) for char in text]
    width = sum(glyph.advance for glyph in glyphs)
    bottom = max(glyph.top + glyph.mask.shape[0] for glyph in glyphs)
    height = bottom - min(glyph.top for glyph in glyphs)
    return max(width, 1) / _PROBE_SIZE, max(height, 1) / _PROBE_SIZE


def draw_mask(text: str, font_path: str, size: int, *, spacing: int = 0) -> Mask:
    """Draw `text` in one line and crop it to its ink.

    The glyphs are set one by one, from a cache, without kerning: FreeType would take five
    times as long for a whole word.

    Args:
        text: what to draw.
        font_path: a font file.
        size: pixels per em.
        spacing: pixels added after every character.

    Returns:
        `(height, width)` uint8, 0 is paper and 255 is ink; empty if nothing was drawn.
    """
    glyphs = [glyph_of(char, font_path, size) for char in text]
    pad = 2 * size  # room for swashes and for what hangs below the base line
    room = sum(glyph.advance + spacing for glyph in glyphs) + 2 * pad
    canvas = np.zeros((2 * pad, room), np.uint8)
    x = pad
    for glyph in glyphs:
        rows, columns = glyph.mask.shape
        top, left = pad + glyph.top, x + glyph.left
        spot = canvas[top : top + rows, left : left + columns]
        np.maximum(spot, glyph.mask, out=spot)
        x += glyph.advance + spacing
    x, y, width, height = cv2.boundingRect(canvas)
    return canvas[y : y + height, x : x + width]


def _as_array(glyphs: Any) -> Mask:  # Pillow keeps the type of its pixel blocks private
    columns, rows = glyphs.size
    return np.frombuffer(bytes(glyphs), np.uint8).reshape(rows, columns)


@lru_cache(maxsize=65536)
def glyph_of(char: str, font_path: str, size: int) -> Glyph:
    """Draw one character at `size` pixels per em."""
    font = load_font(font_path, size)
    glyph, (left, top) = font.getmask2(char, "L", anchor="ls")
    return Glyph(_as_array(glyph), left, top, round(font.getlength(char)))


@lru_cache(maxsize=65536)
def _has_glyph(char: str, font_path: str) -> bool:
    if char.isspace():
        return True
    font = load_font(font_path, _PROBE_SIZE)
    glyph, box = font.getmask(char), font.getmask(_NO_CHARACTER)
    return bool(glyph.size != box.size or bytes(glyph) != bytes(box))
