"""BadSamples: records unreadable samples, and raises if there are too many."""

from __future__ import annotations

import logging
import threading
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
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the lock, which cannot be copied."""
        return {key: value for key, value in vars(self).items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()

    def add(self, index: int, path: Any, error: Exception) -> None:
        """Record a sample; it is logged the first time and counted once.

        Raises:
            RuntimeError: more than 1 % of the data set and at least ten samples are bad, or all
                of them; the first ten are named.
        """
        with self._lock:
            is_new = index not in self._found
            self._found.setdefault(index, BadSample(index, path, str(error)))
            num_found = len(self._found)
            first = [str(sample.path) for sample in list(self._found.values())[:_MIN_NUM]]
        if is_new:
            _LOGGER.warning("Sample %d cannot be read and is replaced or skipped: %s", index, error)
        too_many = num_found >= _MIN_NUM and num_found > _MAX_SHARE * self._num_samples
        if too_many or num_found == self._num_samples:
            raise RuntimeError(
                f"Too many samples of `dataset` cannot be read: {num_found} of "
                f"{self._num_samples}, among them {first}. The last error: {error}"
            ) from error

    def found(self) -> list[BadSample]:
        """Return the bad samples found so far, in the order of the data set."""
        with self._lock:
            return sorted(self._found.values())
