"""Error rates of readings with 95% intervals, their errors by character, and the worst samples."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from mltu.utils.checks import check_count
from mltu.utils.error_rates import edit_distance, paired_texts

_SCENE_ALPHABET = frozenset(string.digits + string.ascii_lowercase)
_MAX_DRAWN = 2_000_000  # Weights sampled at a time, which bounds the memory of the bootstrap.

Floats = npt.NDArray[np.float64]
# A rate is the sum of its numerators over the sum of its denominators, one of each per sample.
Rate = tuple[Floats, Floats]


class Estimate(NamedTuple):
    """The value of a rate and its 95% interval, `low` to `high`; 0.05 means 5%."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if self.low == self.high:  # All samples are alike, or there is only one.
            return f"{self.value:.2%} (no interval)"
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%})"


class Evaluation(NamedTuple):
    """Metrics of readings of words or text lines.

    Attributes:
        num_samples: Number of readings.
        cer: Character error rate over all samples, as `get_cer` computes it.
        mean_cer: Mean of the character error rate of each sample.
        wer: Word error rate over all samples, as `get_wer` computes it.
        cer_ignoring_case: `cer` after `str.lower`.
        mean_cer_ignoring_case: `mean_cer` after `str.lower`.
        accuracy_ignoring_case: Share of samples read correctly in lower case with everything but
            [0-9a-z] removed, as published for scene text. Samples whose true text is then empty
            are left out; None if no sample remains.
        exact: Share of samples read without any error, including case and white space. For
            single words it is 1 - `wer`.
    """

    num_samples: int
    cer: Estimate
    mean_cer: Estimate
    wer: Estimate
    cer_ignoring_case: Estimate
    mean_cer_ignoring_case: Estimate
    accuracy_ignoring_case: Estimate | None
    exact: Estimate


def evaluate_readings(
    preds: Sequence[str],
    target: Sequence[str],
    *,
    num_resamples: int = 2_000,
    seed: int = 0,
) -> Evaluation:
    """Compute error rates with 95% percentile bootstrap intervals over samples.

    Args:
        preds: The readings; use "" for an image that could not be read.
        target: The true text of each reading.
        num_resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: There are no samples, the lists differ in length, or `num_resamples` is not a
            positive integer.
        TypeError: An entry is not a string.

    Source: Efron, 1979, "Bootstrap Methods: Another Look at the Jackknife".
    """
    check_count("num_resamples", num_resamples, 1)
    readings, truths = paired_texts(preds, target)
    if not truths:
        raise ValueError("`target` must contain at least one text. Received an empty list.")
    lower_readings = [text.lower() for text in readings]
    lower_truths = [text.lower() for text in truths]
    cer, lower_cer = _edit_rate(readings, truths), _edit_rate(lower_readings, lower_truths)
    rates = {
        "cer": cer,
        "mean_cer": _mean_over_samples(cer),
        "wer": _edit_rate([text.split() for text in readings], [text.split() for text in truths]),
        "cer_ignoring_case": lower_cer,
        "mean_cer_ignoring_case": _mean_over_samples(lower_cer),
        "accuracy_ignoring_case": _scene_text_accuracy(lower_readings, lower_truths),
        "exact": ((cer[0] == 0).astype(np.float64), np.ones(len(truths))),
    }
    estimates: dict[str, Any] = _estimate(rates, num_resamples, seed)
    if not rates["accuracy_ignoring_case"][1].any():
        estimates["accuracy_ignoring_case"] = None
    return Evaluation(len(truths), **estimates)


class Confusion(NamedTuple):
    """One kind of character error.

    Attributes:
        truth: The true character; "" if `reading` was inserted.
        reading: The character that was read; "" if `truth` was deleted.
        count: Number of occurrences, at least 1.
        share: `count` divided by all occurrences of `truth` in the true texts, in [0, 1]; for an
            inserted character, by all occurrences of `reading` in the readings.
    """

    truth: str
    reading: str
    count: int  # type: ignore[assignment]  # This hides tuple.count, which nobody needs here.
    share: float


