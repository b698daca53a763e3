"""TrainLogger, FollowSchedule and Model2onnx: thin shells that Keras calls during `fit`."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mltu._extras import explain_missing
from mltu.onnx_export import export_onnx

with explain_missing():
    import keras


class TrainLogger(keras.callbacks.Callback):
    """Write the figures of each epoch to a log file, which opens and closes with the training.

    Args:
        log_path: the folder; it is made.
        log_file: the name of the file; a later training appends to it.
        logLevel: of the file's logger, as in the module `logging`.
    """

    def __init__(
        self,
        log_path: str | os.PathLike[str],
        log_file: str = "logs.log",
        logLevel: int = logging.INFO,  # noqa: N803  The tutorial's spelling.
    ) -> None:
        super().__init__()
        self.log_path = Path(log_path)
        self.log_file = log_file
        self.log_level = logLevel
        self._logger = logging.Logger("mltu.TrainLogger")  # Its own: no entry in the global tree.

    def on_train_begin(self, logs: Any = None) -> None:
        """Open the file."""
        self.log_path.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(self.log_path / self.log_file, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._close()
        self._logger.setLevel(self.log_level)
        self._logger.addHandler(handler)
        self._logger.info("Training begins: %s parameters", self.model.count_params())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the epoch's clock."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write one line: the epoch, its seconds, and all its figures."""
        figures = "; ".join(f"{key}: {float(value):.6g}" for key, value in (logs or {}).items())
        seconds = time.monotonic() - self._started
        self._logger.info("Epoch %d; %.1f s; %s", epoch + 1, seconds, figures)

    def on_train_end(self, logs: Any = None) -> None:
        """Close the file."""
        self._logger.info("Training ends")
        self._close()

    def _close(self) -> None:
        for handler in list(self._logger.handlers):
            self._logger.removeHandler(handler)
            handler.close()


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


class Model2onnx(keras.callbacks.Callback):
    """Export the best model to ONNX when the training ends, beside its checkpoint.

    Before the first epoch the untrained model is exported once and removed again, so that whatever
    would make the export fail does so in the first minute. At the end the weights of the
    checkpoint are restored into the model, the `.onnx` is written, run and compared with Keras.

    Args:
        saved_model_path: the checkpoint, a `.keras`, `.h5` or `.weights.h5` path, as given to
            `ModelCheckpoint`. It is never written to. `run/model.keras` gives `run/model.onnx`.
        metadata: stored in the file, such as `{"vocab": vocab}`; see `export_onnx`.
        opset: of the ONNX file; the exporter's own default if None.

    Raises:
        ValueError: `saved_model_path` has another suffix.
        RuntimeError: from `fit`, when the export fails; see `export_onnx`.
    """

    def __init__(
        self,
        saved_model_path: str | os.PathLike[str],
        metadata: Mapping[str, Any] | None = None,
        *,
        opset: int | None = None,
    ) -> None:
        super().__init__()
        self.saved_model_path = Path(saved_model_path)
        self.onnx_path = onnx_path_for(self.saved_model_path)
        self.metadata = dict(metadata or {})
        self.opset = opset
        self._checkpoint_before: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Prove that this model can be exported on this machine."""
        self._checkpoint_before = _modification_time(self.saved_model_path)
        trial = self.onnx_path.with_name(f".{self.onnx_path.stem}.trial.onnx")
        try:
            self._export(trial)
        finally:
            trial.unlink(missing_ok=True)

    def on_train_end(self, logs: Any = None) -> None:
        """Restore the best weights and export them."""
        if _modification_time(self.saved_model_path) == self._checkpoint_before:
            warnings.warn(
                f"No checkpoint was written to {str(self.saved_model_path)!r} during this "
                "training, so the ONNX file gets the weights of the last step. Add a "
                "ModelCheckpoint with this path before Model2onnx.",
                stacklevel=2,
            )
        else:
            self.model.load_weights(self.saved_model_path)
        self._export(self.onnx_path)

    def _export(self, path: Path) -> None:
        export_onnx(self.model, path, metadata=self.metadata, opset=self.opset)


def tensorboard(log_dir: str | os.PathLike[str], **options: Any) -> list[Any]:
    """Make Keras's TensorBoard callback where it can run; warn once and leave it out elsewhere.

    Args:
        log_dir: the folder of its logs.
        **options: of `keras.callbacks.TensorBoard`, such as `update_freq=1`.

    Returns:
        A list with the callback, or an empty list where TensorFlow or tensorboard is absent.
    """
    absent = [name for name in ("tensorflow", "tensorboard") if find_spec(name) is None]
    if absent:
        warnings.warn(
            f"No TensorBoard logs are written: {' and '.join(absent)} cannot be imported. "
            'pip install "mltu[tensorflow]" brings both.',
            stacklevel=2,
        )
        return []
    return [keras.callbacks.TensorBoard(os.fspath(log_dir), **options)]


def onnx_path_for(saved_model_path: Path) -> Path:
    """Return the path of the ONNX file that belongs beside a checkpoint.

    Raises:
        ValueError: the checkpoint has another suffix than `.keras`, `.h5` or `.weights.h5`.
    """
    for suffix in (".weights.h5", ".h5", ".keras"):
        if saved_model_path.name.endswith(suffix):
            return saved_model_path.with_name(f"{saved_model_path.name.removesuffix(suffix)}.onnx")
    raise ValueError(
        "`saved_model_path` must end in '.keras', '.h5' or '.weights.h5'. "
        f"Received {str(saved_model_path)!r}."
    )


def _modification_time(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None
