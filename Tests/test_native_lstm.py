"""PyTorch's loop gives what Keras's own gives, in values, gradients and states."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from mltu.native_lstm import use_native_lstm

on_torch = pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's loop")


def is_alone(options):
    return "return_state" in options or "go_backwards" in options


def build(**options):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((7, 3))
    lstm = layers.LSTM(4, bias_initializer="random_normal", **options)
    if not is_alone(options):
        lstm = layers.Bidirectional(lstm)
    return keras.Model(inputs, lstm(inputs))


def outputs_and_gradients(model, training=False):
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=(5, 7, 3)).astype("float32")
    outputs = [ops.sum(each * each) for each in keras.tree.flatten(model(x, training=training))]
    model.zero_grad()
    sum(outputs).backward()
    gradients = [variable.value.grad for variable in model.trainable_variables]
    return [ops.convert_to_numpy(each) for each in [*outputs, *gradients]]


@on_torch
@pytest.mark.parametrize(
    "options",
    [
        {"return_sequences": True},
        {},
        {"use_bias": False, "return_sequences": True},
        {"go_backwards": True, "return_sequences": True},
        {"return_state": True},
        {"dropout": 0.5, "return_sequences": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("training", [False, True])
def test_same_values_and_gradients(options, training):
    plain, native = build(**options), build(**options)
    assert use_native_lstm(native) == (1 if is_alone(options) else 2)
    native.set_weights(plain.get_weights())
    for generator, other in zip(_seeds(plain), _seeds(native), strict=True):
        other.assign(generator)
    for ours, theirs in zip(
        outputs_and_gradients(native, training), outputs_and_gradients(plain, training), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def _seeds(model):
    return [v for v in model.non_trainable_variables if "seed" in v.path]


@on_torch
@pytest.mark.parametrize("options", [{"activation": "relu"}, {"recurrent_dropout": 0.3}], ids=str)
def test_what_it_cannot_do_works_as_before(options):
    plain, native = build(**options), build(**options)
    use_native_lstm(native)
    native.set_weights(plain.get_weights())
    x = np.ones((2, 7, 3), "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(native(x)), ops.convert_to_numpy(plain(x)))


@on_torch
def test_the_saved_file_holds_plain_layers(tmp_path):
    model = build(return_sequences=True)
    use_native_lstm(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.ones((2, 7, 3), "float32")
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(x)), ops.convert_to_numpy(again(x)), atol=1e-6
    )


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="nothing to do elsewhere")
def test_other_backends_are_left_alone():
    assert use_native_lstm(build()) == 0
