"""Calibration: how well confidence predicts correct readings, and the temperature that fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mltu.decoders import Spans, ctc_decoder, greedy_path, text_log_probabilities, to_probabilities
from mltu.utils.checks import check_count

_Z = 1.959964  # Standard deviations of a normal distribution on each side of 95%.

_MIN_TEMPERATURE, _MAX_TEMPERATURE = 0.25, 4.0
_NUM_GRID_POINTS = 17  # Temperatures that are tried first, in even ratios.
_NUM_HALVINGS = 6  # Of the step between them, afterwards.
_MIN_CONFIDENCE = 1e-6  # One confident error must not make the loss infinite.
_NUM_BINS = 15

Floats = npt.NDArray[np.float64]


class ReliabilityBin(NamedTuple):
    """The readings in one confidence bin; all shares are in [0, 1].

    Attributes:
        low: Lower bound, inclusive.
        high: Upper bound, exclusive except for 1.
        num_readings: Number of readings, at least 1.
        confidence: Their mean confidence.
        accuracy: The share of them that is correct.
        accuracy_low: Lower end of the 95% interval of `accuracy`.
        accuracy_high: Upper end of that interval.
    """

    low: float
    high: float
    num_readings: int
    confidence: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float


class Coverage(NamedTuple):
    """The readings that are accepted at a confidence threshold.

    Attributes:
        threshold: Lowest confidence that is accepted.
        coverage: Share of all readings that is accepted, in [0, 1].
        accuracy: Share of the accepted readings that is correct, in [0, 1].
    """

    threshold: float
    coverage: float
    accuracy: float


class Calibration(NamedTuple):
    """Result of fitting a temperature, measured on the readings that it was fitted to.

    Attributes:
        temperature: The logits are to be divided by it; in [0.25, 4].
        num_samples: Number of readings.
        error_before: Expected calibration error at temperature 1 over 15 bins, in [0, 1].
        error_after: Expected calibration error at `temperature`.
    """

    temperature: float
    num_samples: int
    error_before: float
    error_after: float


def reliability_bins(
    confidences: Sequence[float], correct: Sequence[bool], *, num_bins: int = 10
) -> list[ReliabilityBin]:
    """Compare confidence with accuracy in bins of equal width; empty bins are left out.

    Args:
        confidences: The confidence of each reading, in [0, 1].
        correct: Whether each reading is correct.
        num_bins: Number of bins between 0 and 1, at least 1.

    Raises:
        ValueError: The lists differ in length or are empty, a confidence is outside [0, 1], an
            entry of `correct` is not true or false, or `num_bins` is not a positive integer.

    Source: Wilson, 1927, for the interval of a share.
    """
    check_count("num_bins", num_bins, 1)
    confidence, is_correct = _check_pairs(confidences, correct)
    # Not by multiplying: 0.29 * 100 rounds to below 29.
    indices = np.digitize(confidence, np.arange(1, num_bins) / num_bins)
    bins = []
    for index in map(int, np.unique(indices)):
        is_inside = indices == index
        count, accuracy = int(is_inside.sum()), float(is_correct[is_inside].mean())
        mean = float(confidence[is_inside].mean())
        interval = _wilson_interval(accuracy, count)
        low, high = index / num_bins, (index + 1) / num_bins
        bins.append(ReliabilityBin(low, high, count, mean, accuracy, *interval))
    return bins


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the expected calibration error: mean |accuracy - confidence|, weighted by count.

    Source: Naeini et al., 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning".
    """
    distances = [item.num_readings * abs(item.accuracy - item.confidence) for item in bins]
    return sum(distances) / sum(item.num_readings for item in bins)


def coverage_curve(confidences: Sequence[float], correct: Sequence[bool]) -> list[Coverage]:
    """Compute coverage and accuracy at every threshold, highest threshold first.

    Args:
        confidences: The confidence of each reading, in [0, 1].
        correct: Whether each reading is correct.

    Returns:
        One entry per distinct confidence; the last one has coverage 1 and the overall accuracy.

    Raises:
        ValueError: The lists differ in length or are empty, a confidence is outside [0, 1], or an
            entry of `correct` is not true or false.

    >>> coverage_curve([0.9, 0.5], [True, False])
    [Coverage(threshold=0.9, coverage=0.5, accuracy=1.0), \
Coverage(threshold=0.5, coverage=1.0, accuracy=0.5)]
    """
    confidence, is_correct = _check_pairs(confidences, correct)
    order = np.argsort(-confidence, kind="stable")
    confidence, num_correct = confidence[order], np.cumsum(is_correct[order])
    # Equal confidences are accepted together: an entry ends where the next confidence differs.
    ends = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True)) + 1
    accuracies = num_correct[ends - 1] / ends
    return [
        Coverage(float(confidence[end - 1]), int(end) / len(confidence), float(accuracy))
        for end, accuracy in zip(ends, accuracies, strict=True)
    ]


