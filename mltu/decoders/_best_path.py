"""Greedy decoding and forced alignment: which time steps emit which character."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.intp]


class Spans(NamedTuple):
    """The time steps that emit the characters of one text.

    Attributes:
        classes: the classes of the characters, shape (characters,).
        starts: the first time step of each, shape (characters,).
        ends: the step after the last of each, shape (characters,).
    """

    classes: Ints
    starts: Ints
    ends: Ints


def greedy_path(outputs: npt.NDArray[Any]) -> list[Spans]:
    """Decode greedily: the most probable class of each step, repeats merged, blanks dropped.

    Args:
        outputs: probabilities or logits, shape (batch, time, classes), the blank last.

    Returns:
        One for each row of the batch.

    Source: Graves et al., 2006, section 3.2 (best path decoding).
    """
    path, blank = outputs.argmax(axis=2), outputs.shape[2] - 1
    num_rows, num_steps = path.shape
    is_new = np.ones(path.shape, bool)
    is_new[:, 1:] = path[:, 1:] != path[:, :-1]
    starts = np.flatnonzero(is_new)
    ends = np.append(starts[1:], path.size)
    classes = path.ravel()[starts]
    is_character = classes != blank
    starts, ends, classes = starts[is_character], ends[is_character], classes[is_character]
    edges = np.searchsorted(starts, np.arange(num_rows + 1) * num_steps).tolist()
    return [
        Spans(classes[a:b], starts[a:b] - row * num_steps, ends[a:b] - row * num_steps)
        for row, (a, b) in enumerate(pairwise(edges))
    ]


def ctc_decoder(predictions: npt.ArrayLike, chars: str | Sequence[str]) -> list[str]:
    """Decode CTC outputs to text greedily; see `mltu.decoders.greedy_path`.

    Args:
        predictions: probabilities or logits, shape (batch, time, classes); the last class is the
            blank, so classes is `len(chars) + 1`.
        chars: the vocabulary in the order of its indices, a string or a list of strings.

    Returns:
        One string for each row of the batch.

    Raises:
        ValueError: the shape does not fit the vocabulary, or there is a NaN or an infinity.

    >>> ctc_decoder([[[0.9, 0.0, 0.1], [0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]]], "ab")
    ['aa']
    """
    scores = np.asarray(predictions)
    if scores.ndim != 3 or scores.shape[2] != len(chars) + 1:
        raise ValueError(
            "`predictions` must have the shape (batch, time, classes) with "
            f"{len(chars) + 1} classes: the {len(chars)} entries of `chars` and the blank. "
            f"Received shape {scores.shape}. Use the vocabulary that the model was trained with."
        )
    if not (scores < np.inf).all():
        raise ValueError(
            "`predictions` must be numbers. Received NaN or infinity: training has diverged, "
            "or the input has NaN."
        )
    return ["".join(chars[i] for i in row.classes) for row in greedy_path(scores)]


def required_steps(text: Sequence[Any]) -> int:
    """Count the time steps that CTC needs: one per character, one more between equal neighbours.

    Source: Graves et al., 2006, section 3.1.

    >>> required_steps("book")
    5
    """
    return len(text) + sum(bool(a == b) for a, b in pairwise(text))


def align_texts(probabilities: npt.NDArray[Any], classes: Sequence[npt.ArrayLike]) -> list[Spans]:
    """Find the most probable alignment of one given text to each row of the batch.

    Args:
        probabilities: shape (batch, time, classes), the blank last.
        classes: the classes of the characters of each text.

    Returns:
        One for each row.

    Raises:
        ValueError: a text needs more time steps than there are.

    Source: the Viterbi form of Graves et al., 2006, section 4.1.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(probabilities.astype(np.float64))
    return [_align(row, np.asarray(text, np.intp)) for row, text in zip(logs, classes, strict=True)]


def _align(logs: npt.NDArray[np.float64], text: Ints) -> Spans:
    """Align one text to logarithms of shape (time, classes)."""
    num_steps, blank = len(logs), logs.shape[1] - 1
    needed = required_steps(text.tolist())
    if needed > num_steps:
        raise ValueError(
            f"`classes` must be texts that fit into {num_steps} time steps. Received a text "
            f"of {len(text)} characters, which needs {needed}: equal neighbours need a blank."
        )
    labels = np.full(2 * len(text) + 1, blank)
    labels[1::2] = text
    may_leap = np.zeros(len(labels), bool)
    may_leap[2:] = labels[2:] != labels[:-2]
    # Impossible is a number, not -inf, so that backtracking works for every text that fits.
    logs = np.maximum(logs, -1e4)
    scores = np.full(len(labels), -1e9)
    scores[:2] = logs[0, labels[:2]]
    moves = np.zeros((num_steps, len(labels)), np.int8)
    for step in range(1, num_steps):
        origins = np.full((3, len(labels)), -np.inf)  # stay, move to the next label, skip a blank
        origins[0], origins[1, 1:] = scores, scores[:-1]
        origins[2, 2:] = np.where(may_leap[2:], scores[:-2], -np.inf)
        moves[step] = origins.argmax(axis=0)
        scores = origins.max(axis=0) + logs[step, labels]
    at = len(labels) - 1
    if at and scores[at - 1] > scores[at]:
        at -= 1
    places = np.empty(num_steps, np.intp)
    for step in range(num_steps - 1, -1, -1):
        places[step] = at
        at -= moves[step, at]
    own = 2 * np.arange(len(text)) + 1  # The labels of the characters.
    return Spans(text, np.searchsorted(places, own), np.searchsorted(places, own, side="right"))
