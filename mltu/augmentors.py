"""Random steps: (data, label, rng) -> (data, label). All randomness comes from the generator."""

from __future__ import annotations

import inspect
import math
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.plots import write_contact_sheet
from mltu.utils.pipeline_step import Step

with explain_missing():
    import cv2

Image = npt.NDArray[np.uint8]

# Seeding a transform that owns its generator and calling it are one operation.
_SEEDED_CALL = threading.Lock()


class Augmentor(Step):
    """A random step of a `DataProvider`, which changes the image with a given probability.

    Subclass it and write `apply`. Images are uint8, shape (height, width) or
    (height, width, channels); `apply` returns a new array of the same dtype. The generator belongs
    to the sample until the call returns; it draws, but does not spawn others.

    Args:
        probability: of a change, in 0..1.

    Raises:
        ValueError: `probability` is outside 0..1.
    """

    keeps_label = True

    def __init__(self, probability: float = 0.5) -> None:
        if not 0 <= probability <= 1:
            raise ValueError(f"`probability` must be in 0..1. Received {probability}.")
        self.probability = probability

    def __call__(self, data: Image, label: Any, rng: np.random.Generator) -> tuple[Image, Any]:
        """Return the image, changed or as it was, and the label as it was.

        Args:
            data: the image.
            label: of the image, passed through.
            rng: the generator of this sample in this epoch.

        Raises:
            TypeError: `data` is not a uint8 image.
        """
        self._check(data)
        if rng.random() < self.probability:
            data = self.apply(data, rng)
        return data, label

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return a changed copy of the image."""
        raise NotImplementedError(f"{type(self).__name__} must define `apply(image, rng)`.")

    def _check(self, data: object) -> None:
        """Reject data that `apply` cannot change."""
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim not in (2, 3):
            received = getattr(data, "dtype", type(data).__name__)
            raise TypeError(
                f"`data` must be a uint8 image. Received {received}. Augmentors run after the "
                "preprocessors (put ImageReader() there) and before the transformers."
            )


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
        if not 0 <= delta <= 1:
            raise ValueError(f"`delta` must be in 0..1. Received {delta}.")
        self.delta = delta

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the image brighter or darker, cut at 0 and 255."""
        factor = 1 + rng.uniform(-self.delta, self.delta)
        table: Image = np.clip(np.arange(256) * factor, 0, 255).astype(np.uint8)
        return cv2.LUT(image, table).reshape(image.shape)  # type: ignore[return-value]


class RandomRotate(Augmentor):
    """Rotate by a random angle; the canvas grows so that nothing is cut off.

    Args:
        probability: of a change.
        angle: the largest angle in degrees, to either side; at least 0.
        border_value: the colour of the new corners, one value 0..255 for each channel; None for
            the median colour of the image, found from a grid of some 500 of its pixels.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: `border_value` is not a sequence.
    """

    def __init__(
        self,
        probability: float = 0.5,
        angle: float = 10,
        border_value: Sequence[int] | None = None,
    ) -> None:
        super().__init__(probability)
        if isinstance(angle, Sequence):
            raise TypeError(
                "`angle` must be a number, the largest angle to either side. Received "
                f"{angle!r}. Pass {max(map(abs, angle), default=0)}."
            )
        if not angle >= 0:
            raise ValueError(f"`angle` must be at least 0. Received {angle}.")
        if border_value is not None and not isinstance(border_value, Sequence):
            raise TypeError(
                "`border_value` must be a value for each channel, such as (255, 255, 255). "
                f"Received {border_value!r}."
            )
        self.angle = angle
        self.border_value = border_value

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the rotated image, on a larger canvas."""
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D(
            ((width - 1) / 2, (height - 1) / 2), rng.uniform(-self.angle, self.angle), 1.0
        )
        cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
        # Rounded up: half a pixel less would cut the strokes that touch a corner.
        new_width = math.ceil(width * cosine + height * sine)
        new_height = math.ceil(width * sine + height * cosine)
        matrix[:, 2] += (new_width - width) / 2, (new_height - height) / 2
        border = self.border_value
        if border is None:
            border = _median_colour(image)
        rotated = cv2.warpAffine(
            image, matrix, (new_width, new_height), borderMode=cv2.BORDER_CONSTANT,
            borderValue=[float(v) for v in border],
        )  # fmt: skip
        return rotated.reshape(new_height, new_width, *image.shape[2:])  # type: ignore[return-value]


class RandomErodeDilate(Augmentor):
    """Make strokes thicker or thinner, by erosion or dilation with equal probability.

    Args:
        probability: of a change.
        kernel_size: (width, height) of the rectangle in pixels; (1, 1) changes nothing.
    """

    def __init__(self, probability: float = 0.5, kernel_size: tuple[int, int] = (2, 2)) -> None:
        super().__init__(probability)
        if min(kernel_size) < 1:
            raise ValueError(f"`kernel_size` must be at least (1, 1). Received {kernel_size}.")
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
        amount: the largest weight of the difference, at least 0; drawn from 0..amount.
        sigma: of the blur in pixels, more than 0.
    """

    def __init__(self, probability: float = 0.5, amount: float = 1.5, sigma: float = 1.0) -> None:
        super().__init__(probability)
        if amount < 0 or sigma <= 0:
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
        sigma: the largest standard deviation in pixels, more than 0; drawn from 0..sigma.
    """

    def __init__(self, probability: float = 0.5, sigma: float = 1.0) -> None:
        super().__init__(probability)
        if sigma <= 0:
            raise ValueError(f"`sigma` must be more than 0. Received {sigma}.")
        self.sigma = sigma

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the blurred image."""
        sigma = max(1e-3, rng.uniform(0, self.sigma))
        return cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape)  # type: ignore[return-value]


