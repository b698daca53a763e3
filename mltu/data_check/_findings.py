"""Findings: every fault that the check knows, what it means, and how to fix it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mltu.datasets import load_samples

Severity = Literal["error", "warning", "info"]
Positions = npt.NDArray[np.int64]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
MAX_EXAMPLES = 10
_MIN_NUM = 10  # Fewer samples than this are always tolerated, as in mltu.data.BadSamples.
_MILDER: dict[Severity, Severity] = {"error": "warning", "warning": "info"}


class AllSamples:
    """The training samples followed by the validation samples, with one numbering.

    Args:
        training: a data set in any form that `mltu.datasets.load_samples` takes.
        validation: the same; its positions start at `num_training`. None for no samples.

    Raises:
        TypeError, ValueError, OSError: as in `load_samples`.
    """

    def __init__(self, training: Any, validation: Any = None) -> None:
        first = samples = load_samples(training)
        if validation is not None:
            samples += load_samples(validation)  # Lazy columns are not read.
        self.num_training, self.num_validation = len(first), len(samples) - len(first)
        self.sizes = self.num_training, self.num_validation
        self.data, self.labels = samples.data, samples.labels
        self._source = samples.source

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, position: int) -> str | None:
        """Return the path of a sample, or its name in a database; None if it has neither."""
        source = self._source(position)
        return os.fspath(source) if isinstance(source, str | os.PathLike) else None

    def name(self, position: int) -> str:
        """Return the path of a sample, its name in a database, or `sample <position>`."""
        return self.path(position) or f"sample {position}"


class Expected(NamedTuple):
    """What the model expects of the samples, as in `check_data`; None if unknown."""

    vocab: frozenset[str] | None = None
    max_word_length: int | None = None
    time_steps: int | None = None
    image_size: tuple[int, int] | None = None


class CheckSpec(NamedTuple):
    """What a check reports. An error means that training would stop or learn something wrong.

    `needs` names the arguments of `check_data` without which the check is skipped. If at most the
    share `tolerated` of the samples match, the severity is one step lower.
    """

    severity: Severity
    meaning: str
    fix: str
    needs: tuple[str, ...] = ()
    tolerated: float = 0.0


class Match(NamedTuple):
    """The positions of the samples that a check matched, perhaps repeated.

    `detail` says what is wrong with the sample at a position; `values` fill the braces in the texts
    of the check; `duplicate_of` returns the position of the sample that this one is a copy of.
    """

    name: str
    positions: Positions
    detail: Callable[[int], str]
    values: Mapping[str, object] = MappingProxyType({})
    duplicate_of: Callable[[int], int] | None = None


@dataclass(frozen=True)
class Example:
    """A faulty sample: its position (validation samples follow the training samples) and path.

    `detail` says what is wrong; `duplicate_of` is the position of the sample it is a copy of.
    """

    position: int
    path: str
    detail: str
    duplicate_of: int | None = None


@dataclass(frozen=True)
class Finding:
    """The result of one check: a stable machine name, counts, and at most ten examples.

    `count` covers training and validation samples, `num_validation` the latter alone. For
    `rare_character`, they count characters.
    """

    name: str
    severity: Severity
    count: int
    num_validation: int
    meaning: str
    fix: str
    examples: tuple[Example, ...]


def make_finding(match: Match, samples: AllSamples, num_checked: tuple[int, int]) -> Finding:
    """Count the matches, set the severity, and select the first examples.

    Args:
        match: at least one position.
        samples: all samples.
        num_checked: how many training and validation samples were checked, for `tolerated`.
    """
    spec = CHECKS[match.name]
    distinct = dict.fromkeys(match.positions[: 2 * MAX_EXAMPLES].tolist())
    num_validation = int(np.count_nonzero(match.positions >= samples.num_training))
    counts = (len(match.positions) - num_validation, num_validation)
    parts = zip(counts, samples.sizes, num_checked, strict=True)
    is_mild = spec.tolerated and all(_is_tolerated(*part, spec.tolerated) for part in parts)
    return Finding(
        match.name,
        _MILDER[spec.severity] if is_mild else spec.severity,
        len(match.positions),
        num_validation,
        spec.meaning.format_map(match.values),
        spec.fix.format_map(match.values),
        tuple(
            Example(
                position,
                samples.name(position),
                match.detail(position),
                match.duplicate_of(position) if match.duplicate_of else None,
            )
            for position in list(distinct)[:MAX_EXAMPLES]
        ),
    )


def _is_tolerated(count: int, size: int, num_checked: int, share: float) -> bool:
    """Apply the rule of mltu.data.BadSamples, with the count scaled up to the whole set."""
    if not count:
        return True
    estimate = count * size / max(num_checked, 1)
    return count < num_checked and (estimate < _MIN_NUM or estimate <= share * size)


CHECKS = {
    # Files
    "missing_file": CheckSpec(
        "error",
        "There is no file at this path.",
        "Correct the paths or drop the samples. Relative paths start at the working directory or "
        "at the folder of the table.",
    ),
    "unreadable_file": CheckSpec(
        "error",
        "The file is not a complete image. Training replaces up to 1 % of them, then stops.",
        "Download or copy the files again, or drop the samples.",
        tolerated=0.01,
    ),
    # Labels
    "label_not_text": CheckSpec(
        "error",
        "The label is a number, NaN or None; leading zeros may already be lost.",
        "Read labels as text: mltu.datasets.read_csv, or in pandas dtype=str, "
        "keep_default_na=False.",
    ),
    "unknown_character": CheckSpec(
        "error",
        "The label has characters that are not in the vocabulary ({source}): {characters}.",
        "Add the characters to the vocabulary and to the training samples, or drop the samples.",
    ),
    "label_too_long": CheckSpec(
        "error",
        "The label has more than {max_word_length} characters.",
        "Raise max_word_length or drop the samples.",
        ("max_word_length",),
    ),
    "too_few_time_steps": CheckSpec(
        "error",
        "The label needs more than {time_steps} time steps: one per character, and one more "
        "between equal neighbours. The CTC loss ignores it.",
        "Use a wider input (mltu train --width), a network with more time steps for its width "
        "(--model strong) or smaller strides along the width; or drop the samples.",
        ("time_steps",),
    ),
    "no_text": CheckSpec(
        "error",
        "All training labels are empty or blank, so there is nothing to learn.",
        "Name the column that has the labels, or correct the table.",
    ),
    "empty_label": CheckSpec(
        "warning",
        "The label is empty: the model learns that this image has no text.",
        "Add the label, unless the image really shows no text.",
    ),
    "surrounding_whitespace": CheckSpec(
        "warning",
        "The label begins or ends with whitespace, which is invisible in an image.",
        "Strip the labels.",
    ),
    "invisible_character": CheckSpec(
        "warning",
        "The label contains control or format characters, or spaces other than ' '.",
        "Replace them with what the image shows.",
    ),
    "unnormalized_label": CheckSpec(
        "warning",
        "The label is not in Unicode NFC: characters that look the same are learned twice.",
        'Store unicodedata.normalize("NFC", label).',
    ),
    "right_to_left": CheckSpec(
        "warning",
        "The label is read from right to left, but CTC reads images from left to right, so the "
        "model learns such labels late or never.",
        "Convert the labels to visual order: mltu train --label-order visual, or "
        'LabelIndexer(vocab, order="visual"). Readings are converted back.',
    ),
    "file_name_label": CheckSpec(
        "error",
        "The label looks like a file name from a camera or a program, not like text in the image.",
        "Write a table of paths and labels, or name the images after their texts.",
        tolerated=0.1,
    ),
    "label_in_file_name": CheckSpec(
        "warning",
        "These labels are file names, which seem to hold more than the label.",
        "If so, find the label with the pattern {pattern} (mltu train --label-pattern, or "
        "label_pattern= of open_samples).",
    ),
    "running_number": CheckSpec(
        "warning",
        "The labels are file names, which only number the images from {first} to {last}.",
        "Write a table of paths and labels, or name the images after their texts. Ignore this if "
        "the images show these texts.",
    ),
    "missing_leading_zeros": CheckSpec(
        "warning",
        "All labels are digits, most have {longest} of them and none begins with 0; these are "
        "shorter. Their leading zeros were probably lost.",
        "Read labels as text from the start, or use label.zfill({longest}) if all had that length.",
    ),
    "float_label": CheckSpec(
        "warning",
        "All labels are whole numbers and these end in '.0': they were converted to floats.",
        "Read labels as text from the start: in pandas dtype=str, keep_default_na=False.",
    ),
    # Copies
    "conflicting_labels": CheckSpec(
        "error",
        "The same image appears with a different label; at least one of them is wrong.",
        "Compare the two (they come first in the contact sheet) and keep the correct one.",
    ),
    "duplicate_path": CheckSpec(
        "warning",
        "The path appears earlier in the same set, with the same label.",
        "Remove the duplicates, unless you mean to weight this sample.",
    ),
    "duplicate_image": CheckSpec(
        "warning",
        "Another file of the same set has the same content and the same label.",
        "Remove the duplicates, unless you mean to weight this sample.",
    ),
    "validation_path_in_training": CheckSpec(
        "warning",
        "The validation sample is also a training sample, so the validation CER is too low.",
        "Remove it from one of the sets.",
        ("validation",),
    ),
    "validation_image_in_training": CheckSpec(
        "warning",
        "The validation image is a copy of a training image, so the validation CER is too low.",
        "Remove it from one of the sets, and split by source, not by file.",
        ("validation",),
    ),
    # Balance
    "unseen_character": CheckSpec(
        "warning",
        "Validation labels contain characters of the vocabulary that no training label has: "
        "{characters}.",
        "Add training samples with these characters; without them the model cannot learn them.",
        ("vocab", "validation"),
    ),
    "dominant_label": CheckSpec(
        "warning",
        "The label {label} makes up {share:.0%} of the training samples, so always guessing it "
        "pays off.",
        "Add samples with other labels, or drop some of these.",
    ),
    "rare_character": CheckSpec(
        "info",
        "Characters that occur fewer than {least} times in the training labels: {characters}.",
        "Add samples with these characters if they matter to you.",
    ),
    # Sizes
    "blank_image": CheckSpec(
        "warning",
        "All pixels of the image have the same colour, but the label is not empty.",
        "Download or crop the images again, or drop the samples.",
    ),
    "unused_bits": CheckSpec(
        "warning",
        "The file has 16 bits for each value but uses fewer, such as 12 bits of a sensor. Read as "
        "8 bits, the image is nearly black.",
        "Store 8 bits: cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX).astype('uint8').",
    ),
    "tiny_image": CheckSpec(
        "warning",
        "The image has fewer than {least} pixels in width or height, too few to read.",
        "Crop the images again or drop the samples.",
    ),
    "label_too_dense": CheckSpec(
        "warning",
        "The image has fewer than {least} pixels of width for each character of the label.",
        "Use a wider model input or larger images, or correct the label.",
    ),
    "stretched_image": CheckSpec(
        "warning",
        "Resizing to {width}x{height} stretches the image more than {most} times in one direction.",
        "Resize with keep_aspect_ratio=True, or choose an input of another shape.",
        ("image_size",),
        tolerated=0.1,
    ),
    "upscaled_image": CheckSpec(
        "warning",
        "Resizing to {width}x{height} enlarges the image more than {most} times.",
        "Use larger images, or a smaller model input, which is faster and loses nothing.",
        ("image_size",),
        tolerated=0.1,
    ),
}
