"""A Keras network as plain operations of PyTorch, for training with less between them.

Keras shows images to PyTorch as transposed views, rounds and copies more than is needed, and calls
forty layers in Python. Here an image stays (batch, channels, height, width) with the channels last
in memory, as the convolutions of oneDNN and cuDNN want it; so do kernels, their gradients and what
the optimizer keeps of them.
"""

import warnings
from collections import Counter
from functools import cache, partial

import keras
import torch
from keras import layers
from torch.nn import functional


class TorchNetwork:
    """Computes what a functional Keras model computes in training, of the same variables.

    Args:
        model: with one input and one output, each layer called once.

    Attributes:
        num_unknown: of layers that are called as they are.
    """

    def __init__(self, model):
        uses = Counter(id(x) for layer in model.layers for x in _inputs(layer))
        self._input, self._output = id(model.inputs[0]), id(model.outputs[0])
        self._steps, self.num_unknown = [], 0
        for layer in model.layers:
            if not isinstance(layer, layers.InputLayer):
                inputs = [id(x) for x in _inputs(layer)]
                # Nobody else reads it, so it may be overwritten.
                alone = all(uses[x] == 1 for x in inputs)
                operation = _operation(layer, alone)
                self._steps.append((operation, inputs, id(layer.output)))
                self.num_unknown += getattr(operation, "func", None) is _call

    def __call__(self, images):
        """Return the outputs for images, (batch, height, width, channels)."""
        values = {self._input: images.permute(0, 3, 1, 2)}
        for operation, inputs, output in self._steps:
            values[output] = operation(*(values[x] for x in inputs))
        return values[self._output]


def arrange(variables):
    """Let kernels lie in memory with their axes in the order of PyTorch, not of Keras."""
    for variable in variables:
        value = variable.value
        with torch.no_grad():
            if value.ndim == 4:
                value.data = value.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
            elif value.ndim == 2:
                value.data = value.T.contiguous().T


def _inputs(layer):
    return [] if isinstance(layer, layers.InputLayer) else keras.tree.flatten(layer.input)


def _operation(layer, alone):
    """Return a function of tensors, images as (batch, channels, height, width)."""
    kind = type(layer)
    if kind is layers.Activation and layer.activation is keras.activations.relu:
        return torch.relu_ if alone else torch.relu
    if kind is layers.Add:
        return lambda first, *others: sum(others, first)
    if kind in _OPERATIONS and _OPERATIONS[kind][0](layer):
        return partial(_OPERATIONS[kind][1], layer)
    return partial(_call, layer)


def _call(layer, *inputs):
    """Call a layer of Keras."""
    inputs = [x.permute(0, 2, 3, 1) if x.ndim == 4 else x for x in inputs]
    output = layer(inputs[0] if len(inputs) == 1 else inputs, training=True)
    return output.permute(0, 3, 1, 2) if output.ndim == 4 else output


def _value(layer, variable):
    return variable.value.to(getattr(torch, layer.compute_dtype))


def _cast(layer, x):
    return x.to(getattr(torch, layer.compute_dtype))


def _rescale(layer, x):
    return _cast(layer, x) * layer.scale + layer.offset


