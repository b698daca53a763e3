"""EpochPlan: assigns the samples of an epoch to batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.utils.checks import check_count
from mltu.utils.text_columns import text_lengths

_ORDER = 0  # The other random streams of the same seed are in `_batches`.

Indices = npt.NDArray[np.int64]


@dataclass(eq=False)
class EpochPlan:
    """The sample indices of each batch of an epoch, for one of several processes.

    Raises:
        ValueError: `drop_last` leaves no batch, or `step` is outside the epoch.
    """

    num_samples: int
    batch_size: int  # per process
    seed: int
    shuffle: bool
    drop_last: bool
    short_first: Sequence[Any] | None  # the labels, to sort epochs 0 and 1 by their length
    epoch: int
    step: int = 0  # the first batch of the epoch
    buckets: Indices | None = None  # bucket of each sample; a batch is from one bucket
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        self.set_position(self.epoch, self.step)

    def __len__(self) -> int:
        """Return the number of batches from `step` to the end of the epoch."""
        return len(self._starts) - 1 - self.step

    def set_position(self, epoch: int, step: int = 0) -> None:
        """Make batch `step` of an epoch the first; see `DataProvider.set_position`."""
        check_count("epoch", epoch, 0)
        order = epoch_order(self.num_samples, self.seed, epoch, self.shuffle)
        if self.short_first is not None and epoch <= 1:
            order = order[np.argsort(text_lengths(self.short_first)[order], kind="stable")]
        size = self.batch_size * self.world_size
        order, starts = arrange_batches(order, size, self.buckets, drop_last=self.drop_last)
        if len(starts) < 2:
            raise ValueError(
                f"`drop_last` must leave at least one batch. Received {self.num_samples} samples "
                f"for batches of {size}."
            )
        if not 0 <= step < len(starts) - 1:
            raise ValueError(f"`step` must be in 0..{len(starts) - 2}. Received {step}.")
        self.epoch, self.step, self._order, self._starts = epoch, step, order, starts
        self._following: dict[int, EpochPlan] = {}  # the last two, by epoch

    def reach(self, index: int) -> tuple[EpochPlan, int]:
        """Return the plan of the epoch of a batch, and its index there, as if epochs had no end."""
        epochs, step = divmod(self.step + index, len(self._starts) - 1)
        if not epochs:
            return self, index
        epoch, kept = self.epoch + epochs, self._following
        if epoch not in kept:  # Threads may both make it.
            last = {each: plan for each, plan in kept.items() if each == epoch - 1}
            self._following = kept = {**last, epoch: replace(self, epoch=epoch, step=0)}
        return kept[epoch], step

    def batch_indices(self, index: int) -> tuple[Indices, int, int]:
        """Return the samples of a batch in this process, shape (batch,), its epoch and bucket.

        Raises:
            IndexError: there is no such batch.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"`index` must be in 0..{len(self) - 1}. Received {index}.")
        first, last = self._starts[self.step + index :][:2]
        whole = self._order[first:last]
        indices = whole[self.rank :: self.world_size] if self.rank < len(whole) else whole[:1]
        bucket = 0 if self.buckets is None else int(self.buckets[indices[0]])
        return indices, self.epoch, bucket

    def shard(self, index: int, count: int) -> EpochPlan:
        """Return the plan of one of several processes; see `DataProvider.shard`."""
        check_count("count", count, 1)
        if not 0 <= index < count:
            raise ValueError(f"`index` must be in 0..{count - 1}. Received {index}.")
        if self.world_size > 1 or self.step:
            raise ValueError(
                "`shard` must be called on an unsharded provider, before `set_position`. Received "
                f"{'a shard' if self.world_size > 1 else f'one at step {self.step}'}. Call "
                "`shard` first and `set_position` on the result."
            )
        return replace(self, rank=index, world_size=count)

    def select(self, indices: Indices, labels: Sequence[Any], *, one_order: bool) -> EpochPlan:
        """Return the plan for the samples at `indices`, which have these labels."""
        return replace(
            self,
            num_samples=len(indices),
            shuffle=self.shuffle and not one_order,
            short_first=None if self.short_first is None or one_order else labels,
            buckets=None if self.buckets is None else self.buckets[indices],
            step=0,
        )


def epoch_order(num_samples: int, seed: int, epoch: int, shuffle: bool) -> Indices:
    """Return the order of an epoch, a permutation that depends only on the arguments."""
    if not shuffle:
        return np.arange(num_samples)
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(num_samples)


def arrange_batches(
    order: Indices, batch_size: int, buckets: Indices | None = None, *, drop_last: bool = False
) -> tuple[Indices, Indices]:
    """Divide an epoch's order into batches, each from one bucket.

    Args:
        order: the indices of the samples, shape (num_samples,).
        batch_size: at least 1.
        buckets: the bucket of each sample of the data set, by its index; None for one bucket.
        drop_last: True to leave out the smaller batches.

    Returns:
        The order, rearranged so that the samples of a batch are neighbours, and the position where
        each batch starts, with the end of the last batch as last entry: shape (num_batches + 1,).
    """
    if buckets is None:
        end = len(order) // batch_size * batch_size if drop_last else len(order)
        return order, np.append(np.arange(0, end, batch_size), end)
    # Walk through the shuffled order and put each sample into the open batch of its bucket; a
    # batch is emitted when it is full. So full batches come in the order of their last samples,
    # and their buckets are mixed as the shuffle mixed the samples; sorted by bucket, the model
    # would see all narrow images first. What remains open at the end makes the smaller batches.
    # This is done per bucket at once: `positions` are the places of its samples in the order, one
    # row of the reshaped array is one full batch, and its last column says when it is emitted.
    full, rest = [], []
    for bucket in np.unique(buckets):
        positions = np.flatnonzero(buckets[order] == bucket)
        num_full = len(positions) // batch_size * batch_size
        full += list(positions[:num_full].reshape(-1, batch_size))
        if num_full < len(positions) and not drop_last:
            rest.append(positions[num_full:])
    batches = sorted(full, key=lambda positions: int(positions[-1])) + rest
    starts = np.cumsum([0, *(len(positions) for positions in batches)])
    return order[np.concatenate([np.empty(0, np.int64), *batches])], starts
