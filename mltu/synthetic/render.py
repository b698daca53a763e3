"""Pictures: one word becomes one image in the manner of MJSynth, all chance from one generator.

The steps follow Jaderberg et al., 2014, "Synthetic Data and Artificial Neural Networks for
Natural Scene Text Recognition", section 2, in a lighter form: font, border or shadow, colours,
projective distortion, a shaded ground, blur and noise. JPEG is the writer's part.
"""

import math
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from .fonts import Mask, draw_mask, missing_characters, text_size

Floats = npt.NDArray[np.float32]

IMAGE_HEIGHT = 31  # pixels, as in MJSynth
MIN_HEIGHT = 16
MIN_CONTRAST = 40.0  # grey levels between ink and ground, before the noise
MAX_ROTATION = 3.0  # degrees
MAX_BLUR = 0.9  # sigma in pixels
MAX_NOISE = 12.0  # sigma in grey levels

_FONT_SIZES = (8, 256)  # pixels per em
# Grey level of a (blue, green, red) colour; source: ITU-R BT.601.
_LUMA = np.array([0.114, 0.587, 0.299])


class Placement(NamedTuple):
    """Where the text goes: `corners` (4, 2) of its box in an image of `height` x `width` pixels.

    `text_height` is the height in pixels at which the letters are best drawn.
    """

    corners: Floats
    text_height: float
    height: int
    width: int


class Palette(NamedTuple):
    """Grounds and inks as (blue, green, red), float32; ink differs from the others by `contrast`.

    `contrast` is a difference of grey levels. `edge` colours border and shadow.
    """

    ground: Floats
    ink: Floats
    edge: Floats
    contrast: float


def render_word(
    text: str, font_path: str | Path, rng: np.random.Generator, *, height: int = IMAGE_HEIGHT
) -> npt.NDArray[np.uint8]:
    """Draw one word as a small photograph-like image.

    Args:
        text: one line of printable characters that the font can draw.
        font_path: a TrueType or OpenType file.
        rng: source of all randomness; equal generators give equal images.
        height: image height in pixels, at least 16.

    Returns:
        `(height, width, 3)` uint8, blue-green-red; the width follows the text.

    Raises:
        FileNotFoundError: no file at `font_path`.
        ValueError: empty or unprintable text, a character without a glyph, a file that is no
            font, or too small a height.
    """
    path = str(font_path)
    _check(text, path, height)
    spacing = rng.uniform(0.03, 0.12) if rng.random() < 0.2 else 0.0
    text_width, text_height = text_size(text, path)
    place = _place(rng, (text_width + spacing * len(text)) / text_height, height)
    mask = _draw(text, path, place.text_height / text_height, spacing)
    palette = _choose_palette(rng)
    image = _paint(rng, _warp(mask, place), palette)
    return _photograph(rng, image, palette.contrast)


def _check(text: str, font_path: str, height: int) -> None:
    if not text.strip() or not text.isprintable():
        raise ValueError(
            f"`text` must be one line with at least one visible character. Received {text!r}. "
            "Leave the sample out."
        )
    if height < MIN_HEIGHT:
        raise ValueError(
            f"`height` must be at least {MIN_HEIGHT} pixels. Received {height}. "
            "Render higher and shrink the image."
        )
    missing = missing_characters(text, font_path)
    if missing:
        raise ValueError(
            f"`text` must hold only characters that the font can draw. Received {text!r}: "
            f"'{Path(font_path).name}' has no glyph for {', '.join(map(repr, missing))}. "
            "Choose another font or drop the sample."
        )


