"""What all tests share: a quiet backend, and the tutorial's modules by name."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
hypothesis.settings.register_profile("mltu", deadline=None)  # Machines have slow hours.
hypothesis.settings.load_profile("mltu")
ON_TENSORFLOW = os.environ["KERAS_BACKEND"] == "tensorflow"

# For exports, which take a child process of some seconds each where no TensorFlow runs.
slow_elsewhere = pytest.mark.skipif(False, reason="") if ON_TENSORFLOW else pytest.mark.slow


def run_tutorial(
    folder: str, name: str, *arguments: object, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run `Tutorials/<folder>/<name>` from another working directory, as users do."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONUTF8"] = "1"
    return subprocess.run(
        [sys.executable, str(ROOT / "Tutorials" / folder / name), *map(str, arguments)],
        cwd=ROOT.parent, env=environment, check=check, capture_output=True, text=True,
        encoding="utf-8", timeout=1800,
    )  # fmt: skip


def load_tutorial(folder: str, name: str = "train") -> ModuleType:
    """Import `Tutorials/<folder>/<name>.py`, whose modules import one another by name."""
    place = ROOT / "Tutorials" / folder
    spec = importlib.util.spec_from_file_location(f"tutorial_{folder}_{name}", place / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Dataclasses and FastAPI look annotations up there.
    sys.path.insert(0, str(place))
    before = set(sys.modules)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(place))
        # Every tutorial has a `configs` and a `model` of its own.
        for other in set(sys.modules) - before:
            if (getattr(sys.modules[other], "__file__", None) or "").startswith(str(place)):
                del sys.modules[other]
    return module
