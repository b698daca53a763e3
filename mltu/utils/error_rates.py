"""Edit distance and error rates (CER, WER).

Error rates are pooled: the edits of all pairs over the reference length of all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rapidfuzz.distance import Levenshtein


def edit_distance(prediction: Sequence[Any], reference: Sequence[Any]) -> int:
    """Count the insertions, deletions and substitutions between two sequences.

    Args:
        prediction: a string, or any sequence of hashable items (words, label indices), which are
            compared by equality.
        reference: the sequence that it should have been.

    Returns:
        The Levenshtein distance, an integer of at least 0.

    Source: Levenshtein, 1966; computed by rapidfuzz.
    """
    if isinstance(prediction, str) and isinstance(reference, str):
        return Levenshtein.distance(prediction, reference)
    # rapidfuzz compares items by their hash, and that of -1 is the one of -2.
    numbers: dict[Any, int] = {}
    return Levenshtein.distance(
        *([numbers.setdefault(item, len(numbers)) for item in x] for x in (prediction, reference))
    )


def get_cer(preds: str | Sequence[str], target: str | Sequence[str]) -> float:
    """Compute the pooled character error rate: character edits / reference characters.

    Case and white space count. An empty reference is decided so that the rate
    stays finite: the denominator is at least 1, so `get_cer("", "")` is 0.0 and
    `get_cer("ab", "")` is 2.0.

    Args:
        preds: one reading, or a list of readings.
        target: the true text, or a list of as many texts.

    Returns:
        A float of at least 0; it exceeds 1 where the readings are much longer than the texts.

    Raises:
        ValueError: the two lists differ in length.
        TypeError: one of the arguments has an entry that is not a string.

    >>> get_cer(["cat", "dog"], ["cut", "dog"])  # 1 edit / 6 characters
    0.16666666666666666
    """
    return _pooled_rate(*paired_texts(preds, target))


def get_wer(preds: str | Sequence[str], target: str | Sequence[str]) -> float:
    """Compute the pooled word error rate: word edits / reference words, split at white space.

    For single words it is the share of words with any error. The denominator is at least 1, as
    in `get_cer`.

    Args:
        preds: one reading, or a list of readings.
        target: the true text, or a list of as many texts.

    Returns:
        A float of at least 0.

    Raises:
        ValueError: the two lists differ in length.
        TypeError: one of the arguments has an entry that is not a string.

    >>> get_wer("the cat sat", "the cut sat")  # 1 edit / 3 words
    0.3333333333333333
    """
    readings, texts = paired_texts(preds, target)
    return _pooled_rate([r.split() for r in readings], [t.split() for t in texts])


def paired_texts(
    preds: str | Sequence[str], target: str | Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return both as lists of as many strings; a string alone is a list of one.

    Raises:
        ValueError: the two lists differ in length.
        TypeError: one of the arguments has an entry that is not a string.
    """
    readings, texts = _as_list(preds, "preds"), _as_list(target, "target")
    if len(readings) != len(texts):
        raise ValueError(
            "`preds` and `target` must have the same length. "
            f"Received {len(readings)} readings and {len(texts)} texts."
        )
    return readings, texts


def _as_list(texts: str | Sequence[str], name: str) -> list[str]:
    items = [texts] if isinstance(texts, str) else list(texts)
    for item in items:
        if not isinstance(item, str):
            raise TypeError(
                f"`{name}` must be a string or a list of strings. "
                f"Received an entry {item!r} of type {type(item).__name__}."
            )
    return items


def _pooled_rate(
    predictions: Sequence[Sequence[Any]], references: Sequence[Sequence[Any]]
) -> float:
    edits = sum(map(edit_distance, predictions, references))
    return edits / max(1, sum(map(len, references)))
