"""Text columns: millions of strings in a NumPy array instead of as many Python objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import index as to_index
from operator import length_hint
from typing import Any, overload

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer[Any]]

# 16 bytes a string, and its UTF-8 elsewhere if that is longer than 15 bytes.
_TEXT = np.dtypes.StringDType(coerce=False)
_BLOCK = 1 << 15  # Strings that are Python objects at the same time.


class TextColumn(Sequence[str]):
    """A sequence of strings, stored in an array of NumPy's `StringDType`.

    Args:
        texts: strings, shape (n,); an array of `StringDType` is used as it is.
        prefix: text before each of them, such as the folder of all paths, stored once.

    Raises:
        ValueError: an entry is not text, or holds a lone surrogate; see `as_column`.
    """

    def __init__(self, texts: npt.ArrayLike, prefix: str = "") -> None:
        # Each array has its own dtype object and memory: to convert to an equal dtype is to copy.
        if not isinstance(texts, np.ndarray) or texts.dtype != _TEXT:
            texts = np.array(texts, _TEXT)
        self.texts: npt.NDArray[Any] = texts
        self.prefix = prefix

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> TextColumn: ...
    def __getitem__(self, index: int | slice) -> str | TextColumn:
        if isinstance(index, slice):
            return TextColumn(self.texts[index], self.prefix)
        return self.prefix + str(self.texts[to_index(index)])

    def __iter__(self) -> Iterator[str]:
        for row in range(0, len(self), _BLOCK):
            yield from self._strings(self.texts[row : row + _BLOCK])

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
            IndexError: an index is out of range or not an integer.
        """
        return TextColumn(self.texts[as_indices(indices)], self.prefix)

    def pick(self, indices: npt.ArrayLike) -> list[str]:
        """Return the texts at `indices`, integers of shape (n,), as a list.

        Raises:
            IndexError: an index is out of range or not an integer.
        """
        return self._strings(self.texts[as_indices(indices)])

    def _strings(self, texts: npt.NDArray[Any]) -> list[str]:
        strings: list[str] = texts.tolist()
        return [self.prefix + string for string in strings] if self.prefix else strings


class ColumnBuilder:
    """Collects entries block by block: a `TextColumn` if all are text, otherwise a list.

    Text that is not valid Unicode also becomes a list: Python writes the bytes of a file name that
    is not UTF-8 as lone surrogates, which `StringDType` cannot store.

    Args:
        capacity: the number of entries to expect; it saves memory if it is known.
    """

    def __init__(self, capacity: int = 0) -> None:
        self._texts: npt.NDArray[Any] = np.empty(capacity, _TEXT)
        self._size = 0
        self._others: list[Any] | None = None

    def extend(self, entries: Sequence[Any]) -> None:
        """Append some entries, preferably thousands."""
        if self._others is None and all(isinstance(entry, str) for entry in entries):
            end = self._size + len(entries)
            if end > len(self._texts):
                room = np.empty(max(self._size, len(entries)), _TEXT)
                self._texts = np.concatenate([self._texts[: self._size], room])
            try:
                self._texts[self._size : end] = entries
                self._size = end
                return
            except UnicodeEncodeError:
                pass
        if self._others is None:
            self._others = list(self._texts[: self._size].tolist())
        self._others += entries

    def build(self) -> Sequence[Any]:
        """Return all entries so far."""
        return TextColumn(self._texts[: self._size]) if self._others is None else self._others


def as_column(entries: Iterable[Any]) -> Sequence[Any]:
    """Store entries as a `TextColumn` if all are text, otherwise as a list."""
    builder = ColumnBuilder(length_hint(entries))
    for block in in_blocks(entries):
        builder.extend(block)
    return builder.build()


def in_blocks(entries: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield the entries as lists of at most 32,768."""
    iterator = iter(entries)
    while block := list(islice(iterator, _BLOCK)):
        yield block


def as_indices(indices: npt.ArrayLike) -> Integers:
    """Return integers of shape (n,) to index an array with.

    Raises:
        IndexError: they have another dtype or shape.
    """
    array = np.asarray(indices)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise IndexError(
            "`indices` must be integers of shape (n,). "
            f"Received {array.dtype} of shape {array.shape}."
        )
    return array if array.size else array.astype(np.intp)  # An empty list becomes floats.


def distinct_characters(texts: Sequence[str]) -> set[str]:
    """Return the characters that occur in any of the texts."""
    characters: set[str] = set()
    for block in in_blocks(texts):
        characters.update("".join(block))
    return characters


def text_lengths(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the number of characters of each text, shape (n,)."""
    # `np.strings.str_len` is quicker, but does not count NUL characters at the end.
    return np.fromiter(map(len, texts), np.int64, len(texts))
