"""Validation images in one form, from a provider or from arrays, and how they were prepared."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.preprocessors import ImageReader
from mltu.transformers import (
    ExpandDims,
    ImageNormalizer,
    ImageResizer,
    LabelIndexer,
    LabelPadding,
)

with explain_missing():
    import cv2

Array = npt.NDArray[Any]

_BATCH_SIZE = 64
_KNOWN = (ImageReader, ImageResizer, ImageNormalizer, ExpandDims, LabelIndexer, LabelPadding)
_COLORS = {cv2.IMREAD_COLOR: "BGR", cv2.IMREAD_GRAYSCALE: "GRAY"}


@dataclass(frozen=True, slots=True)
class ValidationImages:
    """Images as the model takes them, with their texts.

    Attributes:
        batches: of images, shape (batch, height, width, channels) each.
        texts: of all images; None where the labels or the vocabulary are unknown.
        prepared: what the provider's steps say of the preparation, in the keys of a model card.
    """

    batches: list[Array]
    texts: list[str] | None
    prepared: dict[str, Any] = field(default_factory=dict)

    @property
    def num_images(self) -> int:
        """The number of images in all batches."""
        return sum(map(len, self.batches))


def gather(
    validation: Any, vocab: str | Sequence[str] | None = None, num_images: int = 2048
) -> ValidationImages:
    """Take the first images of a provider, a pair of arrays, or one array.

    Args:
        validation: a `DataProvider` or anything that gives (images, labels) by batch; a pair
            (images, labels); or images, shape (images, height, width, channels). Labels are texts
            or indices padded with `len(vocab)`. What was gathered before is given back.
        vocab: the characters; those of the provider's `LabelIndexer` if None.
        num_images: how many to take at most.

    Raises:
        TypeError: `validation` is none of these.
        ValueError: it holds no image, another number of labels, or another vocabulary than `vocab`.
    """
    prepared: dict[str, Any] = {}
    if isinstance(validation, ValidationImages):
        return validation
    if isinstance(validation, np.ndarray):
        pairs = iter([(validation, None)])
    elif isinstance(validation, tuple | list) and len(validation) == 2:
        pairs = iter([(np.asarray(validation[0]), validation[1])])
    elif hasattr(validation, "__getitem__") and hasattr(validation, "__len__"):
        prepared = describe_steps(_steps(validation))
        pairs = (validation[i] for i in range(len(validation)))
    else:
        raise TypeError(
            "`validation` must be a DataProvider, a pair (images, labels) or an array of images. "
            f"Received {type(validation).__name__}."
        )
    if vocab is not None and "".join(prepared.get("vocab", vocab)) != "".join(vocab):
        raise ValueError(
            "`vocab` must be that of the provider's LabelIndexer, or the file would read other "
            f"characters than it learnt. Received {''.join(vocab)!r} and {prepared['vocab']!r}."
        )
    batches, texts = _take(pairs, prepared.get("vocab", vocab), num_images)
    if not batches:
        raise ValueError("`validation` must hold at least one image. Received an empty one.")
    return ValidationImages(batches, texts, prepared)


def describe_steps(steps: Sequence[Any]) -> dict[str, Any]:
    """Say in the keys of a model card how the steps of a provider prepare images.

    A step with a method `describe` returns what the file has to tell of it, under keys of its own.
    Other steps that the card has no words for are named in a warning; then nothing is said of the
    resizing, so that no reader is made from the file that would prepare images in another way.
    """
    prepared: dict[str, Any] = {"scaling": "inside"}
    for step in steps:
        if isinstance(step, LabelIndexer):
            prepared["vocab"] = "".join(step.vocab)
        elif isinstance(step, ImageReader) and step.method in _COLORS:
            prepared["color"] = _COLORS[step.method]
        elif isinstance(step, ImageNormalizer):
            prepared["scaling"] = "1/255"
        elif isinstance(step, ImageResizer):
            prepared.update(_describe_resizer(step))
        elif hasattr(step, "describe"):
            prepared.update(step.describe())
    foreign = [s for s in steps if type(s) not in _KNOWN and not hasattr(s, "describe")]
    if foreign:
        prepared.pop("resize", None)
        warnings.warn(
            f"The ONNX file cannot describe the steps {foreign}: to read with it, subclass "
            "OnnxInferenceModel and prepare images as they do.",
            stacklevel=2,
        )
    return prepared


def _describe_resizer(step: ImageResizer) -> dict[str, Any]:
    width = list(step.width) if isinstance(step.width, tuple) else step.width
    described: dict[str, Any] = {"height": step.height, "width": width, "resize": "stretch"}
    if step.keep_aspect_ratio:
        described["resize"] = "fit"
        described["padding_color"] = [int(value) for value in np.ravel(step.padding_color)]
    return described


def _steps(provider: Any) -> list[Any]:
    """Return the fixed steps of a provider; none of other sequences of batches."""
    preprocessors = getattr(provider, "data_preprocessors", [])
    return [*preprocessors, *getattr(provider, "transformers", [])]


def _take(
    pairs: Iterator[tuple[Any, Any]], vocab: str | Sequence[str] | None, num_images: int
) -> tuple[list[Array], list[str] | None]:
    batches: list[Array] = []
    texts: list[str] | None = []
    for images, labels in pairs:
        if labels is not None and len(labels) != len(images):
            raise ValueError(
                "`validation` must have a label for each image. "
                f"Received {len(images)} images and {len(labels)} labels."
            )
        images = np.asarray(images)[:num_images]
        num_images -= len(images)
        batches += [images[i : i + _BATCH_SIZE] for i in range(0, len(images), _BATCH_SIZE)]
        read = _texts(labels, vocab, len(images))
        texts = None if texts is None or read is None else [*texts, *read]
        if num_images <= 0:
            break
    return batches, texts


def _texts(labels: Any, vocab: str | Sequence[str] | None, num_images: int) -> list[str] | None:
    """Return the labels of a batch as texts; None where they cannot be told."""
    if labels is None:
        return None
    labels = labels[:num_images]
    if all(isinstance(label, str) for label in labels):
        return [str(label) for label in labels]
    if vocab is None:
        return None
    size = len(vocab)
    return ["".join(vocab[int(i)] for i in label if 0 <= i < size) for label in labels]
