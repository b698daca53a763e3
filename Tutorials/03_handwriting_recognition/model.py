"""The network: it reads the columns of the image from left to right, one time step for every 4."""

from keras import Model, layers

from mltu.model_utils import activation_layer, residual_block
from mltu.models import batch_norm


def train_model(input_dim, output_dim, activation="leaky_relu", dropout=0.2):
    """Build it for `output_dim` characters; the last of its classes is the CTC blank.

    `input_dim` may have None as its width: then images of any width can be read.
    """
    options = {"activation": activation, "dropout": dropout}

    inputs = layers.Input(shape=input_dim, name="input")  # (32, 160, 1), 0 to 255
    x = layers.Rescaling(1 / 255)(inputs)

    x = residual_block(x, 16, strides=1, skip_conv=True, **options)  # (32, 160, 16)
    x = residual_block(x, 16, strides=2, skip_conv=True, **options)  # (16, 80, 16)
    x = residual_block(x, 16, strides=1, skip_conv=False, **options)
    x = residual_block(x, 32, strides=2, skip_conv=True, **options)  # (8, 40, 32)
    x = residual_block(x, 32, strides=1, skip_conv=False, **options)
    x = residual_block(x, 64, strides=(2, 1), skip_conv=True, **options)  # (4, 40, 64)
    x = residual_block(x, 64, strides=1, skip_conv=False, **options)

    x = layers.Conv2D(64, (x.shape[1], 1), use_bias=False)(x)  # (1, 40, 64): a column at a time
    x = activation_layer(batch_norm(x), activation)
    x = layers.Reshape((-1, 64))(x)  # (40, 64): time steps
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True))(x)  # (40, 128)

    # float32 also under mixed precision, which is too coarse for probabilities.
    output = layers.Dense(output_dim + 1, activation="softmax", dtype="float32", name="output")
    return Model(inputs=inputs, outputs=output(x))  # (40, characters + 1)
