"""Checks of arguments that several rooms take: the errors name the argument."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any


def check_count(name: str, value: int, least: int) -> None:
    """Look whether an argument is a whole number that is large enough.

    Raises:
        ValueError: it is smaller than `least`, or no integer.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"`{name}` must be an integer of at least {least}. Received {value!r}.")


def check_callables(name: str, steps: Sequence[Any]) -> list[Any]:
    """Return a new list of the steps.

    Raises:
        TypeError: `steps` is no list, or one of them cannot be called.
    """
    wrong = [steps] if callable(steps) else [step for step in steps if not callable(step)]
    if wrong:
        raise TypeError(f"`{name}` must be a list of callables. Received {wrong[0]!r}.")
    return list(steps)


def shorten(value: str | bytes | list[Any], most: int = 200) -> str:
    """Return how an error shows a value that came from a file and may be huge.

    Args:
        value: of which the first `most` characters, bytes or entries are looked at.
        most: characters of what is returned, without the three dots.
    """
    text = repr(value[:most])
    return text if len(text) <= most and len(value) <= most else f"{text[:most]}..."
