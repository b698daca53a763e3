"""The CTC loss of a batch, computed by the fastest exact kernel of each backend.

A kernel takes labels, int32 (batch, max_label_length), padded with the blank; their lengths, int32
(batch,), each at least 1 and short enough for the time steps; logits, float32 (batch, time,
classes), of which the largest of each time step is 0; and the blank, the last class. It returns the
losses, float32 (batch,), in nats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mltu._extras import explain_missing
from mltu.utils.gpus import num_gpus

with explain_missing():
    import keras
    from keras import ops

_NEVER = -1e30  # The log probability of what is impossible.
# TensorFlow's kernel takes the logarithm of a softmax in float32, which is -inf below -103.
_UNDERFLOW = -85.0


def kernel_name() -> str:
    """Return the kernel for this backend and machine: `"tensorflow"`, `"torch"` or `"scan"`.

    XLA, which Keras turns on where it sees a GPU or by `jit_compile=True`, cannot compile
    TensorFlow's sparse kernels.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return "scan" if is_in_xla() or num_gpus(backend) else "tensorflow"
    return "torch" if backend == "torch" else "scan"


def compiled_on_jax(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of arrays once for each shape: JAX compiles a loop at each eager call."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)  # type: ignore[no-any-return]


def is_in_xla() -> bool:
    """Return whether XLA compiles what TensorFlow traces now."""
    import tensorflow as tf
    from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

    return bool(GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def refuse(wrong: Any, message: str) -> None:
    """Raise an error if a value is True: a ValueError now, or that of a graph when it runs.

    XLA on TensorFlow leaves it out.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            tf.debugging.Assert(tf.logical_not(tf.reduce_any(wrong)), [message])
            return
    elif backend == "jax":
        import jax

        if isinstance(wrong, jax.core.Tracer):

            def fail() -> None:
                raise ValueError(message)

            jax.lax.cond(wrong.any(), lambda: jax.debug.callback(fail), lambda: None)
            return
    elif wrong.is_meta:  # Keras computes shapes.
        return
    if bool(ops.any(wrong)):
        raise ValueError(message)


def tensorflow_kernel(labels: Any, lengths: Any, logits: Any) -> Any:
    """Use the C++ kernel, or `scan_kernel` where the former would return infinite losses."""
    import tensorflow as tf

    scores = tf.stop_gradient(logits)

    def fast() -> Any:
        indices = tf.where(tf.sequence_mask(lengths, tf.shape(labels)[1]))
        losses, gradient = tf.raw_ops.CTCLoss(  # Its blank is the last class.
            inputs=tf.transpose(scores, (1, 0, 2)),
            labels_indices=indices,
            labels_values=tf.gather_nd(labels, indices),
            sequence_length=tf.fill(tf.shape(lengths), tf.shape(scores)[1]),
        )
        return losses, tf.transpose(gradient, (1, 0, 2))

    # Differentiating `tf.cond` makes TensorFlow print "Type inference failed" while it optimizes
    # the graph, so the branches return their gradients.
    losses, gradient = tf.cond(
        tf.reduce_min(scores) > _UNDERFLOW,
        fast,
        lambda: _scan_gradient(labels, lengths, scores),
    )
    return _with_gradient(losses, gradient, logits)


def torch_kernel(labels: Any, lengths: Any, logits: Any) -> Any:
    """Use PyTorch's own kernel, in double precision if the device supports it."""
    import torch

    exact = logits if logits.device.type == "mps" else logits.double()
    steps = torch.full_like(lengths, logits.shape[1])
    losses = torch.nn.functional.ctc_loss(
        exact.log_softmax(dim=-1).transpose(0, 1),
        labels, steps, lengths, blank=logits.shape[2] - 1, reduction="none",
    )  # fmt: skip
    return losses.float()


def scan_kernel(labels: Any, lengths: Any, logits: Any) -> Any:
    """Run one loop over the time steps, forward and backward at once, which XLA can compile.

    The gradient is as exact for long sequences and logits of any size as for short ones.

    Source: Graves et al., 2006, "Connectionist temporal classification", section 4.1.
    """
    losses, gradient = _scan_gradient(labels, lengths, ops.stop_gradient(logits))
    return _with_gradient(losses, gradient, logits)


def _with_gradient(losses: Any, gradient: Any, logits: Any) -> Any:
    """Return the losses so that their derivative by the logits is `gradient`."""
    slope = ops.sum(logits * ops.stop_gradient(gradient), axis=(1, 2))
    return ops.stop_gradient(losses) + (slope - ops.stop_gradient(slope))


@compiled_on_jax
def _scan_gradient(labels: Any, lengths: Any, logits: Any) -> tuple[Any, Any]:
    """Return the losses and their gradients by the logits, (batch, time, classes)."""
    # A label of n characters becomes 2n + 1 states: blank, a, blank, b, ..., blank. A path starts
    # before time 0 in the first state and at each time step stays, moves to the next state, or
    # skips a blank between different characters. `forward[t, s]` sums, in logarithms, all paths
    # that are in state s after step t; the backward pass is the same recurrence on the sequence
    # and the states in reverse, so both run as one batch. Their product, minus the emission that
    # both contain, is the share of all paths in each state at each time: added up by class, it is
    # the expected share of the class given the label, and the gradient is the softmax minus that.
    # The shares are scaled to sum to 1 at each step, so rounding errors do not add up over time.
    blank = ops.shape(logits)[2] - 1
    logits = ops.transpose(logits, (1, 0, 2))  # time first
    states = _states(labels, blank)
    emissions = ops.take_along_axis(logits, states[None], axis=2)  # (time, batch, states)
    starts, skips = _grid(states, lengths, blank)
    both = ops.stack([emissions, _reversed(emissions)], axis=1)
    scores = _run(both, starts, skips)

    ends = ops.stack([2 * lengths - 1, 2 * lengths], axis=1)
    # The loss: all paths that end in the last character or in the blank after it.
    whole, part = (ops.take_along_axis(each[-1, 0], ends, axis=1) for each in scores)
    best = ops.max(whole, axis=1)
    norms = ops.sum(ops.logsumexp(logits, axis=2), axis=0)
    losses = norms - best - ops.log(ops.sum(ops.exp(whole - best[:, None] + part), axis=1))

    # The paths through each state at each time.
    whole, part = (
        each[:, 0] + _reversed(each[:, 1]) - emission
        for each, emission in zip(scores, _split(emissions), strict=True)
    )
    whole = whole - ops.max(whole, axis=2, keepdims=True)
    shares = ops.transpose(ops.exp(ops.maximum(whole + part, _NEVER)), (1, 0, 2))
    expected = ops.matmul(shares, ops.one_hot(states, ops.shape(logits)[2], dtype=logits.dtype))
    expected = expected / ops.sum(expected, axis=2, keepdims=True)
    return losses, ops.transpose(ops.softmax(logits, axis=2), (1, 0, 2)) - expected


def _reversed(values: Any) -> Any:
    """Reverse time and states, one by one: Keras 3.10 on TensorFlow cannot flip two axes."""
    return ops.flip(ops.flip(values, axis=0), axis=2)


def _states(labels: Any, blank: int) -> Any:
    """Put blanks around and between the characters: (batch, 2 * max_label_length + 1)."""
    blanks = ops.full_like(labels, blank)
    pairs = ops.reshape(ops.stack([blanks, labels], axis=2), (-1, 2 * ops.shape(labels)[1]))
    return ops.concatenate([pairs, blanks[:, :1]], axis=1)


def _grid(states: Any, lengths: Any, blank: int) -> tuple[Any, Any]:
    """Return where paths start, and which states can be reached by skipping a blank.

    Both for forward and, with the states in reverse, backward: bool, shape (2, batch, states).
    """
    position = ops.arange(ops.shape(states)[1], dtype="int32")[None, :]
    first = ops.broadcast_to(position == 0, ops.shape(states))
    starts = ops.stack([first, ops.flip(position == 2 * lengths[:, None], axis=1)])
    skips = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    edge = ops.zeros_like(states[:, :2], dtype="bool")
    both = [ops.concatenate([edge, each], axis=1) for each in (skips, ops.flip(skips, axis=1))]
    return starts, ops.stack(both)


def _run(emissions: Any, starts: Any, skips: Any) -> tuple[Any, Any]:
    """Sum the paths to each state at each time step, in logarithms.

    A score is kept as a whole number and a part of at most a half, since a float32 of -20000 has
    no more than two decimals. Both results have the shape of `emissions`, (time, 2, batch, states).
    """

    def earlier(score: Any, steps: int, fill: float) -> Any:
        edge = ops.full_like(score[..., :steps], fill)
        return ops.concatenate([edge, score[..., :-steps]], axis=-1)

    def step(carried: tuple[Any, Any], emission: tuple[Any, Any]) -> tuple[Any, Any]:
        whole, part = carried
        jumped = ops.where(skips, earlier(whole, 2, _NEVER), _NEVER)
        wholes = (whole, earlier(whole, 1, _NEVER), jumped)
        parts = (part, earlier(part, 1, 0.0), earlier(part, 2, 0.0))
        best = ops.maximum(ops.maximum(wholes[0], wholes[1]), wholes[2])
        paths = sum(ops.exp(w - best + p) for w, p in zip(wholes, parts, strict=True))
        more, part = _split(ops.log(paths) + emission[1])
        score = ops.maximum(best + emission[0] + more, _NEVER), part
        return score, score

    first = ops.cast(ops.where(starts, 0.0, _NEVER), emissions.dtype)  # not `floatx`
    return _scan(step, (first, ops.zeros_like(first)), _split(emissions))


def _scan(step: Any, state: Any, inputs: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return what `ops.scan` stacks; XLA cannot compile that of TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        _, stacked = ops.scan(step, state, inputs)
        return tuple(stacked)

    def body(time: Any, carried: tuple[Any, Any]) -> tuple[Any, Any]:
        state, stacked = carried
        state, outputs = step(state, tuple(ops.take(each, time, axis=0) for each in inputs))
        return state, tuple(
            ops.slice_update(each, [time, 0, 0, 0], output[None])
            for each, output in zip(stacked, outputs, strict=True)
        )

    start = (state, tuple(ops.zeros_like(each) for each in inputs))
    _, stacked = ops.fori_loop(0, ops.shape(inputs[0])[0], body, start)
    return tuple(stacked)


def _split(values: Any) -> tuple[Any, Any]:
    whole = ops.round(values)
    return whole, values - whole


KERNELS = {"tensorflow": tensorflow_kernel, "torch": torch_kernel, "scan": scan_kernel}
