"""Fixed steps: the same sample always gives the same result. Random steps are in augmentors."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, repeat
from operator import is_
from typing import Any
from unicodedata import combining

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.utils.checks import check_between, check_count
from mltu.utils.pipeline_step import Step
from mltu.utils.text_columns import TextColumn, distinct_characters, text_lengths
from mltu.utils.text_order import ORDERS, turn_text
from mltu.utils.widening import MAX_WIDEN_TO, widened

with explain_missing():
    import cv2

Array = npt.NDArray[Any]

_NUM_NAMED = 10  # How many labels an error names.
_RESIZED = ("u1", "u2", "i2", "f4", "f8")  # dtypes that OpenCV resizes, in any byte order


Transformer = Step  # The name that scripts of the tutorials import.


class ExpandDims(Step):
    """Add an axis of length 1 to the data, for example the channel of grey images.

    Args:
        axis: position of the new axis, as in `numpy.expand_dims`.
    """

    keeps_label = True

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def __call__(self, data: Array, label: Any) -> tuple[Array, Any]:
        """Return the data with one more axis."""
        return np.expand_dims(data, self.axis), label

    def describe(self) -> dict[str, Any]:
        """Return nothing: a model card holds the shape of the model's input."""
        return {}


class ImageResizer(Step):
    """Resize images to one size, or to one of a few widths.

    Pixels are averaged over their area if both sides shrink, which removes noise; otherwise they
    are interpolated bilinearly.

    Args:
        width: width of the result in pixels; or several, of which an image gets the smallest
            that fits it at full height. The samples of a batch of a `DataProvider` then have one
            width, so that a model is compiled for no more shapes than there are widths.
        height: height of the result in pixels.
        keep_aspect_ratio: False stretches the image; True scales it until it fits and pads it
            evenly on both sides. Several widths need True.
        padding_color: one value 0..255 for each channel, in the order of the image
            (BGR), or one value for grey images.
        widen_to: width / height up to which a narrower image is stretched before it is scaled, but
            at most to twice its width, and as far as `width` has room: a short word, or a line that
            rises steeply, then has more columns for its letters. 0 stretches none.

    Raises:
        ValueError: a side is not positive, the widths are not in ascending order, or `widen_to` is
            negative, or positive without `keep_aspect_ratio`.
    """

    keeps_label = True

    def __init__(
        self,
        width: int | Sequence[int],
        height: int,
        *,
        keep_aspect_ratio: bool = False,
        padding_color: int | Sequence[int] = (0, 0, 0),
        widen_to: float = 0.0,
    ) -> None:
        self.width = tuple(width) if isinstance(width, Sequence) else width
        for name, value in (*(("width", one) for one in self.widths), ("height", height)):
            check_count(name, value, 1)
        if isinstance(self.width, tuple):
            if not self.width or sorted(set(self.width)) != list(self.width):
                raise ValueError(f"`width` must be in ascending order. Received {self.width}.")
            if not keep_aspect_ratio:
                raise ValueError(
                    "`keep_aspect_ratio` must be True for several widths. Received False with "
                    f"{self.width}. Stretched images need only one width."
                )
        colors = np.ravel(padding_color)
        if not colors.size or not all(value in range(256) for value in colors):
            raise ValueError(
                f"`padding_color` must have integers in 0..255. Received {padding_color!r}."
            )
        check_between("widen_to", widen_to, 0, MAX_WIDEN_TO)
        if widen_to and not keep_aspect_ratio:
            raise ValueError(
                f"`widen_to` must be 0 for images that are stretched anyway. Received {widen_to} "
                "with `keep_aspect_ratio` False."
            )
        self.height = height
        self.keep_aspect_ratio = keep_aspect_ratio
        self.padding_color = padding_color
        self.widen_to = widen_to

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths that results can have, in pixels."""
        return self.width if isinstance(self.width, tuple) else (self.width,)

    @property
    def free_axis(self) -> int | None:
        """The axis of the width, 2, if there are several widths."""
        return 2 if len(self.widths) > 1 else None

    def __call__(self, data: Array, label: Any) -> tuple[Array, Any]:
        """Return the image in the shape (height, width) or (height, width, channels).

        Raises:
            ValueError: `data` is not an image.
        """
        width = self.widths[self.choose_width(data)]
        if self.keep_aspect_ratio:
            return self._fit(data, width), label
        return _resize(data, width, self.height), label

    def batch(self, data: Sequence[Any], labels: Any) -> tuple[Array | list[Array], Any]:
        """Resize a batch; stretched images of one kind are resized into one array."""
        stretched = None if self.keep_aspect_ratio else self._stretch(data)
        if stretched is None:
            return [self(image, None)[0] for image in data], labels
        return stretched, labels

    def choose_width(self, data: Array) -> int:
        """Return which of `widths` is the smallest that fits an image at full height.

        Returns:
            An index into `widths`; the last for an image that is too wide for all, which is then
            scaled down until it fits.

        Raises:
            ValueError: `data` is not an image.
        """
        if not isinstance(data, np.ndarray) or data.ndim not in (2, 3) or data.size == 0:
            shape = getattr(data, "shape", type(data).__name__)
            raise ValueError(
                "`data` must be an image of shape (height, width) or (height, width, channels). "
                f"Received {shape}. Put ImageReader() into `data_preprocessors`."
            )
        if data.dtype.str[1:] not in _RESIZED:
            raise ValueError(
                "`data` must be uint8, uint16, int16, float32 or float64 to be resized. Received "
                f"{data.dtype}. Convert it: `data.astype(numpy.float32)`."
            )
        height, width = data.shape[:2]
        scaled = round(widened(width, height, self.widen_to) * self.height / height)
        return next((i for i, one in enumerate(self.widths) if scaled <= one), len(self.widths) - 1)

    def with_width(self, width: int) -> ImageResizer:
        """Return a copy of this resizer that has one width."""
        resizer = copy.copy(self)
        resizer.width = width
        return resizer

    def describe(self) -> dict[str, Any]:
        """Return the size, and how an image is fitted into it."""
        width = list(self.width) if isinstance(self.width, tuple) else self.width
        described: dict[str, Any] = {
            "height": self.height, "width": width, "resize": "stretch",
        }  # fmt: skip
        if self.keep_aspect_ratio:
            described["resize"] = "fit"
            described["padding_color"] = [int(value) for value in np.ravel(self.padding_color)]
        if self.widen_to:
            described["widen_to"] = float(self.widen_to)
        return described

    def _stretch(self, images: Sequence[Array]) -> Array | None:
        """Return the resized images, shape (batch, height, width, ...); None if kinds differ."""
        (width,), first = self.widths, images[0]
        kinds = {(image.ndim, image.dtype) for image in images}
        if len(kinds) > 1 or first.ndim not in (2, 3) or not first.dtype.isnative:
            return None
        resized = np.empty((len(images), self.height, width, *first.shape[2:]), first.dtype)
        rows, size = list(resized), repeat((width, self.height))
        methods = [_interpolation(image, width, self.height) for image in images]
        results = map(cv2.resize, images, size, rows, repeat(0.0), repeat(0.0), methods)
        # OpenCV returns a new array if an image has other channels than its row.
        return resized if all(map(is_, results, rows)) else None

    def _fit(self, image: Array, full_width: int) -> Array:
        own_height, own_width = image.shape[:2]
        room = full_width * own_height / self.height  # Beyond it, widening would cost height.
        wide = max(own_width, min(widened(own_width, own_height, self.widen_to), room))
        scale = min(full_width / wide, self.height / own_height)
        width, height = (max(1, round(side * scale)) for side in (wide, own_height))
        left, top = (full_width - width) // 2, (self.height - height) // 2
        shape = (self.height, full_width, *image.shape[2:])
        padded = np.empty(shape, image.dtype)
        color, channels = np.ravel(self.padding_color), padded[0, 0].size
        if len(color) not in (1, channels) and channels > 1:
            raise ValueError(
                f"`padding_color` must have one value for each of the {channels} channels. "
                f"Received {self.padding_color!r}."
            )
        padded[...] = color if channels > 1 else color[0]
        padded[top : top + height, left : left + width] = _resize(image, width, height)
        return padded


def _resize(image: Array, width: int, height: int) -> Array:
    resized = cv2.resize(image, (width, height), interpolation=_interpolation(image, width, height))
    # OpenCV drops an axis of one channel.
    return resized.reshape(height, width, *image.shape[2:])


def _interpolation(image: Array, width: int, height: int) -> int:
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    return cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR


class ImageNormalizer(Step):
    """Scale uint8 images to float32 in 0..1.

    Use it for models without a layer that scales. The models of the tutorials have one, which
    keeps batches four times smaller and lets the exported file take images as they are.
    """

    keeps_label = True

    def __call__(self, data: Array, label: Any) -> tuple[Array, Any]:
        """Return `data / 255` as float32."""
        return np.asarray(data, np.float32) / np.float32(255), label

    def describe(self) -> dict[str, Any]:
        """Return the scale."""
        return {"scaling": "1/255"}


class LabelIndexer(Step):
    """Convert a text to the indices of its characters.

    Args:
        vocab: the characters in the order of their indices, a string or a list of strings of one
            character each.
        order: `"visual"` turns right-to-left labels (Arabic, Hebrew) into the order of the image,
            in which CTC reads; `TextRecognizer` turns its readings back. `"logical"` leaves them.

    Raises:
        ValueError: there is no character, one occurs twice, or `order` is neither.
        ImportError: python-bidi is missing, which `order="visual"` needs.
        TypeError: `vocab` has no order (a set), or is not made of characters.
    """

    def __init__(self, vocab: str | Sequence[str], *, order: str = "logical") -> None:
        if order not in ORDERS:
            raise ValueError(f"`order` must be 'logical' or 'visual'. Received {order!r}.")
        if order == "visual":
            turn_text("\u05d0")  # Raises now rather than in a worker if python-bidi is missing.
        if not isinstance(vocab, Sequence):
            a_set = 'a set, whose order changes with each run. Use `"".join(sorted(vocab))`.'
            raise TypeError(
                "`vocab` must be a string or a list, since the order defines the indices. Received "
                + (a_set if isinstance(vocab, set | frozenset) else f"{type(vocab).__name__}.")
            )
        if not vocab:
            raise ValueError(
                "`vocab` must have at least one character. Received an empty one: are all labels "
                "empty, or of another column?"
            )
        odd = [char for char in vocab if not isinstance(char, str) or len(char) != 1]
        if odd:
            raise TypeError(
                f"`vocab` must be made of strings of one character each. Received {odd[0]!r}."
            )
        repeated = sorted(char for char, number in Counter(vocab).items() if number > 1)
        if repeated:
            raise ValueError(f"`vocab` must not repeat characters. Repeated: {repeated}.")
        self.vocab = vocab if isinstance(vocab, str) else tuple(vocab)
        self.order = order
        self._indices = {char: index for index, char in enumerate(vocab)}

    def __call__(self, data: Any, label: str) -> tuple[Any, npt.NDArray[np.int32]]:
        """Return the label as int32 indices, shape (length,).

        Raises:
            ValueError: the label has characters outside the vocabulary; they are listed.
            TypeError: the label is not text.
        """
        self._check_type(label)
        (text,) = self._turned([label])
        try:
            return data, self._look_up(text)
        except KeyError:
            unknown = ", ".join(repr(c) for c in sorted(set(text) - self._indices.keys()))
            raise ValueError(
                f"`label` {label!r} has characters outside `vocab`: {unknown}. Add them to the "
                "vocabulary or drop the sample."
            ) from None

    def batch(
        self, data: Sequence[Any], labels: Sequence[str]
    ) -> tuple[Sequence[Any], list[npt.NDArray[np.int32]]]:
        """Look up the characters of all labels at once.

        Raises:
            KeyError, TypeError: a label is refused; `__call__` says which and why.
        """
        labels = self._turned(labels)
        indices = self._look_up("".join(labels))
        ends = list(accumulate(map(len, labels)))
        pairs = zip(ends, labels, strict=True)
        return data, [indices[end - len(label) : end] for end, label in pairs]

    def check_labels(self, labels: Sequence[Any]) -> Sequence[Any]:
        """Check the characters of all labels of a data set.

        Returns:
            The labels, since their indices have the same lengths.

        Raises:
            ValueError: characters are outside the vocabulary; they and the first labels are named.
            TypeError: a label is not text.
        """
        if not isinstance(labels, TextColumn):
            for label in labels:
                self._check_type(label)
        texts = self._turned(labels)
        if unknown := distinct_characters(texts) - self._indices.keys():
            pairs = zip(labels, texts, strict=True)
            refused = [label for label, text in pairs if unknown & set(text)]
            raise ValueError(
                f"The labels of `dataset` must consist of characters in `vocab`. {len(refused)} of "
                f"{len(labels)} labels have others, {''.join(sorted(unknown))!r}, among them "
                f"{refused[:_NUM_NAMED]}. Add them to the vocabulary or drop the samples."
                + (
                    " For combining accents: unicodedata.normalize('NFC', label)."
                    if any(map(combining, unknown))
                    else ""
                )
            )
        return labels

    def describe(self) -> dict[str, Any]:
        """Return the vocabulary, and the order of the labels if it is visual."""
        order = {} if self.order == "logical" else {"label_order": self.order}
        return {"vocab": "".join(self.vocab), **order}

    def _check_type(self, label: object) -> None:
        if not isinstance(label, str):
            raise TypeError(
                f"`label` must be text. Received {label!r} of type {type(label).__name__}. Read "
                "labels as text (in pandas: `dtype=str, keep_default_na=False`), or leading zeros "
                "are lost."
            )

    def _turned(self, labels: Sequence[str]) -> Sequence[str]:
        return list(map(turn_text, labels)) if self.order == "visual" else labels

    def _look_up(self, text: str) -> npt.NDArray[np.int32]:
        return np.fromiter(map(self._indices.__getitem__, text), np.int32, len(text))


class LabelPadding(Step):
    """Pad label indices at the end to one length.

    Args:
        max_word_length: the length of all labels afterwards.
        padding_value: the index of the blank, `len(vocab)`; a negative number means the same.

    Raises:
        ValueError: `max_word_length` is not positive, or one of them is not an integer.
    """

    def __init__(self, max_word_length: int, padding_value: int) -> None:
        check_count("max_word_length", max_word_length, 1)
        # Labels are int32: 0.5 and NaN would become the index of a character.
        check_count("padding_value", padding_value, -(2**31))
        check_between("padding_value", padding_value, -(2**31), 2**31 - 1)
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

    def batch(
        self, data: Sequence[Any], labels: Sequence[npt.NDArray[np.int32]]
    ) -> tuple[Sequence[Any], npt.NDArray[np.int32]]:
        """Pad the labels of a batch into one array, shape (batch, max_word_length).

        Raises:
            ValueError, TypeError: a label is refused; `__call__` says which and why.
        """
        padded = np.full((len(labels), self.max_word_length), self.padding_value, np.int32)
        lengths = np.fromiter(map(len, labels), np.int64, len(labels))
        padded[np.arange(self.max_word_length) < lengths[:, None]] = np.concatenate(labels)
        return data, padded

    def check_labels(self, labels: Sequence[Any]) -> None:
        """Check the lengths of all labels of a data set.

        Raises:
            ValueError: labels are longer than `max_word_length`; the first are named.
        """
        too_long = np.flatnonzero(text_lengths(labels) > self.max_word_length)
        if len(too_long):
            raise ValueError(
                f"Labels of `dataset` must have at most `max_word_length` = {self.max_word_length} "
                f"characters. {len(too_long)} of {len(labels)} are longer, among them "
                f"{[labels[int(i)] for i in too_long[:_NUM_NAMED]]}. Raise `max_word_length` or "
                "drop the samples."
            )

    def describe(self) -> dict[str, Any]:
        """Return nothing: reading needs no labels."""
        return {}
