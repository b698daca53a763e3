"""Pictures that are made once and cut up often: grounds like photographs, light, noise, spots."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]  # whose dtype OpenCV does not tell
Rng = np.random.Generator

SIZE = (96, 1280)  # height and width in pixels


class Banks(NamedTuple):
    """Banks of pictures, (number, height, width) each; from a fixed seed.

    `grounds` float32 from -0.5 to 0.5, like pieces of photographs; `lights` float32 from 0 to 1,
    soft shades, edges of shadows and reflections; `noise` (number, height, width, 3) float32 of
    deviation 1, whose channels are alike; `spots` float32 of deviation 1, blotches of a few pixels.
    """

    grounds: Array
    lights: Array
    noise: Array
    spots: Array


@lru_cache(maxsize=1)
def make_banks() -> Banks:
    """Draw the banks, once per process."""
    rng = np.random.default_rng(0)
    grounds = np.stack([_ground(rng) for _ in range(48)])
    lights = np.stack([_light(rng) for _ in range(24)])
    noise: Array = rng.standard_normal((4, *SIZE, 3), np.float32)
    # The noise of a camera is grey for the most part.
    noise = (noise[..., :1] * 0.8 + noise * 0.6) / np.float32(1.15)
    spots = np.stack([_blotches(rng) for _ in range(8)])
    return Banks(grounds, lights, noise, spots)


def _ground(rng: Rng) -> Array:
    image, kind = _clouds(rng), rng.random()
    if kind < 0.35:
        image = _edges(rng, image)
    elif kind < 0.5:
        image += _stripes(rng) * np.float32(rng.uniform(0.3, 1.0))
    elif kind < 0.62:
        image = _strokes(rng, image)
    elif kind < 0.72:
        image = _leaves(rng, image)
    elif kind < 0.8:
        image = image * np.float32(0.4) + _bricks(rng)
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 3.0)))
    low, high = np.percentile(image[::4, ::4], (1, 99))
    full = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    return np.asarray(full - full.mean(), np.float32)


def _clouds(rng: Rng, octaves: int = 6, fall: float | None = None) -> Array:
    """Add noise of several scales; how fast it falls with the scale decides the roughness."""
    height, width = SIZE
    image, fall = np.zeros(SIZE, np.float32), rng.uniform(0.25, 0.9) if fall is None else fall
    for octave in range(octaves):
        cells = (max(2, width * 2**octave // 256), max(2, height * 2**octave // 96))
        noise = rng.standard_normal(cells[::-1], np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(
            fall**octave
        )
    return image


def _edges(rng: Rng, image: Array) -> Array:
    """Lay polygons over it, like walls, leaves and signs."""
    height, width = SIZE
    for _ in range(int(rng.integers(6, 50))):
        centre = rng.uniform((0, 0), (width, height))
        points = centre + rng.normal(0, rng.uniform(8, 80), (int(rng.integers(3, 6)), 2))
        share, level = rng.uniform(0.4, 1.0), rng.normal(0, 1.2)
        shade = np.zeros(SIZE, np.uint8)
        cv2.fillPoly(shade, [points.astype(np.int32)], 255, cv2.LINE_AA)
        image += (np.float32(level) - image) * (shade * np.float32(share / 255))
    return image


def _leaves(rng: Rng, image: Array) -> Array:
    """Lay many small ellipses over it."""
    for _ in range(300):
        centre = rng.uniform((0, 0), SIZE[::-1])
        axes = rng.uniform(4, 28, 2)
        box = (centre.tolist(), axes.tolist(), float(rng.integers(180)))
        cv2.ellipse(image, box, float(rng.normal(0, 1.0)), -1)
    return image


def _bricks(rng: Rng) -> Array:
    """Give rows of bricks or tiles with joints."""
    height, width = SIZE
    rows, columns = int(rng.integers(10, 40)), int(rng.integers(20, 90))
    joint, shift = int(rng.integers(1, 4)), rng.random() < 0.7
    image = np.zeros(SIZE, np.float32)
    for row in range(0, height, rows):
        off = columns // 2 if shift and row // rows % 2 else 0
        for column in range(-off, width, columns):
            spot = image[row + joint : row + rows, max(column + joint, 0) : column + columns]
            spot[:] = 1.5 + rng.normal(0, 0.3)
    return image


def _stripes(rng: Rng) -> Array:
    """Give stripes or a grid of any direction, sharp or soft."""
    height, width = SIZE
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 60)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    step = np.float32(2 * np.pi / period)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    wave: Array = np.sin((x * cos + y * sin) * step)
    if rng.random() < 0.4:
        wave = np.maximum(wave, np.sin((y * cos - x * sin) * step))
    return np.asarray(np.tanh(wave * np.float32(rng.uniform(1, 8))))


def _strokes(rng: Rng, image: Array) -> Array:
    """Draw lines and bows over it, like the letters of a poster or the bars of a fence."""
    for _ in range(int(rng.integers(5, 20))):
        level, width = float(rng.normal(0, 1.5)), int(rng.integers(1, 10))
        x, y, size = rng.uniform((0, -20, 8), (SIZE[1], SIZE[0] + 20, 60)).tolist()
        for start in range(int(rng.integers(2, 9))):
            centre = (int(x + start * size), int(y + rng.normal(0, 2)))
            if rng.random() < 0.5:
                end = (centre[0], int(y + 1.5 * size))
                cv2.line(image, centre, end, level, width, cv2.LINE_AA)
            else:
                axes, turn = (int(size / 2), int(size * 0.7)), float(rng.integers(4) * 90)
                cv2.ellipse(image, centre, axes, turn, 0, 230, level, width, cv2.LINE_AA)
    return image


def _light(rng: Rng) -> Array:
    """Draw a soft shade, the edge of a shadow, or spots and bars of reflected light."""
    kind = rng.random()
    image: Array = np.zeros(SIZE, np.float32)
    if kind < 0.4:
        image = _clouds(rng, 2, 0.5)
    elif kind < 0.65:
        _edges(rng, image)
    else:
        for _ in range(int(rng.integers(3, 9))):
            centre = (int(rng.integers(SIZE[1])), int(rng.integers(SIZE[0])))
            axes = (int(rng.integers(8, 160)), int(rng.integers(3, 40)))
            angle = float(rng.uniform(0, 180))
            cv2.ellipse(image, centre, axes, angle, 0, 360, 1.0, -1, cv2.LINE_AA)
    image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(1, 12)))
    low, high = float(image.min()), float(image.max())
    return np.asarray((image - low) / max(high - low, 1e-6), np.float32)


def _blotches(rng: Rng) -> Array:
    image: Array = rng.standard_normal(SIZE, np.float32)
    image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.8, 3.0)))
    return np.asarray(image / image.std(), np.float32)


def piece(rng: Rng, bank: Array, size: tuple[int, int], zoom: float = 1.0) -> Array:
    """Cut a piece out of one of the pictures of a bank, and scale it."""
    picture = bank[int(rng.random() * len(bank))]
    height, width = picture.shape[:2]
    rows = min(max(int(size[1] * zoom), 1), height)
    columns = min(max(int(size[0] * zoom), 1), width)
    top, left = int(rng.random() * (height - rows + 1)), int(rng.random() * (width - columns + 1))
    cut: Array = picture[top : top + rows, left : left + columns]
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    if cut.shape[1::-1] == size:
        return cut
    return cv2.resize(cut, size, interpolation=cv2.INTER_LINEAR)


def texture(rng: Rng, bank: Array, picture: Array, contrast: float, share: float) -> None:
    """Add a piece of a ground; most pieces keep away from the letters by half the contrast."""
    kind = rng.random()
    if kind > share:
        return
    size = (picture.shape[2], picture.shape[1])
    depth = contrast * (0.7 if rng.random() < 0.8 else 1.4) * rng.random() ** 1.3
    pattern = piece(rng, bank, size, rng.uniform(0.5, 2.0)) * np.float32(depth)
    if kind < share * 0.4:
        tone = (1 + rng.uniform(-0.6, 0.6, 3)).astype(np.float32)
        picture += tone[:, None, None] * pattern
    else:
        picture += pattern
