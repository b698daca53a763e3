"""What can compute: GPUs that a Keras backend or the driver sees, and flags of the processor."""

from __future__ import annotations

import os
import subprocess
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


def nvidia_gpus() -> list[str]:
    """List name, driver version and memory of each NVIDIA GPU, as nvidia-smi reports them."""
    query = "--query-gpu=name,driver_version,memory.total"
    try:
        done = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader"], check=False,
            capture_output=True, timeout=20, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):  # It comes with the driver.
        return []
    # Without a GPU it prints a sentence instead.
    return [line for line in done.stdout.splitlines() if ", " in line]


def has_unhidden_gpu() -> bool:
    """Return whether the machine has an NVIDIA GPU that no environment variable hides."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and os.environ.get("JAX_PLATFORMS") != "cpu" and bool(nvidia_gpus())


def processor_flags() -> set[str]:
    """Return the instruction sets of the processor, such as avx512_bf16, as Linux names them."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return set()
    return set(info.read_text(encoding="utf-8", errors="replace").split())
