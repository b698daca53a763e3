"""Keras metrics for CTC models: CER and WER, from sums of edits and of reference lengths.

Rates are pooled over an epoch and equal `get_cer` and `get_wer` on the decoded strings.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mltu import _ctc_kernels
from mltu._extras import explain_missing
from mltu.losses import label_lengths, required_steps
from mltu.utils.error_rates import edit_distance

with explain_missing():
    import keras
    from keras import ops

_FAR = 2**30  # more than any edit distance


class _CountMetric(keras.metrics.Metric):
    """A metric that stores sums as integers: float32 is inexact beyond 16.7 million."""

    _direction = "down"

    def _count(self, name: str) -> Any:
        return self.add_variable(shape=(), initializer="zeros", dtype="int32", name=name)


@keras.saving.register_keras_serializable(package="mltu")
class CWERMetric(_CountMetric):
    """CER and WER from a single decoding, logged as `CER`, `WER`, `val_CER` and `val_WER`.

    Edits / reference characters, and wrong words / words where each label is one word; both pooled
    over the epoch.

    Args:
        name: with `"CER"`, Keras's callbacks know that a lower `val_CER` is better. A callback
            that monitors `val_WER` needs `mode="min"`.
        dtype: dtype of the results.
    """

    def __init__(self, name: str = "CER", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self._edits = self._count("edits")
        self._characters = self._count("characters")
        self._wrong_words = self._count("wrong_words")
        self._words = self._count("words")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: integers, shape (batch, max_label_length), padded with the blank.
            y_pred: probabilities or logits, shape (batch, time, classes), the blank last.
            sample_weight: accepted because Keras passes it; counts are not weighted.
        """
        edits, lengths = _edits_and_lengths(ops.cast(y_true, "int32"), y_pred)
        self._edits.assign_add(ops.sum(edits))
        self._characters.assign_add(ops.sum(lengths))
        self._wrong_words.assign_add(ops.sum(ops.cast(edits > 0, "int32")))
        self._words.assign_add(ops.sum(ops.cast(lengths > 0, "int32")))

    def result(self) -> Any:
        """Return `{"CER": ..., "WER": ...}` so far, floats of at least 0; 0.0 before any batch."""
        return {
            "CER": _rate(self._edits, self._characters),
            "WER": _rate(self._wrong_words, self._words),
        }


@keras.saving.register_keras_serializable(package="mltu")
class CERMetric(CWERMetric):
    """Character error rate alone; see `CWERMetric`."""

    def result(self) -> Any:
        """Return the rate so far, a float of at least 0; 0.0 before the first batch."""
        return super().result()["CER"]


@keras.saving.register_keras_serializable(package="mltu")
class WERMetric(CWERMetric):
    """Word error rate alone; see `CWERMetric`."""

    def __init__(self, name: str = "WER", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def result(self) -> Any:
        """Return the rate so far, a float of at least 0; 0.0 before the first batch."""
        return super().result()["WER"]


@keras.saving.register_keras_serializable(package="mltu")
class InfeasibleLabels(_CountMetric):
    """Number of labels in the epoch that are too long for the time steps of the model.

    Their `CTCLoss` is 0, so they teach nothing. Shorten them, or give the model more time steps.

    Args:
        name: the key in the logs.
        dtype: dtype of the result.
    """

    def __init__(self, name: str = "infeasible", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self._total = self._count("total")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch; arguments as in `CWERMetric`."""
        labels = ops.cast(y_true, "int32")
        needed = required_steps(labels, label_lengths(labels, y_pred.shape[2] - 1))
        self._total.assign_add(ops.sum(ops.cast(needed > ops.shape(y_pred)[1], "int32")))

    def result(self) -> Any:
        """Return the count so far."""
        return ops.cast(self._total, self.dtype)


def _rate(errors: Any, total: Any) -> Any:
    # Integers beyond 2**24 are inexact in float32, by 1e-7 of the rate.
    return ops.cast(errors, "float32") / ops.cast(ops.maximum(total, 1), "float32")


def _edits_and_lengths(labels: Any, outputs: Any) -> tuple[Any, Any]:
    """Return, for each sample, the edits of the greedy decoding and the characters of the label."""
    blank = outputs.shape[2] - 1
    lengths = label_lengths(labels, blank)
    best = ops.cast(ops.argmax(outputs, axis=2), "int32")
    emitted = best != blank
    repeated = best[:, 1:] == best[:, :-1]
    emitted = emitted & ops.pad(ops.logical_not(repeated), [[0, 0], [1, 0]], constant_values=True)
    # As in the loss: on GPUs Keras uses XLA, which cannot compile the sparse edit distance.
    counts = {"tensorflow": _tensorflow_edits, "torch": _torch_edits, "scan": _scan_edits}
    return counts[_ctc_kernels.kernel_name()](labels, lengths, best, emitted), lengths


def _tensorflow_edits(labels: Any, lengths: Any, best: Any, emitted: Any) -> Any:
    import tensorflow as tf

    def sparse(values: Any, mask: Any) -> Any:
        indices = tf.where(mask)
        shape = tf.shape(values, out_type=tf.int64)
        return tf.SparseTensor(indices, tf.gather_nd(values, indices), shape)

    truth = sparse(labels, tf.sequence_mask(lengths, labels.shape[1]))
    edits = tf.edit_distance(sparse(best, emitted), truth, normalize=False)
    return tf.cast(edits, tf.int32)


def _torch_edits(labels: Any, lengths: Any, best: Any, emitted: Any) -> Any:
    rows = zip(*(ops.convert_to_numpy(x) for x in (labels, lengths, best, emitted)), strict=True)
    edits = [edit_distance(b[e].tolist(), t[:n].tolist()) for t, n, b, e in rows]
    return ops.convert_to_tensor(np.array(edits, dtype="int32"))


def _scan_edits(labels: Any, lengths: Any, best: Any, emitted: Any) -> Any:
    """Run the Levenshtein recurrence over the time steps, one row of the table for each sample.

    An insertion depends on the left neighbour in the same row. Written as
    `row[j] - j = min over i <= j of (candidate[i] - i)`, it is a running minimum, computed here
    over a masked square, in a plain loop: on TensorFlow, XLA cannot compile Keras's scans.

    Source: Wagner and Fischer, 1974.
    """
    columns = ops.arange(ops.shape(labels)[1] + 1, dtype="int32")
    later = columns[None, :] > columns[:, None]  # (j, i): i is beyond j.

    def step(time: Any, row: Any) -> Any:
        mismatch = ops.cast(labels != ops.take(best, time, axis=1)[:, None], "int32")
        diagonal = ops.minimum(row[:, :-1] + mismatch, row[:, 1:] + 1)
        candidates = ops.concatenate([row[:, :1] + 1, diagonal], axis=1)
        square = ops.where(later, _FAR, (candidates - columns)[:, None, :])
        updated = columns + ops.min(square, axis=2)
        return ops.where(ops.take(emitted, time, axis=1)[:, None], updated, row)

    start = ops.zeros_like(labels[:, :1]) + columns
    row = ops.fori_loop(0, ops.shape(best)[1], step, start)
    return ops.take_along_axis(row, lengths[:, None], axis=1)[:, 0]
