"""Checks of arguments and of values from files."""

from __future__ import annotations

from numbers import Integral
from typing import Any

_SHOWN = 200


def check_count(name: str, value: int, least: int) -> None:
    """Check that an argument is an integer and large enough.

    Raises:
        ValueError: it is smaller than `least`, or not an integer.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"`{name}` must be an integer of at least {least}. Received {value!r}.")


def check_between(name: str, value: float, least: float, most: float) -> None:
    """Check that an argument lies in a range, both ends included.

    Raises:
        ValueError: it does not, or is NaN.
    """
    if not least <= value <= most:
        raise ValueError(f"`{name}` must be in {least}..{most}. Received {value}.")


def shorten(value: Any) -> str:
    """Return the repr of a value from a file, which may be huge, cut to 200 characters.

    At most 200 characters, bytes or entries of the value are read.
    """
    has_parts = isinstance(value, str | bytes | list | tuple)
    try:
        text = repr(value[:_SHOWN] if has_parts else value)
    except (RecursionError, ValueError):  # Nested too deeply, or a number with too many digits.
        text = f"a {type(value).__name__} that cannot be shown"
    is_whole = len(text) <= _SHOWN and not (has_parts and len(value) > _SHOWN)
    return text if is_whole else f"{text[:_SHOWN]}..."
