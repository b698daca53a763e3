"""Ready-made readers: residual convolutions, bidirectional LSTMs and a softmax, for `CTCLoss`.

Source of the architecture: Shi et al., 2015, "An End-to-End Trainable Neural Network for
Image-based Sequence Recognition"; of the blocks: He et al., 2015, "Deep Residual Learning".

All take (batch, height, width, channels) images with values in 0..255 and return probabilities of
shape (batch, time, num_characters + 1), whose last class is the blank.
"""

from __future__ import annotations

from typing import Any

from mltu._extras import explain_missing
from mltu.models._blocks import activation_layer, batch_norm, residual_block
from mltu.utils.checks import check_count

with explain_missing():
    from keras import Model, layers

Shape = tuple[int, int | None, int]  # height, width, channels


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
    for filters, strides, skip in ((16, 1, True), (16, 2, True), (16, 1, False), (32, 2, True),
                                   (32, 1, False), (64, 1, True), (64, 1, False)):  # fmt: skip
        x = residual_block(
            x, filters, strides=strides, skip_conv=skip, activation=activation, dropout=dropout
        )
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
    """Build the reader of the shipped weights: 958,495 parameters for 32x128x1 and 62 characters.

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
