"""Training on several devices or machines, with the native means of each backend."""

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
class Processes:
    """The processes of one training run, seen from one of them.

    Attributes:
        rank: rank of this process, in 0..world_size - 1.
        world_size: number of processes.
        num_devices: number of devices in all processes together.
        scope: the model is built and compiled within `scope()`.
    """

    rank: int
    world_size: int
    num_devices: int
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext


class LocalCheckpoint(keras.callbacks.ModelCheckpoint):
    """A `keras.callbacks.ModelCheckpoint` for rank 0, the only one of several processes to write.

    Keras creates a variable while it saves a model, which would wait for the other processes.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save the model if it is due, as if this process were the only one."""
        distribution = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            super().on_epoch_end(epoch, logs)
        finally:
            keras.distribution.set_distribution(distribution)


def distribute() -> Processes:
    """Make models built from now on train on all devices of all processes.

    Each device takes an equal part of each batch, and gradients are averaged. On JAX this is
    `keras.distribution.DataParallel`, with batch statistics of the whole batch; several processes,
    on one machine or more, find each other by the environment variables
    `KERAS_DISTRIBUTION_JOB_ADDRESSES`, `..._NUM_PROCESSES` and `..._PROCESS_ID` (see
    `keras.distribution.initialize`). On TensorFlow it is `tf.distribute.MirroredStrategy` for the
    devices of one process, with batch statistics of each device, unless a layer is synchronized.

    Call it before anything is computed. Each process reads its own part of the data,
    `provider.shard(processes.rank, processes.world_size)`. The batch size is that of one process
    and divisible by the number of its devices, as is the last batch with `drop_last=True`.

    Raises:
        ValueError: the backend is PyTorch, which Keras cannot distribute, or TensorFlow with
            several processes, where Keras 3 cannot train.
        RuntimeError: a process of the run does not answer.
    """
    backend = keras.backend.backend()
    if backend == "torch" or (backend == "tensorflow" and ADDRESSES in os.environ):
        case = backend if backend == "torch" else f"{backend} with {ADDRESSES}"
        raise ValueError(f"Keras cannot distribute training on {case}. Set KERAS_BACKEND=jax.")
    if backend == "tensorflow":
        import tensorflow as tf

        strategy = tf.distribute.MirroredStrategy(
            [device.name for device in tf.config.list_logical_devices("GPU")]
            or [device.name for device in tf.config.list_logical_devices("CPU")]
        )
        return Processes(0, 1, strategy.num_replicas_in_sync, strategy.scope)
    import jax

    if ADDRESSES in os.environ:
        keras.distribution.initialize()
    # Keras would shard a tf.data.Dataset by itself; a provider knows its own shard.
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    return Processes(jax.process_index(), jax.process_count(), jax.device_count())
