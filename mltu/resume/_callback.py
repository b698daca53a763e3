"""KeepState: saves, during training, everything needed to resume it exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mltu._extras import explain_missing
from mltu.resume import _state
from mltu.resume._file import (
    Arrays,
    TrainingState,
    find_state,
    mark_finished,
    newest_stamp,
    write_state,
)
from mltu.utils.checks import check_count
from mltu.utils.files import StrPath
from mltu.utils.plain_json import to_plain

with explain_missing():
    import keras

if TYPE_CHECKING:
    from mltu.data import DataProvider


class KeepState(keras.callbacks.Callback):
    """Save everything that a run needs to resume exactly; for `fit_resumable`.

    The state is saved before the first batch, every `every_steps` batches and at the end of each
    epoch, after the other callbacks have run: it must be the last one. The newest two states are
    kept. Each has the weights, moving averages and dropout seeds, the optimizer, the sums of
    the metrics, what the other callbacks remember, and the position in the data. Nothing is
    pickled.

    A callback of your own is saved by its plain attributes, or by what its `get_state()` returns;
    its `set_state(state, position)` then restores it. Two processes that train the same run are
    noticed: the one that comes second to save a state ends with a RuntimeError.

    Args:
        folder: the folder for the states, such as `run / "state"`; only for this run.
        every_steps: batches between two states within an epoch; 0 to save only between epochs.
        settings: plain values without which the weights mean nothing, such as
            `{"vocab": vocab}`. A run with other ones is not continued.
    """

    def __init__(
        self, folder: StrPath, *, every_steps: int = 200, settings: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        check_count("every_steps", every_steps, 0)
        self.folder = Path(folder)
        self.every_steps = every_steps
        self.settings: dict[str, Any] = to_plain(dict(settings or {}))
        self.interrupted = False
        self._others: list[keras.callbacks.Callback] | None = None

    def connect(
        self,
        provider: DataProvider,
        other_callbacks: Sequence[keras.callbacks.Callback],
        state: TrainingState | None,
    ) -> None:
        """Receive what Keras tells no callback; called by `fit_resumable`."""
        self._provider, self._others, self._state = provider, list(other_callbacks), state
        self._versions = _state.library_versions()
        self._stamp = newest_stamp(self.folder)
        self.interrupted = False

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Save the first state, or restore one that was saved between two epochs."""
        if self._others is None:
            raise RuntimeError(
                "`KeepState` must be given to `mltu.callbacks.fit_resumable`. Received `model.fit`,"
                " which shows a callback neither the data nor the other callbacks."
            )
        self._texts = _state.collect_texts(self._others)
        self._epoch, self._saved_step = 0, 0
        if self._state is None:
            self._save(0, 0)
        elif not self._state.step:
            self._restore(self._state)
            self._state = None

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Restore a state from within an epoch, whose begin the other callbacks have now seen."""
        self._epoch, self._saved_step = epoch, 0
        if self._state is not None:
            self._restore(self._state)
            self._saved_step = self._state.step

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Restore PyTorch's generator once more: its data loader has drawn from it since."""
        if self._state is not None:
            _state.restore_torch_rng(self._state)
            self._state = None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Save if it is time; the last batch of an epoch waits for the validation."""
        step = batch + 1
        is_due = self.every_steps and step - self._saved_step >= self.every_steps
        is_last = step >= self._num_steps or self.model.stop_training
        if (is_due or self.interrupted) and not is_last:
            self._save(self._epoch, step)
            self._saved_step = step
            self._stop_if_interrupted()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Save the state between two epochs."""
        self._save(epoch + 1, 0)
        self._stop_if_interrupted()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Note that training came to its own end."""
        mark_finished(self.folder)

    @property
    def _num_steps(self) -> int:
        return self._provider.step + len(self._provider)

    def _save(self, epoch: int, step: int) -> None:
        arrays: Arrays = {}
        facts = {
            "epoch": epoch,
            "step": step,
            "num_steps": self._num_steps,
            "epochs": self.params["epochs"],
            "finished": False,
            "stopped": bool(self.model.stop_training),
            "provider": self._provider.get_state(step),
            "settings": self.settings,
            "versions": self._versions,
            "variables": _state.collect_variables(self.model, arrays),
            "callbacks": _state.collect_callbacks(self._others or [], self._texts, arrays),
        }
        if newest_stamp(self.folder) not in (None, self._stamp):
            raise RuntimeError(
                f"`folder` must be that of one run. Received {str(self.folder)!r}, to which "
                "another process has written since. Does the same run train in another window or "
                "in the background? This one stops here; the state of the other is kept."
            )
        write_state(self.folder, facts, arrays)
        self._stamp = newest_stamp(self.folder)

    def _restore(self, state: TrainingState) -> None:
        _state.restore_variables(self.model, state)
        _state.restore_callbacks(self._others or [], state)

    def _stop_if_interrupted(self) -> None:
        if self.interrupted and (state := find_state(self.folder)) is not None:
            raise KeyboardInterrupt(
                f"Training was stopped and continues at {state.position} with "
                f"`fit_resumable(..., resume=True)`. Its state is in {str(self.folder)!r}."
            )
