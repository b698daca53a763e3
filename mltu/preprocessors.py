"""ImageReader: reads image files into arrays."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.utils.checks import check_count
from mltu.utils.files import load_bytes, read_bytes
from mltu.utils.image_size import (
    MAX_PIXELS,
    decoding_risk,
    is_cut_jpeg,
    is_small_jpeg,
    num_pixels,
    orientation,
)
from mltu.utils.pipeline_step import Step

with explain_missing():
    import cv2

Image = npt.NDArray[np.uint8]

_UINT8 = np.dtype(np.uint8)
_PILLOW = " For an image of Pillow, pass numpy.array(image.convert('RGB'))[:, :, ::-1]."


class UnreadableImageError(ValueError):
    """An image cannot be read.

    Attributes:
        reason: in a few words, such as "a PNG that was cut off".
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class ImageReader(Step):
    """Read an image file into a uint8 array with OpenCV.

    Called with (data, label), where data is a path, the bytes of an image file, or an array, it
    returns the image and the label as it was. Files are PNG, JPEG, BMP, GIF, WebP, TIFF, PNM,
    JPEG 2000 or AVIF. Arrays of shape (height, width), (height, width, 1),
    BGR and BGRA are converted to what `method` asks for. Transparent pixels become white, but for
    those of grey TIFF and JPEG 2000 files, whose transparency OpenCV does not read.

    Args:
        method: `cv2.IMREAD_COLOR` for BGR of shape (height, width, 3), `cv2.IMREAD_GRAYSCALE` for
            (height, width), or another flag of `cv2.imread`, with which arrays pass unchanged.
        max_pixels: limit for a file. A few hundred bytes can claim an image of gigabytes, so
            the size is read from the header before anything is decoded.
    """

    keeps_label = True

    def __init__(self, method: int = cv2.IMREAD_COLOR, *, max_pixels: int = MAX_PIXELS) -> None:
        check_count("method", method, cv2.IMREAD_UNCHANGED)
        check_count("max_pixels", max_pixels, 1)
        self.method = method
        self.max_pixels = max_pixels
        self._ndim = {cv2.IMREAD_COLOR: 3, cv2.IMREAD_GRAYSCALE: 2}.get(method)

    def __call__(self, data: Any, label: Any) -> tuple[Image, Any]:
        """Read one image.

        Raises:
            FileNotFoundError: there is no file at the path.
            UnreadableImageError: the file is not a whole image that OpenCV can decode, or has more
                than `max_pixels`, or the array is not an image; the message names the path.
            TypeError: `data` has another type.
        """
        return self.read(data), label

    def batch(self, data: Sequence[Any], labels: Sequence[Any]) -> tuple[list[Image], Any]:
        """Read the images of a batch.

        Raises:
            OSError, ValueError, TypeError: one cannot be read; `__call__` says which and why.
        """
        # All files are read before any is decoded, and checked together: the less Python runs
        # between two calls of OpenCV, the less its threads wait for the GIL.
        contents = [_read_whole(item) if isinstance(item, str) else item for item in data]
        if not all(isinstance(content, bytes) for content in contents):
            return [self.read(content) for content in contents], labels
        all_small = all(map(is_small_jpeg, contents))
        if self.max_pixels < MAX_PIXELS or not all_small:
            for content in contents:
                self._check_size(content, "bytes")
        all_whole = all_small and all(map(bytes.endswith, contents, repeat(_JPEG_END)))
        buffers = map(np.frombuffer, contents, repeat(_UINT8))
        try:
            images = list(map(cv2.imdecode, list(buffers), repeat(self.method)))
        except cv2.error:  # One of them is empty, for instance; reading each says which.
            return [self.read(content) for content in contents], labels
        for row, (image, content) in enumerate(zip(images, contents, strict=True)):
            is_odd = image is None or (self._ndim and image.ndim != self._ndim)
            if is_odd or (not all_whole and (is_cut_jpeg(content) or _is_special(content))):
                images[row] = self._decode(content, "bytes")
        return images, labels  # type: ignore[return-value]

    def describe(self) -> dict[str, Any]:
        """Return the colours of the images."""
        colors = {cv2.IMREAD_COLOR: "BGR", cv2.IMREAD_GRAYSCALE: "GRAY"}
        return {"color": colors[self.method]} if self.method in colors else {}

    def read(self, data: Any) -> Image:
        """Read one image without a label; arguments and errors as in `__call__`."""
        if isinstance(data, np.ndarray):
            return self._convert(data)
        return self._decode(*load_bytes(data, "an image", _PILLOW))

    def _decode(self, content: bytes, source: str) -> Image:
        if is_cut_jpeg(content):
            raise _undecodable(source, "a truncated JPEG, without its end marker")
        if not content:
            raise _undecodable(source, "an empty file")
        self._check_size(content, source)
        if self._ndim and _is_special(content):
            # OpenCV drops transparency: black letters on transparent would become black on black.
            whole = _imdecode(content, cv2.IMREAD_UNCHANGED, source)
            if whole.ndim == 3 and whole.shape[2] == 4 and whole.dtype != np.float32:
                return self._convert(_upright(content, whole))
        image = _imdecode(content, self.method, source)
        # OpenCV may read a format in other colours than it was asked for.
        is_odd = self._ndim is not None and image.ndim != self._ndim
        image = self._convert(image) if is_odd else image
        is_unturned = self._ndim and _is_avif(content)
        return _turned(image, orientation(content)) if is_unturned else image

    def _check_size(self, content: bytes, source: str) -> None:
        if not num_pixels(content):
            raise _undecodable(source, f"{len(content)} bytes in a format that it does not know")
        if (risk := decoding_risk(content, self.max_pixels)) is not None:
            raise UnreadableImageError(
                f"`data` must be a whole image of at most {self.max_pixels} pixels. Received "
                f"{source}: {risk}. Replace it. If it is only large and you trust it, pass a "
                "larger `max_pixels` to ImageReader, or decode it and pass the array.",
                risk,
            )

    def _convert(self, array: npt.NDArray[Any]) -> Image:
        if self._ndim and array.ndim == 3 and array.shape[2] == 1:
            array = array[:, :, 0]
        channels = array.shape[2] if array.ndim == 3 else 1
        if (
            array.dtype != np.uint8
            or array.ndim not in (2, 3)
            or not array.size
            or channels not in (1, 3, 4)
        ):
            received = f"{array.dtype} of shape {array.shape}"
            raise UnreadableImageError(
                "`data` must be a uint8 image of shape (height, width) or (height, width, 1, 3 or "
                f"4). Received {received}.",
                received,
            )
        conversion = _CONVERSIONS.get((self.method, channels))
        if conversion is not None and channels == 4:
            array = _over_white(array)
        return array if conversion is None else cv2.cvtColor(array, conversion)  # type: ignore[return-value]


