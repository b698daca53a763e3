"""Keras metrics for CTC models: CER and WER, from sums of edits and of reference lengths.

Rates are pooled over an epoch and equal `get_cer` and `get_wer` on the decoded strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mltu import _ctc_kernels
from mltu._extras import explain_missing
from mltu.losses import as_indices, label_lengths
from mltu.utils.checks import check_count
from mltu.utils.error_rates import edit_distance
from mltu.utils.old_arguments import explains_old_arguments

with explain_missing():
    import keras
    from keras import ops

_FAR = 2**30  # more than any edit distance
_BASE = 1_664_525  # odd, so that it has an inverse modulo 2**32
_INVERSE = (pow(_BASE, -1, 2**32) + 2**31) % 2**32 - 2**31  # as int32


@keras.saving.register_keras_serializable(package="mltu")
@explains_old_arguments
class CWERMetric(keras.metrics.Metric):
    """CER and WER from a single decoding, logged as `CER`, `WER`, `val_CER` and `val_WER`.

    Edits / reference characters, and word edits / reference words, both pooled over the epoch.

    Args:
        vocab: the vocabulary of the labels. Its space separates words; without a vocabulary, or
            without a space in it, each label is one word.
        name: with `"CER"`, Keras's callbacks know that a lower `val_CER` is better. A callback
            that monitors `val_WER` needs `mode="min"`.
        dtype: dtype of the results.
        separator: instead of `vocab`, the index of the space; -1 if each label is one word.

    Raises:
        ValueError: `vocab` is no vocabulary, or `separator` is not an integer of at least -1.
    """

    _direction = "down"

    def __init__(
        self,
        vocab: str | Sequence[str] = "",
        name: str = "CER",
        dtype: Any = None,
        *,
        separator: int | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if not isinstance(vocab, Sequence):
            raise ValueError(
                "`vocab` must be the vocabulary of the labels, whose space separates the words of "
                f"the WER. Received {vocab!r}. Pass {type(self).__name__}(vocab)."
            )
        if separator is None:
            separator = list(vocab).index(" ") if " " in vocab else -1
        check_count("separator", separator, -1)
        self.separator = separator
        self._edits = self._count("edits")
        self._characters = self._count("characters")
        self._wrong_words = self._count("wrong_words")
        self._words = self._count("words")

    def _count(self, name: str) -> Any:
        # An integer, since float32 is inexact beyond 16.7 million.
        return self.add_variable(shape=(), initializer="zeros", dtype="int32", name=name)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: integers, shape (batch, max_label_length), padded with the blank.
            y_pred: probabilities or logits, shape (batch, time, classes), the blank last.
            sample_weight: accepted because Keras passes it; counts are not weighted.
        """
        labels = as_indices(y_true)
        lengths = label_lengths(labels, y_pred.shape[2] - 1)
        best, emitted = _greedy(y_pred)
        edits = _count_edits(labels, lengths, best, emitted)
        if self.separator >= 0:
            inside = ops.arange(ops.shape(labels)[1], dtype="int32") < lengths[:, None]
            truth, words = _words(labels, inside, self.separator)
            read, counts = _words(best, emitted, self.separator)
            is_word = ops.arange(ops.shape(read)[1], dtype="int32") < counts[:, None]
            word_edits = _count_edits(truth, words, read, is_word)
        else:
            words = ops.cast(lengths > 0, "int32")
            word_edits = ops.cast(edits > 0, "int32")
        for total, counted in (
            (self._edits, edits),
            (self._characters, lengths),
            (self._wrong_words, word_edits),
            (self._words, words),
        ):
            total.assign_add(ops.sum(counted))

    def result(self) -> Any:
        """Return `{"CER": ..., "WER": ...}` so far, floats of at least 0; 0.0 before any batch."""
        return {
            "CER": _rate(self._edits, self._characters),
            "WER": _rate(self._wrong_words, self._words),
        }

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "separator": self.separator}


@keras.saving.register_keras_serializable(package="mltu")
class CERMetric(CWERMetric):
    """Character error rate alone; see `CWERMetric`. It needs no vocabulary."""

    def result(self) -> Any:
        """Return the rate so far, a float of at least 0; 0.0 before the first batch."""
        return super().result()["CER"]


