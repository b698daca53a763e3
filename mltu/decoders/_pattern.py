"""Pattern: a constraint to texts of one form, such as the plates "[A-Z]{2}[0-9]{3}"."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from mltu.decoders._automaton import Automaton

# How much a pattern may grow while its automaton is built: each piece counts as one, a state of the
# automaton as the number of pieces that it stands for. The limit is reached in about a second;
# without it, a short pattern such as "(.*a.{30})" would take forever.
_MAX_STATES = 100_000
_MAX_LENGTH = 10_000  # characters of a pattern
_MAX_DEPTH = 50
_CLASSES = {"d": str.isdecimal, "w": lambda char: char == "_" or char.isalnum(), "s": str.isspace}

Accepts = Callable[[str], bool]
# ("char", accepts), ("all" or "any", trees), or ("times", tree, least, most or None)
Tree = tuple[Any, ...]


class Pattern:
    r"""Texts that match a regular expression from beginning to end.

    Supported syntax: characters, `.`, sets such as `[A-Z0-9-]` and `[^aeiou]`, `\d`, `\w`, `\s` and
    their opposites `\D`, `\W`, `\S`, a backslash before a sign that stands for itself, groups, `|`,
    and the counts `?`, `*`, `+`, `{3}`, `{2,}`, `{2,5}`. All mean what they mean in `re`, except
    that `.` is any character. There are no anchors, since the whole text must match.

    Args:
        pattern: the expression.

    Raises:
        ValueError: the pattern is invalid or uses other syntax; the message names the position.
        TypeError: `pattern` is not a string.

    Source: Thompson, 1968, "Regular Expression Search Algorithm".
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._tree = _Parser(pattern).parse()
        self.automaton = lru_cache(maxsize=4)(self._build)

    def __repr__(self) -> str:
        return f"Pattern({self.pattern!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the expression; the automata are built again."""
        return Pattern, (self.pattern,)

    def _build(self, vocab: tuple[str, ...]) -> Automaton:
        graph = _Graph(self.pattern)
        end = graph.add(self._tree, 0)
        groups = graph.groups(vocab)
        start = graph.closure(frozenset({0}))
        numbers, waiting, rows = {start: 0}, [start], []
        for states in waiting:  # It grows in the loop.
            row = np.full(len(vocab), -1, np.int32)
            moves = [move for state in states if (move := graph.moves[state]) is not None]
            for passed, columns in groups.items():
                after = frozenset(target for test, target in moves if test in passed)
                if not after:
                    continue
                closed = graph.closure(after)
                if closed not in numbers:
                    numbers[closed] = len(numbers)
                    waiting.append(closed)
                row[columns] = numbers[closed]
            rows.append(row)
        automaton = Automaton(np.array(rows), np.array([end in states for states in waiting]))
        if automaton.num_missing[0] == np.iinfo(np.int32).max:
            raise ValueError(
                "`pattern` cannot be matched by any text in the vocabulary of the model. "
                f"Received {self.pattern!r:.200} for the characters {''.join(vocab)[:80]!r}."
            )
        return automaton


