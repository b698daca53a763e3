"""Differentiation on whichever backend Keras runs on, for tests."""

import keras
import numpy as np


def value_and_gradient(function, point):
    """Return function(point) and the gradient of its sum, as NumPy arrays."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        point = tf.constant(point)
        with tf.GradientTape() as tape:
            tape.watch(point)
            value = function(point)
            total = tf.reduce_sum(value)
        return value.numpy(), np.array(tape.gradient(total, point))
    if backend == "jax":
        import jax

        def both(point):
            values, back = jax.vjp(function, point)
            return values, back(keras.ops.ones_like(values))[0]

        value, gradient = jax.jit(both)(keras.ops.convert_to_tensor(point))
        return np.array(value), np.array(gradient)
    point = keras.ops.convert_to_tensor(point).requires_grad_()
    value = function(point)
    value.sum().backward()
    return value.detach().cpu().numpy(), point.grad.cpu().numpy()