@keras.saving.register_keras_serializable(package="mltu")
@explains_old_arguments
class WERMetric(CWERMetric):
    """Word error rate alone; see `CWERMetric`."""

    def __init__(
        self,
        vocab: str | Sequence[str] = "",
        name: str = "WER",
        dtype: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(vocab, name, dtype, **options)

    def result(self) -> Any:
        """Return the rate so far, a float of at least 0; 0.0 before the first batch."""
        return super().result()["WER"]


def _rate(errors: Any, total: Any) -> Any:
    # Integers beyond 2**24 are inexact in float32, by 1e-7 of the rate.
    return ops.cast(errors, "float32") / ops.cast(ops.maximum(total, 1), "float32")


@_ctc_kernels.compiled_on_jax
def _greedy(outputs: Any) -> tuple[Any, Any]:
    """Return the best class of each time step, and whether it is emitted: (batch, time) each."""
    best = ops.cast(ops.argmax(outputs, axis=2), "int32")
    emitted = best != outputs.shape[2] - 1
    repeated = best[:, 1:] == best[:, :-1]
    starts = ops.pad(ops.logical_not(repeated), [[0, 0], [1, 0]], constant_values=True)
    return best, emitted & starts


def _count_edits(labels: Any, lengths: Any, best: Any, emitted: Any) -> Any:
    """Return, for each sample, the edits between its label and what was emitted."""
    # As in the loss: on GPUs Keras uses XLA, which cannot compile the sparse edit distance.
    counts = {"tensorflow": _tensorflow_edits, "torch": _torch_edits, "scan": _scan_edits}
    return counts[_ctc_kernels.kernel_name()](labels, lengths, best, emitted)


@_ctc_kernels.compiled_on_jax
def _words(tokens: Any, mask: Any, separator: int) -> tuple[Any, Any]:
    """Split each row of tokens into words.

    Args:
        tokens: int32, shape (batch, length).
        mask: the tokens that count.
        separator: the token between words; several are as one.

    Returns:
        A number for each word, int32 (batch, length // 2 + 1), those of a row at its beginning,
        and the number of words in each row.
    """
    tokens, counts = _compact(tokens, mask)
    inside = ops.arange(ops.shape(tokens)[1], dtype="int32") < counts[:, None]
    spelled = inside & (tokens != separator)
    ends = spelled & ops.logical_not(ops.pad(spelled[:, 1:], [[0, 0], [0, 1]]))
    # The number of a word is its spelling, read in base `_BASE` modulo 2**32: the difference of two
    # sums from the beginning of the row, divided by the power at which the word begins.
    powers, inverses = (
        ops.cast(ops.cumprod(ops.full_like(tokens, base), axis=1), "int32")
        for base in (_BASE, _INVERSE)
    )
    behind = ops.cast(ops.cumsum(ops.cast(spelled, "int32"), axis=1), "int32")
    scales = ops.take_along_axis(powers, ops.maximum(behind - 1, 0), axis=1)
    values = ops.where(spelled, (tokens + 1) * scales, 0)
    sums = ops.cast(ops.cumsum(values, axis=1), "int32")
    (sums, num_words), (behind, _) = _compact(sums, ends), _compact(behind, ends)
    sum_before, before = (ops.pad(each[:, :-1], [[0, 0], [1, 0]]) for each in (sums, behind))
    before = ops.minimum(before, ops.shape(tokens)[1] - 1)  # Only behind the last word it is more.
    numbers = (sums - sum_before) * ops.take_along_axis(inverses, before, axis=1)
    return numbers[:, : ops.shape(numbers)[1] // 2 + 1], num_words


def _compact(values: Any, mask: Any) -> tuple[Any, Any]:
    """Move what is in the mask to the beginning of each row, in order; return its number too."""
    width = ops.shape(values)[1]
    position = ops.arange(width, dtype="int32")
    order = ops.argsort(ops.where(mask, position, position + width), axis=1)
    counts = ops.sum(ops.cast(mask, "int32"), axis=1)
    return ops.take_along_axis(values, order, axis=1), ops.cast(counts, "int32")


def _tensorflow_edits(labels: Any, lengths: Any, best: Any, emitted: Any) -> Any:
    import tensorflow as tf

    def sparse(values: Any, mask: Any) -> Any:
        indices = tf.where(mask)
        # TensorFlow refuses a batch of no samples.
        shape = tf.maximum(tf.shape(values, out_type=tf.int64), 1)
        return tf.SparseTensor(indices, tf.gather_nd(values, indices), shape)

    truth = sparse(labels, tf.sequence_mask(lengths, labels.shape[1]))
    edits = tf.edit_distance(sparse(best, emitted), truth, normalize=False)
    return tf.cast(edits[: tf.shape(labels)[0]], tf.int32)


def _torch_edits(labels: Any, lengths: Any, best: Any, emitted: Any) -> Any:
    rows = zip(*(ops.convert_to_numpy(x) for x in (labels, lengths, best, emitted)), strict=True)
    edits = [edit_distance(b[e].tolist(), t[:n].tolist()) for t, n, b, e in rows]
    return ops.convert_to_tensor(np.array(edits, dtype="int32"))


@_ctc_kernels.compiled_on_jax
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
