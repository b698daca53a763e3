"""The HTML report: its samples, and the values for the template `report.html.j2`."""

from __future__ import annotations

import base64
import math
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidfuzz.distance import Levenshtein

from mltu import __version__
from mltu._extras import explain_missing
from mltu.evaluation._confidence import (
    calibration_error,
    coverage_curve,
    reliability_bins,
    widest_coverage,
)
from mltu.evaluation._rates import Evaluation, confusions, evaluate_readings, worst_samples
from mltu.utils.checks import check_count
from mltu.utils.error_rates import edit_distance
from mltu.utils.files import StrPath, atomic_path

if TYPE_CHECKING:
    import jinja2

_MAX_CONFIDENCE = 1.001  # A product of float32 probabilities may exceed 1 by rounding.
_MAX_CONFUSIONS = 30
_MAX_UNREADABLE = 50
_MAX_POINTS = 200  # More points of a curve cannot be told apart.
_CASE_ONLY_SHARE = 8  # One image in so many is kept for samples that are wrong only in case.
_TARGETS = (0.9, 0.95, 0.98, 0.99, 0.995)
_THUMBNAIL_HEIGHT, _THUMBNAIL_WIDTH = 64, 1024  # In pixels, at most; long lines are wide.
_JPEG_QUALITY = 85

# Parts of a text, and whether each differs from the other text.
Parts = list[tuple[str, bool]]


@dataclass(frozen=True, eq=False)  # The comparison of two arrays has no truth value.
class Sample:
    """An image, its true text and its reading.

    Args:
        image: A path, the bytes of an image file, a uint8 array in BGR or greyscale, or None if
            there is no image to show.
        truth: The true text.
        reading: The text that was read; "" if there is an error.
        confidence: Confidence of the reading, in [0, 1], or None if unknown.
        error: Why the image could not be read, or None if it was read.

    Raises:
        TypeError: A text is not a string, or `confidence` is not a number.
        ValueError: `confidence` is outside [0, 1], or there are both a reading and an error.
    """

    image: Any
    truth: str
    reading: str
    confidence: float | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        for name in ("truth", "reading"):
            _check_type(name, getattr(self, name), str, "a string")
        if self.error is not None:
            _check_type("error", self.error, str, "a string or None; use str(error)")
            if self.reading:
                raise ValueError(
                    "`reading` must be '' if `error` is given: an image that could not be read "
                    f"counts as an empty reading. Received {self.reading!r} with {self.error!r}."
                )
        if self.confidence is not None:
            _check_type("confidence", self.confidence, Real, "a number or None")
            if not 0 <= self.confidence <= _MAX_CONFIDENCE:
                raise ValueError(
                    "`confidence` must be a probability in [0, 1]. "
                    f"Received {self.confidence!r}. Use None if it is unknown."
                )


def write_report(
    path: StrPath,
    samples: Iterable[Sample],
    *,
    title: str = "Evaluation",
    num_images: int = 100,
    num_resamples: int = 2_000,
    seed: int = 0,
) -> Evaluation:
    """Write a self-contained HTML report: one file, without network access or scripts.

    It shows the metrics with their intervals, accuracy against confidence (if there are
    confidences), the most frequent character errors, the worst samples with their images, and the
    images that could not be read. Equal arguments give equal bytes.

    Args:
        path: The HTML file. It is replaced as a whole or not at all.
        samples: The samples. The report says so where an image can no longer be read.
        title: Title of the page.
        num_images: Maximum number of samples shown with their image; 0 shows no images.
        num_resamples: Number of bootstrap resamples, as in `evaluate_readings`.
        seed: Seed of the bootstrap.

    Returns:
        The metrics of the report.

    Raises:
        ValueError: There are no samples, or a number is not an integer or too small.
        TypeError: `samples` contains something other than `Sample`.
        ImportError: Jinja2 is not installed.
        OSError: The file cannot be written.
    """
    check_count("num_images", num_images, 0)
    all_samples = list(samples)
    for sample in all_samples:
        if not isinstance(sample, Sample):
            raise TypeError(
                "`samples` must be a list of mltu.evaluation.Sample. "
                f"Received an entry of type {type(sample).__name__}. "
                "Use Sample(image, truth, reading)."
            )
    if not all_samples:
        raise ValueError("`samples` must contain at least one. Received an empty list.")
    template = _load_template()
    evaluation = evaluate_readings(
        [sample.reading for sample in all_samples],
        [sample.truth for sample in all_samples],
        num_resamples=num_resamples,
        seed=seed,
    )
    page = template.render(title=title, evaluation=evaluation, **_context(all_samples, num_images))
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")
    return evaluation


@cache
def _load_template() -> jinja2.Template:
    with explain_missing():
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Markup is a subclass of str and has already been escaped.
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters.update(
        number="{:,}".format, percent=_percent, short_percent=_short_percent, glyph=_glyph
    )
    return environment.get_template("report.html.j2")


