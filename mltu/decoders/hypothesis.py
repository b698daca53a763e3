"""What a decoder is, and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mltu.decoders.automaton import Automaton

Array = npt.NDArray[Any]


class Hypothesis(NamedTuple):
    """A text that outputs may stand for.

    Attributes:
        text: what was read.
        log_probability: natural logarithm of its CTC probability, the sum over all its alignments.
    """

    text: str
    log_probability: float


class Decoder(Protocol):
    """Anything that reads the outputs of a CTC model."""

    def decode(
        self, probabilities: npt.ArrayLike, vocab: str | Sequence[str]
    ) -> list[list[Hypothesis]]:
        """Return the likely texts of each row of the batch, the likeliest first.

        Args:
            probabilities: shape (batch, time, classes), the blank last.
            vocab: the characters in the order of their classes.
        """


class Constraint(Protocol):
    """Which texts a decoder may return."""

    def automaton(self, vocab: tuple[str, ...]) -> Automaton:
        """Return the automaton that accepts just these texts, over the classes of `vocab`."""


def check_outputs(
    probabilities: npt.ArrayLike, vocab: str | Sequence[str]
) -> tuple[Array, tuple[str, ...]]:
    """Return the outputs as an array of shape (batch, time, classes), and the vocabulary.

    Raises:
        ValueError: the shape does not fit the vocabulary, or values are no probabilities.
    """
    found, chars = _as_floats(probabilities), tuple(vocab)
    if not chars:
        raise ValueError("`vocab` must have at least one character. Received none.")
    if found.ndim != 3 or found.shape[2] != len(chars) + 1 or not found.shape[1]:
        raise ValueError(
            "`probabilities` must have the shape (batch, time, classes) with "
            f"{len(chars) + 1} classes: the {len(chars)} entries of `vocab` and the blank. "
            f"Received shape {found.shape}. Use the vocabulary that the model was trained with."
        )
    if found.size and not (found.min() >= 0 and found.max() <= 1 + 1e-3):
        raise ValueError(
            "`probabilities` must hold values in 0..1. Received values from "
            f"{found.min()} to {found.max()}. Apply a softmax to logits first."
        )
    return found, chars


def _as_floats(probabilities: npt.ArrayLike) -> Array:
    """Return real numbers as float32 or float64, in which logarithms can be taken."""
    try:
        found = np.asarray(probabilities)
    except ValueError as error:  # Lists of different lengths.
        raise ValueError(
            f"`probabilities` must be an array. Received {type(probabilities).__name__}: {error}"
        ) from error
    if found.dtype.kind not in "fiub":
        raise ValueError(
            f"`probabilities` must hold real numbers. Received the dtype {found.dtype}."
        )
    return found if found.dtype in (np.float32, np.float64) else found.astype(np.float64)
