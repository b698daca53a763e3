"""Small pictures inside a page: an image becomes a data URI."""

from __future__ import annotations

import base64
from typing import Any

_HEIGHT = 64  # pixels at most
_WIDTH = 1024  # pixels at most, for long lines
_QUALITY = 85


def thumbnail(image: Any) -> str:
    """Encode an image as a JPEG of at most 64 pixels in height; smaller ones keep their size.

    Args:
        image: a path, the bytes of an image file, or a uint8 array in BGR or grey.

    Returns:
        A data URI.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no image that can be decoded or encoded.
        TypeError: `image` is none of the above.
    """
    # Only here: figures and confusions need no OpenCV.
    import cv2

    from mltu.preprocessors import ImageReader

    pixels: Any = ImageReader().read(image)  # (height, width, 3)
    height, width = pixels.shape[:2]
    scale = min(_HEIGHT / height, _WIDTH / width, 1.0)
    if scale < 1:
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode("ascii")
