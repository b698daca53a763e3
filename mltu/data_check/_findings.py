"""Findings: every fault that a data set can have, what it means, and the way out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mltu.datasets import load_samples


class Joined:
    """Training and validation samples as one; columns that are read lazily stay unread.

    Args:
        training: a data set in any form that `mltu.datasets.load_samples` takes.
        validation: the same; its positions start at `num_training`. None is no sample.

    Raises:
        TypeError, ValueError, OSError: what `load_samples` says of the data set.
    """

    def __init__(self, training: Any, validation: Any = None) -> None:
        first = load_samples(training)
        second = load_samples(() if validation is None else validation)
        self._samples = first + second
        self.num_training = len(first)
        self.num_validation = len(second)

    def __len__(self) -> int:
        return len(self._samples)

    def data(self, position: int) -> Any:
        """Return the path of a sample, or its bytes or array."""
        return self._samples.data[position]

    def label(self, position: int) -> Any:
        """Return the label of a sample as it is."""
        return self._samples.labels[position]

    def labels(self) -> Iterator[Any]:
        """Yield the labels in order."""
        return iter(self._samples.labels)

    def paths(self) -> Iterator[str | None]:
        """Yield the paths in order; None where the data is none."""
        return (_path(self._samples.source(position)) for position in range(len(self)))

    def name(self, position: int) -> str:
        """Return the path of a sample, its name in a database, or `sample <position>`."""
        return _path(self._samples.source(position)) or f"sample {position}"


def _path(data: Any) -> str | None:
    return os.fspath(data) if isinstance(data, str | os.PathLike) else None


Severity = Literal["error", "warning", "info"]
Positions = npt.NDArray[np.int64]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
MAX_EXAMPLES = 10
_MIN_NUM = 10  # So few samples are tolerated in any data set, as in training (mltu.data).
_MILDER: dict[Severity, Severity] = {"error": "warning", "warning": "info"}


class Expected(NamedTuple):
    """What the model asks of the samples; None where it was not said.

    Args:
        vocab: the characters it knows.
        max_word_length: the longest label, in characters.
        time_steps: of its output.
        image_size: (width, height) of its input, in pixels.
    """

    vocab: frozenset[str] | None = None
    max_word_length: int | None = None
    time_steps: int | None = None
    image_size: tuple[int, int] | None = None


class Kind(NamedTuple):
    """A kind of finding: `error` means that training would stop or learn wrong.

    `tolerated` is the share of the samples up to which the severity is one step lower. `needs`
    names the arguments of `check_data` without which the check is left out.
    """

    severity: Severity
    meaning: str
    way_out: str
    needs: tuple[str, ...] = ()
    tolerated: float = 0.0


class Hit(NamedTuple):
    """The samples that a check found, by position; one may stand there several times.

    `detail` says what is wrong with the sample at a position; `values` fill the braces of the
    kind's texts; `twin` gives the position of the sample that this one is a copy of.
    """

    name: str
    positions: Positions
    detail: Callable[[int], str]
    values: Mapping[str, object] = MappingProxyType({})
    twin: Callable[[int], int] | None = None


@dataclass(frozen=True)
class Example:
    """A sample with a fault: its position (validation counts on behind training) and its path.

    `detail` says what is wrong; `twin` is the position of the sample it is a copy of, if any.
    """

    position: int
    path: str
    detail: str
    twin: int | None = None


@dataclass(frozen=True)
class Finding:
    """What was found of one kind: a stable machine name, counts, at most ten examples.

    `count` is of training and validation samples together, `num_validation` of the latter. Of
    `rare_character`, it is of characters.
    """

    name: str
    severity: Severity
    count: int
    num_validation: int
    meaning: str
    way_out: str
    examples: tuple[Example, ...]


def make_finding(hit: Hit, joined: Joined, num_examined: tuple[int, int]) -> Finding:
    """Count a hit, decide its severity and take its first examples.

    Args:
        hit: what a check found, at least one position.
        joined: the samples.
        num_examined: how many training and validation images were read, for `tolerated`.
    """
    kind = KINDS[hit.name]
    first = dict.fromkeys(hit.positions[: 2 * MAX_EXAMPLES].tolist())  # Without repetitions.
    num_validation = int(np.count_nonzero(hit.positions >= joined.num_training))
    counts = (len(hit.positions) - num_validation, num_validation)
    sizes = (joined.num_training, joined.num_validation)
    parts = zip(counts, sizes, num_examined, strict=True)
    is_mild = kind.tolerated and all(_is_tolerated(*part, kind.tolerated) for part in parts)
    return Finding(
        hit.name,
        _MILDER[kind.severity] if is_mild else kind.severity,
        len(hit.positions),
        num_validation,
        kind.meaning.format_map(hit.values),
        kind.way_out.format_map(hit.values),
        tuple(_example(hit, joined, position) for position in list(first)[:MAX_EXAMPLES]),
    )


def _example(hit: Hit, joined: Joined, position: int) -> Example:
    twin = hit.twin(position) if hit.twin else None
    return Example(position, joined.name(position), hit.detail(position), twin)


def _is_tolerated(count: int, size: int, num_examined: int, share: float) -> bool:
    """Apply the rule of training (mltu.data), with the count scaled up to the whole set."""
    if not count:
        return True
    estimate = count * size / max(num_examined, 1)
    return count < num_examined and (estimate < _MIN_NUM or estimate <= share * size)


KINDS = {
    # Files
    "missing_file": Kind(
        "error",
        "There is no file at the path.",
        "Correct the paths or drop the samples; relative paths start at the working directory.",
    ),
    "unreadable_file": Kind(
        "error",
        "The file is not a whole image. Training leaves out up to 1 % of such samples, then stops.",
        "Fetch the files again or drop the samples.",
        tolerated=0.01,
    ),
    # Labels
    "label_not_text": Kind(
        "error",
        "The label is a number, NaN or None; leading zeros may be lost already.",
        "Read labels as text: mltu.datasets.read_csv, or in pandas dtype=str, "
        "keep_default_na=False.",
    ),
    "unknown_character": Kind(
        "error",
        "The vocabulary, {source}, does not hold characters of the label: {characters}.",
        "Add the characters to the vocabulary and to the training samples, or drop the samples.",
    ),
    "label_too_long": Kind(
        "error",
        "The label has more than {max_word_length} characters.",
        "Raise max_word_length or drop the samples.",
        ("max_word_length",),
    ),
    "too_few_time_steps": Kind(
        "error",
        "The label needs more than {time_steps} time steps: one a character, and one more "
        "between equal neighbours. The CTC loss passes over it.",
        "Stride the width less or widen the input, so that the model has more time steps; or "
        "drop the samples.",
        ("time_steps",),
    ),
    "empty_label": Kind(
        "warning",
        "The label is empty: the model learns to read nothing there.",
        "Write the label, or keep the sample only if its image shows no text.",
    ),
    "surrounding_whitespace": Kind(
        "warning",
        "The label begins or ends with whitespace, which no image shows.",
        "Strip the labels.",
    ),
    "invisible_character": Kind(
        "warning",
        "The label holds control or format characters, or spaces other than ' '.",
        "Replace them by what the image shows.",
    ),
    "unnormalized_label": Kind(
        "warning",
        "The label is not in Unicode's NFC: characters that look the same are learned twice.",
        'Store unicodedata.normalize("NFC", label).',
    ),
    "file_name_label": Kind(
        "error",
        "The label is a name that a camera or a program gives to a file; no image shows it.",
        "Write a table of paths and labels, or name the images after their texts.",
        tolerated=0.1,
    ),
    "lost_zeros": Kind(
        "warning",
        "All labels are digits, most have {longest} of them and none begins with 0; these are "
        "shorter. Leading zeros look lost.",
        "Read labels as text from the start, or label.zfill({longest}) if all had that length.",
    ),
    "float_label": Kind(
        "warning",
        "All labels are whole numbers and these end in '.0': they were floats on their way.",
        "Read labels as text from the start: in pandas dtype=str, keep_default_na=False.",
    ),
    # Copies
    "contradicting_label": Kind(
        "error",
        "The same image stands there with another label: one of the two is wrong.",
        "Look at both (they come first in the contact sheet) and keep the right one.",
    ),
    "duplicate_path": Kind(
        "warning",
        "The path stood there before in the same set, with the same label.",
        "Drop the repetitions, unless the sample shall weigh more.",
    ),
    "duplicate_image": Kind(
        "warning",
        "Another file of the same set has the same content and the same label.",
        "Drop the copies, unless the sample shall weigh more.",
    ),
    "validation_path_in_training": Kind(
        "warning",
        "The validation sample is a training sample too: the validation CER is too good.",
        "Take it out of one of the sets.",
        ("validation",),
    ),
    "validation_image_in_training": Kind(
        "warning",
        "The validation image is a copy of a training image: the validation CER is too good.",
        "Take it out of one of the sets, and split by source, not by file.",
        ("validation",),
    ),
    # Balance
    "unseen_character": Kind(
        "warning",
        "Validation labels hold characters of the vocabulary that no training label has: "
        "{characters}.",
        "Add training samples with these characters; the model cannot learn them.",
        ("vocab", "validation"),
    ),
    "dominant_label": Kind(
        "warning",
        "The label {label} makes up {share:.0%} of the training samples; saying it always pays.",
        "Add samples with other labels, or drop some of these.",
    ),
    "rare_character": Kind(
        "info",
        "Characters that occur fewer than {least} times in the training labels: {characters}.",
        "Add samples with these characters if they matter to you.",
    ),
    # Sizes
    "blank_image": Kind(
        "warning",
        "All pixels of the image have one colour, but the label is not empty.",
        "Fetch or crop the images again, or drop the samples.",
    ),
    "tiny_image": Kind(
        "warning",
        "A side of the image has fewer than {least} pixels: nothing can be read there.",
        "Crop the images again or drop the samples.",
    ),
    "crowded_label": Kind(
        "warning",
        "Less than {least} pixels of width remain for each character of the label.",
        "Widen the input of the model, take larger images, or correct the label.",
    ),
    "stretched_image": Kind(
        "warning",
        "Resized to {width}x{height}, the image is stretched more than {most} times in one "
        "direction.",
        "Resize with keep_aspect_ratio=True, or choose an input of another shape.",
        ("image_size",),
        tolerated=0.1,
    ),
    "upscaled_image": Kind(
        "warning",
        "Resized to {width}x{height}, the image is magnified more than {most} times.",
        "Take larger images; or a smaller input, which learns as much and is faster.",
        ("image_size",),
        tolerated=0.1,
    ),
}
