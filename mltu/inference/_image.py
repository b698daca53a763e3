"""From any image to what a model takes, as the card of the model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.inference._card import ModelCard

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One image as the model takes it, and the way back to its own columns.

    Attributes:
        values: uint8, shape (height, width, channels).
        left: the first column of `values` that the image fills.
        scale: columns of `values` for one column of the image.
        width: of the image, in pixels.
    """

    values: Array
    left: float
    scale: float
    width: int

    def columns(self, steps: Array, num_steps: int) -> list[float]:
        """Return the columns of the image, in pixels, where time steps begin."""
        at = (steps * (self.values.shape[1] / num_steps) - self.left) / self.scale
        return np.minimum(np.maximum(at, 0), self.width).tolist()  # type: ignore[no-any-return]


class Preparation:
    """Reads and resizes images for one model.

    Args:
        card: of the model.
        color_order: of arrays with three or four channels, `"BGR"` or `"RGB"`.
    """

    def __init__(self, card: ModelCard, color_order: str = "BGR") -> None:
        if color_order not in ("BGR", "RGB"):
            raise ValueError(f"`color_order` must be 'BGR' or 'RGB'. Received {color_order!r}.")
        # Only here: a subclass of OnnxInferenceModel may run where OpenCV is not installed.
        import cv2

        from mltu.preprocessors import ImageReader
        from mltu.transformers import ImageResizer

        self.card = card
        self._is_rgb = color_order == "RGB"
        self._reader = ImageReader(
            cv2.IMREAD_GRAYSCALE if card.color == "GRAY" else cv2.IMREAD_COLOR
        )
        self._resizer = ImageResizer(
            card.width,
            card.height,
            keep_aspect_ratio=card.resize == "fit",
            padding_color=card.padding_color,
        )

    def prepare(self, image: Any) -> Prepared:
        """Prepare one image; arguments and errors as in `prepare_image`."""
        is_array = isinstance(image, np.ndarray) and image.ndim == 3
        if self._is_rgb and is_array and image.shape[2] in (3, 4):
            image = np.ascontiguousarray(image[:, :, [2, 1, 0, 3][: image.shape[2]]])
        found = self._reader.read(image)
        values, _ = self._resizer(found, None)
        left, _, width, _ = self._resizer.placement(found)
        own_width = found.shape[1]
        return Prepared(values.reshape(*values.shape[:2], -1), left, width / own_width, own_width)

    def stack(self, prepared: Sequence[Prepared]) -> Array:
        """Return one batch, float32, of images that were prepared to one width."""
        batch = np.stack([one.values for one in prepared]).astype(np.float32)
        return batch / np.float32(255) if self.card.scaling == "1/255" else batch


def prepare_image(image: Any, card: ModelCard) -> Array:
    """Bring an image into the form that a model takes.

    Args:
        image: a path, the bytes of an image file, or a uint8 array in BGR or grey; transparent
            pixels become white.
        card: of the model.

    Returns:
        Values 0..255 as uint8, or 0..1 as float32, shape (height, width, channels).

    Raises:
        FileNotFoundError: there is no file at the path.
        ValueError: the image cannot be decoded.
        TypeError: `image` is none of the above.
    """
    preparation = Preparation(card)
    values = preparation.prepare(image).values
    return values / np.float32(255) if card.scaling == "1/255" else values
