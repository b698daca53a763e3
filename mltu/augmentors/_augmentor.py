"""Augmentor: what all of them have in common; ImageTransform: that of another library."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.utils.checks import check_between
from mltu.utils.pipeline_step import Step

Image = npt.NDArray[np.uint8]

# Seeding a transform that owns its generator and calling it are one operation.
_SEEDED_CALL = threading.Lock()


class Augmentor(Step):
    """A random step of a `DataProvider`, which changes the image with a given probability.

    Subclass it and write `apply`. Images are uint8, shape (height, width) or
    (height, width, channels); `apply` returns a new array of the same dtype. Alpha is changed like
    a colour, but for `RandomJpeg`, which keeps it; `ImageReader()` leaves none.

    The generator belongs to the sample until the call returns; it draws, but does not spawn others.

    Args:
        probability: of a change, in 0..1.

    Raises:
        ValueError: `probability` is outside 0..1.
    """

    keeps_label = True

    def __init__(self, probability: float = 0.5) -> None:
        check_between("probability", probability, 0, 1)
        self.probability = probability

    def __call__(self, data: Image, label: Any, rng: np.random.Generator) -> tuple[Image, Any]:
        """Return the image, changed or as it was, and the label as it was.

        Args:
            data: the image.
            label: of the image, passed through.
            rng: the generator of this sample in this epoch.

        Raises:
            TypeError: `data` is not a uint8 image.
            ValueError: it is empty.
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
        if not data.size:
            raise ValueError(f"`data` must have at least one pixel. Received shape {data.shape}.")


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


def _has_parameter(function: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except ValueError:  # Some functions written in C have no signature.
        return False