_CHUNK_SIZE = 1 << 16  # bytes
_STRIP = 1 << 20  # pixels
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)  # else Windows reads text

_JPEG_END = b"\xff\xd9"
# The entry SamplesPerPixel of a TIFF, or BigTIFF, in both byte orders; the Csiz of a JPEG 2000.
_FOUR_SAMPLES = re.compile(
    rb"\x15\x01\x03\0\x01\0{3}(?:\0{4})?\x04\0|\x01\x15\0\x03(?:\0{4})?\0{3}\x01\0\x04"
)
_AVIF_DEPTH = re.compile(rb"pixi.{5}([\x0a\x0c])", re.DOTALL)  # bits, not stretched to 16
_FOUR_COMPONENTS = re.compile(rb"\xff\x4f\xff\x51.{36}\0\x04", re.DOTALL)

_CONVERSIONS = {
    (cv2.IMREAD_COLOR, 1): cv2.COLOR_GRAY2BGR,
    (cv2.IMREAD_COLOR, 4): cv2.COLOR_BGRA2BGR,
    (cv2.IMREAD_GRAYSCALE, 3): cv2.COLOR_BGR2GRAY,
    (cv2.IMREAD_GRAYSCALE, 4): cv2.COLOR_BGRA2GRAY,
}


def _imdecode(content: bytes, method: int, source: str) -> Image:
    # Not cv2.imread, which cannot open Unicode paths on Windows.
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), method)
    except cv2.error as error:
        raise _undecodable(source, f"{len(content)} bytes") from error
    if image is None:
        raise _undecodable(source, f"{len(content)} bytes that are damaged or of a rare format")
    return image  # type: ignore[return-value]


