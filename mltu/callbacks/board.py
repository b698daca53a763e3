"""TensorBoard's callback, where it can run."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from typing import Any

from mltu._extras import explain_missing

with explain_missing():
    import keras


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
