"""CTCLoss: the connectionist temporal classification loss for sequence models."""

from __future__ import annotations

from typing import Any

from mltu import _ctc_kernels
from mltu._batch_check import BatchCheck
from mltu._extras import explain_missing

with explain_missing():
    import keras
    from keras import ops

# Added to probabilities before the logarithm. Small, since gradients of unlikely classes shrink by
# p / (p + epsilon), but with an inverse that is finite in float32.
_EPSILON = 1e-12
_GAP = (
    "`y_true` must have padding only behind the characters, which are in 0..{0}. Received a "
    "label in which a character follows the blank, {1}, or another index outside. Pad labels at "
    "the end, build the vocabulary without the blank, and give the last layer len(vocab) + 1 units."
)
_LEAST_LOGIT = -1e6  # Below the largest of its time step; finite, so that no gradient is NaN.


@keras.saving.register_keras_serializable(package="mltu")
class CTCLoss(keras.losses.Loss):
    """The CTC loss: negative log probability of the label given the outputs of a model.

    Targets are integers of shape (batch, max_label_length): a label in [0, classes - 2], padded at
    the end by anything outside, such as `classes - 1`, the blank, or -1. Outputs have the shape
    (batch, time, classes). An empty label is valid. A label that is too long for the time steps
    (its length plus its repeated neighbours exceeds `time`) contributes loss 0 and gradient 0.

    To load a compiled model in another process, `import mltu.losses, mltu.metrics` before
    `keras.models.load_model(path)`, or leave both out: `load_model(path, compile=False)`.

    Labels that are too long, labels of more classes than the model has, and outputs of another kind
    are logged as a warning, once, at the first batch that has them. Where TensorFlow uses XLA, as
    Keras does on a GPU, `ConvergenceWatch(data)` looks at some samples before training.

    Args:
        name: the name of the loss.
        from_logits: False if the model ends in a softmax, True if it ends in logits.
        reduction: as in every Keras loss; `"none"` returns one value per sample, in nats.
        dtype: dtype of the computation, float32 or float64; outputs of the model may be narrower.

    Raises:
        ValueError: `dtype` is narrower than float32. Keras casts the labels to it, and bfloat16
            cannot represent all integers above 256. Or, from a call: labels or outputs have
            another number of axes, or a character comes after padding. In a compiled graph the
            latter is an error of the backend; where the compiler takes no checks, the loss is NaN.

    Source: Graves et al., 2006, "Connectionist temporal classification", section 4.
    """

    def __init__(
        self,
        name: str = "CTCLoss",
        *,
        from_logits: bool = False,
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype or "float32")
        if self.dtype not in ("float32", "float64"):
            raise ValueError(
                "`dtype` must be 'float32' or 'float64', since labels are cast to it too. Received "
                f"{self.dtype!r}. The outputs of the model may still be narrower."
            )
        self.from_logits = from_logits
        self._check = BatchCheck(from_logits)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample, shape (batch,), in nats."""
        labels, scores = self.check(y_true, y_pred)
        return ctc_batch_loss(labels, scores if self.from_logits else ops.log(scores + _EPSILON))

    def check(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Log what in a batch does not suit the loss; return its labels and outputs, cast."""
        _check_axes(y_true, y_pred)
        labels, scores = as_indices(y_true), ops.cast(y_pred, "float32")
        needed = required_steps(labels, label_lengths(labels, scores.shape[2] - 1))
        too_long = ops.cast(needed > ops.shape(scores)[1], "int32")
        self._check(labels, scores, ops.sum(too_long))
        return labels, scores

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "from_logits": self.from_logits}


CTCloss = CTCLoss  # The spelling of the published tutorial.


