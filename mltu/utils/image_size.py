"""How large an image says it is: width and height from the first bytes, before any is decoded."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from itertools import islice

_JPEG_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")  # Without fill bytes and restarts.
_JPEG_TABLES = b"\xc4\xc8\xcc"  # Between the codes of frames, and none themselves.
_PNM_PART = re.compile(rb"#[^\r\n]*|[0-9]+")
_PFM_SIDE = re.compile(rb"[+]?([0-9]+)")
_PAM_SIDE = re.compile(rb"(WIDTH|HEIGHT)\s+([0-9]+)")
_HDR_SIZE = re.compile(rb"[-+][XY]\s+([0-9]+)\s+[-+][XY]\s+([0-9]+)")
_TIFF_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}
_PNG = b"\x89PNG\r\n\x1a\n"
_CODESTREAM = b"\xff\x4f\xff\x51"  # of JPEG 2000
_NUM_DIGITS = 20  # More of them are no size, and Python refuses thousands.

MAX_PIXELS = 100_000_000  # What images from outside may have, unless their reader is told more.
# Each scan of a JPEG may go over the whole image and costs a few bytes; those of cameras and of
# websites have up to 20.
MAX_SCANS = 500
_FREE_SCANS = 30
_MAX_SCANNED = 400_000_000  # pixels in all scans, where there are more of them

_SIDE = 0x27  # times 256 pixels: two sides below have less than MAX_PIXELS
_FRAMES = frozenset(range(0xC0, 0xD0)) - frozenset(_JPEG_TABLES)
_SEGMENTS = frozenset([0xC4, *range(0xDB, 0xFF)])


def is_small_jpeg(content: bytes) -> bool:
    """Tell in a microsecond that a file is a JPEG within both limits; False if it may not be."""
    if not content.startswith(b"\xff\xd8\xff"):
        return False
    if _num_scans(content) > _FREE_SCANS:
        return False
    at = 2
    try:
        while content[at] == 0xFF:  # No regular expression: this is run for each image of a batch.
            code = content[at + 1]
            if code in _FRAMES:
                return content[at + 5] < _SIDE and content[at + 7] < _SIDE
            if code not in _SEGMENTS:
                return False
            at += 2 + (content[at + 2] << 8) + content[at + 3]
    except IndexError:  # It ends too early.
        pass
    return False


def decoding_risk(content: bytes, max_pixels: int = MAX_PIXELS) -> str | None:
    """Say why a file must not be decoded, since it would take much time or memory; None if it may.

    Args:
        content: the bytes of an image file.
        max_pixels: that it may have.
    """
    if (found := num_pixels(content)) > max_pixels:
        return f"a header that speaks of {found} pixels"
    scans = _num_scans(content)
    if scans > MAX_SCANS or (scans > _FREE_SCANS and scans * found > _MAX_SCANNED):
        return f"a JPEG of {scans} scans over {found} pixels"
    return "a PNG that was cut off" if _is_cut_png(content) else None


def num_pixels(content: bytes) -> int:
    """Return how many pixels a decoder would make room for; 0 where the format is not known.

    Known are PNG, JPEG, BMP, GIF, WebP, TIFF, PNM and PAM, PFM, Sun raster, Radiance HDR,
    JPEG 2000 and AVIF. A file that is too short for its header has no size.

    Args:
        content: the bytes of an image file.
    """
    for start, sizes in _FORMATS:
        if content.startswith(start):
            try:
                return max((abs(width * height) for width, height in sizes(content)), default=0)
            except (struct.error, OverflowError):  # An offset of 64 bits can be that large.
                return 0
    if content[4:8] == b"ftyp" or content[4:8] == b"jP  ":
        return max((width * height for width, height in _boxes(content)), default=0)
    return 0


def _num_scans(content: bytes) -> int:
    """Return at most how many scans a JPEG has; 0 for other formats."""
    return content.count(b"\xff\xda") if content.startswith(b"\xff\xd8\xff") else 0


def _is_cut_png(content: bytes) -> bool:
    """Tell whether a part of a PNG says that it is longer than the rest of the file.

    OpenCV makes room for all that it says, up to 4 GiB, before it looks.
    """
    if not content.startswith(_PNG):
        return False
    at, name = len(_PNG), b""
    while at + 8 <= len(content) and name != b"IEND":
        name = content[at + 4 : at + 8]
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    return at > len(content)


Sizes = Iterator[tuple[int, int]]


def _at(place: int, code: str) -> Callable[[bytes], Sizes]:
    """Read width and height at a fixed place."""

    def sizes(content: bytes) -> Sizes:
        width, height = struct.unpack_from(code, content, place)
        yield width, height

    return sizes


def _jpeg(content: bytes) -> Sizes:
    """Walk over the segments to the frame header, as decoders do; its height stands first."""
    position = 2
    while marker := _JPEG_MARKER.search(content, position):
        code, position = marker[1], marker.end()
        if code in (b"\xd9", b"\xda"):  # The end, or a scan.
            return
        if code < b"\xd0" and code not in _JPEG_TABLES:
            height, width = struct.unpack_from(">HH", content, position + 3)
            yield width, height
            return
        position += struct.unpack_from(">H", content, position)[0]


def _bmp(content: bytes) -> Sizes:
    is_old = struct.unpack_from("<I", content, 14)[0] == 12
    yield from _at(18, "<HH" if is_old else "<ii")(content)


def _gif(content: bytes) -> Sizes:
    yield from _at(6, "<HH")(content)


def _webp(content: bytes) -> Sizes:
    kind = content[12:16]
    if kind == b"VP8X":
        yield (
            1 + int.from_bytes(content[24:27], "little"),
            1 + int.from_bytes(content[27:30], "little"),
        )
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
    found = {256: 0, 257: 0, 322: 0, 323: 0}
    for place in range(start, min(start + count * step, len(content)), step):
        tag, kind = struct.unpack_from(order + "HH", content, place)
        if tag in found:
            value = place + (12 if is_big else 8)
            side = abs(struct.unpack_from(order + _TIFF_CODES.get(kind, "I"), content, value)[0])
            found[tag] = max(found[tag], side)
    yield found[256], found[257]
    yield found[322], found[323]  # Room is made for a whole tile, however small the image is.


def _pnm(content: bytes) -> Sizes:
    """Read the first two numbers that are in no comment, or the lines of a PAM that name sides."""
    if content.startswith(b"P7"):
        sides = {b"WIDTH": 0, b"HEIGHT": 0}
        for name, digits in _PAM_SIDE.findall(content):
            sides[name] = max(sides[name], _number(digits))
        yield sides[b"WIDTH"], sides[b"HEIGHT"]
        return
    if content.startswith((b"PF", b"Pf")):  # Two words, of each the digits at its beginning.
        words = [_PFM_SIDE.match(word) for word in content[2:].split(None, 2)[:2]]
        if len(words) == 2 and words[0] and words[1]:
            yield _number(words[0][1]), _number(words[1][1])
        return
    parts = (part[0] for part in _PNM_PART.finditer(content, 2))
    found = list(islice((_number(part) for part in parts if not part.startswith(b"#")), 2))
    if len(found) == 2:
        yield found[0], found[1]


def _hdr(content: bytes) -> Sizes:
    for height, width in _HDR_SIZE.findall(content):  # In a comment, too: the largest counts.
        yield _number(width), _number(height)


def _number(digits: bytes) -> int:
    return int(digits.lstrip(b"0")[:_NUM_DIGITS] or b"0")


def _boxes(content: bytes) -> Sizes:
    """Find the sizes in the boxes of JPEG 2000 (height first) and AVIF, wherever they stand."""
    for place in _places(content, b"ihdr"):
        height, width = struct.unpack_from(">II", content.ljust(place + 12), place + 4)
        yield width, height
    for place in _places(content, b"ispe"):
        width, height = struct.unpack_from(">II", content.ljust(place + 16), place + 8)
        yield width, height
    for place in _places(content, _CODESTREAM):
        yield from _codestream(content[place : place + 24])


def _places(content: bytes, name: bytes) -> Iterator[int]:
    place = content.find(name)
    while place >= 0:
        yield place
        place = content.find(name, place + 4)


def _codestream(content: bytes) -> Sizes:
    if len(content) >= 24:
        right, bottom, left, top = struct.unpack_from(">IIII", content, 8)
        yield max(right - left, 0), max(bottom - top, 0)


_FORMATS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes], Sizes]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (_PNG, _at(16, ">II")),
    (b"BM", _bmp),
    (b"GIF8", _gif),
    (b"RIFF", _webp),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
    ((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7", b"PF", b"Pf"), _pnm),
    (b"\x59\xa6\x6a\x95", _at(4, ">II")),  # Sun raster
    ((b"#?RADIANCE", b"#?RGBE"), _hdr),
    (_CODESTREAM, _codestream),  # JPEG 2000 without boxes
)
