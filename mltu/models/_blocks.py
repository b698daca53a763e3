"""Building blocks for Keras models: the residual block of the tutorials and its activation."""

from __future__ import annotations

from typing import Any

from mltu._extras import explain_missing

with explain_missing():
    from keras import config, layers


# TensorFlow 2.21 with oneDNN on AVX-512 corrupts its memory and dies in the gradient of a strided
# 1x1 convolution of 3 or 4 channels. Taking every second pixel first gives the same values.
_MIN_STRIDED_CHANNELS = 16

# Inference uses moving averages of the statistics of batches. With Keras's 0.99 they lag behind
# training by hundreds of steps, so small data sets were validated at CER 1 for ten epochs while
# the model already read; with 0.9 they lag by about ten. It is also PyTorch's default.
_MOMENTUM = 0.9


def batch_norm(x: Any) -> Any:
    """Apply batch normalization whose moving averages follow training within a few steps.

    Args:
        x: a Keras tensor, channels last.

    Returns:
        A Keras tensor of the same shape.
    """
    return layers.BatchNormalization(momentum=_MOMENTUM)(x)


def activation_layer(layer: Any, activation: str = "relu", alpha: float = 0.1) -> Any:
    """Apply an activation to a tensor.

    Args:
        layer: a Keras tensor of any shape.
        activation: `"leaky_relu"`, or any name that `keras.layers.Activation` accepts.
        alpha: slope of `"leaky_relu"` below zero; ignored by other activations.

    Returns:
        A Keras tensor of the same shape.
    """
    if activation == "leaky_relu":
        return layers.LeakyReLU(negative_slope=alpha)(layer)
    return layers.Activation(activation)(layer)


def residual_block(
    x: Any,
    filter_num: int,
    strides: int | tuple[int, int] = 2,
    kernel_size: int | tuple[int, int] = 3,
    skip_conv: bool = True,
    padding: str = "same",
    kernel_initializer: str = "he_uniform",
    activation: str = "relu",
    dropout: float = 0.2,
) -> Any:
    """Add two convolutions with a skip connection around them.

    conv (strides) - batch norm - activation - conv - batch norm - add - activation - dropout.
    The skip is a 1x1 convolution with the same strides and no batch norm, or the identity.

    Args:
        x: a Keras tensor of shape (batch, height, width, channels).
        filter_num: number of filters of both convolutions.
        strides: strides of the first convolution and of the skip.
        kernel_size: kernel size of both convolutions.
        skip_conv: True for the 1x1 convolution; False for the identity, which needs
            `strides=1` and `filter_num` channels in `x`.
        padding: `"same"`, or `"valid"` with `kernel_size=1`, so that the skip has the same shape.
        kernel_initializer: initializer of every convolution.
        activation: as in `activation_layer`.
        dropout: share of values set to zero in training, in [0, 1); 0 adds no layer.

    Returns:
        A Keras tensor of shape (batch, height / strides, width / strides, filter_num).

    Raises:
        ValueError: the identity cannot be added because the shapes differ.

    Source: He et al., 2016, "Deep residual learning for image recognition", figure 2.
    """

    def conv(inputs: Any, size: int | tuple[int, int], stride: int | tuple[int, int]) -> Any:
        return layers.Conv2D(
            filter_num, size, strides=stride, padding=padding, kernel_initializer=kernel_initializer
        )(inputs)

    out = batch_norm(conv(x, kernel_size, strides))
    out = activation_layer(out, activation=activation)
    out = batch_norm(conv(out, kernel_size, 1))
    skip = x
    if skip_conv and strides not in (1, (1, 1)) and x.shape[-1] < _MIN_STRIDED_CHANNELS:
        skip = conv(layers.MaxPooling2D(1, strides)(x), 1, 1)
    elif skip_conv:
        skip = conv(x, 1, strides)
    if tuple(skip.shape) != tuple(out.shape):
        raise ValueError(
            f"`skip_conv` must be True if the block changes the shape. Received "
            f"{tuple(x.shape)}, which cannot be added to {tuple(out.shape)}."
        )
    # In inference TensorFlow 2.21 on a CPU fuses convolution, sum and LeakyReLU in bfloat16 and
    # then uses the slope 0.2 for any `alpha`. It does not fuse a sum in float32.
    fuses = activation == "leaky_relu" and config.dtype_policy().compute_dtype == "bfloat16"
    out = layers.Add(dtype="float32" if fuses else None)([out, skip])
    out = activation_layer(out, activation=activation)
    return layers.Dropout(dropout)(out) if dropout else out