class _Graph:
    """A nondeterministic finite automaton, built piece by piece.

    Attributes:
        free: the states that each state leads to without a character.
        moves: for each state, the number of the character test and the state after it, or None.
        tests: the number of each test.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern, self.num_states = pattern, 0
        self.free: list[set[int]] = [set()]
        self.moves: list[tuple[int, int] | None] = [None]
        self.tests: dict[Accepts, int] = {}
        self.closures: dict[frozenset[int], frozenset[int]] = {}

    def add(self, tree: Tree, start: int) -> int:
        """Add a piece after a state; return the state after the piece."""
        self._count(1)
        if tree[0] == "char":
            here, end = self._new(), self._new()
            self.free[start].add(here)
            self.moves[here] = (self.tests.setdefault(tree[1], len(self.tests)), end)
            return end
        if tree[0] == "all":
            for part in tree[1]:
                start = self.add(part, start)
            return start
        if tree[0] == "any":
            end = self._new()
            for part in tree[1]:
                first = self._new()
                self.free[start].add(first)
                self.free[self.add(part, first)].add(end)
            return end
        _, part, least, most = tree
        return self._add_times(part, least, most, start)

    def _add_times(self, tree: Tree, least: int, most: int | None, start: int) -> int:
        for _ in range(least):
            start = self.add(tree, start)
        end = self._new()
        self.free[start].add(end)
        if most is None:
            first = self._new()
            self.free[start].add(first)
            last = self.add(tree, first)
            self.free[last] |= {first, end}
            return end
        for _ in range(most - least):
            start = self.add(tree, start)
            self.free[start].add(end)
        return end

    def groups(self, vocab: tuple[str, ...]) -> dict[frozenset[int], list[int]]:
        """Group the classes of the characters by the tests that they pass."""
        groups: dict[frozenset[int], list[int]] = {}
        for column, char in enumerate(vocab):
            passed = frozenset(number for test, number in self.tests.items() if test(char))
            groups.setdefault(passed, []).append(column)
        return groups

    def closure(self, states: frozenset[int]) -> frozenset[int]:
        """Return all states that can be reached without reading a character."""
        if states not in self.closures:
            reached, waiting = set(states), list(states)
            while waiting:
                fresh = self.free[waiting.pop()] - reached
                reached |= fresh
                waiting.extend(fresh)
            self._count(len(reached))
            self.closures[states] = frozenset(reached)
        return self.closures[states]

    def _new(self) -> int:
        self.free.append(set())
        self.moves.append(None)
        return len(self.free) - 1

    def _count(self, num_states: int) -> None:
        self.num_states += num_states
        if self.num_states > _MAX_STATES:
            raise ValueError(
                f"`pattern` cannot be compiled into at most {_MAX_STATES} states. Received "
                f"{self.pattern!r:.200}. Use smaller counts."
            )


class _Parser:
    """Parses a pattern from left to right into a tree."""

    def __init__(self, pattern: str) -> None:
        if not isinstance(pattern, str):
            raise TypeError(f"`pattern` must be a string. Received {type(pattern).__name__}.")
        if len(pattern) > _MAX_LENGTH:
            raise ValueError(
                f"`pattern` must have at most {_MAX_LENGTH} characters. Received {len(pattern)}: "
                f"{pattern!r:.200}. For many words use `Lexicon`."
            )
        self.pattern, self.position = pattern, 0

    def parse(self) -> Tree:
        """Parse the whole pattern into a tree."""
        tree = self._alternatives(0)
        if self.position < len(self.pattern):
            raise self._error("unbalanced brackets")
        return tree

    def _alternatives(self, depth: int) -> Tree:
        if depth > _MAX_DEPTH:
            raise self._error(f"groups are nested more than {_MAX_DEPTH} levels deep")
        options = [self._sequence(depth)]
        while self._take("|"):
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else ("any", options)

    def _sequence(self, depth: int) -> Tree:
        parts = []
        while self.position < len(self.pattern) and self.pattern[self.position] not in "|)":
            parts.append(self._counted(self._piece(depth)))
        return ("all", parts)

    def _piece(self, depth: int) -> Tree:
        char = self.pattern[self.position]
        if self._take("("):
            if self._take("?") and not self._take(":"):
                raise self._error("(?:...) is the only group with (? that is supported")
            tree = self._alternatives(depth + 1)
            if not self._take(")"):
                raise self._error("unbalanced brackets")
            return tree
        if char in "^$":
            raise self._error(f"no anchor {char!r} needed; write \\{char} for the character itself")
        if char in "*+?{":
            raise self._error(
                f"nothing to repeat before {char!r}; write \\{char} for the character"
            )
        if self._take("["):
            return ("char", self._set())
        if self._take("."):
            return ("char", lambda _: True)
        _, accepts = self._member()
        return ("char", accepts)

    def _member(self) -> tuple[str | None, Accepts]:
        """Read a single member or the start of a range: a character, or None and a class."""
        is_escaped = self._take("\\")
        if self.position == len(self.pattern):
            raise self._error("trailing backslash")
        char = self.pattern[self.position]
        self.position += 1
        if is_escaped and char.lower() in _CLASSES:
            accepts = _CLASSES[char.lower()]
            return None, accepts if char.islower() else lambda other: not accepts(other)
        if is_escaped and char.isalnum():
            raise self._error(f"\\{char} is not supported")
        return char, char.__eq__

    def _set(self) -> Accepts:
        negated = self._take("^")
        first = self.position
        parts: list[Accepts] = []
        # A bracket that comes first is a character of the set.
        while self.position < len(self.pattern) and (
            self.pattern[self.position] != "]" or self.position == first
        ):
            low, accepts = self._member()
            following = self.pattern[self.position : self.position + 2]
            if following.startswith("-") and following != "-]":
                accepts = self._range(low)
            parts.append(accepts)
        if not self._take("]"):
            raise self._error("unbalanced brackets")
        return lambda char: any(part(char) for part in parts) != negated

    def _range(self, low: str | None) -> Accepts:
        """Read the rest of a range; either end may be escaped."""
        self.position += 1
        if self.position == len(self.pattern):
            raise self._error("unbalanced brackets")
        high, _ = self._member()
        if low is None or high is None:
            raise self._error("a class cannot end a range; put a literal minus sign last")
        if low > high:
            raise self._error(f"the range {low}-{high} is reversed")
        return lambda char: low <= char <= high

    def _counted(self, tree: Tree) -> Tree:
        """Read the count after a piece, if there is one."""
        for sign, least, most in (("?", 0, 1), ("*", 0, None), ("+", 1, None)):
            if self._take(sign):
                return self._once(("times", tree, least, most))
        if not self._take("{"):
            return tree
        count = re.compile(r"(\d{1,4})(?:(,)(\d{1,4})?)?\}", re.ASCII)
        match = count.match(self.pattern, self.position)
        if match is None:
            raise self._error("a count must look like {3}, {2,} or {2,5}")
        least = int(match[1])
        most = least if not match[2] else int(match[3]) if match[3] else None
        if most is not None and most < least:
            raise self._error(f"the count {match[0][:-1]} is reversed")
        self.position = match.end()
        return self._once(("times", tree, least, most))

    def _once(self, tree: Tree) -> Tree:
        if self.position < len(self.pattern) and self.pattern[self.position] in "?*+{":
            raise self._error(
                "two counts in a row; put the part that the second one repeats in a group"
            )
        return tree

    def _take(self, text: str) -> bool:
        if not self.pattern.startswith(text, self.position):
            return False
        self.position += len(text)
        return True

    def _error(self, reason: str) -> ValueError:
        return ValueError(
            f"Invalid pattern {self.pattern!r:.200} at position {self.position}: {reason}."
        )
