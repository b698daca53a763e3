"""What prepares a model for training, without a training."""

import keras
import numpy as np
import pytest
from keras import layers

from mltu.training import compile_reader, start_with_blanks


def model_with(*last):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4, 3)), layers.Dense(7), *last])


@pytest.mark.parametrize(
    "last",
    [
        (layers.Dense(5, activation="softmax"),),
        (layers.Dense(5, name="letters"), layers.Softmax()),
    ],
)
def test_an_untrained_reader_emits_blanks_whatever_its_layers_are_called(last):
    model = model_with(*last)
    compile_reader(model, 1e-3)
    np.testing.assert_array_equal(model.layers[1].get_weights()[1], [0, 0, 0, 0, 3])
    outputs = keras.ops.convert_to_numpy(model(np.zeros((2, 4, 3), "float32")))
    assert (outputs.argmax(axis=-1) == 4).all()
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)


def test_a_model_without_a_bias_for_the_blank_is_refused():
    with pytest.raises(ValueError, match="must have a Dense layer with a bias and 5 units"):
        start_with_blanks(model_with(layers.Dense(5, use_bias=False)))
