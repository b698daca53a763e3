"""The number of parameters of an ONNX file, by its bytes: the package `onnx` is not needed.

Source: onnx.proto3 of the ONNX project, and the wire format of Protocol Buffers.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

_GRAPH, _INITIALIZER, _DIMS, _DATA_TYPE = 7, 5, 1, 2  # the fields on the way to a tensor's shape
_INT64 = 7  # indices and shapes, which are no parameters
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def count_parameters(content: bytes) -> int | None:
    """Sum up the sizes of the stored tensors of a model, those of int64 left out.

    Args:
        content: of an ONNX file.

    Returns:
        The number, or None where the bytes are no ONNX model with a graph.
    """
    view = memoryview(content)
    try:
        graphs = [value for field, value in _fields(view) if field == _GRAPH]
        tensors = [
            value
            for graph in graphs
            for field, value in _fields(_as_view(graph))
            if field == _INITIALIZER
        ]
        return sum(_size(_as_view(tensor)) for tensor in tensors) if graphs else None
    except ValueError:
        return None


def _size(tensor: memoryview) -> int:
    dims: list[int] = []
    kind = 0
    for field, value in _fields(tensor):
        if field == _DATA_TYPE and isinstance(value, int):
            kind = value
        elif field == _DIMS:
            dims += [value] if isinstance(value, int) else _packed(value)
    return 0 if kind == _INT64 else prod(dims)


def _fields(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Give the number and the value of each field of a message.

    Raises:
        ValueError: it is cut off, or no message.
    """
    place = 0
    while place < len(view):
        tag, place = _varint(view, place)
        field, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, place = _varint(view, place)
            yield field, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(wire)
        if wire == _BYTES:
            size, place = _varint(view, place)
        if size is None or place + size > len(view):
            raise ValueError(f"The bytes must be a message. Received field {field}, kind {wire}.")
        yield field, view[place : place + size]
        place += size


def _packed(view: memoryview) -> list[int]:
    place, found = 0, []
    while place < len(view):
        value, place = _varint(view, place)
        found.append(value)
    return found


def _varint(view: memoryview, place: int) -> tuple[int, int]:
    """Return a number of seven bits in each byte, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(view):
            break
        byte = view[place]
        value, place = value | (byte & 0x7F) << shift, place + 1
        if byte < 0x80:
            return value, place
    raise ValueError("The bytes must be a message. Received a number without an end.")


def _as_view(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("The bytes must hold a message here. Received a number.")
    return value
