"""Lexicon: a constraint that allows only the words of a list."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any
from unicodedata import normalize

import numpy as np

from mltu.decoders._automaton import Automaton

_LOGGER = logging.getLogger(__name__)

_MAX_LENGTH = 10_000  # of a word; no outputs have so many time steps


class Lexicon:
    """The words that a decoder may return.

    Args:
        words: at least one; those with a character that is not in the vocabulary are never read,
            which a warning says.
        ignore_case: True to accept each word in any case; the text returned has the case that was
            read.

    Raises:
        ValueError: `words` is empty, or a word is empty or has more than 10,000 characters.
        TypeError: `words` is a string, or has an entry that is not a string.

    Source of the automaton: Daciuk et al., 2000, "Incremental Construction of Minimal Acyclic
    Finite-State Automata", for sorted words.
    """

    def __init__(self, words: Iterable[str], *, ignore_case: bool = False) -> None:
        if isinstance(words, str):
            raise TypeError(f"`words` must be a list of words. Received the string {words[:60]!r}.")
        found = list(words)
        for word in found:
            if not isinstance(word, str):
                raise TypeError(f"`words` must be strings. Received {word!r:.60}.")
            if not word:
                raise ValueError("`words` must have at least one character each. Received ''.")
            if len(word) > _MAX_LENGTH:
                raise ValueError(
                    f"`words` must have at most {_MAX_LENGTH} characters each. Received a "
                    f"word of {len(word)}, {word[:60]!r}... Is this a whole file?"
                )
        if not found:
            raise ValueError("`words` must contain at least one word. Received an empty list.")
        self.ignore_case = ignore_case
        self.words = tuple(sorted({self._fold(word) for word in found}))
        self.automaton = lru_cache(maxsize=4)(self._build)

    def __contains__(self, text: str) -> bool:
        """Tell whether a text is one of the words."""
        folded = self._fold(text)
        return folded in self.words[(at := bisect_left(self.words, folded)) : at + 1]

    def __len__(self) -> int:
        """The number of different words."""
        return len(self.words)

    def __repr__(self) -> str:
        return f"Lexicon({len(self)} words, ignore_case={self.ignore_case})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the words; the automata are built again."""
        return partial(Lexicon, ignore_case=self.ignore_case), (self.words,)

    def _fold(self, text: str) -> str:
        # Character by character, as in the vocabulary: `str.lower` of a whole word turns a sigma at
        # its end into another letter, and a dotted capital I into two characters. `str.casefold`
        # makes both kinds of small sigma one.
        if not self.ignore_case:
            return text
        for fold in (str.lower, str.casefold):
            text = "".join([one if len(one := fold(char)) == 1 else char for char in text])
        return text

    def _build(self, vocab: tuple[str, ...]) -> Automaton:
        symbols = {self._fold(char) for char in vocab}
        words = [word for word in self.words if symbols.issuperset(word)]
        if words and len(words) < len(self.words):
            lost = [word for word in self.words if not symbols.issuperset(word)]
            is_nfd = any(symbols.issuperset(normalize("NFC", word)) for word in lost)
            _LOGGER.warning(
                "%d of %d words of the lexicon can never be read, since the vocabulary lacks some "
                "of their characters: %s.%s",
                len(lost),
                len(self.words),
                ", ".join(map(ascii, lost[:5]))[:200],
                " unicodedata.normalize('NFC', word) helps." if is_nfd else "",
            )
        if not words:
            raise ValueError(
                "`words` cannot be written with the vocabulary of the model. Received "
                f"{[word[:40] for word in self.words[:5]]} for the characters "
                f"{''.join(vocab)[:80]!r}."
            )
        states, accepting = _minimal_automaton(words)
        columns: dict[str, list[int]] = {}
        for column, char in enumerate(vocab):
            columns.setdefault(self._fold(char), []).append(column)
        transitions = np.full((len(states), len(vocab)), -1, np.int32)
        for row, edges in zip(transitions, states, strict=True):
            for char, target in edges:
                row[columns[char]] = target
        return Automaton(transitions, np.array(accepting))


Edges = tuple[tuple[str, int], ...]


def _minimal_automaton(words: list[str]) -> tuple[list[Edges], list[bool]]:
    """Build the minimal automaton of sorted words; state 0 is the initial state.

    Returns:
        The edges of each state, pairs of a character and a state, and whether it accepts.
    """
    known: dict[tuple[Edges, bool], int] = {}
    states: list[tuple[Edges, bool]] = [((), False)]  # The first is filled in last.
    # The states along the last word that may still get edges: edges so far, and accepting or not.
    pending: list[tuple[list[tuple[str, int]], bool]] = [([], False)]
    last = ""

    def close(depth: int) -> None:
        while len(pending) > depth + 1:
            edges, accepts = pending.pop()
            state = (tuple(edges), accepts)
            if state not in known:
                known[state] = len(states)
                states.append(state)
            pending[-1][0].append((last[len(pending) - 1], known[state]))

    for word in words:
        common = 0
        while common < min(len(word), len(last)) and word[common] == last[common]:
            common += 1
        close(common)
        pending.extend(([], False) for _ in word[common:])
        pending[-1] = (pending[-1][0], True)
        last = word
    close(0)
    states[0] = (tuple(pending[0][0]), pending[0][1])
    return [edges for edges, _ in states], [accepts for _, accepts in states]
