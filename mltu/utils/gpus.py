"""Counts the GPUs that a Keras backend sees."""

from __future__ import annotations


def num_gpus(backend: str) -> int:
    """Return how many GPUs a backend of Keras would compute on; accelerators of JAX count too."""
    if backend == "tensorflow":
        import tensorflow as tf

        return len(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return sum(device.platform != "cpu" for device in jax.devices())
    if backend == "torch":
        import torch

        return torch.cuda.device_count() or int(torch.backends.mps.is_available())
    return 0
