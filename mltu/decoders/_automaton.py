"""A finite automaton over the classes of a model: it defines which texts a decoder may return."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

_GUIDED = 512  # states up to which completions are scored; scoring costs states * time steps

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Automaton:
    """A deterministic automaton; it starts in state 0.

    Attributes:
        transitions: the state after each class, -1 where the class is refused; int32, shape
            (states, classes without the blank).
        accepting: whether a text may end in a state; bool, shape (states,).
    """

    transitions: npt.NDArray[np.int32]
    accepting: npt.NDArray[np.bool_]

    @cached_property
    def num_missing(self) -> npt.NDArray[np.int32]:
        """The minimum number of characters from each state to an accepting one, shape (states,)."""
        sources, classes = np.nonzero(self.transitions >= 0)
        targets = self.transitions[sources, classes]
        order = np.argsort(targets, kind="stable")
        sources = sources[order]  # Those that lead to state i lie at bounds[i]..bounds[i + 1].
        bounds = np.searchsorted(targets[order], np.arange(len(self.accepting) + 1))
        missing = np.full(len(self.accepting), np.iinfo(np.int32).max, np.int32)
        front, distance = np.flatnonzero(self.accepting), 0
        while len(front):  # Each move is visited once.
            missing[front] = distance
            counts = bounds[front + 1] - bounds[front]
            places = np.repeat(bounds[front] + counts - np.cumsum(counts), counts)
            before = np.unique(sources[places + np.arange(len(places))])
            front, distance = before[missing[before] > distance + 1], distance + 1
        return missing

    def completions(self, logs: Array) -> Array:
        """Bound how much the remaining outputs can still add to the score of each state.

        Args:
            logs: logarithms of probabilities, shape (batch, time, classes), the blank last.

        Returns:
            Shape (batch, time + 1, states), or (1, time + 1, states) where there are many states:
            then 0 where the end can still be reached, and -inf where it cannot.
        """
        num_rows, num_steps, _ = logs.shape
        if len(self.accepting) > _GUIDED:
            left = np.arange(num_steps, -1, -1)
            return np.where(self.num_missing <= left[:, None], 0.0, -np.inf)[None]
        sources, classes = np.nonzero(self.transitions >= 0)
        targets = self.transitions[sources, classes]
        best = np.full((num_steps + 1, len(self.accepting), num_rows), -np.inf)
        best[num_steps, self.accepting] = 0
        for step in range(num_steps - 1, -1, -1):
            now, later, emitted = best[step], best[step + 1], logs[:, step, classes].T
            # Staying in a state means emitting the blank, or repeating the class that led there.
            now[...] = logs[:, step, -1]
            np.maximum.at(now, targets, emitted)
            now += later
            np.maximum.at(now, sources, emitted + later[targets])
        return best.transpose(2, 0, 1)
