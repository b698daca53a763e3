"""BadSamples: records unreadable samples, and raises if there are too many."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

_LOGGER = logging.getLogger(__name__)
# Training stops at this many bad samples if they exceed this share of the data set.
_MIN_NUM = 10
_MAX_SHARE = 0.01


class BadSample(NamedTuple):
    """A sample that could not be read: its position in the data set, its path and the reason."""

    position: int
    path: Any
    reason: str


class BadSamples:
    """The samples of one data set that could not be read; safe to use from several threads.

    Args:
        num_samples: number of samples in the data set.
    """

    def __init__(self, num_samples: int) -> None:
        self._num_samples = num_samples
        self._found: dict[int, BadSample] = {}

    def add(self, index: int, path: Any, error: Exception) -> None:
        """Record a sample; it is logged the first time and counted once.

        Raises:
            RuntimeError: more than 1 % of the data set and at least ten samples are bad, or all
                of them; the first ten are named.
        """
        sample = BadSample(index, path, str(error))
        if self._found.setdefault(index, sample) is sample:  # One step, which needs no lock.
            _LOGGER.warning("Sample %d cannot be read and is replaced or skipped: %s", index, error)
        num_found = len(self._found)
        too_many = num_found >= _MIN_NUM and num_found > _MAX_SHARE * self._num_samples
        if too_many or num_found == self._num_samples:
            first = [str(sample.path) for sample in list(self._found.values())[:_MIN_NUM]]
            raise RuntimeError(
                f"Too many samples of `dataset` cannot be read: {num_found} of "
                f"{self._num_samples}, among them {first}. The last error: {error}"
            ) from error

    def found(self) -> list[BadSample]:
        """Return the bad samples found so far, in the order of the data set."""
        return sorted(self._found.values())
