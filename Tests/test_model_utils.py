"""The residual block by its layers."""

import keras
import numpy as np
import pytest
from conftest import dtype_policy
from keras import layers
from keras.ops import convert_to_numpy

from mltu.model_utils import activation_layer, residual_block

pytestmark = pytest.mark.backend


def build(shape, *args, **kwargs):
    inputs = layers.Input(shape)
    return keras.Model(inputs, residual_block(inputs, *args, **kwargs))


def names(model):
    return [type(layer).__name__ for layer in model.layers]


def test_leaky_slope():
    values = activation_layer(np.array([[-2.0, 0.0, 3.0]]), "leaky_relu", alpha=0.1)
    np.testing.assert_allclose(convert_to_numpy(values), [[-0.2, 0.0, 3.0]], rtol=1e-6)


def test_other_activations_by_name():
    rectified = activation_layer(np.array([[-2.0, 3.0]]))
    np.testing.assert_allclose(convert_to_numpy(rectified), [[0.0, 3.0]])
    half = activation_layer(np.array([[0.0]]), "sigmoid")
    np.testing.assert_allclose(convert_to_numpy(half), [[0.5]])


def test_identity_block_runs_in_the_promised_order():
    model = build((8, 16, 4), 4, strides=1, skip_conv=False)
    assert names(model) == [
        "InputLayer",
        "Conv2D",
        "BatchNormalization",
        "Activation",
        "Conv2D",
        "BatchNormalization",
        "Add",
        "Activation",
        "Dropout",
    ]
    assert model.output_shape == (None, 8, 16, 4)


def test_convolved_skip_has_no_batch_norm():
    model = build((8, 16, 16), 5, strides=2, activation="leaky_relu", dropout=0)
    assert model.output_shape == (None, 4, 8, 5)
    assert "Dropout" not in names(model)
    assert names(model).count("LeakyReLU") == 2
    assert names(model).count("BatchNormalization") == 2
    add = next(layer for layer in model.layers if isinstance(layer, layers.Add))
    first, second = (tensor._keras_history.operation for tensor in add.input)
    assert isinstance(first, layers.BatchNormalization)
    assert isinstance(second, layers.Conv2D)
    assert second.kernel_size == (1, 1)
    assert second.strides == (2, 2)


def test_strides_may_differ_by_side():
    assert build((8, 16, 3), 5, strides=(2, 1)).output_shape == (None, 4, 16, 5)


@pytest.mark.parametrize(("filters", "strides"), [(4, 2), (5, 1)])
def test_identity_refuses_a_changed_shape(filters, strides):
    with pytest.raises(ValueError, match="`skip_conv` must be True"):
        build((8, 16, 4), filters, strides=strides, skip_conv=False)


def test_strided_skip_of_an_rgb_image_equals_the_strided_convolution():
    """A strided 1x1 convolution of 3 channels kills TensorFlow 2.21 in its gradient."""
    inputs = keras.layers.Input((8, 12, 3))
    block = keras.Model(inputs, residual_block(inputs, 16, strides=2))
    convolutions = [layer for layer in block.layers if isinstance(layer, keras.layers.Conv2D)]
    skip = next(layer for layer in convolutions if layer.kernel_size == (1, 1))
    assert skip.strides == (1, 1)
    image = np.random.default_rng(0).uniform(0, 1, (2, 8, 12, 3)).astype("float32")
    taken = keras.Model(inputs, skip.output)(image)
    strided = keras.layers.Conv2D(16, 1, strides=2, padding="same")
    strided.build(image.shape)
    strided.set_weights(skip.get_weights())
    taken, whole = map(convert_to_numpy, (taken, strided(image)))
    np.testing.assert_allclose(taken, whole, atol=1e-6)


def test_a_compiled_block_in_bfloat16_keeps_its_slope():
    """TensorFlow's graph took 0.2 for 0.1, and one value in five was wrong."""
    keras.utils.set_random_seed(0)
    with dtype_policy("mixed_bfloat16"):
        model = build((8, 16, 8), 8, strides=1, activation="leaky_relu")
    images = np.random.default_rng(0).normal(size=(4, 8, 16, 8)).astype(np.float32)
    one_by_one, compiled = (
        np.asarray(keras.ops.convert_to_numpy(values)).astype(np.float32)
        for values in (model(images, training=False), model.predict(images, verbose=0))
    )
    assert np.abs(compiled - one_by_one).mean() < 0.01 * np.abs(one_by_one).mean()
