"""Replaces layers that Keras composes of many small operations by the backend's fused kernels."""

from __future__ import annotations

from functools import partial
from typing import Any

from mltu._extras import explain_missing

with explain_missing():
    import keras
    from keras import ops


def use_native_layers(model: keras.Layer) -> int:
    """Make layers train with the fused kernels of TensorFlow and PyTorch.

    - `BatchNormalization` of images, channels last, on TensorFlow and PyTorch: one kernel instead
      of a dozen passes over the features, which took a fifth of a training step of tutorial 01.
    - `LSTM` on PyTorch on a CPU, where Keras loops in Python: a tenth of the time.

    Values and variables stay the same, up to rounding, and saved files hold plain layers, so call
    this again on a loaded model. Keras's own code still runs for what the kernels cannot do: masks,
    recurrent dropout, activations other than tanh and sigmoid; statistics that are synchronized,
    renormalized or frozen. Nothing changes on JAX, whose compiler fuses the passes itself.

    Args:
        model: a Keras model, or a layer that contains others; changed in place.

    Returns:
        Number of changed layers.
    """
    backend, count = keras.backend.backend(), 0
    for layer in layers_within(model):
        if backend == "torch" and type(layer) is keras.layers.LSTM:
            layer.inner_loop = partial(_inner_loop, layer, type(layer).inner_loop)
        elif backend in _BATCH_NORMS and type(layer) is keras.layers.BatchNormalization:
            layer.call = partial(_normalize, layer, type(layer).call, _BATCH_NORMS[backend])
        else:
            continue
        count += 1
    return count


def layers_within(model: keras.Layer) -> list[keras.Layer]:
    """Return a model or layer and all layers in it, including attributes of layers."""
    found: dict[int, keras.Layer] = {}
    todo: list[Any] = [model]
    while todo:
        value = todo.pop()
        if isinstance(value, list | tuple):
            todo += value
        elif isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, keras.layers.Layer) and id(value) not in found:
            found[id(value)] = value
            todo += vars(value).values()
    return list(found.values())


def _normalize(
    layer: Any, slow: Any, kernel: Any, inputs: Any, training: Any = None, mask: Any = None
) -> Any:
    """Replace `keras.layers.BatchNormalization.call`."""
    learns = training and layer.trainable and layer.scale and layer.center
    renorm = getattr(layer, "renorm", False)  # New in Keras 3.14.
    special = mask is not None or layer.synchronized or renorm
    double = keras.backend.standardize_dtype(inputs.dtype) == "float64"
    if not learns or special or double or len(inputs.shape) != 4 or layer.axis not in (-1, 3):
        return slow(layer, inputs, training=training, mask=mask)
    gamma, beta = ops.convert_to_tensor(layer.gamma), ops.convert_to_tensor(layer.beta)
    outputs, mean, variance = kernel(inputs, gamma, beta, layer.epsilon)
    for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving * layer.momentum + value * (1 - layer.momentum))
    return outputs


def _tensorflow_norm(inputs: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    import tensorflow as tf

    result = tf.raw_ops.FusedBatchNormV3(
        x=inputs, scale=gamma, offset=beta, mean=[], variance=[], epsilon=epsilon
    )
    # The kernel divides by count - 1, Keras by count.
    count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], "float32")
    return result.y, result.batch_mean, result.batch_variance * (count - 1) / count


def _torch_norm(inputs: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    import torch

    outputs, mean, inverse = torch.native_batch_norm(
        inputs.permute(0, 3, 1, 2), gamma, beta, None, None, True, 0.0, epsilon
    )
    return outputs.permute(0, 2, 3, 1), mean.detach(), inverse.detach() ** -2 - epsilon


_BATCH_NORMS = {"tensorflow": _tensorflow_norm, "torch": _torch_norm}


def _inner_loop(
    layer: Any, slow: Any, sequences: Any, initial_state: Any, mask: Any, training: bool = False
) -> tuple[Any, Any, list[Any]]:
    """Replace `keras.layers.RNN.inner_loop`: return last output, all outputs, states."""
    standard = (layer.activation, layer.recurrent_activation) == (
        keras.activations.tanh,
        keras.activations.sigmoid,
    )
    if mask is not None or layer.recurrent_dropout or not standard or sequences.is_cuda:
        loop: tuple[Any, Any, list[Any]] = slow(
            layer, sequences, initial_state, mask, training=training
        )
        return loop
    import torch

    cell = layer.cell
    kernel, recurrent = (ops.convert_to_tensor(x) for x in (cell.kernel, cell.recurrent_kernel))
    weights = [kernel.T, recurrent.T]  # Keras and PyTorch order the gates in the same way.
    if cell.use_bias:
        bias = ops.convert_to_tensor(cell.bias)
        weights += [bias, torch.zeros_like(bias)]
    if training and layer.dropout:
        sequences = sequences * cell.get_dropout_mask(sequences[:, 0, :])[:, None, :]
    if layer.go_backwards:
        sequences = sequences.flip(1)
    first = tuple(ops.convert_to_tensor(state)[None].to(kernel.dtype) for state in initial_state)
    # Biases, one layer, no dropout, gradients wanted, one direction, batch first.
    options = cell.use_bias, 1, 0.0, True, False, True
    outputs, *states = torch.lstm(sequences.to(kernel.dtype), first, weights, *options)
    last = outputs[:, -1]
    return (
        last,
        outputs if layer.return_sequences else last[:, None],
        [state[0] for state in states],
    )
