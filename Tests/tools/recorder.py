"""A model that remembers its batches, for the tests of what `fit` hands over."""

import keras


class Recorder(keras.Model):
    """Remember every batch that `fit` hands over and learn nothing, on each backend."""

    def __init__(self):
        super().__init__()
        self.batches, self.shapes = [], []
        self.built = True  # There is nothing to build.

    def call(self, x):
        return x

    def train_step(self, *args):
        """Take the data or, on JAX, the state and the data."""
        *state, (x, y, *_) = args
        x, y = keras.ops.convert_to_numpy(x), keras.ops.convert_to_numpy(y)
        self.batches.append((x.tobytes(), y.tobytes()))
        self.shapes.append(x.shape)
        logs = {"loss": keras.ops.zeros(())}
        return (logs, *state) if state else logs