def visible(text: str) -> str:
    r"""Escape characters that are invisible, or that reverse the text around them: `'\u202e'`."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _context(samples: Sequence[Sample], num_images: int) -> dict[str, Any]:
    outcomes = list(map(_outcome, samples))
    names = _source_names(samples)
    case_only = [index for index, outcome in enumerate(outcomes) if outcome == "case"]
    wrong = [index for index, outcome in enumerate(outcomes) if outcome in ("one_edit", "wrong")]
    num_case_only = min(len(case_only), num_images // _CASE_ONLY_SHARE)
    worst_cards = _cards(samples, names, wrong, num_images - num_case_only)
    case_only_cards = _cards(samples, names, case_only, num_images - len(worst_cards))
    readable = [sample for sample in samples if sample.error is None]
    found = confusions([sample.reading for sample in readable], [s.truth for s in readable])
    unreadable = [
        (name, sample.truth, sample.error)
        for name, sample in zip(names, samples, strict=True)
        if sample.error is not None
    ]
    return {
        "version": __version__,
        "num_characters": sum(len(sample.truth) for sample in samples),
        "outcomes": Counter(outcomes),
        "confidence": _confidence_context(readable),
        "confusions": found[:_MAX_CONFUSIONS],
        "num_confusions": len(found),
        "num_edits": sum(item.count for item in found),
        "worst": {"cards": worst_cards, "total": len(wrong)},
        "case_only": {"cards": case_only_cards, "total": len(case_only)},
        "unreadable": unreadable[:_MAX_UNREADABLE],
    }


def _outcome(sample: Sample) -> str:
    if sample.error is not None:
        return "unreadable"
    if sample.reading == sample.truth:
        return "correct"
    if sample.reading.lower() == sample.truth.lower():
        return "case"
    return "one_edit" if edit_distance(sample.reading, sample.truth) == 1 else "wrong"


def _confidence_context(samples: Sequence[Sample]) -> dict[str, Any] | None:
    rated = [sample for sample in samples if sample.confidence is not None]
    if not rated:
        return None
    confidences = [min(float(sample.confidence or 0), 1.0) for sample in rated]
    correct = [sample.reading == sample.truth for sample in rated]
    bins, curve = reliability_bins(confidences, correct), coverage_curve(confidences, correct)
    points = [*curve[: -1 : -(-len(curve) // _MAX_POINTS)], curve[-1]]
    # The axis of a curve that stays high starts at the multiple of 10% below its lowest point.
    lowest = max(min(point.accuracy for point in points) - 0.02, 0)
    return {
        "num_readings": len(rated),
        "mean": sum(confidences) / len(confidences),
        "accuracy": sum(correct) / len(correct),
        "error": calibration_error(bins),
        "bins": bins,
        "largest_bin": max(item.num_readings for item in bins),
        "curve": points,
        "lowest": math.floor(lowest * 10) / 10,
        "targets": [(share, widest_coverage(curve, share, len(rated))) for share in _TARGETS],
    }


def _cards(
    samples: Sequence[Sample], names: Sequence[str], indices: Sequence[int], number: int
) -> list[dict[str, Any]]:
    """Describe the worst of the samples at the indices."""
    readings = [samples[index].reading for index in indices]
    truths = [samples[index].truth for index in indices]
    worst = [indices[rank] for rank in worst_samples(readings, truths, number)]
    return [_card(samples[index], names[index]) for index in worst]


def _card(sample: Sample, name: str) -> dict[str, Any]:
    truth, reading = _differences(sample.truth, sample.reading)
    edits = edit_distance(sample.reading, sample.truth)
    card: dict[str, Any] = {
        "name": name,
        "truth": truth,
        "reading": reading,
        "edits": edits,
        "cer": edits / max(len(sample.truth), 1),
        "confidence": None if sample.confidence is None else min(sample.confidence, 1.0),
        "thumbnail": None,
        "problem": "no image was given",
    }
    if sample.image is not None:
        try:
            card["thumbnail"] = _thumbnail(sample.image)
        except (OSError, TypeError, ValueError) as error:
            # The metrics do not need the image; the card says what is missing.
            card["problem"] = f"no image: {error}"
    return card


def _differences(truth: str, reading: str) -> tuple[Parts, Parts]:
    """Split two texts into parts that are equal or differ in an optimal alignment."""
    blocks = Levenshtein.opcodes(truth, reading)
    truth_parts = [(truth[b.src_start : b.src_end], b.tag != "equal") for b in blocks]
    reading_parts = [(reading[b.dest_start : b.dest_end], b.tag != "equal") for b in blocks]
    return [part for part in truth_parts if part[0]], [part for part in reading_parts if part[0]]


def _thumbnail(image: Any) -> str:
    """Encode an image as the data URI of a small JPEG; smaller images keep their size.

    Raises:
        OSError: The file cannot be opened.
        ValueError: The image cannot be decoded.
        TypeError: `image` is not a path, bytes or an array.
    """
    # Imported here, because metrics need no OpenCV.
    with explain_missing():
        import cv2

    from mltu.preprocessors import ImageReader

    pixels: Any = ImageReader().read(image)  # (height, width, 3)
    height, width = pixels.shape[:2]
    scale = min(_THUMBNAIL_HEIGHT / height, _THUMBNAIL_WIDTH / width, 1.0)
    if scale < 1:
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode("ascii")


def _source_names(samples: Sequence[Sample]) -> list[str]:
    """Name each sample by its path relative to the common folder, or else by its number."""
    paths = [
        os.fsdecode(sample.image) if isinstance(sample.image, str | os.PathLike) else ""
        for sample in samples
    ]
    folders = [os.path.dirname(path) for path in paths if path]  # noqa: PTH120
    try:
        shared = os.path.commonpath(folders) if folders else ""
    except ValueError:  # Relative and absolute paths, or two drives, share none.
        shared = ""
    return [
        os.path.relpath(path, shared) if shared and path else path or f"sample {index:,}"
        for index, path in enumerate(paths)
    ]


def _percent(share: float, digits: int = 1) -> str:
    return f"{share:.{digits}%}"


def _short_percent(share: float) -> str:
    return f"{share:.1%}".replace(".0", "")


def _glyph(char: str) -> str:
    # A combining mark gets a dotted circle to be drawn on.
    return "\u25cc" + char if unicodedata.combining(char) else char


def _check_type(name: str, value: object, kind: type, expected: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(
            f"`{name}` must be {expected}. Received {value!r} of type {type(value).__name__}."
        )