def _convolve(layer, x):
    x, padding = _cast(layer, x), [0, 0]
    if layer.padding == "same":
        edges = []
        for axis, (size, stride) in enumerate(zip(layer.kernel_size, layer.strides, strict=True)):
            total = max(size - (x.shape[2 + axis] % stride or stride), 0)
            if total % 2:
                edges = [total // 2, total - total // 2, *edges]
            else:
                padding[axis], edges = total // 2, [0, 0, *edges]
        if any(edges):
            x = functional.pad(x, edges)
    bias = _value(layer, layer.bias) if layer.use_bias else None
    kernel = _value(layer, layer.kernel).permute(3, 2, 0, 1)
    return functional.conv2d(x, kernel, bias, layer.strides, padding)


def _normalize(layer, x):
    outputs, mean, inverse = torch.native_batch_norm(
        _cast(layer, x), layer.gamma.value, layer.beta.value, None, None, True, 0.0, layer.epsilon
    )
    with torch.no_grad():
        layer.moving_mean.value.lerp_(mean, 1 - layer.momentum)
        layer.moving_variance.value.lerp_(inverse**-2 - layer.epsilon, 1 - layer.momentum)
    return outputs


def _pool(layer, x):
    """Take means of some rows, faster than `avg_pool2d` in bfloat16 on a CPU."""
    rows = _cast(layer, x).permute(0, 2, 3, 1).unflatten(1, (-1, layer.pool_size[0]))
    return rows.mean(2).permute(0, 3, 1, 2)


def _reshape(layer, x):
    x = x.permute(0, 2, 3, 1) if x.ndim == 4 else x
    x = _cast(layer, x).reshape(len(x), *layer.target_shape)
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def _recur(layer, x):
    """Run an LSTM in both directions; time comes first in memory."""
    dtype = _recurrent_dtype(x.device.type, getattr(torch, layer.compute_dtype))
    x, weights = x.to(dtype).transpose(0, 1), []
    for cell in (layer.forward_layer.cell, layer.backward_layer.cell):
        kernel, recurrent_kernel, bias = (
            variable.value.to(dtype) for variable in (cell.kernel, cell.recurrent_kernel, cell.bias)
        )
        weights += [kernel.T, recurrent_kernel.T, bias, torch.zeros_like(bias)]
    state = x.new_zeros(2, x.shape[1], layer.forward_layer.units)
    return _lstm(x, state, weights).transpose(0, 1)


def _lstm(x, state, weights):
    return torch.lstm(x, (state, state), weights, True, 1, 0.0, True, True, False)[0]


@cache
def _recurrent_dtype(device, dtype):
    """Return the dtype for an LSTM: cuDNN before 9.13 has none in bfloat16."""
    warnings.filterwarnings("ignore", "RNN module weights")  # they are those of Keras
    shapes = 2 * ((16, 4), (16, 4), (16,), (16,))
    try:
        weights = [torch.zeros(s, device=device, dtype=dtype, requires_grad=True) for s in shapes]
        state = weights[0].new_zeros(2, 3, 4)
        _lstm(weights[0].new_zeros(5, 3, 4), state, weights).float().sum().backward()
    except RuntimeError:
        return torch.float32
    return dtype


def _multiply(layer, x):
    bias = _value(layer, layer.bias) if layer.use_bias else None
    return functional.linear(_cast(layer, x), _value(layer, layer.kernel).T, bias)


def _is_plain_convolution(layer):
    linear = layer.activation is keras.activations.linear
    return linear and layer.groups == 1 and layer.dilation_rate == (1, 1) and _is_last(layer)


def _is_last(layer):
    return layer.data_format == "channels_last"


def _is_plain_normalization(layer):
    return layer.axis in (-1, 3) and layer.scale and layer.center and len(layer.input.shape) == 4


def _is_plain_pool(layer):
    whole = layer.pool_size == layer.strides and layer.padding == "valid" and _is_last(layer)
    size = layer.input.shape[1]
    return whole and size is not None and size % layer.pool_size[0] == 0 and layer.pool_size[1] == 1


def _is_plain_lstm(layer):
    lstm = layer.forward_layer
    return (
        type(lstm) is layers.LSTM
        and layer.merge_mode == "concat"
        and (lstm.activation, lstm.recurrent_activation)
        == (keras.activations.tanh, keras.activations.sigmoid)
        and lstm.use_bias
        and lstm.return_sequences
        and not (lstm.dropout or lstm.recurrent_dropout or lstm.stateful or lstm.return_state)
    )


# Which layers of a kind are known, and what they do.
_OPERATIONS = {
    layers.Rescaling: (lambda layer: True, _rescale),
    layers.Conv2D: (_is_plain_convolution, _convolve),
    layers.BatchNormalization: (_is_plain_normalization, _normalize),
    layers.AveragePooling2D: (_is_plain_pool, _pool),
    layers.Reshape: (lambda layer: True, _reshape),
    layers.Bidirectional: (_is_plain_lstm, _recur),
    layers.Dense: (lambda layer: layer.activation is keras.activations.linear, _multiply),
}
