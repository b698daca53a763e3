"""Joined: the training samples and, behind them, the validation samples under one numbering."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from mltu.datasets import load_samples


class Joined:
    """Training and validation samples as one; columns that are read lazily stay unread.

    Args:
        training: a data set in any form that `mltu.datasets.load_samples` takes.
        validation: the same; its positions start at `num_training`. None is no sample.

    Raises:
        TypeError, ValueError, OSError: what `load_samples` says of the data set.
    """

    def __init__(self, training: Any, validation: Any = None) -> None:
        first = load_samples(training)
        second = load_samples(() if validation is None else validation)
        self._samples = first + second
        self.num_training = len(first)
        self.num_validation = len(second)

    def __len__(self) -> int:
        return len(self._samples)

    def data(self, position: int) -> Any:
        """Return the path of a sample, or its bytes or array."""
        return self._samples.data[position]

    def label(self, position: int) -> Any:
        """Return the label of a sample as it is."""
        return self._samples.labels[position]

    def labels(self) -> Iterator[Any]:
        """Yield the labels in order."""
        return iter(self._samples.labels)

    def paths(self) -> Iterator[str | None]:
        """Yield the paths in order; None where the data is none."""
        return (_path(self._samples.source(position)) for position in range(len(self)))

    def name(self, position: int) -> str:
        """Return the path of a sample, its name in a database, or `sample <position>`."""
        return _path(self._samples.source(position)) or f"sample {position}"


def _path(data: Any) -> str | None:
    return os.fspath(data) if isinstance(data, str | os.PathLike) else None
