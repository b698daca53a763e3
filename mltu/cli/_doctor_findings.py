"""What `mltu doctor` makes of its facts: combinations that are known to break, and the way out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_TOGETHER = (
    ("opencv-python", "opencv-python-headless", "opencv-contrib-python",
     "opencv-contrib-python-headless"),
    ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
    ("tensorflow", "tensorflow-cpu"),
)  # fmt: skip


class Finding(NamedTuple):
    """One sentence or two, with the way out; `is_broken` if something cannot work."""

    is_broken: bool
    text: str


def examine(facts: dict[str, Any]) -> list[Finding]:
    """Return what is wrong, what cannot work first.

    Args:
        facts: as `mltu.cli._doctor_facts.gather` returns them.
    """
    steps = (_failures, _unmet, _python, _keras, _twice, _training, _gpus)
    findings = [finding for step in steps for finding in step(facts)]
    return sorted(findings, key=lambda finding: not finding.is_broken)


def _failures(facts: dict[str, Any]) -> Iterator[Finding]:
    """What does not load."""
    for name, probe in facts["probes"].items():
        error = probe.get("error")
        if error is None:
            continue
        way_out = "Install it again in a fresh environment."
        if name == "opencv" and re.search(r"lib(GL|gthread|glib|SM|Xext)\b", error):
            way_out = (
                "A library of the desktop is missing, as on servers: pip uninstall -y "
                "opencv-python opencv-python-headless, then pip install opencv-python-headless"
            )
        elif "status -4" in error or "illegal instruction" in error.lower():
            way_out = "This processor lacks AVX, which the package needs."
        elif name == "keras" and "Unable to import backend" in error:
            way_out = "Set KERAS_BACKEND to tensorflow, jax or torch."
        elif name == "keras" and "No module named" in error:
            way_out = (
                'Install the backend, as pip install "mltu[tensorflow]", or set KERAS_BACKEND to '
                "one that is installed."
            )
        yield Finding(True, f"{name} does not load: {error}. {way_out}")


def _unmet(facts: dict[str, Any]) -> Iterator[Finding]:
    """Versions that exclude one another; an OpenCV of another name serves as well."""
    for text in facts["unmet"]:
        missing = text.rpartition(" is no ")[2]
        siblings = next((names for names in _TOGETHER[:2] if missing in names), ())
        if not any(facts["packages"].get(name) for name in siblings):
            yield Finding(True, f"{text}. pip install --upgrade it, or begin a fresh environment.")


def _python(facts: dict[str, Any]) -> Iterator[Finding]:
    if "32bit" in facts["python"]:
        yield Finding(True, "This Python has 32 bits; onnxruntime and TensorFlow need 64.")


def _keras(facts: dict[str, Any]) -> Iterator[Finding]:
    legacy = facts["environment"].get("TF_USE_LEGACY_KERAS", "")
    if legacy.lower() in ("1", "true"):
        yield Finding(
            False,
            "TF_USE_LEGACY_KERAS is set, so `tf.keras` is Keras 2, whose layers mltu cannot train: "
            "unset it, or import from `keras`.",
        )


def _twice(facts: dict[str, Any]) -> Iterator[Finding]:
    """Packages that put their files into one folder."""
    for names in _TOGETHER:
        here = [name for name in names if facts["packages"].get(name)]
        if len(here) > 1:
            yield Finding(
                False,
                f"{' and '.join(here)} write over one another's files, and which of them runs is "
                f"chance: pip uninstall -y {' '.join(here)}, then install one.",
            )


def _training(facts: dict[str, Any]) -> Iterator[Finding]:
    """What a training misses at its end, or at its first epoch."""
    packages = facts["packages"]
    if not packages.get("keras"):
        return
    backends = ("tensorflow", "tensorflow-cpu", "jax", "torch")
    if not any(packages.get(name) for name in backends):
        yield Finding(True, 'Keras has no backend: pip install "mltu[tensorflow]"')
        return
    needed = ("tf2onnx", "onnx", "tensorflow")
    missing = [name for name in needed if not packages.get(name)]
    if missing == ["tensorflow"] and packages.get("tensorflow-cpu"):
        missing = []
    if missing:
        yield Finding(
            False,
            f"{', '.join(missing)} missing: the ONNX file of a training is made with it, whatever "
            'the backend is. pip install "mltu[tensorflow]"',
        )
    if packages.get("tensorflow") and not packages.get("tensorboard"):
        yield Finding(False, "tensorboard is missing, and Keras's TensorBoard callback fails.")


def _gpus(facts: dict[str, Any]) -> Iterator[Finding]:
    """A card that could serve and does not."""
    hidden = facts["environment"].get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if not facts["gpus"] or hidden:
        return
    keras = facts["probes"].get("keras", {})
    if keras.get("GPUs") == 0:
        is_windows = facts["system"].startswith("Windows") and keras["backend"] == "tensorflow"
        extra = {"tensorflow": 'pip install "mltu[gpu]"', "jax": 'pip install "jax[cuda12]"'}
        way_out = extra.get(keras["backend"], "install its build for CUDA (pytorch.org)")
        if is_windows:
            way_out = "on Windows TensorFlow sees a GPU in WSL2 alone"
        yield Finding(
            False,
            f"{keras['backend']} trains on the CPU and sees no GPU of this machine: {way_out}.",
        )
    if facts["probes"]["onnxruntime"].get("runs on") == "CPUExecutionProvider":
        yield Finding(
            False,
            "Reading runs on the CPU. For the GPU: pip uninstall -y onnxruntime && pip install "
            "onnxruntime-gpu",
        )
