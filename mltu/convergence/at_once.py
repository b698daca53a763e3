"""Causes that are known before or at one step: data, loss and machine."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.decoders import required_steps

from .records import Diagnosis


def non_finite_loss(loss: float, step: int, where: str, rate: float | None) -> Diagnosis | None:
    """Look at the loss of a step; `where` names its batch and epoch."""
    if math.isfinite(loss):
        return None
    rate_text = "an unknown learning rate" if rate is None else f"a learning rate of {rate:.2g}"
    return Diagnosis(
        "non_finite_loss",
        f"The loss is {loss:g} at step {step} ({where}), at {rate_text}; from such a step on the "
        "weights are of no use. Go back to the last checkpoint, divide the rate by 10, and give "
        "the optimizer clipnorm=1.0; if it happens in the first steps, look for NaN or infinite "
        "values in the images, and take float32 instead of float16.",
    )


def constant_images(images: npt.NDArray[Any]) -> Diagnosis | None:
    """Look whether all images of a sample, shape (samples, ...), are equal."""
    apart = np.abs(images - images[:1]).max()
    if len(images) < 2 or not apart <= 1e-6 * max(1e-6, float(np.abs(images).max())):
        return None
    return Diagnosis(
        "constant_images",
        f"All {len(images)} images looked at are equal (values from {images.min():g} to "
        f"{images.max():g}), so the model can learn nothing but the most frequent label. Look at a "
        "batch as the model gets it, `provider[0][0]`; then check the paths and the reader, and "
        "the preprocessing: scaling twice, a cast to integers after scaling, or a wrong crop.",
    )


def too_few_steps(texts: Sequence[tuple[int, ...]], time_steps: int) -> Diagnosis | None:
    """Look whether at least 1 % of the texts need more time steps than the model has."""
    needed = [required_steps(text) for text in texts]
    count = sum(steps > time_steps for steps in needed)
    if count < 0.01 * len(texts) or not count:
        return None
    return Diagnosis(
        "too_few_time_steps",
        f"The model has {time_steps} time steps, but {count} of the {len(texts)} labels looked at "
        f"({count / len(texts):.0%}) need more, up to {max(needed)}: one a character and one more "
        "between equal neighbours. The CTC loss passes over them, so they teach nothing. Stride "
        "the width less (2 instead of 4 doubles the steps), widen the input images, or drop the "
        "long labels; `mltu.data_check` lists them.",
        is_hopeless=count >= len(texts) / 2,
    )


def gpu_in_machine() -> bool:
    """Tell whether the machine has an NVIDIA GPU that is not hidden on purpose; loads nothing."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or os.environ.get("JAX_PLATFORMS") == "cpu":
        return False
    if any(Path(path).exists() for path in ("/dev/nvidia0", "/proc/driver/nvidia/version")):
        return True
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        listed = subprocess.run([program, "-L"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.stdout.startswith(b"GPU ")


def unseen_gpu(backend: str) -> Diagnosis:
    """Say that the backend trains on the CPU of a machine with a GPU."""
    package = {"tensorflow": "tensorflow[and-cuda]", "jax": "jax[cuda12]"}.get(backend, backend)
    return Diagnosis(
        "unseen_gpu",
        f"This machine has an NVIDIA GPU, but {backend} sees none and trains on the CPU, often "
        f'ten times slower. Install the build for GPUs (pip install "{package}"), restart the '
        "notebook or process, and compare the driver that nvidia-smi shows with the one that the "
        "build needs. On Windows, TensorFlow sees a GPU only in WSL2. To train on the CPU on "
        "purpose, set CUDA_VISIBLE_DEVICES=-1.",
        is_hopeless=False,
    )
