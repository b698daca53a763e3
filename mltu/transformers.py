"""Fixed steps: the same sample always gives the same result. Random steps live in augmentors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing

with explain_missing():
    import cv2

Array = npt.NDArray[Any]


class Transformer:
    """A fixed step of a `DataProvider`: (data, label) in, a new (data, label) out.

    Subclass it and write `__call__`; any callable with the same signature serves as well.
    """

    def __call__(self, data: Any, label: Any) -> tuple[Any, Any]:
        """Return the new data and the new label; never edit the arrays that came in."""
        raise NotImplementedError(f"{type(self).__name__} must define `__call__(data, label)`.")

    def __repr__(self) -> str:
        settings = ", ".join(
            f"{key}={value!r}" for key, value in vars(self).items() if not key.startswith("_")
        )
        return f"{type(self).__name__}({settings})"


class ExpandDims(Transformer):
    """Add an axis of length 1 to the data, for example the channel of grey images.

    Args:
        axis: where the new axis stands, as in `numpy.expand_dims`.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def __call__(self, data: Array, label: Any) -> tuple[Array, Any]:
        """Return the data with one more axis."""
        return np.expand_dims(data, self.axis), label


class ImageResizer(Transformer):
    """Bring images to one size, by bilinear interpolation.

    Args:
        width: of the result in pixels.
        height: of the result in pixels.
        keep_aspect_ratio: False stretches the image; True scales it until it fits and pads it
            evenly on both sides.
        padding_color: of the padding: one value 0..255 for each channel, in the order of the image
            (BGR), or one value for grey images.

    Raises:
        ValueError: a side is not positive.
    """

    def __init__(
        self,
        width: int,
        height: int,
        *,
        keep_aspect_ratio: bool = False,
        padding_color: int | Sequence[int] = (0, 0, 0),
    ) -> None:
        for name, value in (("width", width), ("height", height)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"`{name}` must be a positive number of pixels. Received {value!r}."
                )
        self.width = width
        self.height = height
        self.keep_aspect_ratio = keep_aspect_ratio
        self.padding_color = padding_color

    def __call__(self, data: Array, label: Any) -> tuple[Array, Any]:
        """Return the image in the shape (height, width) or (height, width, channels).

        Raises:
            ValueError: `data` is not an image.
        """
        if not isinstance(data, np.ndarray) or data.ndim not in (2, 3) or data.size == 0:
            shape = getattr(data, "shape", type(data).__name__)
            raise ValueError(
                "`data` must be an image of shape (height, width) or (height, width, channels). "
                f"Received {shape}. Put ImageReader() into `data_preprocessors`."
            )
        if self.keep_aspect_ratio:
            return self._fit(data), label
        # OpenCV drops an axis of one channel.
        resized = cv2.resize(data, (self.width, self.height))
        return resized.reshape(self.height, self.width, *data.shape[2:]), label

    def _fit(self, image: Array) -> Array:
        height, width = image.shape[:2]
        scale = min(self.width / width, self.height / height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = (self.width - size[0]) // 2, (self.height - size[1]) // 2
        shape = (self.height, self.width, *image.shape[2:])
        padded = np.empty(shape, image.dtype)
        color, channels = np.ravel(self.padding_color), padded[0, 0].size
        if len(color) not in (1, channels) and channels > 1:
            raise ValueError(
                f"`padding_color` must have one value for each of the {channels} channels. "
                f"Received {self.padding_color!r}."
            )
        padded[...] = color if channels > 1 else color[0]
        padded[top : top + size[1], left : left + size[0]] = cv2.resize(image, size).reshape(
            size[1], size[0], *image.shape[2:]
        )
        return padded


class ImageNormalizer(Transformer):
    """Scale uint8 images to float32 in 0..1.

    The tutorials' models scale inside themselves, which keeps batches four times smaller and the
    exported file independent of the caller: use this step for models that do not.
    """

    def __call__(self, data: Array, label: Any) -> tuple[Array, Any]:
        """Return `data / 255` as float32."""
        return np.asarray(data, np.float32) / np.float32(255), label


class LabelIndexer(Transformer):
    """Turn a text into the indices of its characters.

    Args:
        vocab: the characters in the order of their indices, a string or a list of strings of one
            character each.

    Raises:
        ValueError: a character occurs twice.
        TypeError: `vocab` has no order (a set), or is not made of characters.
    """

    def __init__(self, vocab: str | Sequence[str]) -> None:
        if isinstance(vocab, set | frozenset):
            raise TypeError(
                "`vocab` must be a string or a list, since the order gives the indices. Received "
                'a set, whose order changes with each run. Use `"".join(sorted(vocab))`.'
            )
        odd = [char for char in vocab if not isinstance(char, str) or len(char) != 1]
        if odd:
            raise TypeError(
                f"`vocab` must be made of strings of one character each. Received {odd[0]!r}."
            )
        repeated = sorted({char for char in vocab if list(vocab).count(char) > 1})
        if repeated:
            raise ValueError(f"`vocab` must hold each character once. Received twice: {repeated}.")
        self.vocab = vocab
        self._indices = {char: index for index, char in enumerate(vocab)}

    def __call__(self, data: Any, label: str) -> tuple[Any, npt.NDArray[np.int32]]:
        """Return the label as int32 indices, shape (length,).

        Raises:
            ValueError: the label has characters outside the vocabulary; they are listed.
            TypeError: the label is not text.
        """
        if not isinstance(label, str):
            raise TypeError(
                f"`label` must be text. Received {label!r} of type {type(label).__name__}. Read "
                "labels as text (in pandas: `dtype=str, keep_default_na=False`), or leading zeros "
                "are lost."
            )
        try:
            return data, np.array([self._indices[char] for char in label], np.int32)
        except KeyError:
            unknown = ", ".join(repr(c) for c in sorted(set(label) - self._indices.keys()))
            raise ValueError(
                f"`label` {label!r} has characters outside `vocab`: {unknown}. Add them to the "
                "vocabulary or drop the sample."
            ) from None


class LabelPadding(Transformer):
    """Pad label indices at the end to one length.

    Args:
        max_word_length: the length of all labels afterwards.
        padding_value: the index of the blank, `len(vocab)`.

    Raises:
        ValueError: `max_word_length` is not positive.
    """

    def __init__(self, max_word_length: int, padding_value: int) -> None:
        if max_word_length < 1:
            raise ValueError(f"`max_word_length` must be at least 1. Received {max_word_length}.")
        self.max_word_length = max_word_length
        self.padding_value = padding_value

    def __call__(self, data: Any, label: npt.ArrayLike) -> tuple[Any, npt.NDArray[np.int32]]:
        """Return the label as int32, shape (max_word_length,).

        Raises:
            ValueError: the label is longer than `max_word_length`.
            TypeError: the label is still text.
        """
        if isinstance(label, str):
            raise TypeError(
                f"`label` must be an array of indices. Received the text {label!r}. Put "
                "LabelIndexer(vocab) before LabelPadding."
            )
        indices = np.asarray(label)
        if len(indices) > self.max_word_length:
            raise ValueError(
                f"`label` must have at most `max_word_length` = {self.max_word_length} entries. "
                f"Received {len(indices)}. Raise `max_word_length` or drop the sample."
            )
        padded = np.full(self.max_word_length, self.padding_value, np.int32)
        padded[: len(indices)] = indices
        return data, padded
