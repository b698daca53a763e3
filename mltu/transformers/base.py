"""Transformer: the fixed step that others are built on."""

from __future__ import annotations

from typing import Any

from mltu.utils.checks import called


class Transformer:
    """A fixed step of a `DataProvider`: (data, label) in, a new (data, label) out.

    Subclass it and write `__call__`; any callable with the same signature serves as well. A class
    that also defines `batch`, from lists of data and labels to the same for each sample, is given
    whole batches where that is possible. One whose labels come out as they went in says so with
    `keeps_label = True`, and one with `check_labels(labels)` is shown all labels of a data set
    before training; neither is inherited by a subclass with a `__call__` of its own. One whose
    batches differ in the length of an axis names it with `free_axis`, 0 being the batch.
    """

    def __call__(self, data: Any, label: Any) -> tuple[Any, Any]:
        """Return the new data and the new label; never edit the arrays that came in."""
        raise NotImplementedError(f"{type(self).__name__} must define `__call__(data, label)`.")

    def __repr__(self) -> str:
        return called(self)
