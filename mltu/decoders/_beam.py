"""Prefix beam search: finds the most probable texts, summing over the alignments of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mltu.decoders._automaton import Automaton
from mltu.decoders._score import text_log_probabilities
from mltu.utils.checks import check_count

_ROWS = 64  # rows of a batch that are searched together
_WIDEST = 256  # A search that found nothing is repeated with wider beams, up to this width.
_LEAST = 1e-38  # a probability that float32 rounds to nothing
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so no prefix is lost in the product

Array = npt.NDArray[Any]


class Hypothesis(NamedTuple):
    """A text that a decoder proposes.

    Attributes:
        text: the text.
        log_probability: natural logarithm of its CTC probability, the sum over all its alignments.
        classes: the classes of its characters.
    """

    text: str
    log_probability: float
    classes: tuple[int, ...]


class Decoder(Protocol):
    """Anything that decodes the outputs of a CTC model."""

    def decode(
        self, probabilities: npt.ArrayLike, vocab: str | Sequence[str]
    ) -> list[list[Hypothesis]]:
        """Return the most probable texts for each row of the batch, best first.

        Args:
            probabilities: shape (batch, time, classes), the blank last.
            vocab: the characters in the order of their classes.
        """


class Constraint(Protocol):
    """Restricts which texts a decoder may return."""

    def automaton(self, vocab: tuple[str, ...]) -> Automaton:
        """Return the automaton over the classes of `vocab` that accepts only these texts."""


@dataclass(frozen=True)
class BeamDecoder:
    """Prefix beam search over the whole batch at once, with or without a constraint.

    Args:
        beam_width: number of prefixes kept after each time step, at least 1.
        num_best: maximum number of texts to return, 1 to `beam_width`.
        constraint: a `Lexicon` or a `Pattern` that every returned text satisfies, or None.

    Raises:
        ValueError: a number is out of range.
        TypeError: `constraint` is something else, such as a string.

    Source: Hannun et al., 2014, "First-Pass Large Vocabulary Continuous Speech Recognition using
    Bi-Directional Recurrent DNNs", algorithm 1, without a language model.
    """

    beam_width: int = 10
    num_best: int = 1
    constraint: Constraint | None = None

    def __post_init__(self) -> None:
        check_count("beam_width", self.beam_width, 1)
        check_count("num_best", self.num_best, 1)
        if self.num_best > self.beam_width:
            raise ValueError(
                f"`num_best` must be at most `beam_width` = {self.beam_width}. "
                f"Received {self.num_best}. Increase `beam_width`."
            )
        if self.constraint is not None and not hasattr(self.constraint, "automaton"):
            raise TypeError(
                "`constraint` must be a Lexicon, a Pattern or None. Received "
                f"{self.constraint!r:.60}."
            )

    def decode(
        self, probabilities: npt.ArrayLike, vocab: str | Sequence[str]
    ) -> list[list[Hypothesis]]:
        """Return up to `num_best` texts for each row of the batch; see `Decoder.decode`.

        Returns:
            A list for each row; it is empty if no text of the constraint fits into that
            many time steps, and shorter than `num_best` if fewer texts are possible.

        Raises:
            ValueError: the shape does not fit the vocabulary, values are not probabilities, or no
                text of the constraint can be written in the vocabulary.
        """
        outputs, chars = _check_outputs(probabilities, vocab)
        automaton = None if self.constraint is None else self.constraint.automaton(chars)
        return [
            [Hypothesis("".join([chars[c] for c in text]), log, tuple(text)) for text, log in row]
            for start in range(0, len(outputs), _ROWS)
            for row in self._decode(outputs[start : start + _ROWS], automaton)
        ]

    def _decode(
        self, outputs: Array, automaton: Automaton | None
    ) -> list[list[tuple[list[int], float]]]:
        if automaton is not None and automaton.num_missing[0] > outputs.shape[1]:
            return [[] for _ in outputs]  # Not even its shortest text fits.
        logs = np.log(np.maximum(outputs, _LEAST))
        found, width = _search(logs, self.beam_width, automaton), self.beam_width
        # A narrow beam can lose all its prefixes, since two equal characters need a blank between.
        while (lost := [i for i, row in enumerate(found) if not row]) and width < _WIDEST:
            width *= 4
            for i, row in zip(lost, _search(logs[lost], width, automaton), strict=True):
                found[i] = row
        texts = [text for row in found for text in row]
        owners = np.repeat(np.arange(len(found)), [len(row) for row in found])
        sums = text_log_probabilities(outputs[owners], texts) if texts else np.empty(0)
        ranked: list[list[tuple[list[int], float]]] = [[] for _ in found]
        # Ties keep the order of the search; texts of probability 0 are none.
        for i in np.argsort(-sums, kind="stable").tolist():
            if sums[i] > -np.inf and len(best := ranked[owners[i]]) < self.num_best:
                best.append((texts[i], float(sums[i])))
        return ranked


def _search(logs: Array, beam_width: int, automaton: Automaton | None) -> list[list[list[int]]]:
    """Return the texts in the last beam of each row, as lists of classes, in no particular order.

    Args:
        logs: logarithms of probabilities, finite, shape (batch, time, classes), the blank last.
        beam_width: number of prefixes kept after each step.
        automaton: the automaton of the constraint.
    """
    num_rows, num_steps, num_classes = logs.shape
    completions = None if automaton is None else automaton.completions(logs)
    beam = _Beam(num_rows, beam_width, num_classes - 1)
    history = []
    for step in range(num_steps):
        bound = None if completions is None else completions[:, step + 1]
        history.append(beam.advance(logs[:, step], automaton, bound))
    alive = np.maximum(beam.in_blank, beam.in_char) > -np.inf
    return [_texts(history, row, np.flatnonzero(alive[row])) for row in range(num_rows)]


class _Beam:
    """The prefixes of all rows, each array of shape (batch, beam).

    A prefix is identified by a hash of its characters, so that it is recognized however the search
    reached it.
    """

    def __init__(self, num_rows: int, width: int, blank: int) -> None:
        shape = (num_rows, width)
        self.blank = blank
        self.in_blank = np.full(shape, -np.inf)  # log probability of the alignments ending in blank
        self.in_char = np.full(shape, -np.inf)  # of those that end in the last character
        self.in_blank[:, 0] = 0
        self.last = np.full(shape, blank)
        self.hash = np.zeros(shape, np.uint64)
        self.hash[:, 0] = 1
        self.parent = np.zeros(shape, np.uint64)  # the hash without the last character
        self.state = np.zeros(shape, np.int32)

    def advance(
        self, logs: Array, automaton: Automaton | None, bound: Array | None
    ) -> tuple[Array, Array]:
        """Advance one time step; return where each prefix came from and what it added.

        The idea: every prefix either stays as it is (it emits the blank, or its last character
        once more) or grows by one character. All of these candidates are scored at once, in one
        array with the prefixes that stay in columns 0..beam - 1 and those that grow behind them,
        and the best `beam` columns become the next beam. A prefix keeps two sums, of its
        alignments that end in the blank and of those that end in its last character, because
        only from the blank may the same character be emitted again as a new one. With a
        constraint, candidates that its automaton refuses score -inf, and the others are ranked
        (not scored) by what the rest of the outputs can still add on the way to an accepted text.

        Args:
            logs: of this time step, shape (batch, classes).
            automaton: of the constraint.
            bound: of each state, from `Automaton.completions`, shape (batch or 1, states).
        """
        num_rows, width = self.last.shape
        rows = np.arange(num_rows)[:, None]
        # Score the prefixes that stay, and those that grow by each character.
        total = np.logaddexp(self.in_blank, self.in_char)
        # An empty prefix has no last character; the blank takes its place and never counts.
        repeated = np.where(self.last == self.blank, -np.inf, logs[rows, self.last])
        stay_blank, stay_char = total + logs[:, -1:], self.in_char + repeated
        longer = total[:, :, None] + logs[:, None, :]  # (batch, beam, classes)
        # A character twice in a row needs a blank between.
        longer[rows, np.arange(width), self.last] = self.in_blank + repeated
        longer = longer[:, :, : self.blank]
        if automaton is not None:
            states = automaton.transitions[self.state]
            longer = np.where(states < 0, -np.inf, longer)
        self._merge(longer, stay_char)
        # Choose the best of both kinds.
        stay = np.logaddexp(stay_blank, stay_char)
        scores = np.concatenate([stay, longer.reshape(num_rows, -1)], axis=1)
        ranks = scores
        if automaton is not None and bound is not None:
            after = np.concatenate([self.state, states.reshape(num_rows, -1)], axis=1)
            ranks = scores + bound[rows if len(bound) > 1 else 0, np.maximum(after, 0)]
        chosen = np.argpartition(-ranks, width - 1, axis=1)[:, :width]
        stays = chosen < width
        source = np.where(stays, chosen, (chosen - width) // self.blank)
        added = np.where(stays, -1, (chosen - width) % self.blank)
        # Make them the next beam; if there are fewer than its width, the rest is dead.
        dead = ranks[rows, chosen] == -np.inf
        self.in_blank = np.where(stays & ~dead, stay_blank[rows, source], -np.inf)
        in_char = np.where(stays, stay_char[rows, source], scores[rows, chosen])
        self.in_char = np.where(dead, -np.inf, in_char)
        before = self.hash[rows, source]
        self.parent = np.where(stays, self.parent[rows, source], before)
        self.hash = np.where(stays, before, before * _FACTOR + (added + 2).astype(np.uint64))
        # Without a last character, a dead prefix is never mistaken for a live one with its hash.
        self.last = np.where(dead, self.blank, np.where(stays, self.last[rows, source], added))
        if automaton is not None:
            self.state = np.where(
                stays, self.state[rows, source], states[rows, source, np.maximum(added, 0)]
            )
        return source, added

    def _merge(self, longer: Array, stay_char: Array) -> None:
        """Merge a grown prefix into the equal one that stays in the beam, so that texts are unique.

        "ab" may come from "ab" that stays or from "a" that grows by "b": where the parent of a
        prefix is in the beam as well, the sum of the growth goes to the prefix.
        """
        row, shorter, same = np.nonzero(self.hash[:, :, None] == self.parent[:, None, :])
        char = self.last[row, same]
        has_char = char != self.blank
        row, shorter, same, char = (x[has_char] for x in (row, shorter, same, char))
        gained = np.full_like(stay_char, -np.inf)
        np.maximum.at(gained, (row, same), longer[row, shorter, char])
        np.logaddexp(stay_char, gained, out=stay_char)
        longer[row, shorter, char] = -np.inf


def _texts(history: Sequence[tuple[Array, Array]], row: int, beams: Array) -> list[list[int]]:
    """Follow the beams of one row back to the first step."""
    columns = []
    for source, added in reversed(history):
        columns.append(added[row, beams])
        beams = source[row, beams]
    paths = np.stack(columns[::-1], axis=1) if columns else np.empty((0, 0), np.intp)
    return [path[path >= 0].tolist() for path in paths]


def _check_outputs(
    probabilities: npt.ArrayLike, vocab: str | Sequence[str]
) -> tuple[Array, tuple[str, ...]]:
    """Check the outputs; return them as an array (batch, time, classes), and the vocabulary.

    Raises:
        ValueError: the shape does not fit the vocabulary, or values are not probabilities.
    """
    found, chars = _as_floats(probabilities), tuple(vocab)
    if not chars:
        raise ValueError("`vocab` must have at least one character. Received an empty one.")
    if found.ndim != 3 or found.shape[2] != len(chars) + 1 or not found.shape[1]:
        raise ValueError(
            "`probabilities` must have the shape (batch, time, classes) with "
            f"{len(chars) + 1} classes: the {len(chars)} entries of `vocab` and the blank. "
            f"Received shape {found.shape}. Use the vocabulary that the model was trained with."
        )
    if found.size and not (found.min() >= 0 and found.max() <= 1 + 1e-3):
        raise ValueError(
            "`probabilities` must be values in 0..1. Received values from "
            f"{found.min()} to {found.max()}. Apply a softmax to logits first."
        )
    return found, chars


def _as_floats(probabilities: npt.ArrayLike) -> Array:
    """Return real numbers as float32 or float64, which can represent their logarithms."""
    try:
        found = np.asarray(probabilities)
    except ValueError as error:  # Lists of different lengths.
        raise ValueError(
            f"`probabilities` must be an array. Received {type(probabilities).__name__}: {error}"
        ) from error
    if found.dtype.kind not in "fiub":
        raise ValueError(f"`probabilities` must be real numbers. Received dtype {found.dtype}.")
    return found if found.dtype in (np.float32, np.float64) else found.astype(np.float64)
