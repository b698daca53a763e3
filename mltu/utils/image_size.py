"""Inspects image files before decoding: size, orientation, and whether the file is complete.

A decoder allocates what a header claims, so the header is read first. The library for it, imagesize
2.0.1, does not suffice: it finds no size in some BigTIFFs and does not know the tiles of a TIFF,
all of which OpenCV decodes; and it imports sockets and an XML parser, which take 50 ms and do not
belong in a reader of uploads.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

MAX_PIXELS = 100_000_000  # of an image from outside, unless its reader allows more
# Each scan of a JPEG may cover the whole image and costs a few bytes; those of cameras and of
# websites have up to 20.
MAX_SCANS = 500
_FREE_SCANS = 30
_MAX_SCANNED = 400_000_000  # pixels in all scans, if there are more of them

_JPEG = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
_JPEG_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")  # without fill bytes and restarts
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # of those, three are tables
_SEGMENTS = frozenset([0xC4, *range(0xDB, 0xFF)])
_SIDE = 0x27  # times 256 pixels: two sides below have less than MAX_PIXELS
_PNG = b"\x89PNG\r\n\x1a\n"
_CODESTREAM = b"\xff\x4f\xff\x51"  # of JPEG 2000
_PNM_PART = re.compile(rb"#[^\r\n]*|[0-9]+")
_TIFF_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}
_EXIF = re.compile(rb"(?:eXIf|EXIF.{4}(?:Exif\0\0)?)(II\*\0|MM\0\*)", re.DOTALL)
_ORIENTATION = 0x112
# Boxes of an AVIF: quarters of a turn to the left, then the axis of a mirror.
_ROTATION = re.compile(rb"\0\0\0\x09irot(.)", re.DOTALL)
_MIRROR = re.compile(rb"\0\0\0\x09imir(.)", re.DOTALL)
_NUM_DIGITS = 20  # A size has fewer, and Python refuses thousands.

Sizes = Iterator[tuple[int, int]]


def is_small_jpeg(content: bytes) -> bool:
    """Tell in a microsecond that a file is a JPEG within both limits; False if it may not be."""
    if not content.startswith(_JPEG) or _num_scans(content) > _FREE_SCANS:
        return False
    at = 2
    try:
        while content[at] == 0xFF:  # No regular expression: this runs for each image of a batch.
            code = content[at + 1]
            if code in _FRAMES:
                return content[at + 5] < _SIDE and content[at + 7] < _SIDE
            if code not in _SEGMENTS:
                return False
            at += 2 + (content[at + 2] << 8) + content[at + 3]
    except IndexError:  # It ends too early.
        pass
    return False


def is_cut_jpeg(content: bytes) -> bool:
    """Return whether a JPEG ends before its own end marker.

    Segments are skipped by their length, and with them an embedded thumbnail, which has an end
    marker of its own. Within a scan the byte FF is followed by 00, a restart marker or the marker
    that ends the scan, so markers cannot occur there by chance. A file cut right after its
    thumbnail ends in that marker too, but has no image data yet, which the decoder notices.
    """
    if not content.startswith(_JPEG) or content.endswith(_JPEG_END):
        return False
    return all(code != 0xD9 for code, _ in _jpeg_segments(content))


def decoding_risk(content: bytes, max_pixels: int = MAX_PIXELS) -> str | None:
    """Return why decoding a file would take too much time or memory; None if it would not.

    Args:
        content: the bytes of an image file.
        max_pixels: that it may have.
    """
    pixels = num_pixels(content)
    if pixels > max_pixels:
        return f"a header that claims {pixels} pixels"
    scans = _num_scans(content)
    if scans > MAX_SCANS or (scans > _FREE_SCANS and scans * pixels > _MAX_SCANNED):
        return f"a JPEG of {scans} scans over {pixels} pixels"
    return "a PNG that was cut off" if _is_cut_png(content) else None


def orientation(content: bytes) -> int:
    """Return how the camera was held, 1..8 as EXIF counts; 1 if unknown.

    Args:
        content: the bytes of a PNG, WebP or AVIF file.
    """
    if content[4:8] == b"ftyp":
        turn, mirror = _ROTATION.search(content), _MIRROR.search(content)
        kinds = ("4527", "2745")[mirror[1][0] & 1] if mirror else "1836"
        return int(kinds[turn[1][0] & 3 if turn else 0])
    if (found := _EXIF.search(content)) is None:
        return 1
    exif = content[found.start(1) :]
    order = "<" if exif.startswith(b"II") else ">"
    try:
        (at,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, at)
        for position in range(at + 2, at + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, position)
            if tag == _ORIENTATION and 1 <= value <= 8:
                return int(value)
    except struct.error:  # It ends too early.
        pass
    return 1


def num_pixels(content: bytes) -> int:
    """Return how many pixels a decoder would allocate; 0 if the header or the format is unknown.

    Known are PNG, JPEG, BMP, GIF, WebP, TIFF, PNM, JPEG 2000 and AVIF.

    Args:
        content: the bytes of an image file.
    """
    try:
        sizes = next((sizes for start, sizes in _FORMATS if content.startswith(start)), _boxes)
        return max((abs(width * height) for width, height in sizes(content)), default=0)
    except (struct.error, OverflowError):  # An offset of 64 bits can be that large.
        return 0


def _num_scans(content: bytes) -> int:
    """Return an upper bound of the scans in a JPEG; 0 for other formats."""
    return content.count(b"\xff\xda") if content.startswith(_JPEG) else 0


def _is_cut_png(content: bytes) -> bool:
    """Tell whether a chunk of a PNG claims to be longer than the rest of the file.

    OpenCV allocates what it claims, up to 4 GiB, before it reads.
    """
    if not content.startswith(_PNG):
        return False
    at, name = len(_PNG), b""
    while at + 8 <= len(content) and name != b"IEND":
        name = content[at + 4 : at + 8]
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    return at > len(content)


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield the code of each segment and the position after it, as decoders walk over a JPEG."""
    position = 2
    while marker := _JPEG_MARKER.search(content, position):
        position = marker.end()
        yield marker[1][0], position
        position += int.from_bytes(content[position : position + 2], "big")


