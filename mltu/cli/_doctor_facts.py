"""What `mltu doctor` finds out: versions as pip knows them, and what loads, each in a child."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from mltu import __version__
from mltu.cli._doctor_probes import REPLY

# What mltu uses, and what is known to stand in its way.
PACKAGES = (
    "numpy", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino",
    "opencv-python", "opencv-python-headless", "opencv-contrib-python",
    "opencv-contrib-python-headless", "pyyaml", "rapidfuzz", "tqdm", "click", "keras",
    "tensorflow", "tensorflow-cpu", "tf-keras", "tensorboard", "jax", "jaxlib",
    "torch", "onnx", "tf2onnx", "protobuf", "ml-dtypes", "h5py", "pandas", "matplotlib", "pillow",
    "soundfile", "soxr", "lmdb", "fastapi", "starlette", "uvicorn", "python-multipart",
    "albumentations",
)  # fmt: skip
_ENVIRONMENT = (
    "KERAS_BACKEND", "TF_USE_LEGACY_KERAS", "CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS",
    "ORT_DISABLE_TELEMETRY",
)  # fmt: skip
_CODE = "import sys; from mltu.cli._doctor_probes import main; main(sys.argv[1])"


def gather(timeout: float) -> dict[str, Any]:
    """Return plain values: all that the findings are made from.

    Args:
        timeout: seconds for each child process.
    """
    packages = {name: _version(name) for name in PACKAGES}
    probes = ["opencv", "onnxruntime"] + (["keras"] if packages["keras"] else [])
    return {
        "mltu": f"{__version__} in {Path(__file__).parents[1]}",
        "python": f"{platform.python_version()} ({platform.python_implementation()}, "
        f"{platform.architecture()[0]}) in {sys.prefix}",
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "gpus": nvidia_gpus(),
        "probes": {name: probe(name, timeout) for name in probes},
        "environment": {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        "packages": packages,
        "unmet": unmet_requirements(packages),
    }


def probe(name: str, timeout: float) -> dict[str, Any]:
    """Run a probe of `mltu.cli._doctor_probes` in a child and return its answer, or an `error`."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CODE, name], env=environment, timeout=timeout,
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"error": f"it took more than {timeout:g} s to load"}
    replies = [line for line in done.stdout.splitlines() if line.startswith(REPLY)]
    if replies:
        answer: dict[str, Any] = json.loads(replies[-1].removeprefix(REPLY))
        return answer
    last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
    return {"error": f"its process ended with status {done.returncode}: {last[:500]}"}


def nvidia_gpus() -> list[str]:
    """Return the name, driver and memory of each NVIDIA GPU, as nvidia-smi says; none without."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = "--query-gpu=name,driver_version,memory.total"
    try:
        done = subprocess.run(
            [program, query, "--format=csv,noheader"],
            capture_output=True, timeout=20, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return [f"{name} (driver {rest})" for name, _, rest in (li.partition(", ") for li in lines)]


def unmet_requirements(packages: dict[str, str | None]) -> list[str]:
    """Return what installed packages require of one another and do not find, as `pip check`.

    Extras are left out, but for those of mltu whose packages are here in another version.
    """
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:  # It comes with onnxruntime, whose next version may do without.
        return []
    faults = []
    for owner in ("mltu", *(name for name, found in packages.items() if found)):
        for line in _requirements(owner):
            try:
                wanted = Requirement(line)
            except InvalidRequirement:
                continue
            marker = wanted.marker
            is_extra = marker is not None and "extra" in str(marker)
            found = _version(wanted.name)
            if is_extra and (owner != "mltu" or found is None):
                continue
            if not is_extra and marker is not None and not marker.evaluate():
                continue
            if found is None or not wanted.specifier.contains(found, prereleases=True):
                has = f"{wanted.name} {found}" if found else f"no {wanted.name}"
                faults.append(f"{owner} needs {wanted.name}{wanted.specifier}; here is {has}")
    return list(dict.fromkeys(faults))


def _requirements(package: str) -> list[str]:
    try:
        return requires(package) or []
    except PackageNotFoundError:  # mltu run from its checkout
        return []


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
