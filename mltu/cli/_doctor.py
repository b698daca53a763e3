"""mltu doctor: reports installed packages, visible devices, and what does not work."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import click

from mltu import __version__
from mltu._extras import HEADLESS
from mltu.cli._common import Number, print_json, text_or_json
from mltu.utils.child_process import call_in_child
from mltu.utils.gpus import num_gpus, nvidia_gpus

# Only one package of each row may be installed: they write to the same files.
_RIVALS = (
    ("opencv-python", "opencv-python-headless", "opencv-contrib-python",
     "opencv-contrib-python-headless"),
    ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
)  # fmt: skip
_EXPORT = ("tensorflow", "tf2onnx", "onnx")
_PACKAGES = (
    *_RIVALS[0], *_RIVALS[1], "numpy", "rapidfuzz", "keras", "jax", "torch", *_EXPORT,
    "tensorflow-cpu", "protobuf", "tensorboard", "lmdb", "soundfile", "soxr", "albumentations",
)  # fmt: skip
_VARIABLES = ("KERAS_BACKEND", "CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "TF_USE_LEGACY_KERAS")
# Text in the error of a probe, and the fix for it.
_FIXES = (
    (r"lib(GL|gthread|glib|SM|Xext)\b", f"{HEADLESS}."),
    ("SIGILL|(?i:illegal instruction)", "The package needs AVX, which this processor lacks."),
    ("Unable to import backend", "Set KERAS_BACKEND to tensorflow, jax or torch."),
    (
        "No module named",
        'Install a backend, as with pip install "mltu[tensorflow]", or set KERAS_BACKEND to one '
        "that is installed.",
    ),
)


@click.command("doctor", short_help="Check this installation.")
@text_or_json
@click.option(
    "--timeout", type=Number(1), default=120, show_default=True, metavar="SECONDS",
    help="Longest time that a package may take to load.",
)  # fmt: skip
def command(form: str, timeout: float) -> None:
    """Describe this installation: versions, the Keras backend, GPUs, and what does not work.

    OpenCV, onnxruntime and Keras are tested, each in its own process. The exit status is 1 if one
    of them fails. Paste the output into bug reports. Conflicts between versions are listed by
    `pip check`.

    \b
    mltu doctor
    mltu doctor --format json > doctor.json
    """
    facts = gather(timeout)
    failures, notes = list(_failures(facts)), list(_notes(facts))
    if form == "json":
        print_json({**facts, "failures": failures, "notes": notes})
    else:
        click.echo("\n".join(_as_text(facts)))
        for text in failures:
            click.echo(f"FAILED: {text}")
        for text in notes:
            click.echo(f"note: {text}")
        if not failures:
            click.echo("All installed packages load. To find version conflicts: pip check")
    if failures:
        raise click.exceptions.Exit(1)


def gather(timeout: float) -> dict[str, Any]:
    """Collect the plain values on which all findings are based."""
    # Of two versions Python imports the first. A failed removal leaves a folder without a name.
    found = {p.name: p.version for p in reversed(list(distributions())) if p.name}
    # Some wheels have underscores in their names.
    installed = {name.lower().replace("_", "-"): version for name, version in found.items()}
    packages = {name: installed[name] for name in _PACKAGES if name in installed}
    probes = ["opencv", "onnxruntime", *(["keras"] if "keras" in packages else [])]
    return {
        "mltu": f"{__version__} in {Path(__file__).parents[1]}",
        "python": f"{platform.python_version()} ({platform.architecture()[0]}) in {sys.prefix}",
        "system": f"{platform.platform()}, {os.cpu_count()} cores",
        "gpus": nvidia_gpus(),
        "environment": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "packages": packages,
        "probes": {name: _try(name, timeout) for name in probes},
    }


def _try(name: str, timeout: float) -> dict[str, Any]:
    """Run a probe in a child process, which a broken package may kill."""
    try:
        answer: dict[str, Any] = call_in_child("mltu.cli._doctor:probe", name, timeout=timeout)
        return answer
    except (RuntimeError, TimeoutError) as error:
        return {"error": " ".join(str(error).split())[:500]}


def probe(name: str) -> dict[str, Any]:
    """Load a package and use it; an exception becomes the entry `error`."""
    try:
        return {"opencv": _opencv, "onnxruntime": _onnxruntime, "keras": _keras}[name]()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"}


def _opencv() -> dict[str, Any]:
    import cv2
    import numpy as np

    is_whole, data = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))
    if not is_whole or cv2.imdecode(data, cv2.IMREAD_COLOR) is None:
        raise RuntimeError("it cannot read a PNG that it wrote")
    return {"version": cv2.__version__}


def _onnxruntime() -> dict[str, Any]:
    """Run a shipped reader without OpenCV, on the CPU and on the default device."""
    import numpy as np
    import onnxruntime

    from mltu.inference import OnnxInferenceModel, find_pretrained

    for force_cpu in (True, False):
        reader = OnnxInferenceModel(find_pretrained(), force_cpu)
        sides = [side if isinstance(side, int) else 128 for side in reader.input_shape]
        reader.model.run(None, {reader.input_name: np.ones((1, *sides), np.float32)})
    return {"version": onnxruntime.__version__, "runs on": reader.model.get_providers()[0]}


def _keras() -> dict[str, Any]:
    import keras

    backend = keras.backend.backend()
    total = float(keras.ops.convert_to_numpy(keras.ops.sum(keras.ops.ones(2))))
    if total != 2.0:
        raise RuntimeError(f"1 + 1 is {total} on {backend}")
    return {"version": keras.__version__, "backend": backend, "GPUs": num_gpus(backend)}


def _failures(facts: dict[str, Any]) -> Iterator[str]:
    for name, answer in facts["probes"].items():
        if error := answer.get("error"):
            fixes = (fix for pattern, fix in _FIXES if re.search(pattern, error))
            yield f"{name}: {error}. {next(fixes, 'Install it again in a fresh environment.')}"


def _notes(facts: dict[str, Any]) -> Iterator[str]:
    """List what works, but not as expected."""
    packages, probes = facts["packages"], facts["probes"]
    for rivals in _RIVALS:
        if len(found := [name for name in rivals if name in packages]) > 1:
            yield (
                f"{' and '.join(found)} overwrite each other's files, so it is undefined which of "
                f"them runs: pip uninstall -y {' '.join(found)}, then install one."
            )
    missing = [name for name in _EXPORT if name not in packages and f"{name}-cpu" not in packages]
    if "keras" in packages and missing:
        yield (
            f"{', '.join(missing)} missing: the ONNX export needs it on every backend. "
            'pip install "mltu[tensorflow]"'
        )
    if not facts["gpus"] or facts["environment"].get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return
    if probes.get("keras", {}).get("GPUs") == 0:
        backend = probes["keras"]["backend"]
        extras = {"tensorflow": 'pip install "mltu[gpu]"', "jax": 'pip install "jax[cuda12]"'}
        fix = extras.get(backend, "install its build for CUDA (pytorch.org)")
        if backend == "tensorflow" and facts["system"].startswith("Windows"):
            fix = "on Windows TensorFlow sees a GPU only in WSL2"
        yield f"{backend} sees no GPU and trains on the CPU: {fix}."
    if probes["onnxruntime"].get("runs on") == "CPUExecutionProvider":
        yield (
            "Reading runs on the CPU. For the GPU: pip uninstall -y onnxruntime, then pip install "
            "onnxruntime-gpu."
        )


def _as_text(facts: dict[str, Any]) -> Iterator[str]:
    entries = {name: facts[name] for name in ("mltu", "python", "system")}
    entries["gpu"] = "; ".join(facts["gpus"]) or "no NVIDIA GPU"
    for name, value in {**entries, **facts["environment"], **facts["packages"]}.items():
        yield f"{name:22} {value}"
    for name, answer in facts["probes"].items():
        told = "; ".join(f"{key}: {value}" for key, value in answer.items())
        yield f"{name} {'fails' if 'error' in answer else 'works':{21 - len(name)}} {told}"