class ImageTransform(Augmentor):
    """Wrap an image transform of another library as an augmentor.

    A transform with `set_random_seed` (an Albumentations pipeline) is seeded from the sample's
    generator and called as `transform(image=image)["image"]`; one with a parameter called `rng`
    gets the generator; any other callable is called with the image alone, and its randomness, if
    it has any, cannot be reproduced.

    Args:
        transform: the callable; it takes and returns images as the preprocessors return them (BGR).
        probability: of calling it at all.
    """

    def __init__(self, transform: Callable[..., Any], probability: float = 1.0) -> None:
        super().__init__(probability)
        if not callable(transform):
            raise TypeError(f"`transform` must be callable. Received {transform!r}.")
        self.transform = transform
        self._takes_rng = _has_parameter(transform, "rng")

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the result of the transform on a copy of the image.

        Raises:
            TypeError: it returned something other than a uint8 image.
        """
        result = self._call(image.copy(), rng)
        if not isinstance(result, np.ndarray) or result.dtype != np.uint8:
            received = getattr(result, "dtype", type(result).__name__)
            raise TypeError(f"`transform` must return a uint8 image. Received {received}.")
        return result

    def _call(self, image: Image, rng: np.random.Generator) -> Any:
        if hasattr(self.transform, "set_random_seed"):
            with _SEEDED_CALL:
                self.transform.set_random_seed(int(rng.integers(2**31)))
                return self.transform(image=image)["image"]
        return self.transform(image, rng=rng) if self._takes_rng else self.transform(image)


def write_augmented_sheet(
    path: str | os.PathLike[str],
    images: Sequence[Image],
    augmentors: Sequence[Augmentor],
    *,
    num_variants: int = 5,
    seed: int = 0,
) -> None:
    """Write a PNG that shows each image next to augmented versions of it.

    Args:
        path: of the PNG file.
        images: uint8, BGR of shape (height, width, 3) or grey; of any sizes. One row for each.
        augmentors: run one after the other, as in a `DataProvider`.
        num_variants: how many augmented versions of each image, at least 1.
        seed: of the variants.

    Raises:
        ValueError: there is no image.
    """
    tiles: list[tuple[Image, str]] = []
    for row, image in enumerate(images):
        tiles.append((image, "original"))
        for variant in range(num_variants):
            rng, changed = np.random.default_rng([seed, row, variant]), image
            for augmentor in augmentors:
                changed, _ = augmentor(changed, None, rng)
            tiles.append((changed, ""))
    write_contact_sheet(path, tiles, num_columns=num_variants + 1)


def _median_colour(image: Image) -> list[int]:
    """Return the median of each channel; all pixels would take as long as the rotation."""
    height, width = image.shape[:2]
    step = max(1, round(math.sqrt(height * width / 500)))
    values = image[::step, ::step].reshape(-1, math.prod(image.shape[2:]))
    middle = len(values) // 2
    return np.partition(values, middle, axis=0)[middle].tolist()  # type: ignore[no-any-return]


def _has_parameter(function: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except ValueError:  # Some functions written in C have no signature.
        return False
