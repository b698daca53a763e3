"""The expressions of `Pattern`, from text to a tree."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_MAX_LENGTH = 10_000  # characters of a pattern
_MAX_COUNT = 1_000
_MAX_DEPTH = 50
_CLASSES = {"d": str.isdecimal, "w": lambda char: char == "_" or char.isalnum(), "s": str.isspace}

Accepts = Callable[[str], bool]
# ("char", accepts), ("all" or "any", trees), or ("times", tree, least, most or None)
Tree = tuple[Any, ...]


class Parser:
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
