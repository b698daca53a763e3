"""The reader of words and lines: residual convolutions, bidirectional LSTMs, CTC logits."""

import keras
import numpy as np
from drawing import CHANNELS, HEIGHT
from keras import layers

# Each batch has one width and some kinds of images, so inference needs the mean of many batches.
MOMENTUM = 0.99
STEPS_PER_COLUMN = 2  # the feature map has a column for every 4 pixels


def text_reader(num_characters, *, width=None):
    """Build the reader: time steps of 2 pixels, of images of any width divisible by 4.

    The map is made small early, which leaves arithmetic for more channels; each of its columns then
    emits two time steps, so that two equal narrow letters have room for the blank between them.

    Args:
        num_characters: size of the vocabulary; the blank comes after it.
        width: of the images in pixels; free if None.

    Returns:
        A Keras model from (batch, 32, width, 3), values 0..255, to float32 logits of shape
        (batch, width / 2, num_characters + 1).
    """
    inputs = layers.Input((HEIGHT, width, CHANNELS), name="input")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    x = _convolution(x, 32, 3, strides=2)
    x = _convolution(x, 64, 3, strides=2)
    x = _block(x, 64)
    x = _block(x, 96, strides=(2, 1))
    x = _block(x, 160, strides=(2, 1))
    x = _block(x, 160)
    x = layers.Conv2D(192, (x.shape[1], 1), use_bias=False)(x)
    x = layers.Activation("relu")(_normalized(x))
    x = layers.Reshape((-1, 192))(x)
    for units in (128, 128):
        x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
    classes = num_characters + 1
    x = layers.Dense(STEPS_PER_COLUMN * classes, bias_initializer=_mostly_blank, dtype="float32")(x)
    x = layers.Reshape((-1, classes), dtype="float32", name="logits")(x)
    return keras.Model(inputs, x, name="text_reader")


def _mostly_blank(shape, dtype=None):
    """Let the blank, the last class of each time step, have two thirds of the probability at first.

    That is about its share of the frames; else the first hundreds of steps only find it out.
    """
    bias = np.zeros((STEPS_PER_COLUMN, shape[0] // STEPS_PER_COLUMN))
    bias[:, -1] = np.log(2 * bias.shape[1])
    return keras.ops.convert_to_tensor(bias.ravel(), dtype)


def _normalized(x):
    return layers.BatchNormalization(momentum=MOMENTUM)(x)


def _convolution(x, filters, size, strides=1, activation="relu"):
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
    x = _normalized(x)
    return layers.Activation(activation)(x) if activation else x


def _block(x, filters, strides=1):
    """Two convolutions beside a shortcut; source: He et al., 2015."""
    y = _convolution(x, filters, 3, strides)
    y = _convolution(y, filters, 3, activation=None)
    if strides != 1:
        x = layers.AveragePooling2D(strides)(x)
    if x.shape[-1] != filters:
        x = _convolution(x, filters, 1, activation=None)
    return layers.Activation("relu")(layers.add([x, y]))
