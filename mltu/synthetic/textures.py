"""Grounds: grey pictures that stand for photographs, of noise, edges, stripes and letters."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .atlas import FontAtlas

Texture = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]  # float32

SIZE = (128, 768)  # height and width in pixels


def make_textures(atlas: FontAtlas, number: int = 96, seed: int = 0) -> Texture:
    """Draw pictures of every roughness, most of them soft, some with edges or letters.

    Args:
        atlas: whose letters stand in some of them.
        number: of pictures.
        seed: equal seeds give equal pictures.

    Returns:
        (number, 128, 768) uint8, each over the whole range 0..255.
    """
    rng = np.random.default_rng(seed)
    return np.stack([_texture(rng, atlas) for _ in range(number)])


def _texture(rng: np.random.Generator, atlas: FontAtlas) -> Texture:
    image = _clouds(rng)
    kind = rng.random()
    if kind < 0.35:
        image = _edges(rng, image)
    elif kind < 0.5:
        image += _stripes(rng) * rng.uniform(0.3, 1.0)
    elif kind < 0.62:
        image = _letters(rng, image, atlas)
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 3.0)))
    low, high = np.percentile(image, (1, 99))
    full = np.clip((image - low) * (255 / max(high - low, 1e-6)), 0, 255)
    return np.asarray(full, np.uint8)


def _clouds(rng: np.random.Generator) -> Array:
    """Add noise of several scales; how fast it falls with the scale decides the roughness."""
    height, width = SIZE
    image, fall = np.zeros(SIZE, np.float32), rng.uniform(0.25, 0.9)
    for octave in range(6):
        cells = (max(2, width * 2**octave // 256), max(2, height * 2**octave // 128))
        noise = rng.standard_normal(cells[::-1]).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) * fall**octave
    return image


def _edges(rng: np.random.Generator, image: Array) -> Array:
    """Lay polygons over it, like walls, leaves and signs."""
    height, width = SIZE
    for _ in range(int(rng.integers(4, 40))):
        centre = rng.uniform((0, 0), (width, height))
        points = centre + rng.normal(0, rng.uniform(8, 80), (int(rng.integers(3, 6)), 2))
        level = float(rng.normal(0, 1.2))
        shade = np.zeros(SIZE, np.uint8)
        cv2.fillPoly(shade, [points.astype(np.int32)], 255, cv2.LINE_AA)
        share = shade * np.float32(rng.uniform(0.4, 1.0) / 255)
        image = image * (1 - share) + share * level
    return image


def _stripes(rng: np.random.Generator) -> Array:
    """Give stripes or a grid of any direction, sharp or soft."""
    height, width = SIZE
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 60)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * np.float32(2 * np.pi / period))
    if rng.random() < 0.4:
        wave = np.maximum(wave, np.sin((y * np.cos(angle) - x * np.sin(angle)) * (6.28 / period)))
    return np.asarray(np.tanh(wave * rng.uniform(1, 8)), np.float32)


def _letters(rng: np.random.Generator, image: Array, atlas: FontAtlas) -> Array:
    """Write over it, as on a wall of posters."""
    height, width = SIZE
    for _ in range(int(rng.integers(3, 12))):
        text = "".join(rng.choice(list(atlas.characters), int(rng.integers(3, 9))))
        mask = atlas.draw(int(rng.integers(len(atlas))), text)
        scale = rng.uniform(0.5, 3.0)
        turn = cv2.getRotationMatrix2D((0, 0), float(rng.normal(0, 12)), float(scale))
        turn = turn + np.column_stack([np.zeros((2, 2)), rng.uniform((-80, -20), (width, height))])
        share = cv2.warpAffine(mask, turn, (width, height)) * np.float32(1 / 255)
        image = image * (1 - share) + share * float(rng.normal(0, 1.5))
    return image
