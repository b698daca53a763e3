"""The networks of this tutorial: seven residual blocks, a bidirectional LSTM, a softmax for CTC."""

from keras import Model, layers

from mltu.model_utils import residual_block

# Filters, strides and skip convolution of each residual block; the shapes for a 32x128 image.
BLOCKS = [
    (16, 1, True),  # (32, 128, 16)
    (16, 2, True),  # (16, 64, 16)
    (16, 1, False),  # (16, 64, 16)
    (32, 2, True),  # (8, 32, 32)
    (32, 1, False),  # (8, 32, 32)
    (64, 1, True),  # (8, 32, 64)
    (64, 1, False),  # (8, 32, 64)
]


def train_model(input_dim, output_dim, activation="leaky_relu", dropout=0.2):
    """Build the tutorial's model, which reads the feature map row by row: 252,799 parameters.

    Args:
        input_dim: (height, width, 3), both sides divisible by 4; BGR values in 0..255.
        output_dim: the number of characters; the blank comes on top, as the last class.
        activation: of the residual blocks.
        dropout: of the residual blocks, in [0, 1).

    Returns:
        A Keras model with softmax outputs of shape (batch, height / 4 * width / 4, output_dim + 1).
    """
    inputs, features = _features(input_dim, activation, dropout)
    rows, columns, channels = features.shape[1:]
    steps = layers.Reshape((rows * columns, channels))(features)  # (256, 64)
    return _reader(inputs, steps, output_dim)


def column_model(input_dim, output_dim, activation="leaky_relu", dropout=0.2):
    """Build the same network reading column by column, left to right: 482,175 parameters.

    Arguments as in `train_model`; the outputs have the shape (batch, width / 4, output_dim + 1).
    """
    inputs, features = _features(input_dim, activation, dropout)
    rows, columns, channels = features.shape[1:]
    steps = layers.Permute((2, 1, 3))(features)  # (32, 8, 64)
    steps = layers.Reshape((columns, rows * channels))(steps)  # (32, 512)
    return _reader(inputs, steps, output_dim)


def _features(input_dim, activation, dropout):
    inputs = layers.Input(shape=input_dim, name="input")
    x = layers.Rescaling(1 / 255)(inputs)
    for filters, strides, skip_conv in BLOCKS:
        x = residual_block(
            x,
            filters,
            strides=strides,
            skip_conv=skip_conv,
            activation=activation,
            dropout=dropout,
        )
    return inputs, x


def _reader(inputs, steps, output_dim):
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True))(steps)  # (time, 128)
    # Probabilities need float32, also under mixed precision.
    output = layers.Dense(output_dim + 1, activation="softmax", dtype="float32", name="output")
    outputs = output(x)
    return Model(inputs=inputs, outputs=outputs)
