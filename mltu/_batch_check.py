"""Says once, while a model trains, what in a batch does not suit the CTC loss."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu import _ctc_kernels
from mltu._extras import explain_missing

with explain_missing():
    import keras
    from keras import ops

_LOGGER = logging.getLogger("mltu.losses")
_ROUNDING = 0.05  # of a sum of probabilities, in bfloat16

Array = npt.NDArray[Any]


class BatchCheck:
    """Looks at each batch that reaches a loss, and logs each kind of fault once.

    Not where TensorFlow uses XLA, which calls no Python.

    Args:
        from_logits: True if the loss takes logits, False if it takes probabilities.
    """

    def __init__(self, from_logits: bool) -> None:
        self._from_logits = from_logits
        self._said: set[str] = set()

    def __call__(self, labels: Any, outputs: Any, num_too_long: Any) -> None:
        """Check a batch; all arguments are tensors of the backend.

        Args:
            labels: int32, shape (batch, max_label_length).
            outputs: float32, shape (batch, time, classes).
            num_too_long: the number of labels that need more time steps.
        """
        outputs = ops.stop_gradient(outputs)
        least, deviation = ops.min(outputs), ops.max(ops.abs(ops.sum(outputs, axis=2) - 1))
        if self._from_logits:
            is_unsuited = (least >= 0) & (deviation <= _ROUNDING)
        else:  # NaN compares as False: the training has diverged, whatever the last layer is.
            is_unsuited = (least < 0) | (deviation > _ROUNDING)
        has_stranger = ops.max(labels) >= outputs.shape[2]
        is_faulty = is_unsuited | has_stranger | (num_too_long > 0)
        _call_if(is_faulty, self._say, labels, outputs, num_too_long, is_unsuited)

    def _say(self, *tensors: Any) -> np.int32:
        for text in find_faults(*map(np.asarray, tensors), from_logits=self._from_logits):
            kind = text.partition(" ")[2][:30]  # Without the count that begins it.
            if kind not in self._said:
                self._said.add(kind)
                _LOGGER.warning("%s", text)
        return np.int32(0)


def find_faults(
    labels: Array, outputs: Array, num_too_long: Array, is_unsuited: Array, *, from_logits: bool
) -> Iterator[str]:
    """Yield a sentence for each fault of a batch; arguments as in `BatchCheck`."""
    sums, classes = outputs.sum(axis=2), outputs.shape[2]
    if is_unsuited and from_logits:
        yield (
            "The model ends in a softmax, but CTCLoss(from_logits=True) expects logits. Use "
            "CTCLoss(), or remove the activation of the last layer."
        )
    elif is_unsuited and outputs.min() < 0:
        yield (
            f"The outputs of the model go down to {outputs.min():.3g}, but CTCLoss() expects "
            'probabilities. Give the last layer activation="softmax", or use '
            "CTCLoss(from_logits=True)."
        )
    elif is_unsuited:
        if np.abs(outputs.sum(axis=1) - 1).max() <= _ROUNDING:
            fix = "They sum to 1 over axis 1: permute them to (batch, time, classes)."
        else:
            fix = 'Give the last layer activation="softmax"; a sigmoid does not suit CTC.'
        yield (
            "The outputs of the model are not probabilities of classes: over the last axis they "
            f"sum to {sums.min():.3g} to {sums.max():.3g} instead of 1. {fix}"
        )
    if labels.max() >= classes:
        yield (
            f"The labels contain the index {labels.max()}, but the model has {classes} classes, "
            f"the last of which is the blank, {classes - 1}. Give the last layer len(vocab) + 1 "
            "units, and pad labels with len(vocab)."
        )
    if num_too_long:
        yield (
            f"{num_too_long} of {len(labels)} labels in a batch need more time steps than the "
            f"{outputs.shape[1]} of the model: one per character, and one more between equal "
            "neighbours. Their loss is 0, so they teach nothing. Use smaller strides along the "
            "width or a wider input, or drop these samples."
        )


def _call_if(condition: Any, function: Callable[..., Any], *tensors: Any) -> None:
    """Call a function with arrays from within a compiled training step."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if not _ctc_kernels.is_in_xla():
            call = partial(tf.numpy_function, function, tensors, tf.int32)
            tf.cond(condition, call, lambda: np.int32(0))
    elif backend == "jax":
        import jax

        jax.lax.cond(condition, lambda: jax.debug.callback(function, *tensors), lambda: None)
    elif backend == "torch":
        import torch

        # Without gradients it may be Keras, which calls the loss with made-up values.
        if torch.is_grad_enabled() and condition:
            function(*map(ops.convert_to_numpy, tensors))
