"""What a fuzzer does to bytes: small damage everywhere, large numbers where sizes stand."""

import re
import struct
import zlib

import numpy as np

_NUMBERS = [0, 1, 2, 7, 8, 16, 31, 32, 127, 128, 255, 256, 1000, 32767, 32768, 65535, 65536]
_NUMBERS += [30_000, 100_000, 2**24, 2**31 - 1, 2**31, 2**32 - 1]
_DECIMALS = [b"0", b"-1", b"1", b"7", b"999", b"65536", b"30000", b"2147483648", b"1e309"]
_DECIMALS += [b"18446744073709551616", b"9" * 400, b"9" * 5000, b"nan", b"0x10", b"\xd9\xa3"]


def mutate(data: bytes, others: list[bytes], tokens: list[bytes], rng: np.random.Generator):
    """Return `data` after one to eight changes; PNG checksums are set right half of the time."""
    content = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 1, 2, 2, 3, 5, 8]))):
        change = _CHANGES[rng.integers(len(_CHANGES))]
        content = bytearray(change(content, others, tokens, rng))
    if content.startswith(b"\x89PNG") and rng.random() < 0.7:
        content = _with_checksums(content)
    return bytes(content)


def _flip_bit(content, others, tokens, rng):
    if content:
        content[_place(content, rng)] ^= 1 << rng.integers(8)
    return content


def _set_byte(content, others, tokens, rng):
    if content:
        content[_place(content, rng)] = rng.choice([0, 1, 9, 10, 13, 32, 34, 44, 127, 128, 255])
    return content


def _set_number(content, others, tokens, rng):
    """Overwrite two, four or eight bytes by a number, as sizes and offsets stand in headers."""
    code = rng.choice([">H", "<H", ">I", "<I", "<Q", ">Q"])
    size = struct.calcsize(code)
    number = int(rng.choice(_NUMBERS)) & (256**size - 1)
    at = _place(content, rng)
    content[at : at + size] = struct.pack(code, number)
    return content


def _set_decimal(content, others, tokens, rng):
    found = list(re.finditer(rb"-?[0-9]+", content))
    if not found:
        return content
    match = found[rng.integers(len(found))]
    return content[: match.start()] + _pick(_DECIMALS, rng) + content[match.end() :]


def _cut(content, others, tokens, rng):
    return content[: _place(content, rng)]


def _delete(content, others, tokens, rng):
    at = _place(content, rng)
    del content[at : at + int(rng.choice([1, 2, 4, 8, 32, 128]))]
    return content


def _repeat(content, others, tokens, rng):
    """Say a part of it several times, sometimes thousands of times."""
    at = _place(content, rng)
    part = content[at : at + int(rng.choice([1, 2, 4, 12, 64]))]
    times = int(rng.choice([2, 3, 10, 100, 3000]))
    return content[:at] + part * times + content[at:]


def _insert_token(content, others, tokens, rng):
    at = _place(content, rng)
    return content[:at] + (_pick(tokens, rng) if tokens else b"\0") + content[at:]


def _overwrite_token(content, others, tokens, rng):
    at, token = _place(content, rng), _pick(tokens, rng) if tokens else b"\xff"
    return content[:at] + token + content[at + len(token) :]


def _splice(content, others, tokens, rng):
    other = _pick(others, rng)
    start = _place(other, rng)
    return content[: _place(content, rng)] + other[start : start + int(rng.choice([8, 64, 10**6]))]


def _swap(content, others, tokens, rng):
    first, second = sorted((_place(content, rng), _place(content, rng)))
    return content[second:] + content[first:second] + content[:first]


def _place(content, rng):
    """Draw a place, half of the time among the first bytes, where headers are."""
    end = min(len(content), 64) if rng.random() < 0.5 else len(content)
    return int(rng.integers(end)) if end else 0


def _pick(items, rng):
    return items[int(rng.integers(len(items)))]


def _with_checksums(content):
    """Set the checksum of each PNG chunk right, so that the decoder looks at what it says."""
    at = 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        if end + 4 > len(content):
            break
        content[end : end + 4] = struct.pack(">I", zlib.crc32(content[at + 4 : end]))
        at = end + 4
    return content


_CHANGES = [_flip_bit, _flip_bit, _set_byte, _set_number, _set_number, _set_decimal, _cut, _delete]
_CHANGES += [_repeat, _insert_token, _insert_token, _overwrite_token, _splice, _swap]
