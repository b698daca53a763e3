"""Prepares images as input of a model, as its model card says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.inference._model_card import ModelCard
from mltu.utils.files import StrPath
from mltu.utils.widening import widened

Array = npt.NDArray[Any]
Image = StrPath | bytes | bytearray | memoryview | Array


_FLAT = 8  # of 255; the largest difference between pixels that show nothing
_CROPPED = 0.12  # of the height, above and below
_SLOPES = (-0.25, 0.25)  # heights that a line of text falls over the width of its image
_SLANT = 0.3  # columns for each row
_LONG = 10  # width / height
_TALL = 1.5  # height / width from which text may run upwards or downwards
_MOST_KEPT = 1 << 20  # pixels of an image
_LONGEST = 1 << 14  # pixels of a side; OpenCV cannot move the columns of images twice as wide


class PreparedImage(NamedTuple):
    """One image, prepared for a model.

    Attributes:
        values: uint8, shape (height, width, channels).
        filled: the share of the width that the image takes, in the middle; the rest is padding.
        is_blank: True if all pixels are nearly the same.
        pixels: of the image, for other views of it, at most a million; None if they are not kept.
    """

    values: Array
    filled: float
    is_blank: bool
    pixels: Array | None = None


class ImagePreparer:
    """Reads and resizes images for one model.

    Args:
        card: the card of the model.
    """

    def __init__(self, card: ModelCard) -> None:
        # Only here: a subclass of OnnxInferenceModel may run where OpenCV is not installed.
        with explain_missing():
            import cv2

        from mltu.preprocessors import ImageReader
        from mltu.transformers import ImageResizer

        self.card = card
        self._reader = ImageReader(
            cv2.IMREAD_GRAYSCALE if card.color == "GRAY" else cv2.IMREAD_COLOR
        )
        self._resizer = ImageResizer(
            card.width,
            card.height,
            keep_aspect_ratio=card.resize == "fit",
            padding_color=card.padding_color,
            widen_to=card.widen_to,
        )

    def prepare(self, image: Image, *, keeps_pixels: bool = False) -> PreparedImage:
        """Prepare one image, for `views` of it too; otherwise as `prepare_image`."""
        pixels = self._reader.read(image)
        prepared = self._prepare(pixels)
        return prepared._replace(pixels=_shrink(pixels)) if keeps_pixels else prepared

    def views(self, image: PreparedImage) -> list[PreparedImage]:
        """Return other views of an image in which its text may be easier to read.

        It is tightly cropped; turned level, for text that rises or falls; made upright, for letters
        that lean to the right; and turned by 90 degrees both ways if it is tall. Positions are
        nearly those of the image, but for the last, where they follow the text. A view that shows
        nothing is left out. There are none of an image whose pixels were not kept, and of a long
        line: the confidence falls with the length, and other views of lines are no better.
        """
        if image.pixels is None or image.pixels.shape[1] > _LONG * image.pixels.shape[0]:
            return []
        views = map(self._prepare, _views(image.pixels))
        return [view for view in views if not view.is_blank]

    def _prepare(self, pixels: Array) -> PreparedImage:
        values, _ = self._resizer(pixels, None)
        filled = 1.0
        if self.card.resize == "fit":
            height, width = pixels.shape[:2]
            own_ratio = widened(width, height, self.card.widen_to) / height
            filled = min(own_ratio * values.shape[0] / values.shape[1], 1.0)
        values = values.reshape(*values.shape[:2], -1)
        return PreparedImage(values, filled, is_blank(pixels))

    def stack(self, images: Sequence[PreparedImage]) -> Array:
        """Return one batch, float32, of images that were prepared to one width."""
        batch = np.stack([image.values for image in images]).astype(np.float32)
        return batch / np.float32(255) if self.card.scaling == "1/255" else batch


def _shrink(pixels: Array) -> Array:
    """Return what is kept of an image: a batch of photographs would take gigabytes."""
    import cv2

    height, width = pixels.shape[:2]
    factor = ceil(max((height * width / _MOST_KEPT) ** 0.5, max(height, width) / _LONGEST))
    if factor == 1:
        return pixels
    height, width = max(height // factor, 1), max(width // factor, 1)
    # By whole factors OpenCV averages many times as fast.
    whole = pixels[: factor * height, : factor * width]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


def _views(pixels: Array) -> Iterator[Array]:
    """Yield the views of `ImagePreparer.views`."""
    import cv2

    height, width = pixels.shape[:2]
    cut = round(_CROPPED * height)
    yield pixels[cut : height - cut]
    for slope in _SLOPES:
        cut = int(abs(slope) / 2 * height)  # In the corners there is no image.
        moved = _move(pixels, [[1, 0, 0], [-slope * height / width, 1, slope * height / 2]])
        yield moved[cut : height - cut]
    yield _move(pixels, [[1, _SLANT, -_SLANT * height / 2], [0, 1, 0]])
    if height > _TALL * width:
        yield cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE)
        yield cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)


def _move(pixels: Array, matrix: list[list[float]]) -> Array:
    import cv2

    size = pixels.shape[1], pixels.shape[0]
    return cv2.warpAffine(pixels, np.array(matrix), size, borderMode=cv2.BORDER_REPLICATE)


def is_blank(pixels: Array) -> bool:
    """Return whether all pixels are nearly the same; uint8 of any shape."""
    return int(pixels.max()) - int(pixels.min()) <= _FLAT


def prepare_image(image: Image, card: ModelCard) -> Array:
    """Prepare an image as input of a model.

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
    values = ImagePreparer(card).prepare(image).values
    return values / np.float32(255) if card.scaling == "1/255" else values
