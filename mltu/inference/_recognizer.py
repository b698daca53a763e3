"""TextRecognizer: a reader made from one ONNX file, with a confidence for all that it reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.decoders import (
    Decoder,
    Spans,
    align_texts,
    greedy_path,
    skip_confident_blanks,
    text_log_probabilities,
    to_probabilities,
)
from mltu.inference._card import ModelCard, read_card
from mltu.inference._image import Preparation, Prepared
from mltu.inference._reading import Character, Reading
from mltu.inference._session import OnnxInferenceModel
from mltu.inference._weights import resolve_model
from mltu.utils.checks import check_count

Array = npt.NDArray[Any]
Image = str | os.PathLike[str] | bytes | Array


class TextRecognizer(OnnxInferenceModel):
    """A reader that prepares images and reads outputs as the card in its file says.

    Reading changes nothing in it, so threads may share one.

    Args:
        model_path: the `.onnx` file, a folder that holds `model.onnx`, or the name of a shipped
            reader ("./words" is a folder, "words" the reader); None for the reader of
            single words.
        decoder: how outputs become text, such as `BeamDecoder(constraint=Lexicon(words))`; best
            path if None.
        color_order: of arrays with three or four channels, `"BGR"` as OpenCV has it, or `"RGB"`.
        force_cpu: as in `OnnxInferenceModel`.
        providers: as in `OnnxInferenceModel`.
        num_threads: as in `OnnxInferenceModel`.

    Attributes:
        card: the `mltu.inference.ModelCard` of the file; the others as in `OnnxInferenceModel`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no model, its card lacks something or does not suit the model, or
            an argument is none of its choices.

    >>> TextRecognizer().predict("word.png").text  # doctest: +SKIP
    'Coffee'
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        *,
        decoder: Decoder | None = None,
        color_order: str = "BGR",
        force_cpu: bool = False,
        providers: Sequence[str] | None = None,
        num_threads: int | None = None,
    ) -> None:
        super().__init__(
            resolve_model(model_path),
            force_cpu,
            providers=providers,
            num_threads=num_threads,
        )
        self.card = read_card(self._texts, repr(self.model_path))
        _check_shapes(self)
        self.decoder = decoder
        self._preparation = Preparation(self.card, color_order)

    def predict(self, image: Image) -> Reading:
        """Read one image.

        Args:
            image: of any size up to 100 million pixels, in colour, grey or with transparency: a
                path, the bytes of an image file, or a uint8 array of shape (height, width) or
                (height, width, channels).

        Raises:
            FileNotFoundError: there is no file at the path.
            ValueError: the image cannot be decoded, or the model fails.
            TypeError: `image` is none of the above.
        """
        return self._read([self._preparation.prepare(image)])[0]

    def predict_batch(self, images: Iterable[Image], *, on_error: str = "raise") -> list[Reading]:
        """Read images together, which is faster than one after the other.

        Args:
            images: as in `predict`, of any sizes.
            on_error: `"raise"`, or `"keep"` to get a `Reading` with `error` for an image that
                cannot be read.

        Returns:
            A reading for each image, in their order.

        Raises:
            FileNotFoundError, ValueError, TypeError: as in `predict`; a note says which image.
        """
        return list(self.predict_stream(images, on_error=on_error))

    def predict_stream(
        self,
        images: Iterable[Image],
        *,
        batch_size: int = 64,
        on_error: str = "raise",
        progress: bool = False,
    ) -> Iterator[Reading]:
        """Read images as they come, in batches, and hold no more than one batch of them.

        Args:
            images: as in `predict`, as many as there are, from a list or a generator.
            batch_size: of what the model reads at once.
            on_error: as in `predict_batch`.
            progress: True to show a bar on the terminal.

        Yields:
            A reading for each image, in their order.

        Raises:
            FileNotFoundError, ValueError, TypeError: as in `predict_batch`.
        """
        check_count("batch_size", batch_size, 1)
        if on_error not in ("raise", "keep"):
            raise ValueError(f"`on_error` must be 'raise' or 'keep'. Received {on_error!r}.")
        is_one = isinstance(images, str | bytes | bytearray | memoryview | os.PathLike)
        if is_one or _is_one_image(images):
            raise TypeError(
                f"`images` must be several images. Received one {type(images).__name__}. "
                "Read it with `predict`, or put it into a list."
            )
        return self._stream(images, batch_size, on_error, progress)

    def _stream(
        self, images: Iterable[Image], batch_size: int, on_error: str, progress: bool
    ) -> Iterator[Reading]:
        if progress:
            from tqdm import tqdm

            images = tqdm(images, "Reading", unit="image")
        numbered = enumerate(images)
        while batch := list(islice(numbered, batch_size)):
            found: dict[int, Prepared | Reading] = {}
            for index, image in batch:
                try:
                    found[index] = self._preparation.prepare(image)
                except (OSError, ValueError, TypeError) as error:
                    if on_error == "raise":
                        error.add_note(f"It is number {index} of `images`, counted from 0.")
                        raise
                    found[index] = Reading("", 0.0, error=str(error))
            yield from self._read_known(list(found.values()))

    def _read_known(self, items: Sequence[Prepared | Reading]) -> list[Reading]:
        """Read what was prepared, images of one width together; what has a reading keeps it."""
        readings = [item if isinstance(item, Reading) else None for item in items]
        widths: dict[int, list[int]] = {}
        for index, item in enumerate(items):
            if isinstance(item, Prepared):
                widths.setdefault(item.values.shape[1], []).append(index)
        for indices in widths.values():
            group = [items[i] for i in indices]
            for index, reading in zip(indices, self._read(group), strict=True):  # type: ignore[arg-type]
                readings[index] = reading
        return readings  # type: ignore[return-value]  # None of them is None now.

    def _read(self, prepared: Sequence[Prepared]) -> list[Reading]:
        outputs = self._run(self._preparation.stack(prepared))
        calibrated = to_probabilities(outputs, self.card.outputs, self.card.temperature)
        if self.decoder is None:
            spans = greedy_path(outputs)
        else:
            spans = self._decode(to_probabilities(outputs, self.card.outputs))
        classes = [row.classes for row in spans]
        logs = text_log_probabilities(skip_confident_blanks(calibrated), classes)
        confidences = np.minimum(np.exp(logs), 1).tolist()
        own = _own_confidences(calibrated, spans)
        readings, vocab, start = [], self.card.vocab, 0
        num_columns = max(outputs.shape[1] // self.card.rows, 1)
        for image, row, confidence in zip(prepared, spans, confidences, strict=True):
            text = "".join([vocab[c] for c in row.classes.tolist()])
            starts = row.starts % num_columns
            lefts = image.columns(starts, num_columns)
            rights = image.columns(starts + row.ends - row.starts, num_columns)
            ours = own[start : start + len(text)]
            start += len(text)
            characters = tuple(map(Character, text, ours, lefts, rights))
            readings.append(Reading(text, confidence, characters))
        return readings

    def _run(self, batch: Array) -> Array:
        """Return what the model says, finite numbers of shape (batch, time, classes).

        Raises:
            ValueError: the model fails, or says something else.
        """
        try:
            outputs = self.model.run(None, {self.input_name: batch})[0]
        except Exception as error:  # onnxruntime has no common base class for its own errors.
            raise ValueError(
                f"`model_path` must be a model that runs on images of shape {batch.shape}. "
                f"Received {self.model_path!r}: {str(error)[:500]}. Export it again."
            ) from error
        if fault := _output_fault(outputs, len(batch), self.card):
            raise ValueError(
                "`model_path` must be a model that gives finite "
                f"{self.card.outputs} of shape (batch, time, classes), with "
                f"{len(self.card.vocab) + 1} classes. Received {self.model_path!r}, which gives "
                f"{fault}. Export it again."
            )
        return outputs  # type: ignore[no-any-return]

    def _decode(self, probabilities: Array) -> list[Spans]:
        assert self.decoder is not None
        found = self.decoder.decode(probabilities, self.card.vocab)
        index = {char: i for i, char in enumerate(self.card.vocab)}
        texts = [row[0].text if row else "" for row in found]
        return align_texts(probabilities, [[index[char] for char in text] for text in texts])


def _is_one_image(images: Any) -> bool:
    if not isinstance(images, np.ndarray):
        return False
    return images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (1, 3, 4))


