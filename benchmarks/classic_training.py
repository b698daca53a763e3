"""A server for `training.py`: tutorial 01's network on TensorFlow 2.15 and Keras 2.15.

It runs in an environment of its own, without mltu, and knows the loss and the metric as they were
written for that Keras: `ctc_batch_cost`, and edit distances of a greedy decoding.
"""

import json
import sys

import numpy as np
import tensorflow as tf
from fit_speed import seconds_of_epoch
from keras import backend, layers, models, optimizers

BLOCKS = [(16, 1, True), (16, 2, True), (16, 1, False), (32, 2, True), (32, 1, False),
          (64, 1, True), (64, 1, False)]  # fmt: skip


def make_model(shape, num_classes):
    """Build the network of 252,799 parameters."""
    inputs = layers.Input(shape)
    x = layers.Rescaling(1 / 255)(inputs)
    for filters, strides, skip_conv in BLOCKS:
        y = layers.Conv2D(filters, 3, strides, padding="same")(x)
        y = layers.LeakyReLU(0.1)(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y))
        x = layers.Conv2D(filters, 1, strides, padding="same")(x) if skip_conv else x
        x = layers.LeakyReLU(0.1)(layers.Add()([x, y]))
    x = layers.Reshape((-1, x.shape[-1]))(x)
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True))(x)
    return models.Model(inputs, layers.Dense(num_classes, activation="softmax")(x))


def ctc_loss(blank):
    """Return the loss of labels (batch, length), padded with the blank."""

    def loss(labels, outputs):
        labels = tf.cast(labels, "int32")
        lengths = tf.math.count_nonzero(labels != blank, 1, keepdims=True)
        steps = tf.zeros_like(lengths) + tf.shape(outputs, "int64")[1]
        return backend.ctc_batch_cost(labels, outputs, steps, lengths)

    return loss


class CharacterErrorRate(tf.keras.metrics.Metric):
    """The mean normalized edit distance of greedy decodings."""

    def __init__(self, blank):
        super().__init__(name="CER")
        self.blank = blank
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, labels, outputs, sample_weight=None):
        """Add a batch."""
        steps = tf.fill([tf.shape(outputs)[0]], tf.shape(outputs)[1])
        ((decoded,), _) = tf.nn.ctc_greedy_decoder(
            tf.transpose(outputs, [1, 0, 2]), steps, blank_index=self.blank
        )
        labels = tf.cast(labels, "int64")
        where = tf.where(labels != self.blank)
        truth = tf.SparseTensor(where, tf.gather_nd(labels, where), tf.shape(labels, "int64"))
        distances = tf.edit_distance(decoded, truth, normalize=True)
        self.total.assign_add(tf.reduce_sum(distances))
        self.count.assign_add(tf.cast(tf.size(distances), "float32"))

    def result(self):
        """Return the rate."""
        return self.total / self.count


def main(data, steps, rate):
    """Answer each line with the seconds of an epoch."""
    arrays = np.load(data)
    images, labels, blank = arrays["images"], arrays["labels"], int(arrays["blank"])
    model = make_model(images.shape[1:], blank + 1)
    model.compile(optimizers.Adam(float(rate)), ctc_loss(blank), [CharacterErrorRate(blank)])
    assert model.count_params() == 252_799
    seconds_of_epoch(model, images, labels, int(steps))
    print(json.dumps(["CTC + metrics"]), flush=True)
    for _ in sys.stdin:
        print(seconds_of_epoch(model, images, labels, int(steps)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
