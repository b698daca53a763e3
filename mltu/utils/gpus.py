"""What training can compute with: GPUs that a Keras backend sees, and flags of the processor."""

from __future__ import annotations

from pathlib import Path


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


def processor_flags() -> set[str]:
    """Return the instruction sets of the processor, such as avx512_bf16, as Linux names them."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return set()
    return set(info.read_text(encoding="utf-8", errors="replace").split())
