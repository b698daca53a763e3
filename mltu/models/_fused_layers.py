"""Replaces layers that Keras composes of many small operations by the backend's fused kernels."""

from __future__ import annotations

from functools import partial
from typing import Any

from mltu._ctc_kernels import is_in_xla
from mltu._extras import explain_missing
from mltu.utils.gpus import num_gpus

with explain_missing():
    import keras
    from keras import ops


def use_native_layers(model: keras.Layer) -> int:
    """Make layers train with the fused kernels of TensorFlow and PyTorch.

    - `BatchNormalization` of images, channels last, on TensorFlow and PyTorch: one kernel instead
      of a dozen passes over the features, which took a fifth of a training step of tutorial 01.
    - `Conv2D` and `DepthwiseConv2D`, channels last, on PyTorch, where Keras copies the features
      twice before a convolution and adds the bias in a pass of its own.
    - `LSTM` on a CPU: on PyTorch, where Keras loops in Python, a tenth of the time. In training on
      TensorFlow, where Keras runs a loop of small operations: two cores take three quarters of the
      time for a step of tutorial 01 with 32 images, and the same with 64.

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
        if backend in _LSTMS and type(layer) is keras.layers.LSTM:
            layer.inner_loop = partial(_inner_loop, layer, type(layer).inner_loop, _LSTMS[backend])
        elif backend in _BATCH_NORMS and type(layer) is keras.layers.BatchNormalization:
            layer.call = partial(_normalize, layer, type(layer).call, _BATCH_NORMS[backend])
        elif backend == "torch" and type(layer) in _CONVOLUTIONS:
            layer.call = partial(_convolve, layer, type(layer).call)
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


def _convolve(layer: Any, slow: Any, inputs: Any) -> Any:
    """Replace the `call` of `_CONVOLUTIONS` on PyTorch."""
    import torch
    from torch.nn import functional

    if layer.data_format != "channels_last":
        return slow(layer, inputs)
    # Channels first by its shape, last in memory: the same numbers in the same places.
    images = inputs.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    kernel = ops.convert_to_tensor(layer.kernel)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        kernel = kernel.permute(2, 3, 0, 1).flatten(0, 1)[:, None]
    else:
        kernel = kernel.permute(3, 2, 0, 1)
    padding = [0, 0]
    if layer.padding == "same":
        sizes = zip(
            images.shape[2:], layer.kernel_size, layer.strides, layer.dilation_rate, strict=True
        )
        wanted = [max((size - 1) // s * s + d * (k - 1) + 1 - size, 0) for size, k, s, d in sizes]
        padding = [each // 2 for each in wanted]
        if any(each % 2 for each in wanted):  # As TensorFlow: the odd pixel is the last one.
            (top, left), (height, width) = padding, wanted
            images = functional.pad(images, (left, width - left, top, height - top))
            padding = [0, 0]
    outputs = functional.conv2d(
        images, kernel, ops.convert_to_tensor(layer.bias) if layer.use_bias else None,
        layer.strides, padding, layer.dilation_rate,
        groups=images.shape[1] // kernel.shape[1],
    )  # fmt: skip
    return layer.activation(outputs.permute(0, 2, 3, 1))


_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def _inner_loop(
    layer: Any,
    slow: Any,
    kernel: Any,
    sequences: Any,
    initial_state: Any,
    mask: Any,
    training: bool = False,
) -> tuple[Any, Any, list[Any]]:
    """Replace `keras.layers.RNN.inner_loop`: return last output, all outputs, states."""
    standard = (layer.activation, layer.recurrent_activation) == (
        keras.activations.tanh,
        keras.activations.sigmoid,
    )
    special = mask is not None or layer.recurrent_dropout or not standard
    if special or not _suits_the_kernel(sequences, training):
        loop: tuple[Any, Any, list[Any]] = slow(
            layer, sequences, initial_state, mask, training=training
        )
        return loop
    cell, dtype = layer.cell, sequences.dtype
    weights = [ops.convert_to_tensor(x) for x in (cell.kernel, cell.recurrent_kernel)]
    bias = cell.bias if cell.use_bias else ops.zeros_like(weights[1][0])
    if training and layer.dropout:
        sequences = sequences * cell.get_dropout_mask(sequences[:, 0, :])[:, None, :]
    if layer.go_backwards:
        sequences = ops.flip(sequences, axis=1)
    values = sequences, *initial_state, *weights, bias
    # TensorFlow's kernel knows no bfloat16.
    wide = "float32" if keras.backend.backend() == "tensorflow" else weights[0].dtype
    outputs, cells = kernel(*(ops.cast(ops.convert_to_tensor(each), wide) for each in values))
    states = [ops.cast(outputs[:, -1], dtype), ops.cast(cells, dtype)]
    return (
        states[0],
        ops.cast(outputs, dtype) if layer.return_sequences else states[0][:, None],
        states,
    )


def _suits_the_kernel(sequences: Any, training: bool) -> bool:
    if keras.backend.backend() == "torch":
        return not sequences.is_cuda
    # What is exported and what XLA compiles stay Keras's own operations.
    wide = keras.backend.standardize_dtype(sequences.dtype) == "float64"
    return bool(training) and not wide and not num_gpus("tensorflow") and not is_in_xla()


def _torch_lstm(
    sequences: Any, output: Any, cell: Any, kernel: Any, recurrent: Any, bias: Any
) -> tuple[Any, Any]:
    """Return all outputs and the last cell."""
    import torch

    # Keras and PyTorch order the gates in the same way.
    weights = [kernel.T, recurrent.T, bias, torch.zeros_like(bias)]
    # Biases, one layer, no dropout, gradients wanted, one direction, batch first.
    options = True, 1, 0.0, True, False, True
    outputs, _, cells = torch.lstm(sequences, (output[None], cell[None]), weights, *options)
    return outputs, cells[0]


def _tensorflow_lstm(
    sequences: Any, output: Any, cell: Any, kernel: Any, recurrent: Any, bias: Any
) -> tuple[Any, Any]:
    """Return all outputs and the last cell."""
    import tensorflow as tf

    def reorder(values: Any) -> Any:
        """From the order of Keras, i, f, c, o, to that of the kernel, i, c, f, o."""
        gates = tf.split(values, 4, axis=-1)
        return tf.concat([gates[0], gates[2], gates[1], gates[3]], axis=-1)

    unused = tf.zeros_like(output[0])  # peepholes
    # BlockLSTMV2 has the order of Keras, but the gradient of BlockLSTM, which is wrong for it.
    result = tf.raw_ops.BlockLSTM(
        seq_len_max=tf.cast(tf.shape(sequences)[1], "int64"),
        x=tf.transpose(sequences, (1, 0, 2)),
        h_prev=output, cs_prev=cell,
        w=reorder(tf.concat([kernel, recurrent], 0)), b=reorder(bias),
        wci=unused, wcf=unused, wco=unused, use_peephole=False, forget_bias=0.0, cell_clip=0.0,
    )  # fmt: skip
    return tf.transpose(result.h, (1, 0, 2)), result.cs[-1]


_LSTMS = {"tensorflow": _tensorflow_lstm, "torch": _torch_lstm}
