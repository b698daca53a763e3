"""Training logs: a text file, and TensorBoard if it is installed."""

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
from mltu.utils.files import StrPath
from mltu.utils.old_arguments import explains_old_arguments

with explain_missing():
    import keras


@explains_old_arguments
class TrainLogger(keras.callbacks.Callback):
    """Write the metrics of each epoch to a log file, which is open only during training.

    Args:
        log_path: the folder; created if missing.
        log_file: the name of the file; a later training appends to it.
        logLevel: level of the file's logger, as in the module `logging`.
    """

    def __init__(
        self,
        log_path: StrPath,
        log_file: str = "logs.log",
        logLevel: int = logging.INFO,  # noqa: N803  The tutorial's spelling.
    ) -> None:
        super().__init__()
        self.log_path = Path(log_path)
        self.log_file = log_file
        self.log_level = logLevel
        self._logger = logging.Logger("mltu.TrainLogger")  # Not in the global tree.

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the logger, which cannot be copied; a copy opens the file when it trains."""
        return {key: value for key, value in vars(self).items() if key != "_logger"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._logger = logging.Logger("mltu.TrainLogger")

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Open the file."""
        self.log_path.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(self.log_path / self.log_file, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._close()
        self._logger.setLevel(self.log_level)
        self._logger.addHandler(handler)
        if self.model.built:
            self._logger.info("Training begins: %d parameters", self.model.count_params())
        else:
            self._logger.info("Training begins; the first batch builds the model")
        self._started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Start the epoch's clock."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write one line: the epoch, its duration in seconds, and all its metrics."""
        metrics = "; ".join(f"{key}: {float(value):.6g}" for key, value in (logs or {}).items())
        seconds = time.monotonic() - self._started
        self._logger.info("Epoch %d; %.1f s; %s", epoch + 1, seconds, metrics)

    def get_state(self) -> dict[str, float]:
        """Return the size of the file and the seconds of the running epoch; for `KeepState`."""
        size = (self.log_path / self.log_file).stat().st_size
        return {"size": size, "seconds": time.monotonic() - self._started}

    def set_state(self, state: Mapping[str, Any], position: str) -> None:
        """Remove what was logged after the state, since it will be logged again."""
        path = self.log_path / self.log_file
        os.truncate(path, min(int(state["size"]), path.stat().st_size))
        self._started = time.monotonic() - state["seconds"]
        self._logger.info("Resumed at %s", position)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Close the file."""
        self._logger.info("Training ends")
        self._close()

    def _close(self) -> None:
        for handler in list(self._logger.handlers):
            self._logger.removeHandler(handler)
            handler.close()


def tensorboard(log_dir: StrPath, **options: Any) -> list[keras.callbacks.Callback]:
    """Create Keras's TensorBoard callback, or warn if a package for it is missing.

    Args:
        log_dir: the folder for its logs.
        **options: options of `keras.callbacks.TensorBoard`, such as `update_freq=1`.

    Returns:
        A list with the callback, or an empty list if TensorFlow or tensorboard is missing.
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
