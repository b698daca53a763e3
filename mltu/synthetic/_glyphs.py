"""Font files: the shipped ones, their families, and the glyphs that they draw."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.utils.files import StrPath

if TYPE_CHECKING:
    from PIL import ImageFont

Mask = npt.NDArray[np.uint8]  # (height, width): 0 is paper, 255 is ink

EM = 48  # pixels: capitals are about 34 pixels high
FONT_FOLDER = Path(__file__).parent / "data" / "fonts"
KERNED = "".join(map(chr, range(33, 127)))  # accented letters are kerned as their base letters

_MAX_SIDE = 4 * EM  # pixels of a glyph; one that is larger belongs to no font for words
# A Unicode non-character: no font has a glyph for it, so it draws the font's "missing" box.
_NO_CHARACTER = "\uffff"
_FAMILY_POWER = -0.75  # -1 would give each family one voice; a large one still shows more styles
_STYLES = re.compile(
    "regular|roman|book|normal|plain|bold|italic|oblique|slanted|inclined|light|medium|black|thin"
    "|heavy|hairline|semi|demi|extra|ultra|condensed|compressed|cond|narrow|wide|expanded|extended"
    "|variable|display|text|caption|subhead|[^a-z]"
)


class Glyph(NamedTuple):
    """One drawn character; `left` and `top` of its mask from the pen, `advance` to the next."""

    mask: Mask
    left: int
    top: int
    advance: int


class FontSheet(NamedTuple):
    """The glyphs of one font at 48 pixels per em.

    `pixels` are those of all glyphs, one behind the other, uint8; `boxes` (characters, 5) int16 has
    rows, columns, left, top and advance of each, left and top from the pen on the base line; all -1
    where the font has no such glyph. `kerning` (94, 94) int8 moves the second of two of the visible
    ASCII characters, in pixels.
    """

    pixels: Mask
    boxes: npt.NDArray[np.int16]
    kerning: npt.NDArray[np.int8]


def shipped_fonts() -> list[Path]:
    """List the font files that come with the library, sorted by name.

    Origin and licence of each are in `data/README.md`; the licence texts lie beside the files.
    """
    return sorted(path for path in FONT_FOLDER.iterdir() if path.suffix in (".otf", ".ttf"))


@lru_cache(maxsize=64)
def load_font(font_path: str) -> ImageFont.FreeTypeFont:
    """Open a font at 48 pixels per em.

    The basic layout engine is fixed: the other one is an optional part of Pillow, and the
    same word would have another width on another machine.

    Raises:
        FileNotFoundError: no file at `font_path`.
        ValueError: the file is no font that FreeType can read.
    """
    with explain_missing():
        from PIL import ImageFont

    if not Path(font_path).is_file():
        raise FileNotFoundError(
            f"No font file at '{font_path}'. `shipped_fonts()` lists the fonts of the library."
        )
    try:
        return ImageFont.truetype(font_path, EM, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise ValueError(
            f"'{font_path}' cannot be read as a TrueType or OpenType font ({error}). "
            "Replace the file or leave it out."
        ) from error


def draw_glyph(char: str, font_path: str) -> Glyph | None:
    """Draw one character at 48 pixels per em; None if the font has no glyph for it, or no ink."""
    font = load_font(font_path)
    pixels, (left, top) = font.getmask2(char, "L", anchor="ls")
    mask, advance = _as_array(pixels), round(font.getlength(char))
    if char == " ":
        # Some fonts have no space, or one of no width.
        return Glyph(np.zeros((0, 0), np.uint8), 0, 0, advance if advance > 4 else EM // 4)
    if not mask.any() or max(*mask.shape, abs(advance)) > _MAX_SIDE:
        return None
    missing = _missing_box(font_path)
    if mask.shape == missing.shape and np.array_equal(mask, missing):
        return None
    return Glyph(mask, left, top, advance)


@lru_cache(maxsize=64)
def _missing_box(font_path: str) -> Mask:
    return _as_array(load_font(font_path).getmask(_NO_CHARACTER))


def _as_array(pixels: Any) -> Mask:  # Pillow keeps the type of its pixel blocks private
    columns, rows = pixels.size
    return np.frombuffer(bytes(pixels), np.uint8).reshape(rows, columns)


def draw_sheet(path: str, characters: str, required: str = "") -> FontSheet:
    """Draw the characters with one font, and measure its kerning.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no font, or one of the `required` characters is missing, has no ink, or is
            larger than 4 ems.
    """
    glyphs = {char: draw_glyph(char, path) for char in characters}
    if missing := "".join(char for char in required if glyphs[char] is None):
        raise ValueError(
            f"The font '{path}' has no usable glyph for {missing!r}. Leave this font out."
        )
    boxes = [
        (-1,) * 5 if glyph is None else (*glyph.mask.shape, glyph.left, glyph.top, glyph.advance)
        for glyph in glyphs.values()
    ]
    kerning = np.zeros((len(KERNED), len(KERNED)), np.int8)
    # Digits stand in columns, and most signs are not kerned: two thirds of the pairs are left out.
    drawn = [char for char in KERNED if glyphs.get(char) and (char.isalpha() or char in ".,-'")]
    font = load_font(path)
    widths = {char: font.getlength(char) for char in drawn}
    for first in drawn:
        for second in drawn:
            shift = font.getlength(first + second) - widths[first] - widths[second]
            if shift:
                place = KERNED.index(first), KERNED.index(second)
                kerning[place] = np.clip(np.rint(shift), -127, 127)
    pixels = [glyph.mask.ravel() for glyph in glyphs.values() if glyph is not None]
    return FontSheet(np.concatenate(pixels), np.array(boxes, np.int16), kerning)


def try_sheet(path: str, characters: str, required: str) -> FontSheet | None:
    try:
        return draw_sheet(path, characters, required)
    except (OSError, ValueError):
        return None


def family_weights(names: Sequence[StrPath]) -> npt.NDArray[np.float64]:
    """Return `family_size ** -0.75` of each font: `Lato-Bold.ttf` and `Lato-Light.otf` are one."""
    families = [family_name(name) for name in names]
    sizes = Counter(families)
    return np.array([float(sizes[family]) ** _FAMILY_POWER for family in families], np.float64)


def family_name(path: StrPath) -> str:
    """Return the name of a font file without style words, digits and signs."""
    stem = PurePath(path).stem.lower()
    return _STYLES.sub("", stem) or stem
