"""The samples that were read worst, which deserve the first look."""

from __future__ import annotations

from collections.abc import Sequence

from mltu.utils.checks import check_count
from mltu.utils.error_rates import edit_distance, paired_texts


def worst_samples(preds: Sequence[str], target: Sequence[str], num_samples: int = 100) -> list[int]:
    """Find the samples with the most edits; among equals, those with the highest CER.

    Args:
        preds: the readings.
        target: what stands there, as many texts.
        num_samples: how many to return at most, at least 0.

    Returns:
        Indices of samples with at least one edit, the worst first; what is equal in edits and CER
        stays in the order given.

    Raises:
        ValueError: the lists differ in length, or `num_samples` is no integer of at least 0.
        TypeError: something else than text is among them.

    >>> worst_samples(["cat", "hxuse", "xx"], ["cat", "house", "it"])
    [2, 1]
    """
    check_count("num_samples", num_samples, 0)
    readings, truths = paired_texts(preds, target)
    edits = list(map(edit_distance, readings, truths))
    wrong = [index for index, number in enumerate(edits) if number]
    # With equal edits the shorter text has the higher CER.
    wrong.sort(key=lambda index: (-edits[index], max(len(truths[index]), 1)))
    return wrong[:num_samples]
