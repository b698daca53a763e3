"""The ready-made readers: by their numbers, which way they read, what they refuse."""

import keras
import numpy as np
import pytest
from conftest import dtype_policy
from keras import layers

from mltu.losses import CTCLoss
from mltu.metrics import CWERMetric
from mltu.models import column_reader, row_reader, strong_reader, text_reader, use_native_layers

pytestmark = pytest.mark.backend

READERS = [row_reader, column_reader, strong_reader]


def test_row_reader_by_its_numbers():
    model = row_reader((32, 128, 3), 62)
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


@pytest.mark.parametrize(
    ("build", "channels", "num_parameters", "steps"),
    [(column_reader, 3, 269_439, 32), (strong_reader, 1, 958_495, 64)],
)
def test_other_readers_by_their_numbers(build, channels, num_parameters, steps):
    model = build((32, 128, channels), 62)
    assert model.count_params() == num_parameters
    assert model.output_shape == (None, steps, 63)


@pytest.mark.parametrize("build", [*READERS, text_reader])
def test_a_file_needs_nothing_but_keras(build):
    """`mltu export RUN` could not load the runs of `text_reader`."""
    assert "mltu" not in build((32, 64, 3), 5).to_json()


def test_an_untrained_text_reader_sees_two_thirds_blank():
    outputs = text_reader((32, 64, 3), 50)(np.zeros((1, 32, 64, 3), np.float32))
    blanks = keras.ops.convert_to_numpy(keras.ops.softmax(outputs))[..., -1]
    np.testing.assert_allclose(blanks, 2 / 3, atol=0.03)


@pytest.mark.parametrize("build", READERS)
def test_statistics_follow_the_training_within_a_few_steps(build):
    """Keras's momentum of 0.99 lags by hundreds: validation stands while the model reads."""
    norms = [
        layer
        for layer in build((32, 128, 1), 62).layers
        if isinstance(layer, layers.BatchNormalization)
    ]
    assert len(norms) >= 11
    assert {layer.momentum for layer in norms} == {0.9}


COLUMNS = [(column_reader, 4), (strong_reader, 2)]  # and how many pixels a time step has


@pytest.mark.parametrize(("build", "step"), COLUMNS)
def test_a_time_step_is_a_column(build, step):
    """A change at the right edge of the image moves the last features and not the first."""
    model = build((32, 128, 1), 4)
    reshape = next(layer for layer in model.layers if isinstance(layer, layers.Reshape))
    features = keras.Model(model.input, reshape.output)
    image = np.random.default_rng(0).uniform(0, 255, (1, 32, 128, 1)).astype("float32")
    other = image.copy()
    other[:, :, 120:] = 0
    one, two = (keras.ops.convert_to_numpy(features(x)) for x in (image, other))
    assert one.shape[1] == 128 // step
    half = 64 // step
    np.testing.assert_allclose(one[0, :half], two[0, :half], atol=1e-5)
    assert np.abs(one[0, -1] - two[0, -1]).max() > 1e-3


@pytest.mark.parametrize(("build", "step"), COLUMNS)
def test_the_width_may_be_free(build, step):
    model = build((32, None, 1), 4)
    for width in (64, 96):
        assert model(np.zeros((2, 32, width, 1), "float32")).shape == (2, width // step, 5)


@pytest.mark.slow
@pytest.mark.parametrize("build", READERS)
def test_each_reader_learns_a_few_words(build):
    keras.utils.set_random_seed(0)
    model = build((16, 32, 1), 3, dropout=0.0)
    use_native_layers(model)
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (4, 16, 32, 1)).astype("float32")
    labels = np.array([[0, 1], [2, 3], [1, 2], [0, 2]], "int32")
    model.compile(keras.optimizers.Adam(3e-3), CTCLoss(), metrics=[CWERMetric("abcd")])
    losses = [model.train_on_batch(images, labels)[0] for _ in range(12)]
    assert losses[-1] < losses[0] / 2


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("native", [False, True])
def test_inference_uses_the_statistics_of_the_last_few_steps(native, dtype):
    """After 30 steps, in epochs of any length, 4 % are left of what was before them."""
    with dtype_policy(dtype):
        model = column_reader((16, 32, 1), 5)
    if native:
        use_native_layers(model)
    norm = next(layer for layer in model.layers if isinstance(layer, layers.BatchNormalization))
    images = np.random.default_rng(0).uniform(0, 255, (8, 16, 32, 1)).astype("float32")
    model.compile(keras.optimizers.SGD(0.0), loss=CTCLoss())
    model.fit(images, np.zeros((8, 2)), batch_size=8, epochs=30, verbose=0)  # a step each
    features = keras.Model(model.inputs, norm.input)(images)
    fresh = keras.ops.convert_to_numpy(keras.ops.cast(features, "float32")).var(axis=(0, 1, 2))
    variance = keras.ops.convert_to_numpy(norm.moving_variance)
    left = 0.9**30
    np.testing.assert_allclose(variance, (1 - left) * fresh + left, rtol=0.02)


@pytest.mark.parametrize(
    ("build", "shape", "message"),
    [
        (row_reader, (30, 128, 3), "height divisible by 4. Received"),
        (row_reader, (32, 126, 3), "width divisible by 4. Received"),
        (column_reader, (36, 128, 3), "height divisible by 8. Received"),
        (strong_reader, (None, 128, 1), "height divisible by 8. Received"),
        (strong_reader, (4, 128, 1), "height divisible by 8. Received"),
    ],
)
def test_sides_that_do_not_fit_are_named(build, shape, message):
    with pytest.raises(ValueError, match=message):
        build(shape, 10)
