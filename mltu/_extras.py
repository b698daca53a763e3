"""Optional dependencies: an ImportError says which extra to install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_TRAINING = 'pip install "mltu[tensorflow]"'
HEADLESS = (
    "On a machine without a display: pip uninstall -y opencv-python opencv-python-headless, then "
    "pip install opencv-python-headless"
)
_PIP_LINES = {
    "keras": _TRAINING,
    "tensorflow": _TRAINING,
    "jax": 'pip install "mltu[jax]"',
    "torch": 'pip install "mltu[torch]"',
    "onnx": _TRAINING,
    "tf2onnx": _TRAINING,
    "matplotlib": _TRAINING,
    "jinja2": 'pip install "mltu[report]"',
    "PIL": "pip install pillow",
    "soundfile": 'pip install "mltu[audio]"',
    "soxr": 'pip install "mltu[audio]"',
    "lmdb": 'pip install "mltu[lmdb]"',
    "bidi": 'pip install "mltu[rtl]"',
    "cv2": "pip install opencv-python-headless",
}


@contextmanager
def explain_missing() -> Iterator[None]:
    """Turn the ImportError of a known package into one that names its pip line."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _PIP_LINES:
            raise
        fix = f"Install it: {_PIP_LINES[package]}"
        if package == "cv2" and not isinstance(error, ModuleNotFoundError):
            # It is installed, but needs libraries of a desktop, such as libGL.
            fix = HEADLESS
        raise ImportError(
            f"mltu needs the package `{package}` here, but cannot import it ({error}). {fix}",
            name=package,
        ) from error
