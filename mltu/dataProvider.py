"""Import path of the tutorials; the code is in `mltu.data`."""

from mltu.data import DataProvider

__all__ = ["DataProvider"]
