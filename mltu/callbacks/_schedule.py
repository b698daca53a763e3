"""Learning rate schedules that can be combined with ReduceLROnPlateau."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from mltu._extras import explain_missing
from mltu.utils.checks import check_count

with explain_missing():
    import keras
    from keras import ops
    from keras.optimizers.schedules import CosineDecay


def num_executed(first: int, last: int, params: Mapping[str, Any]) -> int:
    """Return how many steps Keras took from `on_train_batch_begin` to `on_train_batch_end`.

    They are several with `steps_per_execution`; Keras gives the last execution of an epoch a last
    step that the epoch need not have.

    Args:
        first: the batch that `on_train_batch_begin` received.
        last: the batch that `on_train_batch_end` received.
        params: of the callback.
    """
    steps = params.get("steps")
    return (last if steps is None else min(last, steps - 1)) - first + 1


class FollowSchedule(keras.callbacks.Callback):
    """Apply a Keras learning rate schedule on top of the reductions of other callbacks.

    An optimizer made with a schedule refuses `ReduceLROnPlateau`. This callback multiplies the rate
    by the change of the schedule at each step instead of setting it. Compile with a plain number.

    Args:
        schedule: gives the rate of a step; a rate below 1e-8 counts as 1e-8, since no factor leads
            away from 0.
    """

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule | Callable[[int], float]
    ) -> None:
        super().__init__()
        self.schedule = schedule

    @classmethod
    def warmup_cosine(cls, peak: float, num_steps: int) -> Self:
        """Warm up from 0 to the peak learning rate, then decay to 0 along a cosine.

        The warm-up takes 300 steps, or a tenth of training if that is less: the first gradients
        of CTC are large.

        Source: Goyal et al., 2017, for the warm-up; Loshchilov and Hutter, 2017, for the cosine.

        Args:
            peak: the largest learning rate.
            num_steps: of the whole run.

        Raises:
            ValueError: `num_steps` is not an integer of at least 1, as in a run of no epochs.
        """
        check_count("num_steps", num_steps, 1)
        warmup = min(300, num_steps // 10)
        return cls(CosineDecay(0.0, num_steps - warmup, warmup_target=peak, warmup_steps=warmup))

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Start at the optimizer's current step, with the rate of the schedule."""
        self._step = int(ops.convert_to_numpy(self.model.optimizer.iterations))
        self._rate = self._scheduled()
        self.model.optimizer.learning_rate = self._rate

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Multiply the rate by the change of the schedule since the last step."""
        self._batch = batch
        rate = self._scheduled()
        optimizer = self.model.optimizer
        present = float(ops.convert_to_numpy(optimizer.learning_rate))
        optimizer.learning_rate = present * rate / self._rate
        self._rate = rate

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count the steps; Keras takes several at once with `steps_per_execution`."""
        self._step += num_executed(self._batch, batch, self.params)

    def _scheduled(self) -> float:
        return max(float(self.schedule(self._step)), 1e-8)
