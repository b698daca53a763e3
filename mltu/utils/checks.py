"""Checks of arguments that several rooms take: the errors name the argument."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

_SHOWN = 200


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
    is_list = isinstance(steps, Iterable) and not callable(steps)
    wrong = [step for step in steps if not callable(step)] if is_list else [steps]
    if wrong:
        raise TypeError(f"`{name}` must be a list of callables. Received {wrong[0]!r}.")
    return list(steps)


def settings_of(step: object) -> dict[str, Any]:
    """Return the public attributes of a step, which are the arguments that it was made with."""
    return {key: value for key, value in vars(step).items() if not key.startswith("_")}


def called(step: object) -> str:
    """Return how a step looks in messages: its class with its settings."""
    settings = ", ".join(f"{key}={value!r}" for key, value in settings_of(step).items())
    return f"{type(step).__name__}({settings})"


def shorten(value: Any) -> str:
    """Return how an error shows a value that came from a file and may be huge.

    It has at most 200 characters and three dots, and no more than 200 characters, bytes or entries
    of the value are looked at.
    """
    has_parts = isinstance(value, str | bytes | list | tuple)
    try:
        text = repr(value[:_SHOWN] if has_parts else value)
    except (RecursionError, ValueError):  # Nested too deeply, or a number with too many digits.
        text = f"a {type(value).__name__} that cannot be shown"
    is_whole = len(text) <= _SHOWN and not (has_parts and len(value) > _SHOWN)
    return text if is_whole else f"{text[:_SHOWN]}..."
