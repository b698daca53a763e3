"""Values as JSON has them."""

import json
from typing import Any

import numpy as np


def to_plain(value: Any) -> Any:
    """Return a value as JSON gives it back: tuples as lists, numbers of NumPy as numbers.

    Raises:
        TypeError: it cannot be stored as JSON.
    """
    return json.loads(json.dumps(value, default=_number))


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):  # Such as the maximum of lengths.
        return value.item()
    raise TypeError(f"An object of type {type(value).__name__} cannot be stored as JSON.")
