"""One training on several devices or machines, by the engines of the backends."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from mltu._extras import explain_missing

with explain_missing():
    import keras

ADDRESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES"


@dataclass(frozen=True)
class Place:
    """Where this process stands in a training.

    `index` is its number in 0..count - 1 and `count` that of all processes; `num_devices` work in
    all of them together. The model is built and compiled within `scope()`.
    """

    index: int
    count: int
    num_devices: int
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext


class LocalCheckpoint(keras.callbacks.ModelCheckpoint):
    """`keras.callbacks.ModelCheckpoint` for the first of several processes, which alone writes.

    Keras makes a variable while it saves a model, which would wait for the other processes.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save the model if it is due, as if there were this process alone."""
        distribution = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            super().on_epoch_end(epoch, logs)
        finally:
            keras.distribution.set_distribution(distribution)


def distribute() -> Place:
    """Let the models built from now on train on all devices of all processes of a training.

    Each device takes an equal part of each batch, and gradients are averaged. On JAX this is
    `keras.distribution.DataParallel`; several processes, on one machine or more, find each other by
    the environment variables `KERAS_DISTRIBUTION_JOB_ADDRESSES`, `..._NUM_PROCESSES` and
    `..._PROCESS_ID` (see `keras.distribution.initialize`), and batch statistics are those of the
    whole batch. On TensorFlow it is `tf.distribute.MirroredStrategy`, for the devices of one
    process; batch statistics are those of each device, unless a layer is synchronized.

    Call it before anything is computed. Each process reads its own part of the data:
    `provider.shard(place.index, place.count)`, whose batch size is that of one process and divides
    by its devices, as does the last batch with `drop_last=True`.

    Returns:
        The place of this process.

    Raises:
        ValueError: the backend is PyTorch, for which Keras has no engine, or TensorFlow with
            several processes, where Keras 3 cannot train.
        RuntimeError: a process of the training does not answer.
    """
    backend = keras.backend.backend()
    if backend == "torch" or (backend == "tensorflow" and ADDRESSES in os.environ):
        raise ValueError(
            f"`distribute` must run where Keras can distribute a training. Received the backend "
            f"{backend!r}{'' if backend == 'torch' else f' and {ADDRESSES}'}. Set "
            "KERAS_BACKEND=jax."
        )
    if backend == "tensorflow":
        import tensorflow as tf

        strategy = tf.distribute.MirroredStrategy(
            [device.name for device in tf.config.list_logical_devices("GPU")]
            or [device.name for device in tf.config.list_logical_devices("CPU")]
        )
        return Place(0, 1, strategy.num_replicas_in_sync, strategy.scope)
    import jax

    if ADDRESSES in os.environ:
        keras.distribution.initialize()
    # Keras would share out a tf.data.Dataset by itself; a provider knows its own shard.
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    return Place(jax.process_index(), jax.process_count(), jax.device_count())
