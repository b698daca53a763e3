"""Samples: a data set as two columns, which a million paths and labels hardly weigh in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt

from mltu.utils.text_columns import TextColumn, TextColumnBuilder, as_indices


class LazyColumn(Sequence[Any], ABC):
    """A column whose entries are read from somewhere each time they are asked for."""

    @abstractmethod
    def take(self, indices: npt.ArrayLike) -> Self:
        """Return the column of the entries at `indices`, integers of shape (n,); nothing read."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Return what an error calls an entry; nothing read."""


class JoinedColumn(LazyColumn):
    """Columns one behind the other, read where they are.

    Args:
        columns: of any kind.
        places: the column of each entry and the place therein, shape (entries, 2); None for all
            entries of all columns in their order.
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

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> JoinedColumn: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return JoinedColumn(self._columns, self._places[index])
        number, place = self._places[index].tolist()
        return self._columns[number][place]

    def take(self, indices: npt.ArrayLike) -> JoinedColumn:
        """Return the column of the entries at `indices`; nothing read."""
        return JoinedColumn(self._columns, self._places[as_indices(indices)])

    def name(self, index: int) -> Any:
        """Return what an error calls an entry; nothing read."""
        number, place = self._places[index].tolist()
        return _name(self._columns[number], place)

    def held(self) -> Iterator[Any]:
        """Yield the entries that are not read when they are asked for."""
        lazy = [isinstance(column, LazyColumn) for column in self._columns]
        for number, place in self._places.tolist():
            if not lazy[number]:
                yield self._columns[number][place]


class Samples(Sequence[tuple[Any, Any]]):
    """Pairs of (data, label) kept as two columns; equal to any sequence of the same pairs.

    Args:
        data: of each sample: a `TextColumn` of paths, a `LazyColumn`, or a list of anything.
        labels: of each sample, as many.

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
    def from_pairs(cls, pairs: Iterable[Sequence[Any]]) -> Samples:
        """Store pairs of (data, label); what is not text is kept as the object that it is."""
        if isinstance(pairs, Samples):
            return cls(pairs.data, pairs.labels)
        data, labels = _ColumnBuilder(), _ColumnBuilder()
        for entry, label in pairs:
            data.append(entry)
            labels.append(label)
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
        """Return these samples and, behind them, the others; lazy columns stay unread."""
        if not isinstance(other, Samples):
            return NotImplemented
        return Samples(_join(self.data, other.data), _join(self.labels, other.labels))

    def __repr__(self) -> str:
        columns = f"{type(self.data).__name__} and {type(self.labels).__name__}"
        return f"Samples({len(self)} pairs in {columns})"

    def take(self, indices: npt.ArrayLike) -> Samples:
        """Return the samples at `indices`, integers of shape (n,), in that order.

        Raises:
            IndexError: there is no such sample, or an index is no integer.
        """
        return Samples(_take(self.data, indices), _take(self.labels, indices))

    def pick(self, indices: npt.ArrayLike) -> tuple[list[Any], list[Any]]:
        """Return the data and the labels at `indices` as lists, read where they are lazy.

        Raises:
            IndexError: there is no such sample, or an index is no integer.
        """
        return _pick(self.data, indices), _pick(self.labels, indices)

    def source(self, index: int) -> Any:
        """Return what a message calls a sample: its path, its name in a database, or its data."""
        return _name(self.data, index)


class _ColumnBuilder:
    """Takes entries one by one: a `TextColumn` as long as all are text, otherwise a list."""

    def __init__(self) -> None:
        self._texts = TextColumnBuilder()
        self._others: list[Any] | None = None

    def append(self, entry: Any) -> None:
        if self._others is None:
            if isinstance(entry, str):
                self._texts.append(entry)
                return
            self._others = list(self._texts.build())
        self._others.append(entry)

    def build(self) -> Sequence[Any]:
        return self._texts.build() if self._others is None else self._others


def _take(column: Sequence[Any], indices: npt.ArrayLike) -> Sequence[Any]:
    if isinstance(column, TextColumn | LazyColumn):
        return column.take(indices)
    return [column[i] for i in as_indices(indices).tolist()]


def _pick(column: Sequence[Any], indices: npt.ArrayLike) -> list[Any]:
    if isinstance(column, TextColumn):
        return column.pick(indices)
    return [column[i] for i in as_indices(indices).tolist()]


def _join(first: Sequence[Any], second: Sequence[Any]) -> Sequence[Any]:
    if isinstance(first, TextColumn) and isinstance(second, TextColumn):
        return TextColumn.from_strings(chain(first, second))
    if isinstance(first, LazyColumn) or isinstance(second, LazyColumn):
        return JoinedColumn([first, second])
    return [*first, *second]


def _name(column: Sequence[Any], index: int) -> Any:
    return column.name(index) if isinstance(column, LazyColumn) else column[index]
