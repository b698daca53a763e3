"""Ready-made readers: residual convolutions, bidirectional LSTMs and a softmax, for `CTCLoss`.

Source of the architecture: Shi et al., 2015, "An End-to-End Trainable Neural Network for
Image-based Sequence Recognition"; of the blocks: He et al., 2015, "Deep Residual Learning".

All take (batch, height, width, channels) images with values in 0..255 and return probabilities, of
`text_reader` logits, of shape (batch, time, num_characters + 1), whose last class is the blank.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mltu._extras import explain_missing
from mltu.models._blocks import activation_layer, batch_norm, residual_block
from mltu.utils.checks import check_count

with explain_missing():
    from keras import Model, layers

Shape = tuple[int, int | None, int]  # height, width, channels

_STEPS_PER_COLUMN = 2  # of `text_reader`, whose feature map has a column for every 4 pixels


def row_reader(
    input_shape: Shape, num_characters: int, activation: str = "leaky_relu", dropout: float = 0.2
) -> Model:
    """Build the reader of tutorial 01: 252,799 parameters for 32x128x3 and 62 characters.

    It reads its feature map row by row: height / 4 * width / 4 time steps of 64 features, eight
    times as many as `column_reader`, and trains far more slowly.

    Args:
        input_shape: (height, width, channels), both sides divisible by 4.
        num_characters: the size of the vocabulary, without the blank.
        activation: as in `activation_layer`.
        dropout: dropout of the residual blocks, in [0, 1).

    Returns:
        A model that is not compiled.

    Raises:
        ValueError: height or width is not divisible as required, or there is no character.
    """
    _check_sides(input_shape, 4, 4)
    inputs, x = _inputs(input_shape)
    for filters, strides, num_blocks in ((16, 1, 1), (16, 2, 2), (32, 2, 2), (64, 1, 2)):
        x = _stage(x, filters, strides, num_blocks, activation, dropout)
    x = layers.Reshape((-1, x.shape[3]))(x)
    return _head(inputs, x, num_characters, (64,))


def column_reader(
    input_shape: Shape, num_characters: int, activation: str = "leaky_relu", dropout: float = 0.2
) -> Model:
    """Build a reader about the size of `row_reader` that reads columns from left to right.

    It has width / 4 time steps, and 269,439 parameters for 32x128x3 and 62 characters.

    The arguments are those of `row_reader`, but the height must be divisible by 8, and the width
    may be None.
    """
    _check_sides(input_shape, 8, 4)
    inputs, x = _inputs(input_shape)
    for filters, strides, num_blocks in ((16, 1, 1), (16, 2, 2), (32, 2, 2), (64, (2, 1), 2)):
        x = _stage(x, filters, strides, num_blocks, activation, dropout)
    return _head(inputs, _columns(x, 64, activation), num_characters, (64,))


def strong_reader(
    input_shape: Shape, num_characters: int, activation: str = "relu", dropout: float = 0.0
) -> Model:
    """Build the reader of tutorial 07: 958,495 parameters for 32x128x1 and 62 characters.

    The first convolution halves height and width, later ones halve only the height, and two LSTMs
    read width / 2 time steps: two equal letters of a long word need a blank between them.

    The arguments are those of `row_reader`, but the height must be divisible by 8, the width by 2,
    or it may be None.
    """
    _check_sides(input_shape, 8, 2)
    inputs, x = _inputs(input_shape)
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(x)
    x = activation_layer(batch_norm(x), activation)
    for filters, strides, num_blocks in ((32, 1, 1), (64, (2, 1), 2), (96, (2, 1), 2)):
        x = _stage(x, filters, strides, num_blocks, activation, dropout)
    return _head(inputs, _columns(x, 160, activation), num_characters, (96, 96))


def text_reader(input_shape: Shape, num_characters: int, momentum: float = 0.9) -> Model:
    """Build the reader of `words`: 1,971,296 parameters for 32xNx3 and 191 characters.

    The map is made small early, which leaves arithmetic for more channels; each of its columns then
    emits two time steps, width / 2 in all, so that two equal narrow letters have room for the blank
    between them. It returns float32 logits.

    Args:
        input_shape: as in `row_reader`, but the height must be divisible by 16, the width by 4, or
            it may be None.
        num_characters: as in `row_reader`.
        momentum: of the moving statistics of batch normalization.
    """
    _check_sides(input_shape, 16, 4)
    check_count("num_characters", num_characters, 1)

    inputs = layers.Input(input_shape, name="input")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    for filters in (32, 64):
        x = layers.Activation("relu")(_normalized(x, momentum, filters, 3, 2))
    for filters, strides in ((64, 1), (96, (2, 1)), (160, (2, 1)), (160, 1)):
        x = _text_block(x, momentum, filters, strides)
    x = layers.Conv2D(192, (x.shape[1], 1), use_bias=False)(x)
    x = layers.Activation("relu")(layers.BatchNormalization(momentum=momentum)(x))
    x = layers.Reshape((-1, 192))(x)
    for units in (128, 128):
        x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
    classes = num_characters + 1
    units = _STEPS_PER_COLUMN * classes
    head = layers.Dense(units, dtype="float32")
    x = layers.Reshape((-1, classes), dtype="float32", name="logits")(head(x))
    # Two thirds of the time steps are blank; otherwise the first few hundred steps only learn that.
    bias = np.zeros((_STEPS_PER_COLUMN, classes))
    bias[:, -1] = np.log(2 * classes)
    head.bias.assign(bias.ravel())
    return Model(inputs, x, name="text_reader")


def _text_block(x: Any, momentum: float, filters: int, strides: Any = 1) -> Any:
    y = layers.Activation("relu")(_normalized(x, momentum, filters, 3, strides))
    y = _normalized(y, momentum, filters, 3)
    if strides != 1:
        x = layers.AveragePooling2D(strides)(x)
    if x.shape[-1] != filters:
        x = _normalized(x, momentum, filters, 1)
    return layers.Activation("relu")(layers.add([x, y]))


def _normalized(x: Any, momentum: float, filters: int, size: int, strides: Any = 1) -> Any:
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(momentum=momentum)(x)


def _check_sides(input_shape: Shape, height: int, width: int) -> None:
    wide = width if input_shape[1] is None else input_shape[1]
    sides = (("height", input_shape[0], height), ("width", wide, width))
    for name, side, divisor in sides:
        if not side or side % divisor:
            raise ValueError(
                f"`input_shape` must be (height, width, channels) with a {name} divisible by "
                f"{divisor}. Received {tuple(input_shape)}. Resize the images to fit."
            )


def _inputs(input_shape: Shape) -> tuple[Any, Any]:
    inputs = layers.Input(shape=input_shape, name="input")
    return inputs, layers.Rescaling(1 / 255)(inputs)


def _stage(
    x: Any, filters: int, strides: Any, num_blocks: int, activation: str, dropout: float
) -> Any:
    for i in range(num_blocks):
        x = residual_block(
            x,
            filters,
            strides=1 if i else strides,
            skip_conv=not i,
            activation=activation,
            dropout=dropout,
        )
    return x


def _columns(x: Any, filters: int, activation: str) -> Any:
    """Turn each column of the feature map into one time step: (batch, width, filters)."""
    x = layers.Conv2D(filters, (x.shape[1], 1), use_bias=False)(x)
    x = activation_layer(batch_norm(x), activation)
    return layers.Reshape((-1, filters))(x)


def _head(inputs: Any, x: Any, num_characters: int, units: tuple[int, ...]) -> Model:
    check_count("num_characters", num_characters, 1)
    for size in units:
        x = layers.Bidirectional(layers.LSTM(size, return_sequences=True))(x)
    # Probabilities need float32, also under mixed precision.
    output = layers.Dense(num_characters + 1, activation="softmax", dtype="float32", name="output")
    return Model(inputs=inputs, outputs=output(x))


class Network(NamedTuple):
    """A network that can be trained, and the peak learning rate that suits it."""

    build: Callable[..., Model]
    channels: int
    learning_rate: float


NETWORKS = {
    "columns": Network(column_reader, 3, 2e-3),
    "rows": Network(row_reader, 3, 3e-3),
    "strong": Network(strong_reader, 1, 1.5e-3),
    "text": Network(text_reader, 3, 1.5e-3),
}
