"""Reading: the result of a reader for one image."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Character:
    """One character of a reading.

    Attributes:
        text: the character.
        confidence: its peak probability over the time steps that emit it, in 0..1.
        left: where these time steps begin, as a share of the image's width, in 0..1. Approximate:
            a recurrent model has seen the whole word before it emits a character, so the range
            is narrower than the letter and may lie beside it.
        right: where they end.
    """

    text: str
    confidence: float
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Reading:
    """The text read in one image.

    Attributes:
        text: the text; "" if nothing was seen.
        confidence: the probability that the whole text is right, in 0..1: its CTC probability at
            the temperature of the model card; `TextRecognizer` says what it is of several views.
        characters: one for each character of the text, in the order of the image.
        error: why the image could not be read; None if it was.
    """

    text: str
    confidence: float
    characters: tuple[Character, ...] = ()
    error: str | None = None

    def __repr__(self) -> str:
        if self.error is not None:
            return f"Reading(error={self.error!r})"
        return f"Reading({self.text!r}, {self.confidence:.1%})"

    def to_dict(self) -> dict[str, Any]:
        """Return the reading as dicts, tuples, strings and numbers, ready for JSON."""
        return asdict(self)
