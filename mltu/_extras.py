"""Optional dependencies: an ImportError says which extra to install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_TRAINING = 'pip install "mltu[tensorflow]"'
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
    "cv2": "pip install opencv-python (or opencv-python-headless on a machine without a display)",
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
        raise ImportError(
            f"mltu needs the package `{package}` here, but cannot import it ({error}). "
            f"Install it: {_PIP_LINES[package]}",
            name=package,
        ) from error
