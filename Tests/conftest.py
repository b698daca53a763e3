"""What all tests share: a quiet backend, and the tutorial's modules by name."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "Tutorials" / "01_image_to_word"
ON_TENSORFLOW = os.environ["KERAS_BACKEND"] == "tensorflow"

# For exports, which take a child process of some seconds each where no TensorFlow runs.
slow_elsewhere = pytest.mark.skipif(False, reason="") if ON_TENSORFLOW else pytest.mark.slow


def load_tutorial(name: str) -> ModuleType:
    """Import `Tutorials/01_image_to_word/<name>.py`, whose modules import one another by name."""
    spec = importlib.util.spec_from_file_location(f"tutorial_{name}", TUTORIAL / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(TUTORIAL))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(TUTORIAL))
    return module