def _check_axes(labels: Any, outputs: Any) -> None:
    if len(outputs.shape) != 3:
        raise ValueError(
            "The model must have outputs of shape (batch, time, classes). Received the shape "
            f"{tuple(outputs.shape)}. Give the recurrent layers return_sequences=True, and "
            "flatten nothing before the last layer."
        )
    if outputs.shape[2] is not None and outputs.shape[2] < 2:
        raise ValueError(
            "The model must have a class for each character and one more for the blank. Received "
            f"outputs of shape {tuple(outputs.shape)}. Is the vocabulary empty?"
        )
    if len(labels.shape) != 2:
        raise ValueError(
            "The labels must be indices of characters, shape (batch, max_label_length). Received "
            f"the shape {tuple(labels.shape)}. For one-hot labels, pass np.argmax(labels, axis=-1)."
        )


def as_indices(labels: Any) -> Any:
    """Return labels as int32, shape (batch, at least 1); NaN, as any negative number, is padding.

    NaN as an integer would be a character on some backends.
    """
    labels = ops.convert_to_tensor(labels)
    labels = ops.cast(ops.where(labels >= 0, labels, -1), "int32")
    if labels.shape[1] == 0:
        labels = ops.pad(labels, [[0, 0], [0, 1]], constant_values=-1)
    return labels


def label_lengths(labels: Any, blank: int) -> Any:
    """Count the entries of each label that are not padding.

    Args:
        labels: integers, shape (batch, max_label_length).
        blank: the index that pads; negative entries are padding too.

    Returns:
        int32, shape (batch,).
    """
    return ops.sum(ops.cast((labels >= 0) & (labels < blank), "int32"), axis=1)


def required_steps(labels: Any, lengths: Any) -> Any:
    """Count the time steps each label needs: its length, and a blank between equal neighbours.

    Args:
        labels: integers, shape (batch, max_label_length), padded at the end.
        lengths: the lengths of the labels, integers of shape (batch,).

    Returns:
        int32, shape (batch,).
    """
    inside = ops.arange(1, ops.shape(labels)[1], dtype="int32") < lengths[:, None]
    repeats = (labels[:, 1:] == labels[:, :-1]) & inside
    return lengths + ops.sum(ops.cast(repeats, "int32"), axis=1)


def ctc_batch_loss(labels: Any, logits: Any) -> Any:
    """Compute the CTC loss of each sample with the fastest kernel of the backend.

    Args:
        labels: int32, shape (batch, max_label_length), padded as in `CTCLoss`.
        logits: float32, shape (batch, time, classes), or log probabilities; -inf forbids a class.

    Returns:
        float32, shape (batch,), in nats; 0 for labels that are too long.
    """
    blank = logits.shape[2] - 1
    is_character = (labels >= 0) & (labels < blank)
    gaps = ops.any(is_character[:, 1:] & ops.logical_not(is_character[:, :-1]), axis=1)
    _ctc_kernels.refuse(gaps, _GAP.format(blank - 1, blank))
    logits = logits - ops.stop_gradient(ops.max(logits, axis=2, keepdims=True))
    logits = ops.maximum(logits, _LEAST_LOGIT)
    lengths = label_lengths(labels, blank)
    feasible = required_steps(labels, lengths) <= ops.shape(logits)[1]
    regular = feasible & (lengths > 0)
    # Kernels raise on empty labels and return inf for those that are too long, whose gradient would
    # be NaN even if masked afterwards. So both are computed as the label [0] and then replaced.
    position = ops.arange(ops.shape(labels)[1], dtype="int32")[None, :]
    labels = ops.where(regular[:, None] & is_character, labels, 0)
    lengths = ops.where(regular, lengths, 1)
    labels = ops.where(position < lengths[:, None], labels, blank)  # whatever it was padded with
    losses = _ctc_kernels.KERNELS[_ctc_kernels.kernel_name()](labels, lengths, logits)
    all_blank = -ops.sum(ops.log_softmax(logits, axis=-1)[:, :, blank], axis=1)
    losses = ops.where(regular, losses, ops.where(feasible, all_blank, 0.0))
    return ops.where(gaps, float("nan"), losses)
