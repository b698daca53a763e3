"""Slow and obvious answers to compare the fast ones with."""

import itertools
import math

import numpy as np


def levenshtein(a, b):
    """Fill the full table: `table[i][j]` is the distance of the first i items to the first j."""
    table = [[max(i, j) for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
                table[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
            )
    return table[-1][-1]


def collapse(path, blank):
    """Merge repeats, then drop blanks, as CTC reads a path."""
    return [key for key, _ in itertools.groupby(path) if key != blank]


def softmax(logits):
    """Turn the last axis into probabilities, in float64."""
    logits = np.asarray(logits, np.float64)
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def ctc_log_probability(probabilities, label):
    """Sum the probabilities of every path of a (time, classes) matrix that spells the label.

    The last class is the blank. The result is -inf if no path does.
    """
    steps, classes = np.shape(probabilities)
    total = 0.0
    for path in itertools.product(range(classes), repeat=steps):
        if collapse(path, classes - 1) == list(label):
            total += math.prod(probabilities[t][c] for t, c in enumerate(path))
    return math.log(total) if total else -math.inf


def ctc_loss_and_gradient(logits, label):
    """Run the forward-backward recursion in float64 over a (time, classes) matrix of logits.

    Returns the loss and its gradient by the logits. Graves et al., 2006, section 4.
    """
    logits = np.asarray(logits, np.float64)
    steps, classes = logits.shape
    log_probabilities = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    states = [classes - 1]
    for char in label:
        states += [char, classes - 1]
    emissions = log_probabilities[:, states]

    def sums(emissions, states):
        rows = [np.where(np.arange(len(states)) < 2, emissions[0], -np.inf)]
        for time in range(1, steps):
            row = rows[-1].copy()
            for i in range(1, len(states)):
                row[i] = np.logaddexp(rows[-1][i], rows[-1][i - 1])
                if i > 1 and states[i] not in (classes - 1, states[i - 2]):
                    row[i] = np.logaddexp(row[i], rows[-1][i - 2])
            rows.append(row + emissions[time])
        return np.array(rows)

    ahead = sums(emissions, states)
    behind = sums(emissions[::-1, ::-1], states[::-1])[::-1, ::-1]
    total = np.logaddexp.reduce(ahead[-1, -2:])
    shares = np.exp(ahead + behind - emissions - total)
    gradient = softmax(logits)
    for i, state in enumerate(states):
        gradient[:, state] -= shares[:, i]
    return -total, gradient


def finite_differences(function, point, step=1e-5):
    """Differentiate a scalar function of an array by central differences."""
    gradient = np.zeros(np.shape(point))
    for index in np.ndindex(*np.shape(point)):
        offset = np.zeros(np.shape(point))
        offset[index] = step
        gradient[index] = (function(point + offset) - function(point - offset)) / (2 * step)
    return gradient
