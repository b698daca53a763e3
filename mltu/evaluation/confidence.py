"""Whether confidences deserve trust: how often readings are right, given how sure they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mltu.utils.checks import check_count

_Z = 1.959964  # standard deviations of a normal distribution on each side of 95 %

Floats = npt.NDArray[np.float64]


class ReliabilityBin(NamedTuple):
    """The readings whose confidence lies between two bounds, all shares in 0..1.

    Attributes:
        low: the lower bound, included.
        high: the upper bound, excluded except for 1.
        num_readings: at least 1.
        confidence: their mean confidence.
        accuracy: the share of them that is right.
        accuracy_low: the lower end of the 95 % interval of `accuracy`.
        accuracy_high: the upper end.
    """

    low: float
    high: float
    num_readings: int
    confidence: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float


class Coverage(NamedTuple):
    """What remains if only readings of at least one confidence are taken.

    Attributes:
        threshold: the least confidence that is taken.
        coverage: the share of all readings that is taken, in 0..1.
        accuracy: the share of those taken that is right, in 0..1.
    """

    threshold: float
    coverage: float
    accuracy: float


def reliability_bins(
    confidences: Sequence[float], right: Sequence[bool], *, num_bins: int = 10
) -> list[ReliabilityBin]:
    """Compare confidence with accuracy in bins of equal width; bins without readings are left out.

    Args:
        confidences: of each reading, in 0..1.
        right: whether each reading is right, as many.
        num_bins: between 0 and 1, at least 1.

    Raises:
        ValueError: the lists differ in length or are empty, a confidence is outside of 0..1, or
            `num_bins` is no positive integer.

    Source: Wilson, 1927, for the interval of a share.
    """
    check_count("num_bins", num_bins, 1)
    sure, is_right = _checked(confidences, right)
    places = np.minimum((sure * num_bins).astype(np.int64), num_bins - 1)
    return [
        _bin(
            place / num_bins,
            (place + 1) / num_bins,
            sure[places == place],
            is_right[places == place],
        )
        for place in map(int, np.unique(places))
    ]


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the mean distance of confidence from accuracy over bins, weighted by their counts.

    Source: Naeini et al., 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning".
    """
    distances = [item.num_readings * abs(item.accuracy - item.confidence) for item in bins]
    return sum(distances) / sum(item.num_readings for item in bins)


def coverage_curve(confidences: Sequence[float], right: Sequence[bool]) -> list[Coverage]:
    """Compute coverage and accuracy at every threshold, the highest threshold first.

    Args:
        confidences: of each reading, in 0..1.
        right: whether each reading is right, as many.

    Returns:
        One entry for each distinct confidence; the last has coverage 1 and the accuracy of all.

    Raises:
        ValueError: the lists differ in length or are empty, or a confidence is outside of 0..1.

    >>> coverage_curve([0.9, 0.5], [True, False])
    [Coverage(threshold=0.9, coverage=0.5, accuracy=1.0), \
Coverage(threshold=0.5, coverage=1.0, accuracy=0.5)]
    """
    sure, is_right = _checked(confidences, right)
    order = np.argsort(-sure, kind="stable")
    sure, num_right = sure[order], np.cumsum(is_right[order])
    ends = np.flatnonzero(np.append(sure[1:] != sure[:-1], True)) + 1  # behind equal confidences
    return [
        Coverage(float(sure[end - 1]), end / len(sure), float(num_right[end - 1] / end))
        for end in map(int, ends)
    ]


def widest_coverage(curve: Sequence[Coverage], accuracy: float) -> Coverage | None:
    """Return the entry of most coverage whose accuracy is reached, or None."""
    return next((item for item in reversed(curve) if item.accuracy >= accuracy), None)


def _checked(confidences: Sequence[float], right: Sequence[bool]) -> tuple[Floats, Floats]:
    sure, is_right = np.asarray(confidences, np.float64), np.asarray(right, np.float64)
    if sure.ndim != 1 or sure.shape != is_right.shape or not sure.size:
        raise ValueError(
            "`confidences` and `right` must be two lists of the same length, at least 1. "
            f"Received shapes {sure.shape} and {is_right.shape}."
        )
    outside = ~((sure >= 0) & (sure <= 1))
    if outside.any():
        raise ValueError(
            "`confidences` must be probabilities in 0..1. "
            f"Received {sure[outside][0]} at index {int(np.argmax(outside))}. Clip what is outside "
            "by rounding; leave out readings without a confidence."
        )
    return sure, is_right


def _bin(low: float, high: float, sure: Floats, is_right: Floats) -> ReliabilityBin:
    count, share = len(sure), float(is_right.mean())
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * np.sqrt(share * (1 - share) / count + (_Z / (2 * count)) ** 2) / (1 + _Z**2 / count)
    least, most = max(float(middle - half), 0.0), min(float(middle + half), 1.0)
    return ReliabilityBin(low, high, count, float(sure.mean()), share, least, most)
