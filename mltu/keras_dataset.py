"""KerasDataset: what Keras does with a data set in Python, and how ours lives with it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy.typing as npt

from mltu._extras import explain_missing

with explain_missing():
    import keras


@dataclass(frozen=True)
class _Signature:
    """Stands for an array where Keras wants to know its shape and dtype alone."""

    shape: tuple[int | None, ...]
    dtype: npt.DTypeLike


class KerasDataset(keras.utils.PyDataset):
    """A data set that knows which epochs Keras has really begun and ended.

    A subclass defines `_next_epoch`, which is called when one has ended, workers stopped.

    Args:
        workers: threads that prepare batches.
        processes: that make the batches while threads wait for them; 0 for none.
        max_queue_size: batches prepared ahead.
        use_multiprocessing: refused.

    Raises:
        ValueError: `use_multiprocessing` is true.
    """

    def __init__(
        self, workers: int, processes: int, max_queue_size: int, use_multiprocessing: bool
    ) -> None:
        # More threads than processes, so that none waits for its next batch.
        super().__init__(
            max(workers, 2 * processes + 1) if processes else workers, False, max_queue_size
        )
        self.use_multiprocessing = use_multiprocessing
        self._within_epoch = False

    @property
    def use_multiprocessing(self) -> bool:
        """Always False; setting True raises ValueError."""
        return False

    @use_multiprocessing.setter
    def use_multiprocessing(self, value: bool) -> None:
        if value:
            raise ValueError(
                "`use_multiprocessing` must be False: when one of Keras's worker processes is "
                "killed, training waits for ever without a word. Threads serve OpenCV well "
                "(`workers`); for steps that work in Python give `processes`."
            )

    def on_epoch_begin(self) -> None:
        """Note that Keras has begun an epoch; called by Keras."""
        self._within_epoch = not _is_rehearsal()

    def on_epoch_end(self) -> None:
        """Go on to the next epoch if one had begun; called by Keras, workers stopped."""
        if self._within_epoch:
            self._within_epoch = False
            self._next_epoch()

    @staticmethod
    def _with_free_axis(data: npt.NDArray[Any], axis: int | None) -> npt.NDArray[Any] | _Signature:
        """Return data for Keras; where it asks TensorFlow's shape, one with the axis left free.

        It takes that from the first two batches, and fails on a later one of another length.
        """
        if axis is None or not _is_called_by("get_tf_dataset"):
            return data
        shape = [None if i == axis else side for i, side in enumerate(data.shape)]
        return _Signature(tuple(shape), data.dtype)

    def _next_epoch(self) -> None:
        """Go on to the next epoch; a subclass writes this."""
        raise NotImplementedError(f"{type(self).__name__} must define `_next_epoch`.")


def _is_rehearsal() -> bool:
    """Say whether Keras only wants a batch to build metrics with, as on JAX and PyTorch.

    It begins and ends an epoch for that, and tells by nothing but the function that does it.
    """
    return _is_called_by("_symbolic_build", "_maybe_symbolic_build")


def _is_called_by(*names: str) -> bool:
    """Say whether a function of one of these names is running in this thread."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name in names:
            return True
        frame = frame.f_back
    return False
