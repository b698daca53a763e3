"""The residual block by its layers, the tutorial's networks by their numbers."""

import keras
import numpy as np
import pytest
from conftest import load_tutorial
from keras import layers

from mltu.model_utils import activation_layer, residual_block


def build(shape, *args, **kwargs):
    inputs = layers.Input(shape)
    return keras.Model(inputs, residual_block(inputs, *args, **kwargs))


def names(model):
    return [type(layer).__name__ for layer in model.layers]


def test_leaky_slope():
    values = activation_layer(np.array([[-2.0, 0.0, 3.0]]), "leaky_relu", alpha=0.1)
    np.testing.assert_allclose(values, [[-0.2, 0.0, 3.0]], rtol=1e-6)


def test_other_activations_by_name():
    np.testing.assert_allclose(activation_layer(np.array([[-2.0, 3.0]])), [[0.0, 3.0]])
    np.testing.assert_allclose(activation_layer(np.array([[0.0]]), "sigmoid"), [[0.5]])


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


@pytest.fixture(scope="module")
def networks():
    return load_tutorial("model")


def test_tutorial_model_by_its_numbers(networks):
    model = networks.train_model((32, 128, 3), 62)
    assert model.count_params() == 252_799
    assert sum(int(np.prod(w.shape)) for w in model.non_trainable_weights) == 960
    adds = [layer.output.shape[1:] for layer in model.layers if isinstance(layer, layers.Add)]
    assert adds == [
        (32, 128, 16),
        (16, 64, 16),
        (16, 64, 16),
        (8, 32, 32),
        (8, 32, 32),
        (8, 32, 64),
        (8, 32, 64),
    ]
    dropouts = [layer for layer in model.layers if isinstance(layer, layers.Dropout)]
    assert [layer.output.shape[1:] for layer in dropouts] == adds
    assert {layer.rate for layer in dropouts} == {0.2}
    reshape, lstm, dense = model.layers[-3:]
    assert [layer.output.shape[1:] for layer in (reshape, lstm, dense)] == [
        (256, 64),
        (256, 128),
        (256, 63),
    ]
    assert lstm.count_params() == 66_048
    assert dense.count_params() == 8_127
    assert model.layers[0].name == "input"
    assert dense.name == "output"


def test_column_model_by_its_numbers(networks):
    model = networks.column_model((32, 128, 3), 62)
    assert model.count_params() == 482_175
    assert model.output_shape == (None, 32, 63)


def test_column_model_gives_each_step_one_column(networks):
    """Steps of the reshape hold one column of the feature map, all rows of it."""
    model = networks.column_model((8, 12, 3), 4, dropout=0)
    permute = next(layer for layer in model.layers if isinstance(layer, layers.Permute))
    steps = model.layers[model.layers.index(permute) + 1]
    probe = keras.Model(model.input, [permute.input, steps.output])
    features, columns = probe(np.random.default_rng(0).uniform(0, 255, (1, 8, 12, 3)))
    assert columns.shape == (1, 3, 2 * 64)
    features, columns = map(keras.ops.convert_to_numpy, (features, columns))
    np.testing.assert_array_equal(columns[0, 1], np.ravel(features[0, :, 1, :]))


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
    taken, whole = map(keras.ops.convert_to_numpy, (taken, strided(image)))
    np.testing.assert_allclose(taken, whole, atol=1e-6)
