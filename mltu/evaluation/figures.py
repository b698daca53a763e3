"""What readings are worth, each figure with its interval."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mltu.utils.checks import check_count
from mltu.utils.error_rates import edit_distance, paired_texts

_SCENE_ALPHABET = frozenset(string.digits + string.ascii_lowercase)
_BLOCK = 2_000_000  # samples drawn at a time

Floats = npt.NDArray[np.float64]


class Figure(NamedTuple):
    """A figure, and its 95 % interval from `low` to `high`; each a share, 0.05 for 5 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%})"


class Evaluation(NamedTuple):
    """What readings of words or lines are worth.

    Attributes:
        num_samples: how many were read.
        cer: pooled character error rate, that of `get_cer`.
        mean_cer: the mean over samples of the `get_cer` of each.
        wer: pooled word error rate, that of `get_wer`.
        cer_ignoring_case: `cer` after `str.lower`.
        mean_cer_ignoring_case: `mean_cer` after `str.lower`.
        accuracy_ignoring_case: the share of samples read right in lower case with all but
            [0-9a-z] left out, as published for scene text, among those in which something of that
            stands; None if there are none.
        exact: the share of samples read exactly right, case and white space included; for single
            words it is 1 - `wer`.
    """

    num_samples: int
    cer: Figure
    mean_cer: Figure
    wer: Figure
    cer_ignoring_case: Figure
    mean_cer_ignoring_case: Figure
    accuracy_ignoring_case: Figure | None
    exact: Figure


def evaluate_readings(
    preds: Sequence[str],
    target: Sequence[str],
    *,
    num_resamples: int = 2_000,
    seed: int = 0,
) -> Evaluation:
    """Compute error rates with 95 % intervals: percentiles of resampled samples.

    Args:
        preds: the readings; an image that could not be read counts as "".
        target: what stands there, as many texts.
        num_resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: there are no samples, the lists differ in length, or `num_resamples` is no
            positive integer.
        TypeError: something else than text is among them.

    Source: Efron, 1979, "Bootstrap Methods: Another Look at the Jackknife".
    """
    check_count("num_resamples", num_resamples, 1)
    readings, truths = paired_texts(preds, target)
    if not truths:
        raise ValueError(
            "`target` must hold at least one text to evaluate readings by. Received none."
        )
    lower_readings = [text.lower() for text in readings]
    lower_truths = [text.lower() for text in truths]
    edits = _edits(readings, truths)
    lower_edits = _edits(lower_readings, lower_truths)
    words = [text.split() for text in truths]
    word_edits = _edits([text.split() for text in readings], words)
    lengths, lower_lengths = _lengths(truths), _lengths(lower_truths)
    pairs = zip(lower_readings, lower_truths, strict=True)
    scene = [(_scene_text(reading), _scene_text(truth)) for reading, truth in pairs]
    has_scene: Floats = np.array([bool(truth) for _, truth in scene], np.float64)
    right: Floats = np.array([a == b for a, b in scene], np.float64) * has_scene
    exact: Floats = (edits == 0).astype(np.float64)
    ones = np.ones_like(lengths)
    ratios: list[tuple[Floats, Floats]] = [
        (edits, lengths),
        (edits / np.maximum(lengths, 1), ones),
        (word_edits, _lengths(words)),
        (lower_edits, lower_lengths),
        (lower_edits / np.maximum(lower_lengths, 1), ones),
        (right, has_scene),
        (exact, ones),
    ]
    above: Floats = np.stack([top for top, _ in ratios], axis=1)
    below: Floats = np.stack([bottom for _, bottom in ratios], axis=1)
    values = above.sum(axis=0) / np.maximum(below.sum(axis=0), 1)
    low, high = _interval(above, below, num_resamples, seed)
    figures = (Figure(*map(float, row)) for row in np.stack([values, low, high], axis=1))
    found = Evaluation(len(truths), *figures)
    return found if has_scene.any() else found._replace(accuracy_ignoring_case=None)


def _lengths(items: Sequence[Sequence[Any]]) -> Floats:
    return np.array([len(item) for item in items], np.float64)


def _edits(readings: Sequence[Sequence[Any]], truths: Sequence[Sequence[Any]]) -> Floats:
    pairs = zip(readings, truths, strict=True)
    return np.array([edit_distance(*pair) for pair in pairs], np.float64)


def _scene_text(text: str) -> str:
    return "".join(char for char in text if char in _SCENE_ALPHABET)


def _interval(above: Floats, below: Floats, num_resamples: int, seed: int) -> Any:
    """Return the 2.5 and 97.5 percentiles of the ratios of sums, shape (2, figures)."""
    rng, num_samples = np.random.default_rng(seed), len(above)
    share = np.full(num_samples, 1 / num_samples)
    resampled, block = [], max(_BLOCK // num_samples, 1)
    for start in range(0, num_resamples, block):
        count = min(block, num_resamples - start)
        weights = rng.multinomial(num_samples, share, count).astype(np.float64)
        resampled.append((weights @ above) / np.maximum(weights @ below, 1))
    return np.percentile(np.concatenate(resampled), (2.5, 97.5), axis=0)
