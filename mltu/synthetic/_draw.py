"""The stages of a drawn text: its letters and their colours; `_place` puts them in the picture.

All layers are drawn at 48 pixels per em and brought into place in one go, so that every pixel is
interpolated once. Colours are floats in planes, (3, height, width), blue-green-red, until the
camera. Source of the stages: Jaderberg et al., 2014, "Synthetic Data and Artificial Neural Networks
for Natural Scene Text Recognition", section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from mltu.synthetic._atlas import FontAtlas, Line
from mltu.synthetic._glyphs import EM, Mask
from mltu.synthetic._textures import Array, Rng

PAD = 14  # empty pixels around the letters of a layer
MIN_CONTRAST = 22.0  # grey levels between letters and ground
LUMA = np.array([0.114, 0.587, 0.299], np.float32)  # of blue, green, red; ITU-R BT.601

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_DISCS = {size: cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)) for size in (3, 5, 7, 9)}


class Setting(NamedTuple):
    """Letters on a sheet: the mask, and the box (left, top, right, bottom) of the text's ink.

    What lies outside of the box belongs to neighbouring words and lines. `lefts` and `rights` are
    the columns where each character starts and ends; those of a space are equal or nearly so.
    """

    mask: Mask
    box: tuple[int, int, int, int]
    lefts: Array
    rights: Array

    @property
    def cuts(self) -> Array:
        """The columns between the characters."""
        return (self.lefts[1:] + self.rights[:-1]) / 2


class Task(NamedTuple):
    """A text to draw.

    Attributes:
        text: what the picture says.
        others: draws a text for a neighbouring word or line that the font has.
        fonts: draws another font that has a text, or None.
        font: its number in the atlas.
        height: of the picture, in pixels.
        max_width: of the picture, in pixels.
        widen_to: aspect to which a narrow picture is stretched; see `find_place`.
    """

    text: str
    others: Callable[[], str]
    fonts: Callable[[str], int | None]
    font: int
    height: int
    max_width: int
    widen_to: float


# Letters. -----------------------------------------------------------------------------------


def set_text(
    rng: Rng,
    atlas: FontAtlas,
    font: int,
    text: str,
    *,
    spacing: float = 0.0,
    gap: float = 0.0,
    uneven: bool = False,
    small_caps: float = 1.0,
    beside: tuple[str, str] = ("", ""),
    around: tuple[str, str] = ("", ""),
) -> Setting:
    """Set a text with words to its left and right, and lines above and below it.

    Args:
        rng: source of all randomness.
        atlas: the fonts.
        font: its number; it has the characters of all the texts.
        text: to set.
        spacing: pixels between characters.
        gap: pixels added to each space.
        uneven: let the characters leave the base line.
        small_caps: height of all characters but the first, in parts of theirs.
        beside: words before and behind it in the same line, or "".
        around: lines above and below it, or "".
    """
    before, after = beside
    full = f"{before}{' ' if before else ''}{text}{' ' if after else ''}{after}"
    heights = rng.integers(-3, 4, len(full)) if uneven else None
    line = atlas.set_line(font, full, spacing=spacing, gap=gap, heights=heights)
    if small_caps < 1 and len(full) > 1:
        line = _with_small_caps(line, small_caps)
    first = len(before) + 1 if before else 0
    lefts, rights = line.lefts[first : first + len(text)], line.rights[first : first + len(text)]
    left, right = int(lefts.min()), int(rights.max())
    _, top, _, height = cv2.boundingRect(line.mask[:, left:right])
    above, below = PAD, PAD
    leading = 0
    if around[0] or around[1]:  # capitals have no descenders above them and need less
        least = 0.78 if (around[0] + text).isupper() else 0.98
        leading = int((least + 0.42 * rng.random()) * EM)
    if leading:
        above = below = PAD + EM // 2
    rows, columns = line.mask.shape
    mask: Array = np.zeros((rows + above + below, columns + 2 * PAD), np.uint8)
    mask[above : above + rows, PAD : PAD + columns] = line.mask
    for other, shift in zip(around, (-leading, leading), strict=True):
        if other:
            _lay(mask, atlas.set_line(font, other), above + line.baseline + shift, rng)
    box = (left + PAD, top + above, right + PAD, top + above + height)
    return Setting(mask, box, lefts + PAD, rights + PAD)


def set_mixed(rng: Rng, atlas: FontAtlas, fonts: tuple[int, int], text: str) -> Setting:
    """Set a text up to one of its spaces in one font, and what follows in another and size."""
    first = len(text) - len(text.lstrip())
    spaces = [i for i, char in enumerate(text.rstrip()) if char == " " and i > first]
    space = spaces[int(rng.random() * len(spaces))]
    one, two = atlas.set_line(fonts[0], text[:space]), atlas.set_line(fonts[1], text[space + 1 :])
    if rng.random() < 0.4:
        two = _scaled(two, rng.uniform(0.7, 1.0))
    start = one.mask.shape[1] + int(rng.uniform(0.2, 0.6) * EM)
    baseline = PAD + max(one.baseline, two.baseline)
    bottom = max(len(line.mask) - line.baseline for line in (one, two))
    mask: Array = np.zeros((baseline + bottom + PAD, start + two.mask.shape[1] + 2 * PAD), np.uint8)
    for line, left in ((one, PAD), (two, PAD + start)):
        top = baseline - line.baseline
        mask[top : top + len(line.mask), left : left + line.mask.shape[1]] = line.mask
    left, top, columns, rows = cv2.boundingRect(mask)
    return Setting(
        mask,
        (left, top, left + columns, top + rows),
        PAD + np.concatenate([one.lefts, one.rights[-1:], start + two.lefts]),
        PAD + np.concatenate([one.rights, one.rights[-1:], start + two.rights]),
    )


def _scaled(line: Line, scale: float) -> Line:
    size = [max(round(side * scale), 1) for side in line.mask.shape[::-1]]
    mask = cv2.resize(line.mask, size, interpolation=cv2.INTER_AREA)
    spans = [np.rint(edges * scale).astype(np.int64) for edges in (line.lefts, line.rights)]
    return Line(np.asarray(mask, np.uint8), round(line.baseline * scale), *spans)


def _with_small_caps(line: Line, scale: float) -> Line:
    """Make all glyphs smaller but the first, which are on the same base line."""
    mask, baseline, lefts, rights = line
    first, start = mask[:, : rights[0]], lefts[1]
    rest: Array = mask[:, start:]
    size = (max(round(rest.shape[1] * scale), 1), max(round(rest.shape[0] * scale), 1))
    rest = cv2.resize(rest, size, interpolation=cv2.INTER_AREA)
    top = baseline - round(baseline * scale)
    bottom = max(mask.shape[0], top + rest.shape[0])
    canvas = np.zeros((bottom, max(rights[0], start + rest.shape[1])), np.uint8)
    canvas[: mask.shape[0], : rights[0]] = first
    spot = canvas[top : top + rest.shape[0], start:][:, : rest.shape[1]]
    np.maximum(spot, rest, out=spot)
    moved = [np.append(x[0], start + ((x[1:] - start) * scale).astype(np.int64)) for x in line[2:]]
    return Line(canvas, baseline, *moved)


def _lay(mask: Array, line: Line, baseline: int, rng: Rng) -> None:
    """Write another line into a sheet, at a random place of its base line."""
    _rows, columns = line.mask.shape
    left = int(rng.integers(-columns // 2, max(mask.shape[1] - columns // 2, 1)))
    top = baseline - line.baseline
    row, column = max(top, 0), max(left, 0)
    piece = line.mask[row - top : mask.shape[0] - top, column - left : mask.shape[1] - left]
    if piece.size and row < mask.shape[0]:
        spot = mask[row : row + piece.shape[0], column : column + piece.shape[1]]
        np.maximum(spot, piece, out=spot)


def change_weight(rng: Rng, mask: Mask) -> Mask:
    """Make the strokes bolder or thinner, but never so thin that they break."""
    change = rng.random()
    if change < 0.5:
        return np.asarray(cv2.dilate(mask, _CROSS if change < 0.3 else _DISCS[5]), np.uint8)
    thin = np.asarray(cv2.erode(mask, _CROSS), np.uint8)
    return thin if int(thin.sum()) * 2 > int(mask.sum()) else mask


def underline(rng: Rng, setting: Setting) -> None:
    """Draw a line under the text, close to it, or through the descenders."""
    left, _, right, bottom = setting.box
    top, thickness = bottom + int(rng.integers(-5, 6)), int(rng.integers(2, 5))
    setting.mask[top : top + thickness, left:right] = 255


def emphasise(rng: Rng, setting: Setting, text: str) -> None:
    """Make one of the words bold or slanted, as print does within a line."""
    starts = [0, *(place + 1 for place, char in enumerate(text[:-1]) if char == " ")]
    first = starts[int(rng.random() * len(starts))]
    last = text.find(" ", first)
    left = int(setting.cuts[first - 1]) if first else setting.box[0]
    right = int(setting.cuts[last]) if 0 < last < len(setting.cuts) else setting.box[2]
    word: Array = setting.mask[:, left:right]
    if rng.random() < 0.4:
        word[:] = cv2.dilate(word, _CROSS)
        return
    slant = 0.15 + 0.1 * rng.random()
    middle = (setting.box[1] + setting.box[3]) / 2
    shear = np.array([[1.0, -slant, slant * middle], [0, 1, 0]])
    word[:] = cv2.warpAffine(word, shear, word.shape[::-1])


def frame(rng: Rng, setting: Setting) -> None:
    """Draw a line beside the text, as the border of a table or a sign."""
    left, top, right, bottom = setting.box
    side, width = rng.random(), int(rng.integers(2, 7))
    off = int(rng.integers(6, 13))
    if side < 0.6:
        start = max(left - off - width, 0) if side < 0.3 else right + off
        setting.mask[:, start : start + width] = 255
    else:
        start = max(top - off - width, 0) if side < 0.8 else bottom + off
        setting.mask[start : start + width] = 255


def shifted(mask: Array, dx: float, dy: float) -> Array:
    """Move a mask."""
    return cv2.warpAffine(mask, np.array([[1.0, 0, dx], [0, 1, dy]]), mask.shape[::-1])


def border(rng: Rng, mask: Mask) -> Array:
    """Return the letters with a border around them."""
    return cv2.dilate(mask, _DISCS[(3, 5, 7, 9)[int(rng.random() * 4)]])


def shadow(rng: Rng, mask: Mask) -> Array:
    """Return a shadow, sharp or soft."""
    dx, dy = rng.integers(-6, 7, 2).tolist()
    moved = shifted(mask, dx, dy)
    return cv2.GaussianBlur(moved, (0, 0), 0.3 + 2.7 * rng.random())


def extrusion(rng: Rng, mask: Mask) -> Array:
    """Return the sides of letters that stand out of a wall, seen from one side."""
    size = int(rng.integers(3, 10))
    kernel = np.zeros((2 * size + 1, 2 * size + 1), np.uint8)
    angle = rng.uniform(0, 2 * np.pi)
    end = (size + round(size * np.cos(angle)), size + round(size * np.sin(angle)))
    cv2.line(kernel, (size, size), end, 1, 1)
    return cv2.dilate(mask, kernel)


def outline(rng: Rng, mask: Mask) -> Array:
    """Return the contours of the letters."""
    disc = _DISCS[3 if rng.random() < 0.5 else 5]
    return cv2.subtract(cv2.dilate(mask, disc), cv2.erode(mask, _CROSS))


def relief(rng: Rng, mask: Mask) -> tuple[Array, Array]:
    """Return the sides of raised letters that lie in the light and in the dark."""
    depth = 1.0 + 2.0 * rng.random()
    angle = rng.uniform(0, 2 * np.pi)
    dx, dy = depth * np.cos(angle), depth * np.sin(angle)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.5 + 0.8 * rng.random())
    there, back = shifted(soft, dx, dy), shifted(soft, -dx, -dy)
    return cv2.subtract(there, back), cv2.subtract(back, there)


def dots(rng: Rng, mask: Mask, rows: int, fill: float) -> Array:
    """Return the letters as a display or a needle printer makes them, of so many rows per em."""
    scale = rows / EM
    size = (max(round(mask.shape[1] * scale), 2), max(round(mask.shape[0] * scale), 2))
    cells = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    # Thin strokes fill no cell, so the level follows the fullest one.
    on = (cells > (0.3 + 0.25 * rng.random()) * int(cells.max())).astype(np.uint8)
    pitch = max(round(EM / rows), 3)
    dot = np.zeros((pitch, pitch), np.uint8)
    if rng.random() < 0.75:
        cv2.circle(
            dot, (pitch * 8 - 8, pitch * 8 - 8), round(pitch * 8 * fill), 255, -1, cv2.LINE_AA, 4
        )
    else:
        dot[: max(round(pitch * fill), 1), : max(round(pitch * fill), 1)] = 255
    tiled = np.kron(on, dot)
    return cv2.resize(tiled, mask.shape[::-1], interpolation=cv2.INTER_AREA)


def pixels(rng: Rng, mask: Mask, rows: float) -> Array:
    """Return the letters in the pixels of a small font, without grey."""
    scale = rows / EM
    size = (max(round(mask.shape[1] * scale), 2), max(round(mask.shape[0] * scale), 2))
    cells = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    level = (0.28 + 0.25 * rng.random()) * int(cells.max())
    on = cv2.threshold(cells, level, 255, cv2.THRESH_BINARY)[1]
    return cv2.resize(on, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)


_SEGMENTS = {
    "0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd", "6": "afgedc",
    "7": "abc", "8": "abcdefg", "9": "abcdfg", "-": "g", "°": "abgf", "C": "afed", " ": "",
    "F": "afge", "E": "afged", "H": "fbgec", "L": "fed", "P": "abgfe", "A": "abcefg", "U": "fbcde",
    "b": "fgedc", "c": "ged", "d": "bgedc", "h": "fgec", "n": "gec", "o": "gedc", "r": "ge",
    "t": "fged", "u": "edc", "J": "bcde",
}  # fmt: skip
SEGMENT_CHARACTERS = "".join(_SEGMENTS) + ".:"


def segments(rng: Rng, text: str) -> Setting:
    """Set digits and some letters in seven segments."""
    height, width = 40, int(rng.integers(18, 27))
    thick, gap = rng.uniform(3.5, 7), rng.uniform(0.3, 1.2)
    slant, step = rng.uniform(0, 0.18), width + int(rng.integers(7, 13))
    sheet: Array = np.zeros((height + 2 * PAD, len(text) * step + 2 * PAD + 20), np.uint8)
    x, spans = float(PAD + 8), []
    ends = {"a": (0, 0, 1, 0), "b": (1, 0, 1, 0.5), "c": (1, 0.5, 1, 1), "d": (0, 1, 1, 1),
            "e": (0, 0.5, 0, 1), "f": (0, 0, 0, 0.5), "g": (0, 0.5, 1, 0.5)}  # fmt: skip
    for char in text:
        if char in ".:":
            for y in (height - thick / 2,) if char == "." else (0.3 * height, 0.7 * height):
                lean = slant * (height - y)
                centre = round((x - 2 + lean) * 16), round((PAD + y) * 16)
                cv2.circle(sheet, centre, round(thick * 9), 255, -1, cv2.LINE_AA, 4)
            spans.append((x - 2 - thick / 2, x - 2 + thick / 2))
            x += thick + 3
            continue
        for segment in _SEGMENTS[char]:
            u, v, s, t = ends[segment]
            start, end = np.array([u * width, v * height]), np.array([s * width, t * height])
            along = (end - start) / np.linalg.norm(end - start)
            across = np.array([-along[1], along[0]]) * thick / 2
            start, end = start + along * (gap + thick / 4), end - along * (gap + thick / 4)
            tip = along * thick / 2
            points = np.array([start, start + tip + across, end - tip + across, end,
                               end - tip - across, start + tip - across])  # fmt: skip
            points[:, 0] += x + slant * (height - points[:, 1])
            points[:, 1] += PAD
            cv2.fillConvexPoly(sheet, np.rint(points * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        spans.append((x, x + width))
        x += step
    left, top, columns, rows = cv2.boundingRect(sheet)
    lefts, rights = np.array(spans).T + slant * height / 2
    return Setting(sheet, (left, top, left + columns, top + rows), lefts, rights)


# Colours. -----------------------------------------------------------------------------------


# Blue, green, red of paints and lamps that signs are made of.
_PAINTS = np.array(
    [(255, 255, 255), (250, 250, 250), (230, 235, 240), (20, 20, 20), (40, 40, 40), (35, 30, 190),
     (30, 20, 225), (140, 60, 20), (170, 90, 10), (200, 130, 40), (60, 110, 20), (90, 130, 60),
     (30, 210, 250), (0, 190, 240), (20, 130, 240), (40, 60, 110), (160, 200, 220), (150, 60, 160),
     (120, 120, 125), (180, 180, 185), (180, 170, 60), (90, 40, 120)], np.float32,
)  # fmt: skip


def palette(rng: Rng) -> tuple[Array, Array, float]:
    """Draw the colours of ground and letters, float32, and their contrast in grey levels."""
    kind = rng.random()
    if kind < 0.4:  # paints in some light
        light = np.float32(rng.uniform(0.35, 1.0))
        first, second = (_PAINTS[int(len(_PAINTS) * rng.random())] * light for _ in range(2))
        second = second + rng.normal(0, 12, 3).astype(np.float32)
        first, second = np.clip(first, 0, 255), np.clip(second, 0, 255)
        contrast = abs(float((first - second) @ LUMA))
        if contrast > 35.0:
            return first, second, contrast
    contrast = MIN_CONTRAST + (245 - MIN_CONTRAST) * rng.beta(1.4, 1.7)
    hue = kind > 0.98  # letters that differ in hue alone
    if hue:
        contrast = rng.uniform(0, MIN_CONTRAST)
    elif kind > 0.95:
        contrast = rng.uniform(0.4, 1.0) * MIN_CONTRAST
    dark = rng.uniform(0.0, 255.0 - contrast)
    ground, ink = (dark, dark + contrast) if rng.random() < 0.5 else (dark + contrast, dark)
    # Pale colours are more frequent than strong ones.
    tints = [90.0, 90.0] if hue else (110 * rng.random(2) ** 2).tolist()
    return tinted(rng, ground, tints[0]), tinted(rng, ink, tints[1]), max(contrast, 50.0 * hue)


def tinted(rng: Rng, level: float, tint: float) -> Array:
    """Return a colour of grey level `level` whose channels lie at most `tint` away from it."""
    if not tint:
        return np.full(3, level, np.float32)
    hue = rng.uniform(-1.0, 1.0, 3).astype(np.float32)
    hue -= hue @ LUMA
    room = min(tint, level, 255.0 - level) / max(*np.abs(hue).tolist(), 1e-6)
    return np.asarray(level + hue * np.float32(room), np.float32)


def solid(colour: Array, size: tuple[int, int]) -> Array:
    """Return planes of one colour: (3, height, width) float32."""
    planes = np.empty((3, size[1], size[0]), np.float32)
    planes[:] = colour[:, None, None]
    return planes


def blend(picture: Array, colour: Array, share: Array) -> None:
    """Lay a colour, (3,) or planes, over a picture, by the share of each pixel."""
    planes = colour[:, None, None] if colour.ndim == 1 else colour
    picture += (planes - picture) * share
