"""A pattern as a constraint: texts of one form, such as the plates "[A-Z]{2}[0-9]{3}"."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from mltu.decoders._automaton import Automaton

_MAX_STATES = 10_000
_MAX_CELLS = 1 << 28  # states * classes, of 4 bytes each
_MAX_WORK = 4_000_000  # states looked at while the automaton is built, some seconds
_MAX_LENGTH = 10_000  # characters of a pattern
_MAX_COUNT = 1_000
_MAX_DEPTH = 50
_CLASSES = {"d": str.isdecimal, "w": lambda char: char == "_" or char.isalnum(), "s": str.isspace}

Accepts = Callable[[str], bool]
# ("char", accepts), ("all" or "any", trees), or ("times", tree, least, most or None)
Tree = tuple[Any, ...]


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
        parser = _Parser(pattern)
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


class _Parser:
    """Reads a pattern from left to right into a tree.

    Raises:
        ValueError: the pattern is wrong or uses something unknown; the place is named.
    """

    def __init__(self, pattern: str) -> None:
        if not isinstance(pattern, str):
            raise ValueError(f"`pattern` must be a text. Received {type(pattern).__name__}.")
        if len(pattern) > _MAX_LENGTH:
            raise ValueError(
                f"`pattern` must have at most {_MAX_LENGTH} characters. Received {len(pattern)}: "
                f"{pattern!r:.200}. For many words there is `Lexicon`."
            )
        self.pattern, self.at = pattern, 0

    def parse(self) -> Tree:
        """Return the tree of the whole pattern."""
        tree = self._alternatives(0)
        if self.at < len(self.pattern):
            raise self._refusal("a pattern whose brackets match")
        return tree

    def _alternatives(self, depth: int) -> Tree:
        if depth > _MAX_DEPTH:
            raise self._refusal(f"nested at most {_MAX_DEPTH} deep")
        options = [self._sequence(depth)]
        while self._take("|"):
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else ("any", options)

    def _sequence(self, depth: int) -> Tree:
        parts = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            parts.append(self._counted(self._piece(depth)))
        return ("all", parts)

    def _piece(self, depth: int) -> Tree:
        char = self.pattern[self.at]
        if self._take("("):
            if self._take("?") and not self._take(":"):
                raise self._refusal("free of groups with a question mark, but (?:...)")
            tree = self._alternatives(depth + 1)
            if not self._take(")"):
                raise self._refusal("a pattern whose brackets match")
            return tree
        if char in "^$*+?{":
            raise self._refusal(f"free of {char!r} here; \\{char} is the character itself")
        if self._take("["):
            return ("char", self._set())
        if self._take("."):
            return ("char", lambda _: True)
        return ("char", self._one())

    def _one(self) -> Accepts:
        """Read a character, an escaped one, or one of the classes."""
        char, accepts = self._member()
        return accepts if char is None else char.__eq__

    def _member(self) -> tuple[str | None, Accepts]:
        """Read what stands alone or begins a range: a character, or None and a class of them."""
        is_escaped = self._take("\\")
        if self.at == len(self.pattern):
            raise self._refusal("a pattern that does not end in a backslash")
        char = self.pattern[self.at]
        self.at += 1
        if is_escaped and char.lower() in _CLASSES:
            accepts = _CLASSES[char.lower()]
            return None, accepts if char.islower() else lambda other: not accepts(other)
        if is_escaped and char.isalnum():
            raise self._refusal(f"free of \\{char}")
        return char, char.__eq__

    def _set(self) -> Accepts:
        negated, first, parts = self._take("^"), self.at, list[Accepts]()
        while self.at < len(self.pattern) and (self.pattern[self.at] != "]" or self.at == first):
            low, accepts = self._member()
            if self.pattern.startswith("-", self.at) and self.pattern[self.at + 1 :][:1] != "]":
                accepts = self._range(low)
            parts.append(accepts)
        if not self._take("]"):
            raise self._refusal("a pattern whose brackets match")
        return lambda char: any(part(char) for part in parts) != negated

    def _range(self, low: str | None) -> Accepts:
        """Read the rest of a range, of which both ends may be escaped."""
        self.at += 1
        if self.at == len(self.pattern):
            raise self._refusal("a pattern whose brackets match")
        high, _ = self._member()
        if low is None or high is None:
            raise self._refusal("free of ranges of classes; a minus sign itself stands last")
        if low > high:
            raise self._refusal(f"free of ranges that fall, as {low}-{high} does")
        return lambda char: low <= char <= high

    def _counted(self, tree: Tree) -> Tree:
        for sign, least, most in (("?", 0, 1), ("*", 0, None), ("+", 1, None)):
            if self._take(sign):
                return self._once(("times", tree, least, most))
        if not self._take("{"):
            return tree
        match = re.compile(r"(\d{1,4})(?:(,)(\d{1,4})?)?\}", re.ASCII).match(self.pattern, self.at)
        if match is None:
            raise self._refusal("counted as {3}, {2,} or {2,5}")
        least = int(match[1])
        most = least if not match[2] else int(match[3]) if match[3] else None
        if max(least, most or 0) > _MAX_COUNT or (most is not None and most < least):
            raise self._refusal(f"counted by growing numbers of at most {_MAX_COUNT}")
        self.at = match.end()
        return self._once(("times", tree, least, most))

    def _once(self, tree: Tree) -> Tree:
        if self.at < len(self.pattern) and self.pattern[self.at] in "?*+{":
            raise self._refusal("counted once: put a group around what is counted twice")
        return tree

    def _take(self, text: str) -> bool:
        taken = self.pattern.startswith(text, self.at)
        self.at += len(text) * taken
        return taken

    def _refusal(self, expected: str) -> ValueError:
        return ValueError(
            f"`pattern` must be {expected}. Received {self.pattern!r:.200}, stopped at position "
            f"{self.at}."
        )
