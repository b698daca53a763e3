"""Augmentors of light: brightness, contrast, shadow."""

from __future__ import annotations

import math

import numpy as np

from mltu._extras import explain_missing
from mltu.augmentors._augmentor import Augmentor, Image
from mltu.utils.checks import check_between

with explain_missing():
    import cv2


class RandomBrightness(Augmentor):
    """Multiply all values by one random factor.

    Args:
        probability: of a change.
        delta: the factor lies in 1 - delta .. 1 + delta; in 0..1.

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(self, probability: float = 0.5, delta: float = 0.4) -> None:
        super().__init__(probability)
        check_between("delta", delta, 0, 1)
        self.delta = delta

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the image brighter or darker, cut at 0 and 255."""
        factor = 1 + rng.uniform(-self.delta, self.delta)
        return cv2.convertScaleAbs(image, alpha=factor).reshape(image.shape)  # type: ignore[return-value]


class RandomContrast(Augmentor):
    """Change contrast and brightness by one table; or turn black into white.

    Args:
        probability: of a change.
        contrast: the contrast is multiplied by 1 - contrast .. 1 + contrast; in 0..1.
        brightness: added to all values, from -brightness..brightness; in 0..255.
        invert: probability that a changed image is inverted too, in 0..1.
    """

    def __init__(
        self,
        probability: float = 0.5,
        contrast: float = 0.45,
        brightness: float = 30,
        invert: float = 0.0,
    ) -> None:
        super().__init__(probability)
        check_between("contrast", contrast, 0, 1)
        check_between("brightness", brightness, 0, 255)
        check_between("invert", invert, 0, 1)
        self.contrast = contrast
        self.brightness = brightness
        self.invert = invert

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the image with other contrast."""
        factor = 1 + rng.uniform(-self.contrast, self.contrast)
        offset = 127.5 + rng.uniform(-self.brightness, self.brightness)
        values = (np.arange(256) - 127.5) * factor + offset
        if rng.random() < self.invert:
            values = 255 - values
        table = np.clip(values, 0, 255).astype(np.uint8)
        return cv2.LUT(image, table).reshape(image.shape)  # type: ignore[return-value]


class RandomShadow(Augmentor):
    """Darken one side of a random line, softly.

    Args:
        probability: of a change.
        darkness: the largest share of the light that is taken away, in 0..1.
    """

    def __init__(self, probability: float = 0.5, darkness: float = 0.5) -> None:
        super().__init__(probability)
        check_between("darkness", darkness, 0, 1)
        self.darkness = darkness

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the image with a shadow on it."""
        height, width = image.shape[:2]
        angle, place = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 0.8, 2)
        across = (np.arange(width) - place[0] * width) * math.cos(angle)
        down = (np.arange(height) - place[1] * height) * math.sin(angle)
        edge = np.clip((across + down[:, None]) / (0.2 * height) + 0.5, 0, 1)
        light = 1 - rng.uniform(0, self.darkness) * edge
        shaded = image * light.reshape(height, width, *[1] * (image.ndim - 2))
        return shaded.astype(np.uint8)  # type: ignore[no-any-return]
