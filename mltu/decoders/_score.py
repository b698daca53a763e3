"""Probabilities from outputs, and the CTC probability of a text: the sum over its alignments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

_CONFIDENT_BLANK = 0.9999
_RESCALE = 8  # time steps; eight factors of 1e-38, the least of float32, stay above 1e-308


def kind_of_outputs(outputs: npt.NDArray[Any]) -> str:
    """Return `"probabilities"` or `"logits"`, judging by values of shape (batch, time, classes)."""
    is_softmax = outputs.min() >= 0 and np.allclose(outputs.sum(axis=-1), 1, atol=1e-2)
    return "probabilities" if is_softmax else "logits"


def to_probabilities(outputs: Array, kind: str, temperature: float = 1.0) -> Array:
    """Divide logits by a temperature and return their probabilities.

    Args:
        outputs: shape (..., classes).
        kind: `"probabilities"`, whose logarithms serve as logits, or `"logits"`.
        temperature: above 1 makes the model less confident, below 1 more.

    Returns:
        Shape (..., classes), of the same dtype, summing to 1; probabilities at temperature 1 are
        returned as they came.

    Raises:
        ValueError: `kind` is neither.

    Source: Guo et al., 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    if kind not in ("probabilities", "logits"):
        raise ValueError(f"`kind` must be 'probabilities' or 'logits'. Received {kind!r}.")
    if kind == "probabilities":
        if temperature == 1:
            return outputs
        # Shifted by the largest, so that not all of them underflow in float32.
        largest = outputs.max(axis=-1, keepdims=True)
        powers = (outputs / np.where(largest > 0, largest, 1)) ** (1 / temperature)
        powers = np.where(largest > 0, powers, 1)
    else:
        with np.errstate(over="ignore"):  # Whatever is that improbable becomes 0.
            powers = np.exp((outputs - outputs.max(axis=-1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


def text_log_probabilities(
    probabilities: npt.NDArray[Any], classes: Sequence[Sequence[int] | Ints]
) -> npt.NDArray[np.float64]:
    """Compute the natural logarithm of the probability of one text for each row of the batch.

    Args:
        probabilities: shape (batch, time, classes), the blank last.
        classes: the classes of the characters of each text, integers, without blanks.

    Returns:
        Shape (batch,); -inf for a text that needs more time steps than there are.

    Raises:
        ValueError: the numbers of texts and rows differ.

    Source: Graves et al., 2006, section 4.1 (the forward variables).
    """
    if len(classes) != len(probabilities):
        raise ValueError(
            "`classes` must have a text for each row of `probabilities`. "
            f"Received {len(classes)} texts and {len(probabilities)} rows."
        )
    labels, ends = _with_blanks(classes, probabilities.shape[2] - 1)
    # 1 where the blank before a label may be skipped: not between equal characters.
    skips = np.zeros(labels.shape)
    skips[:, 1:2] = 1  # A text may begin with its first character.
    skips[:, 2:] = labels[:, 2:] != labels[:, :-2]
    logs = _forward(probabilities, labels, ends, skips)
    for row in np.flatnonzero(np.isneginf(logs)).tolist():
        # Divided by the total, a very improbable text may have become 0.
        gains = probabilities[row, :, labels[row]].T.astype(np.float64)
        logs[row] = _in_logarithms(gains, skips[row] > 0, int(ends[row]))
    return logs


def _forward(probabilities: npt.NDArray[Any], labels: Ints, ends: Ints, skips: Floats) -> Floats:
    """Sum over the alignments of one text for each row.

    The idea: a text with blanks around its characters is a chain of labels, and an alignment walks
    along it: at each time step it stays at its label, moves to the next one, or skips the blank
    between two different characters. `sums` holds, for each row and label, the probability of all
    walks that have arrived there; a time step adds up these three origins and multiplies by the
    probability that it assigns to the label. Two buffers alternate, so that nothing is allocated
    in the loop. Every few steps the sums are divided by their total, whose logarithm is saved, so
    that they do not underflow.
    """
    num_rows, num_labels = labels.shape
    # (time, batch, labels): the probability that each step assigns to each label.
    rows = np.arange(num_rows)[:, None]
    gains = probabilities[rows, :, labels].transpose(2, 0, 1).astype(np.float64)
    # Two columns of zeros precede the first label, in the sums of this step and of the next.
    sums = np.zeros((2, num_rows, num_labels + 2))
    sums[0, :, 1] = 1  # Before the first step, one step before the first blank.
    this, other = ((s[:, 2:], s[:, 1:-1], s[:, :-2]) for s in sums)
    moved, logs = np.empty(labels.shape), np.zeros(num_rows)
    for step, gain in enumerate(gains, 1):
        now, before, leap = this
        np.multiply(leap, skips, out=moved)
        np.add(moved, before, out=moved)
        np.add(moved, now, out=moved)
        np.multiply(moved, gain, out=other[0])
        this, other = other, this
        if step == 1:
            sums[0, :, 1] = 0
        if step % _RESCALE == 0:
            now, totals = this[0], this[0].sum(axis=1)
            totals[totals == 0] = 1
            now /= totals[:, None]
            logs += np.log(totals)
    rows, now = rows[:, 0], this[0]
    total = now[rows, ends] + np.where(ends > 0, now[rows, ends - 1], 0)
    with np.errstate(divide="ignore"):
        logs += np.log(total)
    return logs


def _in_logarithms(gains: Floats, skips: npt.NDArray[np.bool_], end: int) -> float:
    """Do the same for one row in logarithms, which never underflow but take far longer.

    Args:
        gains: the probability that each step assigns to each label, shape (time, labels).
        skips: whether the blank before a label may be skipped.
        end: the last label.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(gains)
    sums = np.full(len(skips), -np.inf)
    sums[:2] = logs[0, :2]
    for gain in logs[1:]:
        moved = sums.copy()
        moved[1:] = np.logaddexp(moved[1:], sums[:-1])
        moved[2:] = np.where(skips[2:], np.logaddexp(moved[2:], sums[:-2]), moved[2:])
        sums = moved + gain
    return float(np.logaddexp.reduce(sums[max(end - 1, 0) : end + 1]))


def skip_confident_blanks(probabilities: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Leave out time steps that change the probabilities of texts by less than 0.0001 each.

    These are all but the first step of each run in which the blank has at least 0.9999: most steps
    of a trained model.

    Args:
        probabilities: shape (batch, time, classes), the blank last.

    Returns:
        Shape (batch, fewer time steps, classes). A row that loses more than others is padded at
        its end with certain blanks, which change nothing.
    """
    confident = probabilities[:, :, -1] >= _CONFIDENT_BLANK
    idle = np.zeros(confident.shape, bool)
    np.logical_and(confident[:, 1:], confident[:, :-1], out=idle[:, 1:])
    num_left = np.count_nonzero(~idle, axis=1)
    order = np.argsort(idle, axis=1, kind="stable")[:, : num_left.max(initial=0)]
    left = probabilities[np.arange(len(order))[:, None], order]
    left[np.arange(order.shape[1]) >= num_left[:, None]] = np.eye(probabilities.shape[2])[-1]
    return left


def _with_blanks(classes: Sequence[Sequence[int] | Ints], blank: int) -> tuple[Ints, Ints]:
    """Return blank, c1, blank, c2 ... blank, padded with blanks, and where each text ends."""
    lengths = np.array([len(text) for text in classes], np.intp)
    labels = np.full((len(classes), 2 * int(lengths.max(initial=0)) + 1), blank, np.intp)
    rows = np.repeat(np.arange(len(classes)), lengths)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    if len(rows):
        labels[rows, 2 * places + 1] = np.concatenate(classes)
    return labels, 2 * lengths
