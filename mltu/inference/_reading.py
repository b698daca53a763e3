"""What a reader returns for one image."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Character:
    """One character of a reading.

    Attributes:
        text: the character.
        confidence: the highest probability that the model gave it while it spoke it, in 0..1.
        left: of the columns where the model spoke it, in pixels of the image that was given. They
            are narrower than the character. A recurrent model has seen the whole word before it
            speaks: its characters come in order, the first and last often at the edges.
        right: the column where these end.
    """

    text: str
    confidence: float
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read in one image.

    Attributes:
        text: what stands there; "" if nothing was seen.
        confidence: the probability that the whole text is right, in 0..1: the model's CTC
            probability of the text, at the temperature that its file holds.
        characters: one for each character of the text.
        error: why the image could not be read; None if it was.
    """

    text: str
    confidence: float
    characters: tuple[Character, ...] = ()
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the same as dicts, lists, texts and numbers, ready for JSON."""
        return asdict(self)
