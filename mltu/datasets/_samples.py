"""Samples: a data set stored as two columns, compact enough for millions of samples."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import length_hint
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt

from mltu.utils.files import StrPath
from mltu.utils.text_columns import ColumnBuilder, TextColumn, as_column, as_indices, in_blocks


class LazyColumn(Sequence[Any], ABC):
    """A column whose entries are read on every access."""

    @abstractmethod
    def take(self, indices: npt.ArrayLike) -> Self:
        """Return the column of the entries at `indices`, shape (n,), without reading them."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Return the name of an entry for messages, without reading it."""


class JoinedColumn(LazyColumn):
    """Several columns concatenated; lazy ones are not read.

    Args:
        columns: columns of any kind.
        places: (column, index in it) of each entry, shape (entries, 2); None for all entries of all
            columns in their order.
    """

    def __init__(
        self, columns: Sequence[Sequence[Any]], places: npt.NDArray[np.int64] | None = None
    ) -> None:
        self._columns = columns
        if places is None:
            sizes = [len(column) for column in columns]
            places = np.stack(
                [np.repeat(np.arange(len(sizes)), sizes), np.concatenate([*map(np.arange, sizes)])],
                axis=1,
            )
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return JoinedColumn(self._columns, self._places[index])
        column, place = self._places[index].tolist()
        return self._columns[column][place]

    def take(self, indices: npt.ArrayLike) -> JoinedColumn:
        return JoinedColumn(self._columns, self._places[as_indices(indices)])

    def name(self, index: int) -> Any:
        column, place = self._places[index].tolist()
        return _name(self._columns[column], place)

    def stored(self) -> Iterator[Any]:
        """Yield the entries of the columns that are not lazy."""
        is_lazy = [isinstance(column, LazyColumn) for column in self._columns]
        for column, place in self._places.tolist():
            if not is_lazy[column]:
                yield self._columns[column][place]


class Samples(Sequence[tuple[Any, Any]]):
    """Pairs of (data, label) stored as two columns; equal to any sequence of the same pairs.

    Args:
        data: a `TextColumn` of paths, a `LazyColumn`, or a list of anything.
        labels: the labels, as many as there is data.

    Raises:
        ValueError: the columns differ in length.
    """

    def __init__(self, data: Sequence[Any], labels: Sequence[Any]) -> None:
        if len(data) != len(labels):
            raise ValueError(
                "`data` and `labels` must have one entry for each sample. "
                f"Received {len(data)} and {len(labels)}."
            )
        self.data = data
        self.labels = labels

    @classmethod
    def from_pairs(cls, pairs: Iterable[Sequence[Any]], *, capacity: int | None = None) -> Samples:
        """Store pairs of (data, label); anything that is not text is stored as the object itself.

        Args:
            pairs: any iterable of pairs.
            capacity: the expected number of pairs, if `pairs` has no length; it saves memory.
        """
        if isinstance(pairs, Samples):
            return cls(pairs.data, pairs.labels)
        size = length_hint(pairs) if capacity is None else capacity
        data, labels = ColumnBuilder(size), ColumnBuilder(size)
        for block in in_blocks(pairs):
            data.extend([entry for entry, _ in block])
            labels.extend([label for _, label in block])
        return cls(data.build(), labels.build())

    def __len__(self) -> int:
        return len(self.data)

    @overload
    def __getitem__(self, index: int) -> tuple[Any, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Samples: ...
    def __getitem__(self, index: int | slice) -> tuple[Any, Any] | Samples:
        if isinstance(index, slice):
            return Samples(self.data[index], self.labels[index])
        return self.data[index], self.labels[index]

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return zip(self.data, self.labels, strict=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes | bytearray):
            return NotImplemented
        return len(self) == len(other) and all(
            isinstance(theirs, Sequence) and mine == tuple(theirs)
            for mine, theirs in zip(self, other, strict=True)
        )

    def __add__(self, other: Samples) -> Samples:
        """Return these samples followed by the others; lazy columns are not read."""
        if not isinstance(other, Samples):
            return NotImplemented
        return Samples(_join(self.data, other.data), _join(self.labels, other.labels))

    def __repr__(self) -> str:
        columns = f"{type(self.data).__name__} and {type(self.labels).__name__}"
        return f"Samples({len(self)} pairs in {columns})"

    def with_root(self, root: StrPath) -> Samples:
        """Return the samples with `os.path.join(root, path)` as the path of each."""
        data = self.data
        if (
            os.name == "posix"
            and isinstance(data, TextColumn)
            and not data.prefix
            and not np.strings.startswith(data.texts, "/").any()
        ):  # The root is stored once.
            return Samples(TextColumn(data.texts, os.path.join(root, "")), self.labels)
        return Samples(as_column(os.path.join(root, path) for path in data), self.labels)

    def take(self, indices: npt.ArrayLike) -> Samples:
        """Return the samples at `indices`, integers of shape (n,), in that order.

        Raises:
            IndexError: an index is out of range or not an integer.
        """
        return Samples(_take(self.data, indices), _take(self.labels, indices))

    def pick(self, indices: npt.ArrayLike) -> tuple[list[Any], list[Any]]:
        """Return the data and the labels at `indices` as lists; lazy entries are read.

        Raises:
            IndexError: an index is out of range or not an integer.
        """
        return _pick(self.data, indices), _pick(self.labels, indices)

    def source(self, index: int) -> Any:
        """Return the path of a sample for messages, its name in a database, or its data."""
        return _name(self.data, index)


def _take(column: Sequence[Any], indices: npt.ArrayLike) -> Sequence[Any]:
    return column.take(indices) if hasattr(column, "take") else _pick(column, indices)


def _pick(column: Sequence[Any], indices: npt.ArrayLike) -> list[Any]:
    if isinstance(column, TextColumn):
        return column.pick(indices)
    return [column[i] for i in as_indices(indices).tolist()]


def _join(first: Sequence[Any], second: Sequence[Any]) -> Sequence[Any]:
    if isinstance(first, LazyColumn) or isinstance(second, LazyColumn):
        return JoinedColumn([first, second])
    return as_column(chain(first, second))


def _name(column: Sequence[Any], index: int) -> Any:
    return column.name(index) if isinstance(column, LazyColumn) else column[index]