def _place(rng: np.random.Generator, aspect: float, height: int) -> Placement:
    """Distort the text box, then fit all of it between small random margins."""
    corners = _distorted_box(rng, aspect)
    low = corners.min(axis=0)
    columns, rows = (corners.max(axis=0) - low).tolist()
    unit = height / IMAGE_HEIGHT
    left, right = rng.uniform(unit, 6 * unit), rng.uniform(unit, 6 * unit)
    top, bottom = rng.uniform(unit, 4 * unit), rng.uniform(unit, 4 * unit)
    scale = (height - top - bottom) / rows
    width = round(columns * scale + left + right)
    if width < height // 2:
        left, width = left + (height // 2 - width) / 2, height // 2
    offset = np.array([left, top], np.float32)
    return Placement((corners - low) * np.float32(scale) + offset, scale, height, width)


def _distorted_box(rng: np.random.Generator, aspect: float) -> Floats:
    """Return the corners, clockwise from top left, of a box of height 1 after the distortion."""
    width = aspect * rng.uniform(0.85, 1.2)
    near, far = rng.uniform(0.44, 0.5), rng.uniform(0.44, 0.5)  # left and right half height
    shear = min(max(rng.normal(0.0, 0.08), -0.2), 0.2)
    # A long word on a slope would leave its letters few pixels of height.
    limit = min(math.radians(MAX_ROTATION), 0.35 / width)
    angle = min(max(rng.normal(0.0, limit / 2), -limit), limit)
    cos, sin = math.cos(angle), math.sin(angle)
    points = ((0.0, -near), (width, -far), (width, far), (0.0, near))
    sheared = [(x - shear * y, y) for x, y in points]
    return np.array([(x * cos - y * sin, x * sin + y * cos) for x, y in sheared], np.float32)


def _draw(text: str, font_path: str, size: float, spacing: float) -> Mask:
    """Draw the letters at about the size at which they are shown, so that little is resampled.

    `size` is in pixels per em, `spacing` in ems.
    """
    # Even sizes only, so that twice as many glyphs are found in the cache.
    pixels = min(max(2 * round(size / 2), _FONT_SIZES[0]), _FONT_SIZES[1])
    mask = draw_mask(text, font_path, pixels, spacing=round(spacing * pixels))
    if not mask.size:
        raise ValueError(
            f"`text` must leave ink. Received {text!r}: '{Path(font_path).name}' draws nothing. "
            "Choose another font or drop the sample."
        )
    return mask


def _warp(mask: Mask, place: Placement) -> Mask:
    rows, columns = mask.shape
    box = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    # Pixel centres lie at +0.5: without it every word would sit half a pixel off.
    matrix = cv2.getPerspectiveTransform(box - 0.5, place.corners - 0.5)
    return cv2.warpPerspective(mask, matrix, (place.width, place.height)).astype(np.uint8)


def _choose_palette(rng: np.random.Generator) -> Palette:
    """Choose colours by grey level first, so that the tint cannot take the contrast away."""
    contrast = float(rng.uniform(MIN_CONTRAST, 200.0))
    dark = rng.uniform(0.0, 255.0 - contrast)
    levels = (dark, dark + contrast)
    ground, ink = levels if rng.random() < 0.5 else levels[::-1]
    edge = _level_away_from(rng, ink)
    tint = rng.uniform(0.0, 60.0) if rng.random() < 0.6 else 0.0
    return Palette(
        _tinted(rng, ground, tint), _tinted(rng, ink, tint), _tinted(rng, edge, tint), contrast
    )


def _level_away_from(rng: np.random.Generator, level: float) -> float:
    """Draw a grey level evenly from those at least `MIN_CONTRAST` away from `level`."""
    below = max(level - MIN_CONTRAST, 0.0)
    above = max(255.0 - level - MIN_CONTRAST, 0.0)
    draw = rng.uniform(0.0, below + above)
    return float(draw if draw < below else level + MIN_CONTRAST + draw - below)


def _tinted(rng: np.random.Generator, level: float, tint: float) -> Floats:
    """Return a colour of grey level `level` whose channels lie at most `tint` away from it."""
    hue = rng.uniform(-1.0, 1.0, 3)
    hue -= hue @ _LUMA
    room = min(tint, level, 255.0 - level)
    return np.asarray(level + hue * (room / max(*np.abs(hue), 1e-6)), np.float32)


def _paint(rng: np.random.Generator, mask: Mask, palette: Palette) -> Floats:
    """Lay shaded ground, border or shadow, and ink over each other: `(height, width, 3)`."""
    ink = mask * np.float32(1 / 255)
    layers, colours, bare = [ink], [palette.ink - palette.ground], 1 - ink
    edge = _edge(rng, mask)
    if edge is not None:
        edge = edge * bare
        layers, colours = [*layers, edge], [*colours, palette.edge - palette.ground]
        bare = bare - edge
    # The last two columns add the shade to all channels, and the ground to all pixels.
    layers.append(_shade(rng, mask, palette) * bare)
    matrix = np.stack([*colours, np.ones(3, np.float32), palette.ground], axis=1)
    return cv2.transform(cv2.merge(layers), matrix).astype(np.float32, copy=False)


def _edge(rng: np.random.Generator, mask: Mask) -> Floats | None:
    """Return the share of border or shadow in each pixel, or None where there is neither."""
    effect = rng.random()
    if effect < 0.12:
        return cv2.dilate(mask, np.ones((3, 3), np.uint8)) * np.float32(1 / 255)
    if effect < 0.24:
        dx, dy = (int(step) for step in rng.integers((-2, -1), (3, 2)))
        move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        shadow = cv2.warpAffine(mask, move, mask.shape[::-1])
        return shadow * np.float32(rng.uniform(0.3, 0.8) / 255)
    return None


def _shade(rng: np.random.Generator, mask: Mask, palette: Palette) -> Floats:
    """Return a few coarse patches, in grey levels, that stay within a fifth of the contrast."""
    depth = min(palette.contrast / 5, 20.0) * rng.random()
    coarse = rng.uniform(-depth, depth, (2, 4)).astype(np.float32)
    size = (mask.shape[1], mask.shape[0])
    return cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)


def _photograph(rng: np.random.Generator, image: Floats, contrast: float) -> npt.NDArray[np.uint8]:
    """Blur, add noise, and round to uint8; faint text gets less noise."""
    if rng.random() < 0.6:
        blur = float(rng.uniform(0.3, MAX_BLUR))
        image = cv2.GaussianBlur(image, (5, 5), blur).astype(np.float32, copy=False)
    noise = rng.standard_normal(image.shape[:2], np.float32)
    noise *= np.float32(rng.uniform(0.0, min(MAX_NOISE, contrast / 8)))
    image = image + cv2.merge([noise, noise, noise])
    return np.asarray(np.clip(image + np.float32(0.5), 0, 255), np.uint8)
