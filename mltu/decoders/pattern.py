"""A pattern as a constraint: texts of one form, such as the plates "[A-Z]{2}[0-9]{3}"."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from mltu.decoders.automaton import Automaton
from mltu.decoders.expression import Accepts, Parser, Tree

_MAX_STATES = 10_000
_MAX_CELLS = 1 << 28  # states * classes, of 4 bytes each
_MAX_WORK = 4_000_000  # states looked at while the automaton is built, some seconds


class Pattern:
    r"""Texts that match a regular expression from beginning to end.

    Known are characters, `.`, sets such as `[A-Z0-9-]` and `[^aeiou]`, `\d`, `\w`, `\s` and their
    opposites `\D`, `\W`, `\S`, a backslash before any sign that should stand for itself, groups,
    `|`, and the counts `?`, `*`, `+`, `{3}`, `{2,}`, `{2,5}`. They mean what they mean in `re`,
    but `.` is any character, and there is no anchor: the whole text is meant anyway.

    Args:
        pattern: the expression.

    Raises:
        ValueError: the pattern is wrong or uses something else; the place is named.

    Source: Thompson, 1968, "Regular Expression Search Algorithm".
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        parser = Parser(pattern)
        self._tree = parser.parse()
        self.automaton = lru_cache(maxsize=4)(self._build)

    def __repr__(self) -> str:
        return f"Pattern({self.pattern!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the expression; the automata are built anew."""
        return Pattern, (self.pattern,)

    def _build(self, vocab: tuple[str, ...]) -> Automaton:
        graph = _Graph(self.pattern)
        end = graph.add(self._tree, 0)
        groups = graph.groups(vocab)
        numbers = {graph.closure({0}): 0}
        waiting = list(numbers)
        rows = []
        for states in waiting:  # It grows in the loop.
            row = np.full(len(vocab), -1, np.int32)
            for passed, columns in groups.items():
                after = graph.closure(graph.step(states, passed))
                if after and after not in numbers:
                    numbers[after] = len(numbers)
                    waiting.append(after)
                if after:
                    row[columns] = numbers[after]
            rows.append(row)
            if len(numbers) > _MAX_STATES or len(numbers) * len(vocab) > _MAX_CELLS:
                raise graph.refusal()
        automaton = Automaton(
            np.array(rows, np.int32), np.array([end in states for states in waiting])
        )
        if automaton.num_missing[0] == np.iinfo(np.int32).max:
            raise ValueError(
                "`pattern` must match some text that the vocabulary of the model can write. "
                f"Received {self.pattern!r:.200} for the characters {''.join(vocab)[:80]!r}."
            )
        return automaton


class _Graph:
    """An automaton with free moves, built piece by piece; `pattern` is for the errors."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.work = pattern, 0
        self.free: list[set[int]] = [set()]
        self.moves: list[tuple[int, int] | None] = [None]  # the number of a test, and the target
        self.tests: dict[Accepts, int] = {}

    def new(self) -> int:
        self.free.append(set())
        self.moves.append(None)
        return len(self.free) - 1

    def spend(self, work: int) -> None:
        """Count the work, and refuse what small patterns can make of large counts."""
        self.work += work
        if self.work > _MAX_WORK:
            raise self.refusal()

    def refusal(self) -> ValueError:
        return ValueError(
            f"`pattern` must need at most {_MAX_STATES} states, and few of them at once. Received "
            f"{self.pattern!r:.200}. Ask for smaller counts."
        )

    def add(self, tree: Tree, start: int) -> int:
        """Add a piece behind a state; return the state behind the piece."""
        self.spend(1)
        if len(self.free) > 4 * _MAX_STATES:
            raise self.refusal()
        if tree[0] == "char":
            here, end = self.new(), self.new()
            self.free[start].add(here)
            self.moves[here] = (self.tests.setdefault(tree[1], len(self.tests)), end)
            return end
        if tree[0] == "all":
            for part in tree[1]:
                start = self.add(part, start)
            return start
        if tree[0] == "any":
            end = self.new()
            for part in tree[1]:
                first = self.new()
                self.free[start].add(first)
                self.free[self.add(part, first)].add(end)
            return end
        _, part, least, most = tree
        return self._add_times(part, least, most, start)

    def _add_times(self, tree: Tree, least: int, most: int | None, start: int) -> int:
        for _ in range(least):
            start = self.add(tree, start)
        end = self.new()
        self.free[start].add(end)
        if most is None:
            first = self.new()
            self.free[start].add(first)
            last = self.add(tree, first)
            self.free[last] |= {first, end}
            return end
        for _ in range(most - least):
            start = self.add(tree, start)
            self.free[start].add(end)
        return end

    def groups(self, vocab: tuple[str, ...]) -> dict[frozenset[int], list[int]]:
        """Return the classes of characters that pass the same tests, by these tests."""
        found: dict[frozenset[int], list[int]] = {}
        for column, char in enumerate(vocab):
            self.spend(len(self.tests))
            passed = frozenset(number for test, number in self.tests.items() if test(char))
            found.setdefault(passed, []).append(column)
        return found

    def closure(self, states: set[int]) -> frozenset[int]:
        """Return all states that free moves lead to."""
        found, waiting = set(states), list(states)
        while waiting:
            fresh = self.free[waiting.pop()] - found
            found |= fresh
            waiting.extend(fresh)
        self.spend(len(found))
        return frozenset(found)

    def step(self, states: frozenset[int], passed: frozenset[int]) -> set[int]:
        """Return where a character leads that passes these tests."""
        moves = (self.moves[state] for state in states)
        return {move[1] for move in moves if move is not None and move[0] in passed}
