"""Where a drawn text goes in the picture: rotated, bent, seen from the side; interpolated once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mltu.synthetic._draw import Setting
from mltu.synthetic._textures import Array, Rng
from mltu.utils.widening import widened

Point = tuple[float, float]

_BLANK_SIDES = 0.08  # share of the pictures


class Place(NamedTuple):
    """Where the sheet goes: by a matrix, or by the place of each pixel in it."""

    matrix: Array
    size: tuple[int, int]  # width and height
    grids: tuple[Array, Array] | None
    shrink: int  # of the sheet, before it goes there


def find_place(
    box: tuple[int, int, int, int],
    height: int,
    max_width: int,
    *,
    widen_to: float = 0.0,
    stretch: float = 1.0,
    corners: Callable[[float], list[Point]] | None = None,
    bend: float = 0.0,
    margins: Sequence[float] = (0, 0, 0, 0),
) -> Place:
    """Bring the box of a text into a picture of some height; the width follows.

    Args:
        box: left, top, right, bottom on the sheet.
        height: of the picture, in pixels.
        max_width: of the picture; a wider one is squeezed.
        widen_to: width / height up to which a narrower picture is stretched with all that is in it,
            but at most to twice its width; as `ImageResizer` does.
        stretch: of the width of the text.
        corners: from the aspect to the corners of the text, clockwise from top left, where its
            height is 1; a rectangle if None.
        bend: how far the ends of the base line lie below its middle, in heights of the text.
        margins: left, right, top and bottom, in parts of the height.
    """
    left, top, right, bottom = box
    aspect = max((right - left) / (bottom - top) * stretch, 0.05)
    quad = corners(aspect) if corners else [(0, 0), (aspect, 0), (aspect, 1), (0, 1)]
    xs, ys = zip(*quad, strict=True)
    low_x, low_y = min(xs), min(ys) - max(-bend, 0.0)
    scale = height * (1 - margins[2] - margins[3]) / (max(ys) + max(bend, 0.0) - low_y)
    width = (max(xs) - low_x) * scale + height * (margins[0] + margins[1])
    least = max(width, height / 3, 4)
    squeeze = min(max_width / least, widened(least, height, widen_to) / least)
    size = (int(least * squeeze), height)
    # A very narrow text gets the rest of the smallest width on both sides.
    extra = max(size[0] - width * squeeze, 0) / 2
    # Pixel centres lie at +0.5.
    start_x, start_y = height * margins[0] * squeeze + extra - 0.5, height * margins[2] - 0.5
    spot = [
        ((x - low_x) * scale * squeeze + start_x, (y - low_y) * scale + start_y) for x, y in quad
    ]
    shrink = max(int((bottom - top) / (scale * 1.6)), 1)
    sheet = [
        (x / shrink - 0.5, y / shrink - 0.5)
        for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))
    ]
    where = np.array(spot, np.float32)
    matrix = cv2.getPerspectiveTransform(np.array(sheet, np.float32), where)
    if abs(bend) < 0.02:
        return Place(matrix, size, None, shrink)
    grids = _bent_grid(np.linalg.inv(matrix), bend * scale, where, size, squeeze)
    return Place(matrix, size, grids, shrink)


def with_blank_sides(rng: Rng, margins: Sequence[float], setting: Setting) -> list[float]:
    """Widen the margins beside some texts a lot, so that a reader does not see a space there.

    A side with a neighbour stays as it is: the picture would show the other word.
    """
    widened = list(margins)
    if rng.random() < _BLANK_SIDES:
        left, top, right, bottom = setting.box
        line = setting.mask[top:bottom]
        for side, beyond in enumerate((line[:, :left], line[:, right:])):
            width = 0.3 + 4 * rng.random() ** 2
            if rng.random() < 0.6 and not beyond.any():
                widened[side] += width
    return widened


def _bent_grid(
    inverse: Array, bend: float, corners: Array, size: tuple[int, int], squeeze: float
) -> tuple[Array, Array]:
    """Return for each pixel where it lies on the sheet: along a parabola and upright to it."""
    y = np.arange(size[1], dtype=np.float32)[:, None]
    x = np.arange(size[0], dtype=np.float32)
    left, right = corners[:, 0].min(), corners[:, 0].max()
    half, middle = np.float32((right - left) / 2), np.float32((left + right) / 2)
    u = (x - middle) / half
    y = y - np.float32(bend) * u * u
    x = x + np.float32(2 * bend * squeeze**2) / half * u * (y - np.float32(corners[:, 1].mean()))
    a = inverse.astype(np.float32)
    bottom = a[2, 0] * x + a[2, 1] * y + a[2, 2]
    with np.errstate(divide="ignore", invalid="ignore"):  # on the horizon, where no sheet is
        return (
            (a[0, 0] * x + a[0, 1] * y + a[0, 2]) / bottom,
            (a[1, 0] * x + a[1, 1] * y + a[1, 2]) / bottom,
        )


def find_spans(place: Place, setting: Setting) -> Array:
    """Return where each character starts and ends in the picture, at half of the text's height.

    A space reaches from one neighbour to the other. Shape (characters, 2), in parts of the width.
    """
    lefts, rights = setting.lefts.astype(np.float64), setting.rights.astype(np.float64)
    empty = np.flatnonzero(rights - lefts <= 1)
    for i in empty[(empty > 0) & (empty < len(lefts) - 1)]:
        lefts[i], rights[i] = rights[i - 1], setting.lefts[i + 1]
    middle = (setting.box[1] + setting.box[3]) / 2
    # A bent line is moved up and down, so its middle keeps its columns.
    points = np.stack([lefts, rights], axis=1) / place.shrink - 0.5
    a = place.matrix
    row = middle / place.shrink - 0.5
    x: Array = a[0, 0] * points + a[0, 1] * row + a[0, 2]
    x /= a[2, 0] * points + a[2, 1] * row + a[2, 2]
    return (x + 0.5) / place.size[0]


def put(place: Place, layers: Sequence[Array]) -> list[Array]:
    """Bring up to four layers of one sheet into the picture: floats from 0 to 1."""
    sheet = layers[0] if len(layers) == 1 else cv2.merge(list(layers))
    if place.shrink > 1:
        size = (max(sheet.shape[1] // place.shrink, 1), max(sheet.shape[0] // place.shrink, 1))
        sheet = cv2.resize(sheet, size, interpolation=cv2.INTER_AREA)
    if place.grids is None:
        sheet = cv2.warpPerspective(sheet, place.matrix, place.size)
    else:
        sheet = cv2.remap(sheet, *place.grids, cv2.INTER_LINEAR)
    planes = [sheet] if sheet.ndim == 2 else cv2.split(sheet)
    return [plane * np.float32(1 / 255) for plane in planes]


def distorted(
    rng: Rng, turn: float, view: float, slant: float, rise: float = 0.0
) -> Callable[[float], list[Point]]:
    """Return how the corners of a text lie.

    Args:
        rng: source of all randomness.
        turn: the angle by which the text is rotated.
        view: by how much, at most, each end is lower for being farther away.
        slant: of the strokes.
        rise: slope of the base line while strokes stay upright.
    """
    near, far = (0.5 - view * rng.random(2)).tolist() if view else (0.5, 0.5)
    cos, sin = math.cos(turn), math.sin(turn)

    def corners(aspect: float) -> list[Point]:
        points = [(0.0, -near), (aspect, -far), (aspect, far), (0.0, near)]
        slanted = [(x - slant * y, y + rise * x) for x, y in points]
        return [(x * cos - y * sin, x * sin + y * cos) for x, y in slanted]

    return corners
