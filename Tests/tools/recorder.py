"""Small data, and a model that remembers its batches, for the tests of what `fit` hands over."""

import keras
import numpy as np

from mltu.augmentors import Augmentor


class Noise(Augmentor):
    """Add a number that only the generator knows."""

    def apply(self, image, rng):
        return image + rng.integers(1, 100, image.shape, dtype=np.uint8)


def numbered(count):
    """Images of one pixel that carry their own number, and labels that do so too."""
    return [[np.full((1, 1), i, np.uint8), [i]] for i in range(count)]


def same(data, label):
    return data, label


def content(provider):
    return [tuple(array.tobytes() for array in provider[i]) for i in range(len(provider))]


class Recorder(keras.Model):
    """Remember every batch that `fit` hands over and learn nothing, on each backend."""

    def __init__(self):
        super().__init__()
        self.batches, self.shapes, self.validated = [], [], []
        self.built = True  # There is nothing to build.

    def call(self, x):
        return x

    def train_step(self, *args):
        """Take the data or, on JAX, the state and the data."""
        *state, (x, y, *_) = args
        self.shapes.append(tuple(x.shape))
        return _record(self.batches, state, x, y)

    def test_step(self, *args):
        """Likewise."""
        *state, (x, y, *_) = args
        return _record(self.validated, state, x, y)


def _record(batches, state, *arrays):
    batches.append(tuple(keras.ops.convert_to_numpy(array).tobytes() for array in arrays))
    logs = {"loss": keras.ops.zeros(())}
    return (logs, *state) if state else logs
