"""FollowSchedule: a learning rate schedule that other callbacks may cut."""

from __future__ import annotations

from typing import Any

from mltu._extras import explain_missing

with explain_missing():
    import keras


class FollowSchedule(keras.callbacks.Callback):
    """Let the learning rate follow a Keras schedule and leave the cuts of other callbacks in force.

    An optimizer made with a schedule refuses `ReduceLROnPlateau`. This callback multiplies the rate
    by the change of the schedule at each step instead of setting it. Compile with a plain number.

    Args:
        schedule: a `keras.optimizers.schedules.LearningRateSchedule`; a rate below 1e-8 counts as
            1e-8, since no factor leads away from 0.
    """

    def __init__(self, schedule: Any) -> None:
        super().__init__()
        self.schedule = schedule

    def on_train_begin(self, logs: Any = None) -> None:
        """Start at the step that the optimizer has reached, at the schedule's rate."""
        self._step = int(self.model.optimizer.iterations)
        self._rate = self._scheduled()
        self.model.optimizer.learning_rate = self._rate

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Multiply the rate by how the schedule changed since the last step."""
        rate = self._scheduled()
        optimizer = self.model.optimizer
        optimizer.learning_rate = float(optimizer.learning_rate) * rate / self._rate
        self._rate = rate
        self._step += 1

    def _scheduled(self) -> float:
        return max(float(self.schedule(self._step)), 1e-8)
