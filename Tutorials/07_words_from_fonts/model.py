"""The network: a column of the image for every 2 pixels, read by two bidirectional LSTMs."""

from keras import Model, layers

from mltu.model_utils import activation_layer, residual_block
from mltu.models import batch_norm


def train_model(input_dim, output_dim, activation="relu", dropout=0.0, filters=32):
    """Build it for `output_dim` characters; the last of its classes is the CTC blank.

    No image is seen twice, so it cannot learn them by heart and needs no dropout.
    """
    options = {"activation": activation, "dropout": dropout}

    inputs = layers.Input(shape=input_dim, name="input")  # (32, 128, 1), 0 to 255
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)  # (16, 64, 32)
    x = activation_layer(batch_norm(x), activation)

    x = residual_block(x, filters, strides=1, skip_conv=True, **options)  # (16, 64, 32)
    x = residual_block(x, 2 * filters, strides=(2, 1), skip_conv=True, **options)  # (8, 64, 64)
    x = residual_block(x, 2 * filters, strides=1, skip_conv=False, **options)
    x = residual_block(x, 3 * filters, strides=(2, 1), skip_conv=True, **options)  # (4, 64, 96)
    x = residual_block(x, 3 * filters, strides=1, skip_conv=False, **options)

    x = layers.Conv2D(5 * filters, (x.shape[1], 1), use_bias=False)(x)  # (1, 64, 160): columns
    x = activation_layer(batch_norm(x), activation)
    x = layers.Reshape((-1, 5 * filters))(x)  # (64, 160): time steps
    x = layers.Bidirectional(layers.LSTM(3 * filters, return_sequences=True))(x)  # (64, 192)
    x = layers.Bidirectional(layers.LSTM(3 * filters, return_sequences=True))(x)

    # float32 also under mixed precision, which is too coarse for probabilities.
    output = layers.Dense(output_dim + 1, activation="softmax", dtype="float32", name="output")
    return Model(inputs=inputs, outputs=output(x))  # (64, characters + 1)