def _jpeg(content: bytes) -> Sizes:
    for code, position in _jpeg_segments(content):
        if code in (0xD9, 0xDA):  # the end, or a scan
            return
        if code in _FRAMES:
            height, width = struct.unpack_from(">HH", content, position + 3)
            yield width, height
            return


def _at(position: int, code: str, content: bytes) -> Sizes:
    """Read width and height at a fixed position."""
    width, height = struct.unpack_from(code, content, position)
    yield width, height


def _bmp(content: bytes) -> Sizes:
    is_old = struct.unpack_from("<I", content, 14)[0] == 12
    return _at(18, "<HH" if is_old else "<ii", content)


def _webp(content: bytes) -> Sizes:
    kind = content[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[at : at + 3], "little") for at in (24, 27))
        yield width + 1, height + 1
    elif kind == b"VP8L":
        bits = struct.unpack_from("<I", content, 21)[0]
        yield (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        yield width & 0x3FFF, height & 0x3FFF


def _tiff(content: bytes) -> Sizes:
    """Read the first directory: entries of 12 bytes, or 20 in a BigTIFF."""
    order = "<" if content.startswith(b"II") else ">"
    is_big = struct.unpack_from(order + "H", content, 2)[0] == 43
    start = struct.unpack_from(order + ("Q" if is_big else "I"), content, 8 if is_big else 4)[0]
    count = struct.unpack_from(order + ("Q" if is_big else "H"), content, start)[0]
    start, step = (start + 8, 20) if is_big else (start + 2, 12)
    # ImageWidth and ImageLength, TileWidth and TileLength.
    sides = {256: 0, 257: 0, 322: 0, 323: 0}
    for position in range(start, min(start + count * step, len(content)), step):
        tag, kind = struct.unpack_from(order + "HH", content, position)
        if tag in sides:
            code = order + _TIFF_CODES.get(kind, "I")
            side = abs(struct.unpack_from(code, content, position + (12 if is_big else 8))[0])
            sides[tag] = max(sides[tag], side)
    yield sides[256], sides[257]
    yield sides[322], sides[323]  # A whole tile is allocated, however small the image is.


def _pnm(content: bytes) -> Sizes:
    """Read the first two numbers that are not in a comment."""
    parts = (part[0] for part in _PNM_PART.finditer(content, 2))
    numbers = list(islice((_number(part) for part in parts if not part.startswith(b"#")), 2))
    if len(numbers) == 2:
        yield numbers[0], numbers[1]


def _number(digits: bytes) -> int:
    return int(digits.lstrip(b"0")[:_NUM_DIGITS] or b"0")


def _boxes(content: bytes) -> Sizes:
    """Find the sizes in the boxes of JPEG 2000 (height first) and AVIF, wherever they are."""
    if content[4:8] not in (b"ftyp", b"jP  "):
        return
    for found in re.finditer(b"ihdr", content):
        height, width = struct.unpack_from(">II", content.ljust(found.end() + 8), found.end())
        yield width, height
    for found in re.finditer(b"ispe", content):
        width, height = struct.unpack_from(">II", content.ljust(found.end() + 12), found.end() + 4)
        yield width, height
    for found in re.finditer(_CODESTREAM, content):
        if found.start() + 24 <= len(content):
            right, bottom, left, top = struct.unpack_from(">IIII", content, found.start() + 8)
            yield max(right - left, 0), max(bottom - top, 0)


_FORMATS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes], Sizes]], ...] = (
    (_JPEG, _jpeg),
    (_PNG, partial(_at, 16, ">II")),
    (b"BM", _bmp),
    (b"GIF8", partial(_at, 6, "<HH")),
    (b"RIFF", _webp),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
    ((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"), _pnm),
)
