"""Augmentors of quality: thicker or thinner, sharper, blurred, noisy, compressed, covered."""

from __future__ import annotations

import math

import numpy as np

from mltu._extras import explain_missing
from mltu.augmentors._augmentor import Augmentor, Image
from mltu.utils.checks import check_between, check_count

with explain_missing():
    import cv2


class RandomErodeDilate(Augmentor):
    """Make strokes thicker or thinner, by erosion or dilation with equal probability.

    Args:
        probability: of a change.
        kernel_size: (width, height) of the rectangle in pixels; (1, 1) changes nothing.
    """

    def __init__(self, probability: float = 0.5, kernel_size: tuple[int, int] = (2, 2)) -> None:
        super().__init__(probability)
        for side in kernel_size:
            check_count("kernel_size", side, 1)
        self.kernel_size = kernel_size

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the eroded or dilated image."""
        kernel = np.ones(self.kernel_size[::-1], np.uint8)
        change = cv2.erode if rng.random() < 0.5 else cv2.dilate
        return change(image, kernel).reshape(image.shape)  # type: ignore[return-value]


class RandomSharpen(Augmentor):
    """Sharpen by adding what a Gaussian blur takes away (unsharp masking).

    Args:
        probability: of a change.
        amount: the largest weight of the difference, at least 0; sampled from 0..amount.
        sigma: of the blur in pixels, more than 0.
    """

    def __init__(self, probability: float = 0.5, amount: float = 1.5, sigma: float = 1.0) -> None:
        super().__init__(probability)
        if not (amount >= 0 and sigma > 0):
            raise ValueError(
                "`amount` must be at least 0 and `sigma` more than 0. "
                f"Received {amount} and {sigma}."
            )
        self.amount = amount
        self.sigma = sigma

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the sharpened image."""
        amount = rng.uniform(0, self.amount)
        blurred = cv2.GaussianBlur(image, (0, 0), self.sigma).reshape(image.shape)
        return cv2.addWeighted(image, 1 + amount, blurred, -amount, 0).reshape(image.shape)  # type: ignore[return-value]


class RandomGaussianBlur(Augmentor):
    """Blur with a Gaussian of random width.

    Args:
        probability: of a change.
        sigma: the largest standard deviation in pixels, more than 0; sampled from 0..sigma.
    """

    def __init__(self, probability: float = 0.5, sigma: float = 1.0) -> None:
        super().__init__(probability)
        if not sigma > 0:
            raise ValueError(f"`sigma` must be more than 0. Received {sigma}.")
        self.sigma = sigma

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the blurred image."""
        sigma = max(1e-3, rng.uniform(0, self.sigma))
        return cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape)  # type: ignore[return-value]


class RandomMotionBlur(Augmentor):
    """Blur along a line of random direction.

    Args:
        probability: of a change.
        length: the longest line, as a share of the height, above 0.
    """

    def __init__(self, probability: float = 0.5, length: float = 0.12) -> None:
        super().__init__(probability)
        if not length > 0:
            raise ValueError(f"`length` must be above 0. Received {length}.")
        self.length = length

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the blurred image."""
        size = 2 * max(1, round(rng.uniform(0, self.length) * image.shape[0] / 2)) + 1
        kernel = np.zeros((size, size), np.float32)
        angle, middle = rng.uniform(0, math.pi), size // 2
        reach = np.array([math.cos(angle), math.sin(angle)]) * middle
        start, end = (tuple(np.rint(middle + sign * reach).astype(int)) for sign in (-1, 1))
        cv2.line(kernel, start, end, 1.0)
        blurred = cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
        return blurred.reshape(image.shape)  # type: ignore[return-value]


class RandomNoise(Augmentor):
    """Add Gaussian noise to each value.

    Args:
        probability: of a change.
        sigma: the largest standard deviation, more than 0; sampled from 0..sigma.
    """

    def __init__(self, probability: float = 0.5, sigma: float = 15.0) -> None:
        super().__init__(probability)
        if not sigma > 0:
            raise ValueError(f"`sigma` must be more than 0. Received {sigma}.")
        self.sigma = sigma

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the noisy image."""
        noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(0, self.sigma)
        return np.clip(image + noise, 0, 255).astype(np.uint8)


class RandomJpeg(Augmentor):
    """Compress and decompress as JPEG: the first three channels, or the first of two.

    Args:
        probability: of a change.
        quality: the lowest quality, in 1..95; sampled from quality..95.
    """

    def __init__(self, probability: float = 0.5, quality: int = 20) -> None:
        super().__init__(probability)
        check_between("quality", quality, 1, 95)
        self.quality = quality

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the image with the faults of the compression."""
        quality = int(rng.integers(self.quality, 96))
        pixels = image.reshape(*image.shape[:2], -1)
        num_colours = 1 if pixels.shape[2] < 3 else 3
        colours = np.ascontiguousarray(pixels[:, :, :num_colours])
        _, content = cv2.imencode(".jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(content, cv2.IMREAD_UNCHANGED).reshape(colours.shape)  # type: ignore[union-attr]
        return np.dstack([decoded, pixels[:, :, num_colours:]]).reshape(image.shape)


class RandomCutout(Augmentor):
    """Cover small squares with one value (DeVries and Taylor, 2017).

    Args:
        probability: of a change.
        size: the largest side as a share of the height, in 0..1.
        count: the largest number of squares, at least 1.
    """

    def __init__(self, probability: float = 0.5, size: float = 0.3, count: int = 3) -> None:
        super().__init__(probability)
        check_between("size", size, 0, 1)
        check_count("count", count, 1)
        self.size = size
        self.count = count

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return a copy with covered squares."""
        image, (height, width) = image.copy(), image.shape[:2]
        for _ in range(int(rng.integers(1, self.count + 1))):
            side = max(1, round(rng.uniform(0, self.size) * height))
            top, left = int(rng.integers(height)), int(rng.integers(width))
            image[top : top + side, left : left + side] = rng.integers(256)
        return image
