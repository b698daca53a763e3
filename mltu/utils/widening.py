"""How narrow images are stretched, which training and reading must do alike."""

from __future__ import annotations

MAX_WIDEN_TO = 100
_MOST = 2.0  # times the own width


def widened(width: float, height: float, widen_to: float) -> float:
    """Return the width to which an image is stretched.

    Args:
        width: of the image, in any unit.
        height: of the image, in the same unit.
        widen_to: width / height that is reached, unless it takes more than twice the width.
    """
    return max(width, min(widen_to * height, _MOST * width))
