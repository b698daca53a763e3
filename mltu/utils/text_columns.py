"""Text columns: millions of texts as one run of bytes and the places where each begins and ends."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer[Any]]

_ROWS = 1 << 15  # Looked at together: the work memory is about 20 bytes for each of their bytes.


class TextColumn(Sequence[str]):
    """A sequence of texts that costs its UTF-8 bytes and 8 bytes for each text.

    Parts of it, by a slice or `take`, share the bytes; a pickle of a part holds all of them.

    Args:
        text: the UTF-8 bytes of all entries, in any order, with anything between them.
        starts: integers of shape (texts,), where each entry begins in `text`.
        ends: integers of shape (texts,), where each entry ends.
        prefix: stands before each entry, such as the folder of all paths.

    Raises:
        ValueError: `starts` and `ends` do not fit each other or `text`.
    """

    def __init__(
        self, text: bytes, starts: npt.ArrayLike, ends: npt.ArrayLike, prefix: str = ""
    ) -> None:
        offsets = np.uint32 if len(text) < 2**32 else np.uint64
        first, last = np.asarray(starts), np.asarray(ends)
        if first.ndim != 1 or first.shape != last.shape:
            raise ValueError(
                "`starts` and `ends` must have one shape (texts,). "
                f"Received {first.shape} and {last.shape}."
            )
        if first.size and (first.min() < 0 or last.max() > len(text) or np.any(first > last)):
            raise ValueError(
                f"`starts` and `ends` must mark parts of the {len(text)} bytes of `text`. "
                f"Received {first.min()}..{first.max()} and {last.min()}..{last.max()}."
            )
        self.text = text
        self.starts: Integers = first.astype(offsets, copy=False)
        self.ends: Integers = last.astype(offsets, copy=False)
        self.prefix = prefix

    @classmethod
    def from_strings(cls, strings: Iterable[str], prefix: str = "") -> TextColumn:
        """Store texts; every one comes back behind `prefix`, lone surrogates and NUL too."""
        builder = TextColumnBuilder()
        for string in strings:
            builder.append(string)
        return builder.build(prefix)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> TextColumn: ...
    def __getitem__(self, index: int | slice) -> str | TextColumn:
        if isinstance(index, slice):
            return TextColumn(self.text, self.starts[index], self.ends[index], self.prefix)
        entry = self.text[self.starts[index] : self.ends[index]]
        return self.prefix + entry.decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        text, prefix = self.text, self.prefix
        for row in range(0, len(self), _ROWS):
            # Slicing by the integers of Python takes half the time of slicing by those of NumPy.
            starts, ends = self.starts[row : row + _ROWS], self.ends[row : row + _ROWS]
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
                yield prefix + text[start:end].decode("utf-8", "surrogatepass")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes | bytearray):
            return NotImplemented
        return len(self) == len(other) and all(
            mine == theirs for mine, theirs in zip(self, other, strict=True)
        )

    def __repr__(self) -> str:
        shown = [text if len(text) <= 40 else f"{text[:37]}..." for text in self[:3]]
        return f"TextColumn({len(self)} texts: {shown})"

    def take(self, indices: npt.ArrayLike) -> TextColumn:
        """Return the texts at `indices`, integers of shape (n,), in that order.

        Raises:
            IndexError: there is no such text, or an index is no integer.
        """
        chosen = as_indices(indices)
        return TextColumn(self.text, self.starts[chosen], self.ends[chosen], self.prefix)

    def pick(self, indices: npt.ArrayLike) -> list[str]:
        """Return the texts at `indices` as a list, which for a few is quicker than `take`.

        Raises:
            IndexError: there is no such text, or an index is no integer.
        """
        chosen, text, prefix = as_indices(indices), self.text, self.prefix
        places = zip(self.starts[chosen].tolist(), self.ends[chosen].tolist(), strict=True)
        return [prefix + text[start:end].decode("utf-8", "surrogatepass") for start, end in places]


class TextColumnBuilder:
    """Takes texts one by one and makes a `TextColumn` of them."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._bounds = array("Q", [0])

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def append(self, string: str) -> None:
        """Add one text."""
        self._text += string.encode("utf-8", "surrogatepass")
        self._bounds.append(len(self._text))

    def build(self, prefix: str = "") -> TextColumn:
        """Return all texts so far, with `prefix` before each."""
        bounds = np.array(self._bounds, np.uint64)
        return TextColumn(bytes(self._text), bounds[:-1], bounds[1:], prefix)


def as_indices(indices: npt.ArrayLike) -> Integers:
    """Return integers of shape (n,) to index an array with.

    Raises:
        IndexError: they are of another kind or shape.
    """
    found = np.asarray(indices)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise IndexError(
            "`indices` must be integers of shape (n,). "
            f"Received {found.dtype} of shape {found.shape}."
        )
    return found if found.size else found.astype(np.intp)  # NumPy takes [] for floats.


def distinct_characters(texts: Sequence[str]) -> set[str]:
    """Return the characters that occur in any of the texts.

    Args:
        texts: any sequence of text; a `TextColumn` takes about a second for 10 million words.
    """
    found: set[str] = set()
    if not isinstance(texts, TextColumn):
        for text in texts:
            found.update(text)
        return found
    if len(texts):
        found.update(texts.prefix)
    for row in range(0, len(texts), _ROWS):
        content, _ = _gather(texts[row : row + _ROWS])
        counts = np.bincount(content, minlength=256)
        if counts[128:].any():
            found.update(content.tobytes().decode("utf-8", "surrogatepass"))
        else:
            found.update(map(chr, np.flatnonzero(counts).tolist()))
    return found


def text_lengths(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the number of characters of each text, shape (texts,).

    Args:
        texts: any sequence of text; those of a `TextColumn` are counted without being decoded.
    """
    if not isinstance(texts, TextColumn):
        return np.fromiter((len(text) for text in texts), np.int64, len(texts))
    lengths = (texts.ends - texts.starts).astype(np.int64) + len(texts.prefix)
    if texts.text.isascii():
        return lengths
    for row in range(0, len(texts), _ROWS):
        content, bounds = _gather(texts[row : row + _ROWS])
        # A character has one byte that is no continuation byte, 10xxxxxx.
        continued = np.concatenate([[0], np.cumsum((content & 0xC0) == 0x80)])
        lengths[row : row + _ROWS] -= np.diff(continued[bounds])
    return lengths


def _gather(column: TextColumn) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the bytes of the entries, one behind the other, and the bounds of each therein.

    The bounds have shape (texts + 1,): entry i lies at bounds[i]..bounds[i + 1].
    """
    starts = column.starts.astype(np.int64)
    lengths = column.ends.astype(np.int64) - starts
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    places = np.repeat(starts - bounds[:-1], lengths)
    places += np.arange(len(places))
    return np.frombuffer(column.text, np.uint8)[places], bounds