def confusions(preds: Sequence[str], target: Sequence[str]) -> list[Confusion]:
    """Count the character errors in an optimal alignment of each reading with its true text.

    The counts add up to the edits that `get_cer` counts. If several alignments are optimal,
    rapidfuzz chooses one deterministically.

    Args:
        preds: The readings.
        target: The true text of each reading.

    Returns:
        The confusions, most frequent first, then ordered by `truth` and `reading`.

    Raises:
        ValueError: The lists differ in length.
        TypeError: An entry is not a string.

    >>> confusions(["cot", "at"], ["cat", "cat"])
    [Confusion(truth='a', reading='o', count=1, share=0.5), \
Confusion(truth='c', reading='', count=1, share=0.5)]
    """
    readings, truths = paired_texts(preds, target)
    counts: Counter[tuple[str, str]] = Counter()
    for reading, truth in zip(readings, truths, strict=True):
        for edit in Levenshtein.editops(truth, reading):
            true_char = "" if edit.tag == "insert" else truth[edit.src_pos]
            read_char = "" if edit.tag == "delete" else reading[edit.dest_pos]
            counts[true_char, read_char] += 1
    in_truths = Counter(chain.from_iterable(truths))
    in_readings = Counter(chain.from_iterable(readings))
    result = [
        Confusion(truth, read, count, count / (in_truths[truth] if truth else in_readings[read]))
        for (truth, read), count in counts.items()
    ]
    return sorted(result, key=lambda item: (-item.count, item.truth, item.reading))


def worst_samples(preds: Sequence[str], target: Sequence[str], num_samples: int = 100) -> list[int]:
    """Find the samples with the most edits; among equals, those with the highest CER.

    Args:
        preds: The readings.
        target: The true text of each reading.
        num_samples: Largest number of samples to return, at least 0.

    Returns:
        Indices of samples with at least one edit, worst first; ties keep their order.

    Raises:
        ValueError: The lists differ in length, or `num_samples` is not an integer of at least 0.
        TypeError: An entry is not a string.

    >>> worst_samples(["cat", "hxuse", "xx"], ["cat", "house", "it"])
    [2, 1]
    """
    check_count("num_samples", num_samples, 0)
    readings, truths = paired_texts(preds, target)
    edits = list(map(edit_distance, readings, truths))
    wrong = [index for index, count in enumerate(edits) if count]
    # Of two texts with the same number of edits, the shorter one has the higher CER.
    wrong.sort(key=lambda index: (-edits[index], max(len(truths[index]), 1)))
    return wrong[:num_samples]


def _edit_rate(readings: Sequence[Sequence[Any]], truths: Sequence[Sequence[Any]]) -> Rate:
    edits = np.array(list(map(edit_distance, readings, truths)), np.float64)
    return edits, np.array(list(map(len, truths)), np.float64)


def _mean_over_samples(rate: Rate) -> Rate:
    numerators, denominators = rate
    return numerators / np.maximum(denominators, 1), np.ones_like(denominators)


def _scene_text_accuracy(readings: Sequence[str], truths: Sequence[str]) -> Rate:
    scene_truths = list(map(_to_scene_text, truths))
    counts = np.array([bool(truth) for truth in scene_truths], np.float64)
    correct = [_to_scene_text(a) == b for a, b in zip(readings, scene_truths, strict=True)]
    return np.array(correct, np.float64) * counts, counts


def _to_scene_text(text: str) -> str:
    return "".join(char for char in text if char in _SCENE_ALPHABET)


def _estimate(rates: dict[str, Rate], num_resamples: int, seed: int) -> dict[str, Any]:
    """Compute the rates over all samples, and their percentiles over resampled samples."""
    numerators = np.stack([rate[0] for rate in rates.values()], axis=1)  # (samples, rates)
    denominators = np.stack([rate[1] for rate in rates.values()], axis=1)
    values = numerators.sum(axis=0) / np.maximum(denominators.sum(axis=0), 1)
    rng, num_samples = np.random.default_rng(seed), len(numerators)
    resampled, block = [], max(_MAX_DRAWN // num_samples, 1)
    for start in range(0, num_resamples, block):
        # How often each sample was picked, shape (resamples, samples).
        shape = min(block, num_resamples - start)
        drawn = rng.multinomial(num_samples, np.full(num_samples, 1 / num_samples), shape)
        weights = drawn.astype(np.float64)
        sums = weights @ denominators
        found = (weights @ numerators) / np.maximum(sums, 1)
        # A resample may contain none of the few samples that a rate counts.
        resampled.append(np.where((sums > 0) | ~denominators.any(axis=0), found, np.nan))
    low, high = np.nanpercentile(np.concatenate(resampled), (2.5, 97.5), axis=0)
    columns = np.stack([values, low, high], axis=1).tolist()
    return {name: Estimate(*column) for name, column in zip(rates, columns, strict=True)}
