"""Which character is read as which, which is lost and which is invented."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from mltu.utils.error_rates import paired_texts


class Confusion(NamedTuple):
    """One kind of error on characters.

    Attributes:
        truth: the character that stands there; "" where `reading` was invented.
        reading: what was read; "" where `truth` was lost.
        count: how often, at least 1.
        share: `count` over all occurrences of `truth` in the true texts, in 0..1; for an
            invented character, over all occurrences of `reading` in the readings.
    """

    truth: str
    reading: str
    count: int  # type: ignore[assignment]  # hides tuple.count, which a record does not need
    share: float


def confusions(preds: Sequence[str], target: Sequence[str]) -> list[Confusion]:
    """Count the errors on characters in an optimal alignment of each pair of texts.

    The counts add up to the edits that `get_cer` counts. Where several alignments are optimal,
    rapidfuzz takes one, always the same.

    Args:
        preds: the readings.
        target: what stands there, as many texts.

    Returns:
        The most frequent first; equal counts in the order of `truth`, then of `reading`.

    Raises:
        ValueError: the lists differ in length.
        TypeError: something else than text is among them.

    >>> confusions(["cot", "at"], ["cat", "cat"])
    [Confusion(truth='a', reading='o', count=1, share=0.5), \
Confusion(truth='c', reading='', count=1, share=0.5)]
    """
    readings, truths = paired_texts(preds, target)
    counts: Counter[tuple[str, str]] = Counter()
    for reading, truth in zip(readings, truths, strict=True):
        counts.update(_errors(reading, truth))
    in_truths, in_readings = _occurrences(truths), _occurrences(readings)
    found = [
        Confusion(truth, read, count, count / (in_truths[truth] if truth else in_readings[read]))
        for (truth, read), count in counts.items()
    ]
    return sorted(found, key=lambda item: (-item.count, item.truth, item.reading))


def _errors(reading: str, truth: str) -> list[tuple[str, str]]:
    operations = Levenshtein.editops(truth, reading)
    return [
        (
            "" if o.tag == "insert" else truth[o.src_pos],
            "" if o.tag == "delete" else reading[o.dest_pos],
        )
        for o in operations
    ]


def _occurrences(texts: Sequence[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    return counts