def widest_coverage(
    curve: Sequence[Coverage], accuracy: float, num_readings: int | None = None
) -> Coverage | None:
    """Return the entry with the largest coverage at the required accuracy, or None.

    With the number of all readings, so many must be accepted that the accuracy is reached at the
    lower end of its 95% interval: 21 readings without an error do not show 99.5%.
    """

    def reached(item: Coverage) -> float:
        if num_readings is None:
            return item.accuracy
        return _wilson_interval(item.accuracy, round(item.coverage * num_readings))[0]

    return next((item for item in reversed(curve) if reached(item) >= accuracy), None)


def fit_temperature(
    batches: Sequence[npt.NDArray[Any]], target: Sequence[str], vocab: str | Sequence[str]
) -> Calibration:
    """Find the temperature whose confidences best predict which readings are correct.

    The confidence is that of `TextRecognizer`: the CTC probability of the greedy text. The
    temperature minimizes the mean log loss of "this reading is correct". The targets of the loss
    lie slightly inside 0 and 1, so that a model without errors does not become infinitely
    confident.

    Args:
        batches: Arrays of probabilities, shape (batch, time, classes) each, the blank last.
        target: The true texts, one for each row of all batches.
        vocab: The characters in the order of their classes.

    Raises:
        ValueError: There are no readings, their number differs from that of the texts, or a shape
            does not fit the vocabulary.

    Source: Guo et al., 2017, "On Calibration of Modern Neural Networks", section 4.2; for the
    targets of the loss: Platt, 1999, "Probabilistic Outputs for Support Vector Machines".
    """
    spans = [greedy_path(batch) for batch in batches]
    texts = [text for batch in batches for text in ctc_decoder(batch, vocab)]
    if not texts or len(texts) != len(target):
        raise ValueError(
            "`target` must have a text for each row of `batches`, at least one. "
            f"Received {len(target)} texts and {len(texts)} rows."
        )
    correct = [text == truth for text, truth in zip(texts, target, strict=True)]
    num_correct, num_wrong = sum(correct), len(correct) - sum(correct)
    goals = np.where(correct, (num_correct + 1) / (num_correct + 2), 1 / (num_wrong + 2))

    def log_loss(log_temperature: float) -> float:
        confidence = _confidences(batches, spans, float(np.exp(log_temperature)))
        confidence = np.clip(confidence, _MIN_CONFIDENCE, 1 - _MIN_CONFIDENCE)
        return float(-np.mean(goals * np.log(confidence) + (1 - goals) * np.log(1 - confidence)))

    bounds = np.log([_MIN_TEMPERATURE, _MAX_TEMPERATURE])
    temperature = float(np.exp(_minimize(log_loss, *bounds)))
    errors = [
        calibration_error(
            reliability_bins(_confidences(batches, spans, value), correct, num_bins=_NUM_BINS)
        )
        for value in (1.0, temperature)
    ]
    return Calibration(temperature, len(correct), *errors)


def _check_pairs(confidences: Sequence[float], correct: Sequence[bool]) -> tuple[Floats, Floats]:
    confidence, is_correct = np.asarray(confidences, np.float64), np.asarray(correct, np.float64)
    if confidence.ndim != 1 or confidence.shape != is_correct.shape or not confidence.size:
        raise ValueError(
            "`confidences` and `correct` must be two lists of the same length, at least 1. "
            f"Received shapes {confidence.shape} and {is_correct.shape}."
        )
    is_outside = ~((confidence >= 0) & (confidence <= 1))
    if is_outside.any():
        raise ValueError(
            "`confidences` must be probabilities in [0, 1]. "
            f"Received {confidence[is_outside][0]} at index {int(np.argmax(is_outside))}. Clip "
            "values that exceed 1 by rounding, and leave out readings without a confidence."
        )
    if not np.isin(is_correct, (0, 1)).all():
        raise ValueError(
            "`correct` must be True or False for each reading. "
            f"Received {is_correct[~np.isin(is_correct, (0, 1))][0]}."
        )
    return confidence, is_correct


def _wilson_interval(share: float, count: int) -> tuple[float, float]:
    scale = 1 + _Z**2 / count
    middle = (share + _Z**2 / (2 * count)) / scale
    half = _Z * np.sqrt(share * (1 - share) / count + (_Z / (2 * count)) ** 2) / scale
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def _confidences(
    batches: Sequence[npt.NDArray[Any]], spans: Sequence[Sequence[Spans]], temperature: float
) -> Any:
    logs = [
        text_log_probabilities(
            to_probabilities(batch, "probabilities", temperature), [row.classes for row in rows]
        )
        for batch, rows in zip(batches, spans, strict=True)
    ]
    return np.minimum(np.exp(np.concatenate(logs)), 1.0)


def _minimize(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the minimum of a smooth function: the best grid point, refined by halving the step."""
    grid = np.linspace(low, high, _NUM_GRID_POINTS)
    values = [function(x) for x in grid]
    best, least, step = float(grid[np.argmin(values)]), min(values), float(grid[1] - grid[0])
    for _ in range(_NUM_HALVINGS):
        step /= 2
        for x in (best - step, best + step):
            if low <= x <= high and (value := function(x)) < least:
                best, least = x, value
    return best