def _read_whole(path: str) -> bytes:
    """Read a small file with fewer system calls than `open` makes, which shows in a batch."""
    try:
        descriptor = os.open(path, _FLAGS)
    except ValueError:
        return read_bytes(path, "an image")  # It says what is wrong with the name.
    try:
        content = os.read(descriptor, _CHUNK_SIZE)
        if len(content) == _CHUNK_SIZE:
            with open(descriptor, "rb", closefd=False) as rest:
                content += rest.read()
        return content
    finally:
        os.close(descriptor)


def _is_avif(content: bytes) -> bool:
    return content[4:8] == b"ftyp"


def _is_special(content: bytes) -> bool:
    """Return whether a file may have transparent pixels, or a rotation that OpenCV ignores."""
    if content.startswith(b"\x89PNG"):
        return content[25:26] in (b"\x04", b"\x06") or b"tRNS" in content[: content.find(b"IDAT")]
    if _is_avif(content):
        return any(box in content for box in (b"auxC", b"irot", b"imir"))
    if content.startswith((b"II", b"MM")):
        return _FOUR_SAMPLES.search(content) is not None
    if content[4:8] == b"jP  ":
        return _FOUR_COMPONENTS.search(content) is not None
    return content.startswith((b"RIFF", b"GIF8"))


def _upright(content: bytes, image: npt.NDArray[Any]) -> Image:
    """Return an image with transparency, which was decoded unchanged, upright and in 8 bits."""
    is_tiff = content.startswith((b"II", b"MM"))
    if image.dtype == np.uint16:
        depth = _AVIF_DEPTH.search(content) if _is_avif(content) else None
        image = _eight_bits(image, depth[1][0] if depth else 16)
    elif is_tiff:  # Its colours are multiplied by its alpha.
        white = 255 - image[:, :, 3:]
        image = np.minimum(image[:, :, :3], 255 - white) + white
    return image if is_tiff else _turned(image, orientation(content))  # OpenCV turns a TIFF.


def _over_white(bgra: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Blend an image with white; its last channel has no meaning afterwards."""
    if bgra[:, :, 3].min() == 255:
        return bgra
    blended = np.empty_like(bgra)
    for rows in _strips(bgra):  # since the products take twice as much memory
        strip = bgra[rows]
        alpha = strip[:, :, 3:].astype(np.uint16)
        blended[rows] = (strip * alpha + 255 * (255 - alpha) + 127) // 255
    return blended


def _turned(image: npt.NDArray[Any], held: int) -> npt.NDArray[Any]:
    """Turn an image upright, given how the camera was held, 1..8 as EXIF counts."""
    if held >= 5:
        image = image.swapaxes(0, 1)
    down, right = (-1 if held in side else 1 for side in ((3, 4, 7, 8), (2, 3, 6, 7)))
    return np.ascontiguousarray(image[::down, ::right])


def _eight_bits(image: npt.NDArray[Any], depth: int) -> Image:
    scaled = np.empty(image.shape, np.uint8)
    for rows in _strips(image):
        scaled[rows] = image[rows] // ((2**depth - 1) // 255)
    return scaled


def _strips(image: npt.NDArray[Any]) -> Iterator[slice]:
    """Yield the rows of an image, some at a time."""
    step = max(1, _STRIP // image.shape[1])
    for top in range(0, len(image), step):
        yield slice(top, top + step)


def _undecodable(source: str, reason: str) -> UnreadableImageError:
    return UnreadableImageError(
        f"`data` must be an image that OpenCV can decode. Received {source}: {reason}. "
        "Fetch it again, or remove it from the data set.",
        reason,
    )
