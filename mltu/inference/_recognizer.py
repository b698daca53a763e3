"""TextRecognizer: a reader from a single ONNX file, with a confidence for every reading."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from mltu.decoders import (
    BeamDecoder,
    Decoder,
    Lexicon,
    Spans,
    align_texts,
    greedy_path,
    skip_confident_blanks,
    text_log_probabilities,
    to_probabilities,
)
from mltu.inference._image import Array, Image, ImagePreparer, PreparedImage
from mltu.inference._model_card import ModelCard, read_card
from mltu.inference._reading import Character, Reading
from mltu.inference._session import OnnxInferenceModel
from mltu.inference._weights import resolve_model
from mltu.utils.checks import check_between, check_count
from mltu.utils.files import StrPath
from mltu.utils.text_order import turn_back, turn_text

_BATCH_SIZE = 64  # images


class TextRecognizer(OnnxInferenceModel):
    """A reader that prepares images and decodes outputs as the model card in its file says.

    Reading does not change it, so threads may share one.

    Args:
        model_path: the `.onnx` file, a folder with `model.onnx` in it, or the name of a shipped
            reader ("./words" is a folder, "words" the reader); None for the shipped reader of
            words and lines.
        retry_below: an image read with a lower confidence, unless it is more than ten times as wide
            as high, is read again in four other views of it, or six if it is tall (tightly cropped,
            turned level or by 90 degrees, made upright), and the most confident reading counts,
            which is test-time augmentation. Its confidence is the mean of its own and of the
            average over the views, in which another text counts as 0. 0 for never, None for what
            the model card says.
        decoder: how outputs become text, such as `BeamDecoder(constraint=Lexicon(words))`; greedy
            if None.
        force_cpu: as in `OnnxInferenceModel`.
        providers: as in `OnnxInferenceModel`.
        num_threads: as in `OnnxInferenceModel`.

    Attributes:
        card: the `mltu.inference.ModelCard` of the file.
        retry_below: as above; the others as in `OnnxInferenceModel`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a model, its card is incomplete or does not match the model, or
            an argument is not one of its choices.
        TypeError: `decoder` cannot decode.

    >>> TextRecognizer().predict("word.png").text  # doctest: +SKIP
    'Coffee'
    """

    def __init__(
        self,
        model_path: StrPath | None = None,
        *,
        retry_below: float | None = None,
        decoder: Decoder | None = None,
        force_cpu: bool = False,
        providers: Sequence[str] | None = None,
        num_threads: int | None = None,
    ) -> None:
        if decoder is not None and not hasattr(decoder, "decode"):
            raise TypeError(
                f"`decoder` must be a BeamDecoder or None. Received {decoder!r:.60}. Put a "
                "Lexicon or a Pattern into one: BeamDecoder(constraint=...)."
            )
        if retry_below is not None:
            check_between("retry_below", retry_below, 0, 1)
        path = resolve_model(model_path)
        super().__init__(path, force_cpu, providers=providers, num_threads=num_threads)
        entries = self.model.get_modelmeta().custom_metadata_map
        self.card = read_card(entries, repr(self.model_path))
        _check_model(self, self.card)
        self.retry_below = self.card.retry_below if retry_below is None else retry_below
        self.decoder = self._turned(decoder)
        self._preparer = ImagePreparer(self.card)

    def __repr__(self) -> str:
        card, wide = self.card, self.card.width
        width = f"{wide[0]} to {wide[-1]}" if isinstance(wide, tuple) else wide
        return (
            f"TextRecognizer({self.model_path!r}): reads {len(card.vocab)} characters in "
            f"{width}x{card.height} pixels, on {self.model.get_providers()[0]}"
        )

    def _turned(self, decoder: Decoder | None) -> Decoder | None:
        """Return the decoder with the words of its lexicon in the order of the outputs."""
        if self.card.label_order != "visual" or not isinstance(decoder, BeamDecoder):
            return decoder
        words = decoder.constraint
        if not isinstance(words, Lexicon):
            return decoder
        turned = Lexicon(map(turn_text, words.words), ignore_case=words.ignore_case)
        return replace(decoder, constraint=turned)

    def predict(self, image: Image) -> Reading:
        """Read one image; a blank one, of one colour, gives "".

        Args:
            image: of any size up to 100 million pixels, in colour, grey or with transparency: a
                path, the bytes of an image file, or a uint8 array of shape (height, width) or
                (height, width, channels), its channels in the order of OpenCV: BGR or BGRA.

        Raises:
            FileNotFoundError: there is no file at the path.
            ValueError: the image cannot be decoded, or the model fails.
            TypeError: `image` is none of the above.
        """
        if isinstance(image, list | tuple):
            raise TypeError(
                f"`image` must be one image. Received a {type(image).__name__} of {len(image)}. "
                "Read them with `predict_batch`."
            )
        return self._read_all([self._prepare(image)], _BATCH_SIZE)[0]

    def predict_batch(self, images: Iterable[Image], *, on_error: str = "raise") -> list[Reading]:
        """Read images in one batch, which is faster than one after the other.

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
        batch_size: int = _BATCH_SIZE,
        on_error: str = "raise",
        progress: bool = False,
    ) -> Iterator[Reading]:
        """Read images as they arrive, in batches, with only one batch in memory.

        Args:
            images: as in `predict`, as many as there are, from a list or a generator.
            batch_size: the number of images that the model reads at once.
            on_error: as in `predict_batch`.
            progress: True to show a progress bar on the terminal.

        Yields:
            A reading for each image, in their order.

        Raises:
            FileNotFoundError, ValueError, TypeError: as in `predict_batch`.
        """
        check_count("batch_size", batch_size, 1)
        if on_error not in ("raise", "keep"):
            raise ValueError(f"`on_error` must be 'raise' or 'keep'. Received {on_error!r}.")
        if _is_one_image(images):
            raise TypeError(
                f"`images` must be a sequence of images. Received one {type(images).__name__}. "
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
        while batch := list(islice(numbered, self._at_once(batch_size))):
            items: list[PreparedImage | Reading] = []
            for index, image in batch:
                try:
                    items.append(self._prepare(image))
                except (OSError, ValueError, TypeError) as error:
                    if on_error == "raise":
                        error.add_note(f"While reading images[{index}].")
                        raise
                    items.append(Reading("", 0.0, error=str(error)))
            yield from self._read_all(items, batch_size)

    def _prepare(self, image: Image) -> PreparedImage:
        return self._preparer.prepare(image, keeps_pixels=self.retry_below > 0)

    def _at_once(self, batch_size: int) -> int:
        return 1 if self.input_shapes[0][0] == 1 else batch_size  # 1: a file of another program.

    def _read_all(self, items: Sequence[PreparedImage | Reading], batch_size: int) -> list[Reading]:
        """Read images, and those that are doubtful in other views too."""
        readings = self._read_by_width(items)
        doubtful = {
            i: item
            for i, (item, reading) in enumerate(zip(items, readings, strict=True))
            if isinstance(item, PreparedImage) and reading.confidence < self.retry_below
        }
        tries = {i: [readings[i]] for i in doubtful}
        views = ((i, view) for i, item in doubtful.items() for view in self._preparer.views(item))
        while batch := list(islice(views, self._at_once(batch_size))):
            again = self._read_by_width([view for _, view in batch])
            for (i, _), reading in zip(batch, again, strict=True):
                tries[i].append(reading)
        for i, found in tries.items():
            readings[i] = _most_confident(found)
        return readings

    def _read_by_width(self, items: Sequence[PreparedImage | Reading]) -> list[Reading]:
        """Read images of equal width together; items that are already readings stay."""
        readings = {i: item for i, item in enumerate(items) if isinstance(item, Reading)}
        groups: dict[int, dict[int, PreparedImage]] = {}
        for i, item in enumerate(items):
            if isinstance(item, PreparedImage):
                groups.setdefault(item.values.shape[1], {})[i] = item
        for group in groups.values():
            readings.update(zip(group, self._read(list(group.values())), strict=True))
        return [readings[i] for i in range(len(items))]

    def _read(self, images: Sequence[PreparedImage]) -> list[Reading]:
        """Read images that were prepared to one width."""
        outputs = self._run(self._preparer.stack(images))
        spans = greedy_path(outputs) if self.decoder is None else self._decode(outputs)
        calibrated = to_probabilities(outputs, self.card.outputs, self.card.temperature)
        logs = text_log_probabilities(
            skip_confident_blanks(calibrated), [row.classes for row in spans]
        )
        confidences = np.minimum(np.exp(logs), 1).tolist()
        readings = []
        for image, row, steps, confidence in zip(
            images, spans, calibrated, confidences, strict=True
        ):
            if image.is_blank:
                readings.append(Reading("", 1.0))
                continue
            characters = self._characters(row, steps, image.filled)
            text = "".join([character.text for character in characters])
            if self.card.label_order == "visual":
                text = turn_back(text)
            readings.append(Reading(text, confidence, characters))
        return readings

    def _run(self, batch: Array) -> Array:
        """Return the outputs of the model, finite, of shape (batch, time, classes).

        Raises:
            ValueError: the model fails, or has other outputs.
        """
        try:
            outputs = self.model.run(None, {self.input_name: batch})[0]
        except Exception as error:  # onnxruntime has no common base class for its own errors.
            raise ValueError(
                f"The model {self.model_path!r} cannot be run on images of shape {batch.shape}: "
                f"{str(error)[:500]}. Export it again."
            ) from error
        if fault := _output_fault(outputs, len(batch), self.card):
            raise ValueError(
                f"The outputs of {self.model_path!r} must be finite {self.card.outputs} of shape "
                f"(batch, time, classes) with {len(self.card.vocab) + 1} classes. Received "
                f"{fault}. Export the model again."
            )
        return outputs  # type: ignore[no-any-return]

    def _decode(self, outputs: Array) -> list[Spans]:
        """Return the best text of the decoder for each row, aligned to the time steps."""
        assert self.decoder is not None
        probabilities = to_probabilities(outputs, self.card.outputs)
        rows = self.decoder.decode(probabilities, self.card.vocab)
        return align_texts(probabilities, [row[0].classes if row else () for row in rows])

    def _characters(self, row: Spans, probabilities: Array, filled: float) -> tuple[Character, ...]:
        """Return the characters of one image; `probabilities` has the shape (time, classes)."""
        num_steps = max(len(probabilities) // self.card.rows, 1)  # For one row of the image.
        starts = row.starts % num_steps
        edges = np.stack([starts, starts + row.ends - row.starts]) / num_steps
        # The image is in the middle of its padding.
        lefts, rights = np.clip((edges - 0.5) / filled + 0.5, 0, 1).tolist()
        columns = (row.classes.tolist(), row.starts.tolist(), row.ends.tolist(), lefts, rights)
        return tuple(
            Character(self.card.vocab[c], float(probabilities[start:end, c].max()), left, right)
            for c, start, end, left, right in zip(*columns, strict=True)
        )


def _most_confident(readings: Sequence[Reading]) -> Reading:
    """Return the most confident reading of the views of an image, which are of its whole first.

    The highest of several confidences is too high; those of the views that read another text count
    as 0 in their average, which is too low. Their mean was as well calibrated as single readings.
    """
    first, *others = readings
    best = max((first, *filter(lambda r: r.text, others)), key=lambda r: r.confidence)
    agreed = sum(r.confidence for r in readings if r.text == best.text) / len(readings)
    return replace(best, confidence=(best.confidence + agreed) / 2)


def _is_one_image(images: object) -> bool:
    if isinstance(images, np.ndarray):
        return images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (1, 3, 4))
    return isinstance(images, str | bytes | bytearray | memoryview | os.PathLike)


def _output_fault(outputs: Any, num_rows: int, card: ModelCard) -> str | None:
    """Describe what is wrong with the outputs of a model; None if nothing is."""
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


def _check_model(model: OnnxInferenceModel, card: ModelCard) -> None:
    """Reject a model that does not read images, or a card that does not match the model.

    Raises:
        ValueError: the inputs or outputs are of another kind, or of other sizes than in the card.
    """
    kinds = [value.type for value in model.model.get_inputs()]
    output_shape = model.model.get_outputs()[0].shape
    if kinds != ["tensor(float)"] or len(model.input_shape) != 3 or len(output_shape) != 3:
        raise ValueError(
            "`model_path` must be a model with one input, tensor(float) (batch, height, width, "
            f"channels), and output (batch, time, classes). Received {model.model_path!r}, with "
            f"{kinds} {model.input_shapes[0]} and {output_shape}. Subclass OnnxInferenceModel to "
            "run it."
        )
    batch = model.input_shapes[0][0]
    if isinstance(batch, int) and batch != 1:
        raise ValueError(
            f"`model_path` must be a model with a free first axis. Received {model.model_path!r}, "
            f"which reads exactly {batch} images at once. Export it with a free first axis, or "
            "subclass OnnxInferenceModel to run it."
        )
    names = ("height", "width", "channels", "classes")
    carded = (card.height, card.width, card.channels, len(card.vocab) + 1)
    sizes = [*model.input_shape, output_shape[2]]  # The width is free where the card has several.
    for name, said, size in zip(names, carded, sizes, strict=True):
        if isinstance(size, int) and isinstance(said, int) and size != said:
            verb = "has" if name == "classes" else "takes"
            raise ValueError(
                f"The card of {model.model_path!r} says {name} {said}, the model {verb} {size}. "
                "Export it again."
            )
