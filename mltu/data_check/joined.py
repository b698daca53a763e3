"""Joined: the training samples and, behind them, the validation samples under one numbering."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from typing import Any

from mltu.datasets import LazyColumn, load_samples


class Joined:
    """Training and validation samples as one; columns that are read lazily stay unread.

    Args:
        training: a data set in any form that `mltu.datasets.load_samples` takes.
        validation: the same; its positions start at `num_training`. None is no sample.

    Raises:
        TypeError, ValueError, OSError: what `load_samples` says of the data set.
    """

    def __init__(self, training: Any, validation: Any = None) -> None:
        self._training = load_samples(training)
        self._validation = load_samples(() if validation is None else validation)
        self.num_training = len(self._training)
        self.num_validation = len(self._validation)

    def __len__(self) -> int:
        return self.num_training + self.num_validation

    def data(self, position: int) -> Any:
        """Return the path of a sample, or its bytes or array."""
        if position < self.num_training:
            return self._training.data[position]
        return self._validation.data[position - self.num_training]

    def label(self, position: int) -> Any:
        """Return the label of a sample as it is."""
        if position < self.num_training:
            return self._training.labels[position]
        return self._validation.labels[position - self.num_training]

    def labels(self) -> Iterator[Any]:
        """Yield the labels in order."""
        return chain(self._training.labels, self._validation.labels)

    def paths(self) -> Iterator[str | None]:
        """Yield the paths in order; None where the data is none."""
        for samples in (self._training, self._validation):
            if isinstance(samples.data, LazyColumn):
                yield from (None for _ in range(len(samples)))
            else:
                yield from map(_path, samples.data)

    def name(self, position: int) -> str:
        """Return the path of a sample, its name in a database, or `sample <position>`."""
        if position < self.num_training:
            source = self._training.source(position)
        else:
            source = self._validation.source(position - self.num_training)
        return _path(source) or f"sample {position}"


def _path(data: Any) -> str | None:
    return os.fspath(data) if isinstance(data, str | os.PathLike) else None
