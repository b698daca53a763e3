"""BatchPlan: which samples stand in each batch of an epoch, for one of several processes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.utils.checks import check_count
from mltu.utils.text_columns import text_lengths

_ORDER = 0  # See `_SAMPLE` in _batches.


class BatchPlan:
    """Batch i of an epoch as the numbers of its samples, and the place where the epoch starts.

    Args:
        num_samples: of the data set, at least 1.
        batch_size: of one process, at least 1.
        seed: of the order, at least 0.
        shuffle: whether each epoch has an order of its own.
        drop_last: True to leave out the smaller batches.
        short_first: the labels, to give epochs 0 and 1 by their growing length; None not to.
        epoch: the first one, at least 0.

    Raises:
        ValueError: `drop_last` leaves no batch.
    """

    def __init__(
        self,
        num_samples: int,
        batch_size: int,
        *,
        seed: int,
        shuffle: bool,
        drop_last: bool,
        short_first: Sequence[Any] | None,
        epoch: int,
    ) -> None:
        self.num_samples = num_samples
        self.batch_size = batch_size
        self.seed = seed
        self._shuffle = shuffle
        self._drop_last = drop_last
        self._short_first = short_first
        self._shard = (0, 1)
        self._buckets: npt.NDArray[np.int64] | None = None
        self.set_position(epoch)

    def __len__(self) -> int:
        """Return the number of batches in the epoch, less those left out by `set_position`."""
        return len(self._starts) - 1 - self.step

    def set_position(self, epoch: int, step: int = 0) -> None:
        """Make batch `step` of an epoch the first; see `DataProvider.set_position`."""
        check_count("epoch", epoch, 0)
        order = epoch_order(self.num_samples, self.seed, epoch, self._shuffle)
        if self._short_first is not None and epoch <= 1:
            order = order[np.argsort(text_lengths(self._short_first)[order], kind="stable")]
        size = self.batch_size * self._shard[1]
        order, starts = arrange_batches(order, size, self._buckets, drop_last=self._drop_last)
        if len(starts) < 2:
            raise ValueError(
                f"`drop_last` must leave a batch. Received {len(order)} samples for batches of "
                f"{size}."
            )
        if not 0 <= step < len(starts) - 1:
            raise ValueError(f"`step` must be in 0..{len(starts) - 2}. Received {step}.")
        self.epoch, self.step, self._order, self._starts = epoch, step, order, starts

    def set_buckets(self, buckets: npt.NDArray[np.int64] | None) -> None:
        """Take each batch from one bucket: its number for each sample; None for one for all."""
        if buckets is not None or self._buckets is not None:
            self._buckets = buckets
            self.set_position(self.epoch, self.step)

    def batch(self, index: int) -> tuple[npt.NDArray[np.int64], int]:
        """Return the samples of a batch of this shard, shape (batch,), and their bucket.

        Raises:
            IndexError: there is no such batch.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"`index` must be in 0..{len(self) - 1}. Received {index}.")
        first, last = self._starts[self.step + index :][:2]
        whole = self._order[first:last]
        number, count = self._shard
        indices = whole[number::count] if number < len(whole) else whole[:1]
        return indices, 0 if self._buckets is None else int(self._buckets[indices[0]])

    def shard(self, index: int, count: int) -> BatchPlan:
        """Return the plan of one of several processes; see `DataProvider.shard`."""
        check_count("count", count, 1)
        if not 0 <= index < count:
            raise ValueError(f"`index` must be in 0..{count - 1}. Received {index}.")
        if self._shard[1] > 1 or self.step:
            raise ValueError(
                "`shard` must be called on a whole provider at the start of an epoch. Received "
                f"{'a shard of it' if self._shard[1] > 1 else f'one at step {self.step}'}. Call "
                "`shard` first and `set_position` on what it returns."
            )
        part = copy.copy(self)
        part._shard = (index, count)
        part.set_position(self.epoch)
        return part

    def select(self, indices: npt.NDArray[np.int64], labels: Sequence[Any]) -> BatchPlan:
        """Return the plan of some of the samples, whose labels are given, in all else like this."""
        part = copy.copy(self)
        part.num_samples = len(indices)
        part._short_first = None if self._short_first is None else labels
        part._buckets = None if self._buckets is None else self._buckets[indices]
        part.set_position(self.epoch)
        return part


def epoch_order(num_samples: int, seed: int, epoch: int, shuffle: bool) -> npt.NDArray[np.int64]:
    """Give the order of the samples in an epoch, a function of its arguments alone.

    Args:
        num_samples: how many there are.
        seed: at least 0.
        epoch: at least 0; each has an order of its own.
        shuffle: False for the order as it stands.

    Returns:
        A permutation of 0..num_samples - 1.
    """
    if not shuffle:
        return np.arange(num_samples)
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(num_samples)


def arrange_batches(
    order: npt.NDArray[np.int64],
    batch_size: int,
    buckets: npt.NDArray[np.int64] | None = None,
    *,
    drop_last: bool = False,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Divide an epoch's order into batches, each from one bucket.

    A batch stands where its last sample stood in the order, so that chance still decides which
    bucket comes when; the samples that are left over in each bucket make smaller batches at the
    end. Without buckets only the last batch may be smaller.

    Args:
        order: the indices of the samples, shape (num_samples,).
        batch_size: at least 1.
        buckets: the bucket of each sample of the data set, by its index; None for one for all.
        drop_last: True to leave out the smaller batches.

    Returns:
        The order, arranged so that the samples of a batch are neighbours, and the position where
        each batch starts, with the end of the last batch as last entry: shape (num_batches + 1,).
    """
    if buckets is None:
        end = len(order) // batch_size * batch_size if drop_last else len(order)
        return order, np.append(np.arange(0, end, batch_size), end)
    full, rest = [], []
    for bucket in np.unique(buckets):
        places = np.flatnonzero(buckets[order] == bucket)
        num_full = len(places) // batch_size * batch_size
        full += list(places[:num_full].reshape(-1, batch_size))
        rest += [places[num_full:]] if num_full < len(places) and not drop_last else []
    batches = sorted(full, key=lambda places: int(places[-1])) + rest
    starts = np.cumsum([0, *(len(places) for places in batches)])
    return order[np.concatenate([np.empty(0, np.int64), *batches])], starts
