"""The network: 252,799 parameters for images of 32x128x3 and 62 characters."""

from keras import Model, layers

from mltu.model_utils import residual_block


def train_model(input_dim, output_dim, activation="leaky_relu", dropout=0.2):
    """Build it for `output_dim` characters; the last of its classes is the CTC blank."""
    options = {"activation": activation, "dropout": dropout}

    inputs = layers.Input(shape=input_dim, name="input")  # (32, 128, 3), BGR, 0 to 255
    x = layers.Rescaling(1 / 255)(inputs)

    x = residual_block(x, 16, strides=1, skip_conv=True, **options)  # (32, 128, 16)
    x = residual_block(x, 16, strides=2, skip_conv=True, **options)  # (16, 64, 16)
    x = residual_block(x, 16, strides=1, skip_conv=False, **options)
    x = residual_block(x, 32, strides=2, skip_conv=True, **options)  # (8, 32, 32)
    x = residual_block(x, 32, strides=1, skip_conv=False, **options)
    x = residual_block(x, 64, strides=1, skip_conv=True, **options)  # (8, 32, 64)
    x = residual_block(x, 64, strides=1, skip_conv=False, **options)

    x = layers.Reshape((-1, x.shape[-1]))(x)  # (256, 64): time steps, row by row
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True))(x)  # (256, 128)

    # float32 also under mixed precision, which is too coarse for probabilities.
    output = layers.Dense(output_dim + 1, activation="softmax", dtype="float32", name="output")
    return Model(inputs=inputs, outputs=output(x))  # (256, 63)