def _own_confidences(probabilities: Array, spans: Sequence[Spans]) -> list[float]:
    """Return the highest probability of each character while it is spoken, of all rows in turn."""
    num_steps = probabilities.shape[1]
    classes = np.concatenate([row.classes for row in spans])
    if not len(classes):
        return []
    starts = np.concatenate([row.starts + i * num_steps for i, row in enumerate(spans)])
    ends = np.concatenate([row.ends + i * num_steps for i, row in enumerate(spans)])
    lengths = ends - starts
    offsets = np.cumsum(lengths) - lengths
    steps = np.repeat(starts - offsets, lengths) + np.arange(lengths.sum())
    flat = probabilities.reshape(-1, probabilities.shape[2])
    spoken = flat[steps, np.repeat(classes, lengths)]
    return np.maximum.reduceat(spoken, offsets).tolist()  # type: ignore[no-any-return]


def _output_fault(outputs: Any, num_rows: int, card: ModelCard) -> str | None:
    """Say what is wrong with the outputs of a model; None if nothing is."""
    if not isinstance(outputs, np.ndarray) or outputs.dtype.kind != "f":
        return f"{getattr(outputs, 'dtype', type(outputs).__name__)} values"
    rows, *sides = outputs.shape
    if rows != num_rows or len(sides) != 2 or not sides[0] or sides[1] != len(card.vocab) + 1:
        return f"the shape {outputs.shape}"
    low, high = outputs.min(), outputs.max()  # NaN if there is any.
    if not np.isfinite(low) or not np.isfinite(high):
        return "infinite values or NaN"
    is_sane = card.outputs == "logits" or (low >= 0 and high <= 1.001)
    return None if is_sane else f"values from {low} to {high}"


def _check_shapes(reader: TextRecognizer) -> None:
    """Refuse a card that speaks of other images or classes than the model has."""
    card = reader.card
    width = card.width if isinstance(card.width, int) else None
    pairs = list(zip(reader.input_shape, (card.height, width, card.channels), strict=False))
    output_shape = reader._outputs[0].shape
    kinds = [value.kind for value in reader._inputs]
    if len(pairs) != 3 or len(output_shape) != 3 or kinds != ["tensor(float)"]:
        raise ValueError(
            "`model_path` must be a model from one tensor(float) of images (batch, height, width, "
            f"channels) to classes (batch, time, classes). Received {reader.model_path!r}, from "
            f"{kinds} {reader.input_shapes[0]} to {output_shape}. Subclass OnnxInferenceModel to "
            "run it."
        )
    pairs.append((output_shape[2], len(card.vocab) + 1))
    for ours, theirs in pairs:
        if isinstance(ours, int) and theirs is not None and ours != theirs:
            raise ValueError(
                "`model_path` must be a file whose metadata suits its model. Received "
                f"{reader.model_path!r}: {theirs} in the metadata where the model has {ours}. "
                "Export it again."
            )
