"""ReadAhead: begins batches before they are asked for, in the order in which they will be."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from mltu.data._epoch import EpochPlan
from mltu.data._processes import Batch

if TYPE_CHECKING:
    from mltu.data._batches import BatchLoader, BegunBatch


class ReadAhead:
    """Holds the batches that have been begun, by epoch and step. Thread-safe.

    Args:
        loader: begins them.
        depth: how many batches to begin before the first of them is asked for.
    """

    def __init__(self, loader: BatchLoader, depth: int) -> None:
        self._loader, self._depth = loader, depth
        self._begun: dict[tuple[int, int], Future[Batch] | BegunBatch] = {}
        self._order: Sequence[int] | None = None
        self._place = 0
        self._lock = threading.Lock()

    def get(self, plan: EpochPlan, index: int, order: Sequence[int] | None) -> Batch:
        """Return a batch, and begin those that follow it.

        Args:
            plan: of the epoch in which the reading began.
            index: of the batch; beyond the end of the plan is the next epoch.
            order: the indices as they will be asked for; None if they count up without an end.

        Raises:
            Exception: what loading this batch raised, as in `BatchLoader.load`.
        """
        with self._lock:
            places = [plan.reach(each) for each in (index, *self._following(index, order))]
            batches = {(plan.epoch, plan.step + step): (plan, step) for plan, step in places}
            for key in self._begun.keys() - batches.keys():
                self._begun.pop(key).cancel()
            for key, (plan, step) in batches.items():
                if key not in self._begun:
                    self._begun[key] = self._loader.begin(*plan.batch_indices(step))
            promise = self._begun.pop(next(iter(batches)))
        return promise.result()

    def forget(self) -> None:
        """Drop what nobody will ask for."""
        with self._lock:
            for promise in self._begun.values():
                promise.cancel()
            self._begun.clear()
            self._order = None

    def _following(self, index: int, order: Sequence[int] | None) -> Sequence[int]:
        if order is None:
            return range(index + 1, index + 1 + self._depth)
        place = self._place + 1
        if order is not self._order or place >= len(order) or order[place] != index:
            place = order.index(index)
        self._order, self._place = order, place
        return order[place + 1 : place + 1 + self._depth]
