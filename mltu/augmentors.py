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
        return _map_values(image, np.arange(256) * factor)


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


class RandomPerspective(Augmentor):
    """Move the corners of the image, stretch it and shift it, in one warp on the same canvas.

    Args:
        probability: of a change.
        shift: the largest shift of a corner, as a share of the height; in 0..0.5.
        scale: each side is multiplied by a factor in 1 - scale .. 1 + scale / 3, since more would
            cut letters at the edge; in 0..0.5.
    """

    def __init__(self, probability: float = 0.5, shift: float = 0.08, scale: float = 0.15) -> None:
        super().__init__(probability)
        for name, value in (("shift", shift), ("scale", scale)):
            if not 0 <= value <= 0.5:
                raise ValueError(f"`{name}` must be in 0..0.5. Received {value}.")
        self.shift = shift
        self.scale = scale

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the warped image; its edge is repeated where there was nothing."""
        height, width = image.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        centre = np.array([width / 2, height / 2])
        moved = (corners - centre) * rng.uniform(1 - self.scale, 1 + self.scale / 3, 2) + centre
        moved += rng.uniform(-self.shift, self.shift, (4, 2)) * height
        matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
        warped = cv2.warpPerspective(
            image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        return warped.reshape(image.shape)  # type: ignore[return-value]


class RandomElastic(Augmentor):
    """Bend strokes by a smooth random field of shifts (Simard et al., 2003).

    Args:
        probability: of a change.
        shift: the largest shift as a share of the height; in 0..0.5.
        cell: distance of the points that are shifted at random, as a share of the height, above 0.
    """

    def __init__(self, probability: float = 0.5, shift: float = 0.06, cell: float = 0.5) -> None:
        super().__init__(probability)
        if not 0 <= shift <= 0.5 or not cell > 0:
            raise ValueError(
                f"`shift` must be in 0..0.5 and `cell` above 0. Received {shift} and {cell}."
            )
        self.shift = shift
        self.cell = cell

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the bent image."""
        height, width = image.shape[:2]
        grid = [max(2, round(side / (self.cell * height))) for side in (height, width)]
        coarse = rng.uniform(-self.shift, self.shift, (2, *grid)) * height
        fields = [
            cv2.resize(field.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
            for field in coarse
        ]
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        bent = cv2.remap(
            image, (columns + fields[0]).astype(np.float32), (rows + fields[1]).astype(np.float32),
            cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return bent.reshape(image.shape)  # type: ignore[return-value]


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
        for name, value, most in (
            ("contrast", contrast, 1), ("brightness", brightness, 255), ("invert", invert, 1)
        ):  # fmt: skip
            if not 0 <= value <= most:
                raise ValueError(f"`{name}` must be in 0..{most}. Received {value}.")
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
        return _map_values(image, values)


class RandomShadow(Augmentor):
    """Darken one side of a random line, softly.

    Args:
        probability: of a change.
        darkness: the largest share of the light that is taken away, in 0..1.
    """

    def __init__(self, probability: float = 0.5, darkness: float = 0.5) -> None:
        super().__init__(probability)
        if not 0 <= darkness <= 1:
            raise ValueError(f"`darkness` must be in 0..1. Received {darkness}.")
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
        sigma: the largest standard deviation, more than 0; drawn from 0..sigma.
    """

    def __init__(self, probability: float = 0.5, sigma: float = 15.0) -> None:
        super().__init__(probability)
        if sigma <= 0:
            raise ValueError(f"`sigma` must be more than 0. Received {sigma}.")
        self.sigma = sigma

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the noisy image."""
        noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(0, self.sigma)
        return np.clip(image + noise, 0, 255).astype(np.uint8)


class RandomJpeg(Augmentor):
    """Compress and decompress as JPEG.

    Args:
        probability: of a change.
        quality: the lowest quality, in 1..95; drawn from quality..95.
    """

    def __init__(self, probability: float = 0.5, quality: int = 20) -> None:
        super().__init__(probability)
        if not 1 <= quality <= 95:
            raise ValueError(f"`quality` must be in 1..95. Received {quality}.")
        self.quality = quality

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the image with the faults of the compression."""
        quality = int(rng.integers(self.quality, 96))
        _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
        return decoded.reshape(image.shape)  # type: ignore[union-attr,return-value]


class RandomCutout(Augmentor):
    """Cover small squares with one value (DeVries and Taylor, 2017).

    Args:
        probability: of a change.
        size: the largest side as a share of the height, in 0..1.
        count: the largest number of squares, at least 1.
    """

    def __init__(self, probability: float = 0.5, size: float = 0.3, count: int = 3) -> None:
        super().__init__(probability)
        if not 0 <= size <= 1 or count < 1:
            raise ValueError(
                f"`size` must be in 0..1 and `count` at least 1. Received {size} and {count}."
            )
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


def _map_values(image: Image, values: npt.NDArray[np.floating]) -> Image:
    """Replace each value 0..255 by that at its place in `values`, cut at 0 and 255."""
    table = np.clip(values, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table).reshape(image.shape)  # type: ignore[return-value]


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
