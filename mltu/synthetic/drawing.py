"""The five stages of a drawn word: letters, their place, their colours, the camera, the file.

Source: Jaderberg et al., 2014, "Synthetic Data and Artificial Neural Networks for Natural Scene
Text Recognition", section 2: font, border and shadow, colouring in three layers, projective
distortion and curved base lines, blending with pictures, noise, blur and JPEG. All layers are drawn
at 48 pixels per em and brought into place in one go, so that every pixel is interpolated once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from .atlas import FontAtlas
from .font_sheet import EM
from .textures import Texture

Gray = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]  # whose dtype OpenCV does not tell

MIN_CONTRAST = 18.0  # grey levels between letters and ground

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_DISCS = {size: cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)) for size in (3, 5, 7, 9)}


class Layers(NamedTuple):
    """The letters and what surrounds them, (height, width) uint8 each, of one shape.

    `edge` is a border or a shadow, also below the letters, or None.
    """

    letters: Array
    edge: Array | None


def set_letters(rng: np.random.Generator, atlas: FontAtlas, font: int, text: str) -> Layers:
    """Set the word in some weight and spacing, with a border, a shadow or an outline."""
    spacing, style = rng.random(), rng.random()
    line = atlas.draw(
        font,
        text,
        spacing=0.0 if spacing < 0.55 else rng.normal(0.08, 0.13) * EM,
        heights=rng.integers(-3, 4, len(text)) if rng.random() < 0.06 else None,
    )
    mask: Array = cv2.copyMakeBorder(line, 8, 8, 8, 8, cv2.BORDER_CONSTANT)
    if rng.random() < 0.04:
        _underline(rng, mask)
    mask = _weight(rng, mask)
    if style < 0.6:
        return Layers(mask, None)
    if style < 0.78:
        return Layers(mask, cv2.dilate(mask, _DISCS[int(rng.choice((3, 5, 7, 9)))]))
    if style < 0.94:
        dx, dy = rng.integers(-6, 7, 2).tolist()
        shadow = cv2.warpAffine(mask, np.array([[1.0, 0, dx], [0, 1, dy]]), mask.shape[::-1])
        return Layers(mask, cv2.GaussianBlur(shadow, (0, 0), float(rng.uniform(0.3, 3))))
    ring = cv2.subtract(cv2.dilate(mask, _DISCS[int(rng.choice((3, 5)))]), cv2.erode(mask, _CROSS))
    return Layers(ring, None)


def _underline(rng: np.random.Generator, mask: Array) -> None:
    height, width = mask.shape
    top, thickness = height - 8 + int(rng.integers(-4, 3)), int(rng.integers(2, 5))
    mask[top : top + thickness, 8 : width - 8] = 255


def _weight(rng: np.random.Generator, mask: Array) -> Array:
    """Make the strokes a little bolder or thinner, but never so thin that they break."""
    change = rng.random()
    if change < 0.18:
        return np.asarray(cv2.dilate(mask, _CROSS if change < 0.1 else _DISCS[5]), np.uint8)
    if change < 0.36:
        thin = np.asarray(cv2.erode(mask, _CROSS), np.uint8)
        return thin if int(thin.sum()) * 2 > int(mask.sum()) else mask
    return mask


def place(rng: np.random.Generator, layers: Layers, height: int) -> Layers:
    """Stretch, slant, turn, distort and bend the word, and cut it out with random margins."""
    rows, columns = layers.letters.shape
    aspect = columns / rows * min(max(rng.lognormal(-0.06, 0.2), 0.6), 1.7)
    corners = _quadrilateral(rng, aspect)
    bend = _bend(rng, aspect)
    low, high = corners.min(axis=0), corners.max(axis=0)
    low[1] -= max(-bend, 0.0)
    high[1] += max(bend, 0.0)
    # The empty rim of the layers (8 of the rows) counts as a part of the margin.
    unit = height / 32
    left, right = rng.uniform(-3, 6, 2) * unit
    top, bottom = rng.uniform(-5.5, 3, 2) * unit
    scale = (height - top - bottom) / (high[1] - low[1])
    width = max(round((high[0] - low[0]) * scale + left + right), height // 2)
    corners = ((corners - low) * scale + (left, top)).astype(np.float32)
    box = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    # Pixel centres lie at +0.5.
    matrix = cv2.getPerspectiveTransform(box - 0.5, corners - 0.5)
    if abs(bend) < 0.02:
        return _each(layers, lambda x: cv2.warpPerspective(x, matrix, (width, height)))
    grids = _bent_grid(np.linalg.inv(matrix), bend * scale, corners, (height, width))
    return _each(layers, lambda x: cv2.remap(x, *grids, cv2.INTER_LINEAR))


def _each(layers: Layers, change: Any) -> Layers:
    edge = None if layers.edge is None else change(layers.edge)
    return Layers(change(layers.letters), edge)


def _quadrilateral(rng: np.random.Generator, aspect: float) -> Array:
    """Return the corners, clockwise from top left, of a box of height 1 after the distortion."""
    near, far = (0.5, 0.5) if rng.random() < 0.5 else rng.uniform(0.36, 0.5, 2)
    slant = rng.normal(0.0, 0.18) if rng.random() < 0.5 else 0.0
    # A long word on a slope would leave its letters few pixels of height.
    limit = min(0.14, 0.5 / aspect)
    angle = min(max(rng.normal(0.0, limit / 2), -limit), limit)
    points = np.array([(0.0, -near), (aspect, -far), (aspect, far), (0.0, near)])
    points[:, 0] -= min(max(slant, -0.4), 0.4) * points[:, 1]
    cos, sin = np.cos(angle), np.sin(angle)
    turn: Array = np.array([[cos, sin], [-sin, cos]])
    return np.asarray(points @ turn)


def _bend(rng: np.random.Generator, aspect: float) -> float:
    """Return how far the ends of the base line lie below its middle, in heights of the word."""
    if rng.random() > 0.3 or aspect < 1.5:
        return 0.0
    limit = min(0.16 * aspect, 0.7)
    return float(np.clip(rng.normal(0.0, limit / 2), -limit, limit))


def _bent_grid(
    inverse: Array, bend: float, corners: Array, size: tuple[int, int]
) -> tuple[Array, Array]:
    """Return for each pixel where it lies in the layers: along a parabola and upright to it."""
    y = np.arange(size[0], dtype=np.float32)[:, None]
    x = np.arange(size[1], dtype=np.float32)
    left, right = corners[:, 0].min(), corners[:, 0].max()
    half, middle = (right - left) / 2, (left + right) / 2
    u = (x - middle) / half
    drop = np.float32(bend) * u * u
    slope = np.float32(2 * bend / half) * u
    y = y - drop
    x = x + slope * (y - np.float32(corners[:, 1].mean()))
    bottom = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
    return (
        ((inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]) / bottom).astype(np.float32),
        ((inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2]) / bottom).astype(np.float32),
    )


def colour(rng: np.random.Generator, layers: Layers, textures: Texture) -> Array:
    """Colour ground, edge and letters in grey levels, some of them with pictures."""
    contrast = MIN_CONTRAST + (245 - MIN_CONTRAST) * rng.beta(1.25, 1.9)
    dark = rng.uniform(0.0, 255.0 - contrast)
    ground, ink = (dark, dark + contrast) if rng.random() < 0.5 else (dark + contrast, dark)
    shape = layers.letters.shape
    # Pictures must not come nearer to the letters than half the contrast, or much less often.
    depth = contrast * (0.6 if rng.random() < 0.8 else 1.3)
    image = ground + _pattern(rng, textures, shape, depth, 0.65)
    if layers.edge is not None:
        edge = rng.uniform(0, 255) if rng.random() < 0.7 else ink + rng.normal(0, 10)
        if abs(edge - ink) < contrast / 2:  # it would swallow the letters
            edge = (ground + ink) / 2
        image += (edge - image) * (layers.edge * np.float32(rng.uniform(0.4, 1.0) / 255))
    letters = ink + _pattern(rng, textures, shape, 0.35 * contrast, 0.25)
    image += (letters - image) * (layers.letters * np.float32(1 / 255))
    return np.asarray(image, np.float32)


def _pattern(
    rng: np.random.Generator,
    textures: Texture,
    shape: tuple[int, ...],
    depth: float,
    probability: float,
) -> Array:
    """Cut a piece out of a picture, in grey levels around zero; or add nothing."""
    if rng.random() > probability:
        return np.zeros(shape, np.float32)
    picture = textures[int(rng.integers(len(textures)))]
    height, width = picture.shape
    zoom = rng.uniform(0.5, 1.5)
    rows, columns = min(int(shape[0] * zoom), height), min(int(shape[1] * zoom), width)
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
    piece = picture[top : top + rows, left : left + columns]
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    piece = cv2.resize(piece, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    strength = depth * rng.random() * 2
    return np.asarray((piece - np.float32(piece.mean())) * np.float32(strength / 255), np.float32)


def photograph(rng: np.random.Generator, image: Array) -> Gray:
    """Blur, shrink and enlarge, and add noise, each for a part of the images."""
    height, width = image.shape
    if rng.random() < 0.25:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 0.9)))
    if rng.random() < 0.2:
        scale = rng.uniform(0.42, 0.9)
        small = (max(int(width * scale), 8), max(int(height * scale), 8))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.4:
        sigma = np.float32(rng.exponential(2.5))
        image = image + rng.standard_normal(image.shape, np.float32) * sigma
    return np.clip(image + np.float32(0.5), 0, 255).astype(np.uint8)


def store(rng: np.random.Generator, image: Gray) -> Gray:
    """Store as JPEG and read again, for a part of the images."""
    if rng.random() < 0.4:
        return image
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 96))]
    stored = cv2.imencode(".jpg", image, quality)[1]
    return np.asarray(cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE), np.uint8)
