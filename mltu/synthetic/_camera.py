"""From planes of colour to a picture as a camera or scanner stores it."""

from __future__ import annotations

import cv2
import numpy as np

from mltu.synthetic import _draw as d
from mltu.synthetic import _textures as t
from mltu.synthetic._textures import Array, Banks, Rng


def photograph(rng: Rng, banks: Banks, picture: Array, poor: float) -> Array:
    """Take the picture: light, focus, movement, few pixels, noise, JPEG."""
    height, width = picture.shape[1:]
    kind = rng.random()
    if kind < 0.35:
        light = t.piece(rng, banks.lights, (width, height), rng.uniform(0.5, 2))
        if kind < 0.25:
            picture *= 1 + (light - np.float32(0.5)) * np.float32(rng.uniform(0.1, 1.1))
        else:
            white = d.tinted(rng, 240, 15)
            d.blend(picture, white, light * np.float32(rng.uniform(0.2, 0.75)))
    elif kind < 0.45:  # too little or too much light
        middle = np.float32(rng.uniform(0, 255))
        picture -= middle
        picture *= np.float32(rng.uniform(0.25, 1.3))
        picture += middle
    image = to_bytes(picture)
    low = min(1.0, rng.lognormal(-0.36 if poor > 0.5 else 0.35, 0.33))
    if rng.random() < poor:
        if rng.random() < 0.7:
            image = cv2.GaussianBlur(
                image, (0, 0), 0.3 + min(rng.gamma(2.0, 0.24), 1.4) * height / 32
            )
        else:
            image = motion_blur(rng, image, (2 + min(rng.gamma(2.0, 0.8), 4)) * height / 32)
    small = (max(round(width * low), 4), max(round(height * low), 6))
    image = resize(image, small)
    image = noise(rng, banks, image, 0.5, 3.0 if poor < 0.5 else 4.5)
    if rng.random() < 0.45:
        image = store(rng, image, (25, 95))
    if low < 1:
        how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_CUBIC)[int(rng.random() * 3)]
        image = resize(image, (width, height), how)
        if rng.random() < 0.12:  # sharpened by the camera
            soft = cv2.GaussianBlur(image, (0, 0), 1.2)
            image = cv2.addWeighted(image, 1.8, soft, -0.8, 0)
    return image


def noise(rng: Rng, banks: Banks, image: Array, share: float, mean: float) -> Array:
    """Add noise to a share of the pictures, in grey or colour, and round them to uint8."""
    if rng.random() >= share:
        return image if image.dtype == np.uint8 else cv2.convertScaleAbs(np.maximum(image, 0))
    grain = t.piece(rng, banks.noise, image.shape[1::-1])
    if image.ndim == 2:
        grain = np.ascontiguousarray(grain[..., 0])
    sigma = rng.exponential(mean)
    return np.asarray(cv2.addWeighted(image, 1.0, grain, sigma, 0.0, dtype=cv2.CV_8U))


def motion_blur(rng: Rng, image: Array, length: float) -> Array:
    """Blur along a line."""
    size = int(length) | 1
    kernel = np.zeros((size, size), np.float32)
    angle = rng.uniform(0, np.pi)
    dx, dy = np.cos(angle) * size / 2, np.sin(angle) * size / 2
    middle = size // 2
    start = (round((middle - dx) * 16), round((middle - dy) * 16))
    end = (round((middle + dx) * 16), round((middle + dy) * 16))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA, 4)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def to_bytes(planes: Array) -> Array:
    """Turn planes into a picture (height, width, 3) uint8."""
    np.maximum(planes, 0, out=planes)
    return np.asarray(cv2.merge([cv2.convertScaleAbs(plane) for plane in planes]))


def store(rng: Rng, image: Array, quality: tuple[int, int]) -> Array:
    """Store as JPEG and read again."""
    level = int(rng.integers(quality[0], quality[1] + 1))
    stored = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, level])[1]
    how = cv2.IMREAD_GRAYSCALE if image.ndim == 2 else cv2.IMREAD_COLOR
    return np.asarray(cv2.imdecode(stored, how))


def resize(image: Array, size: tuple[int, int], how: int = cv2.INTER_LINEAR) -> Array:
    """Scale a picture: by areas where it shrinks."""
    if image.shape[1] == size[0] and image.shape[0] == size[1]:
        return image
    return cv2.resize(
        image, size, interpolation=cv2.INTER_AREA if size[1] < image.shape[0] else how
    )
