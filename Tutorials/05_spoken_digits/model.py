"""The network: convolutions over time and pitch, a bidirectional LSTM and a softmax."""

from keras import Model, layers

from mltu.models import batch_norm


def train_model(input_dim, output_dim, dropout=0.2):
    """Build it for `output_dim` characters; the last of its classes is the CTC blank."""
    inputs = layers.Input(input_dim, name="input")  # (time, 40): any number of frames
    x = layers.Reshape((-1, input_dim[-1], 1))(inputs)  # (time, 40, 1)
    for filters in (16, 32):  # each halves time and pitch
        x = layers.Conv2D(filters, (5, 3), strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(batch_norm(x))
    x = layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)  # (time / 4, 320)
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Bidirectional(layers.LSTM(96, return_sequences=True))(x)  # (time / 4, 192)
    x = layers.Dropout(dropout)(x)
    # float32 also under mixed precision, which is too coarse for probabilities.
    output = layers.Dense(output_dim + 1, activation="softmax", dtype="float32", name="output")
    return Model(inputs=inputs, outputs=output(x))  # (time / 4, 11)
