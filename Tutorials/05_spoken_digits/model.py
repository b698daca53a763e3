"""The network: convolutions over time and pitch, one bidirectional LSTM, a softmax."""

from keras import Model, layers

from mltu.models import batch_norm


def spoken_reader(num_mels, num_characters, filters=(16, 32), units=96):
    """Build a reader of spectrograms of any length: four frames make one time step."""
    inputs = layers.Input((None, num_mels), name="input")
    x = layers.Reshape((-1, num_mels, 1))(inputs)  # (batch, time, mels, 1)
    for size in filters:  # Each halves time and pitch.
        x = layers.Conv2D(size, (5, 3), strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(batch_norm(x))
    x = layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)  # (batch, time / 4, mels / 4 * filters)
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dropout(0.2)(x)
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
    x = layers.Dropout(0.2)(x)
    # Probabilities need float32, also under mixed precision.
    output = layers.Dense(num_characters + 1, activation="softmax", dtype="float32", name="output")
    return Model(inputs, output(x))
