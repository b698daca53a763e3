"""Lists the GPUs of the NVIDIA driver."""

from __future__ import annotations

import os
import shutil
import subprocess


def nvidia_smi() -> str | None:
    """Return the path of nvidia-smi, which comes with the driver; None if there is none."""
    return shutil.which("nvidia-smi")


def nvidia_gpus() -> list[str]:
    """List name, driver version and memory of each NVIDIA GPU, as nvidia-smi reports them."""
    if (program := nvidia_smi()) is None:
        return []
    query = "--query-gpu=name,driver_version,memory.total"
    try:
        done = subprocess.run(
            [program, query, "--format=csv,noheader"], check=False,
            capture_output=True, timeout=20, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    # Without a GPU it prints a sentence instead.
    return [line for line in done.stdout.splitlines() if ", " in line]


def has_unhidden_gpu() -> bool:
    """Return whether the machine has an NVIDIA GPU that no environment variable hides."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and os.environ.get("JAX_PLATFORMS") != "cpu" and bool(nvidia_gpus())
