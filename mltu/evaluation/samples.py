"""Sample: one image, what stands there and what was read, as a report takes it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

# A product of probabilities in float32 may come out above 1 by rounding.
_MOST = 1.001


@dataclass(frozen=True, eq=False)  # Arrays do not compare to one truth value.
class Sample:
    """One image, what stands there and what was read.

    Args:
        image: a path, the bytes of an image file, a uint8 array in BGR or grey, or None where
            there is no picture to show.
        truth: what stands there.
        reading: what was read; "" if there is an error.
        confidence: how sure the reader was, in 0..1, or None if it does not say.
        error: why the image could not be read, or None if it was read.

    Raises:
        TypeError: a text is no string, or `confidence` no number.
        ValueError: `confidence` is outside of 0..1, or there is a reading beside an error.
    """

    image: Any
    truth: str
    reading: str
    confidence: float | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        for name in ("truth", "reading"):
            _check_type(name, getattr(self, name), str, "a string")
        if self.error is not None:
            _check_type("error", self.error, str, "a string or None; use str(error)")
            if self.reading:
                raise ValueError(
                    "`reading` must be '' where `error` is given: what could not be read counts "
                    f"as the empty text. Received {self.reading!r} with {self.error!r}."
                )
        if self.confidence is not None:
            _check_type("confidence", self.confidence, Real, "a number or None")
            if not 0 <= self.confidence <= _MOST:
                raise ValueError(
                    "`confidence` must be a probability in 0..1. "
                    f"Received {self.confidence!r}. Give None where the reader does not say."
                )


def source_names(samples: Sequence[Sample]) -> list[str]:
    """Name each sample by its path without the folder that all share, or else by its number."""
    paths = [_path(sample.image) for sample in samples]
    folders = [os.path.dirname(path) for path in paths if path]
    try:
        shared = os.path.commonpath(folders) if folders else ""
    except ValueError:  # Relative and absolute paths, or two drives, share none.
        shared = ""
    return [
        os.path.relpath(path, shared) if shared and path else path or f"sample {index:,}"
        for index, path in enumerate(paths)
    ]


def _path(image: Any) -> str:
    return os.fsdecode(image) if isinstance(image, str | os.PathLike) else ""


def _check_type(name: str, value: object, kind: type, expected: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(
            f"`{name}` must be {expected}. Received {value!r} of type {type(value).__name__}."
        )
