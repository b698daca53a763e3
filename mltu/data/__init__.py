"""Data loading: `DataProvider`, and `Step`, the base class of its steps."""

from typing import TYPE_CHECKING, Any

from mltu.data._bad_samples import BadSample
from mltu.data._epoch import epoch_order
from mltu.utils.pipeline_step import Step

if TYPE_CHECKING:
    from mltu.data._provider import DataProvider

__all__ = ["BadSample", "DataProvider", "Step", "epoch_order"]


def __getattr__(name: str) -> Any:
    """Import Keras with `DataProvider` only: worker processes import this package without it."""
    if name == "DataProvider":
        from mltu.data._provider import DataProvider

        return DataProvider
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
