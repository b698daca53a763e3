"""Trained readers as Keras models: what is shipped as ONNX reads alike, on every backend."""

import zipfile

import keras
import numpy as np
import pytest
from conftest import dtype_policy
from keras import layers

from mltu.inference import TextRecognizer
from mltu.models import load_pretrained, refresh_statistics, text_reader
from mltu.models._adapt import output_layer, with_height, with_vocab

pytestmark = pytest.mark.backend

NAMES = ("words", "words_small")


@pytest.fixture(scope="module")
def words():
    return load_pretrained("words")


def outputs(model, images):
    return keras.ops.convert_to_numpy(model(images))


def noise(model, count=2, width=96):
    sides = [side or width for side in model.input_shape[1:]]
    return np.random.default_rng(1).uniform(0, 255, (count, *sides)).astype(np.float32)


def small_reader(characters=3):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, None, 1))
    x = layers.Conv2D(4, (8, 4), strides=(1, 4), use_bias=False)(inputs)
    x = layers.Reshape((-1, 4))(layers.BatchNormalization()(x))
    x = layers.Dense(2 * (characters + 1))(x)
    return keras.Model(inputs, layers.Reshape((-1, characters + 1))(x))


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_reader_reads_as_its_onnx_file(name, words):
    model = words if name == "words" else load_pretrained(name)
    reader = TextRecognizer(name)
    images = noise(model, 3, 160)
    (expected,) = reader.model.run(None, {reader.input_name: images})
    np.testing.assert_allclose(outputs(model, images), expected, atol=1e-3)


def test_statistics_of_other_images_change_no_output(words):
    images = noise(words)
    before = outputs(words, images)
    refresh_statistics(words, [images, 255 - images])
    np.testing.assert_allclose(outputs(words, images), before, atol=1e-3)
    normalization = next(x for x in words.layers if isinstance(x, layers.BatchNormalization))
    values = outputs(
        keras.Model(words.inputs[0], normalization.input), np.concatenate([images, 255 - images])
    )
    np.testing.assert_allclose(
        normalization.get_weights()[2], values.mean((0, 1, 2)), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("norms", [0, 1, 2])
def test_statistics_of_any_number_of_layers_are_taken(norms):
    """One was an IndexError, none an error of Keras, no batch NaN in all weights."""
    x = inputs = keras.Input((8, 8, 1))
    for _ in range(norms):
        x = layers.BatchNormalization(scale=False)(layers.BatchNormalization()(x))
    model = keras.Model(inputs, layers.Conv2D(2, 3)(x))
    images = noise(model)
    before = outputs(model, images)
    refresh_statistics(model, [images])
    np.testing.assert_allclose(outputs(model, images), before, atol=1e-3, rtol=1e-4)
    if norms:
        mean = keras.ops.convert_to_numpy(model.layers[1].moving_mean)
        np.testing.assert_allclose(mean, images.mean(), rtol=1e-5)
        with pytest.raises(ValueError, match="`batches` must have at least one image"):
            refresh_statistics(model, [])


def test_another_vocabulary_keeps_what_it_knows():
    model = small_reader()
    other = with_vocab(model, "cAx", "abc")
    images = noise(model)
    old, new = outputs(model, images), outputs(other, images)
    assert new.shape == old.shape
    np.testing.assert_allclose(new[..., [0, 1, 3]], old[..., [2, 0, 3]], atol=1e-6)
    assert np.abs(new[..., 2] - old[..., :3].mean(-1)).max() < np.abs(old).max()


def test_a_higher_reader_reads_the_middle_of_its_images():
    model = text_reader((16, None, 3), 2)
    higher = with_height(model, 48)
    images = noise(model)
    padded = np.pad(images, ((0, 0), (16, 16), (0, 0), (0, 0)), mode="edge")
    old, new = outputs(model, images), outputs(higher, padded)
    assert new.shape == old.shape
    assert np.corrcoef(old.ravel(), new.ravel())[0, 1] > 0.9
    for height in (8, 40):  # 8 was "index can't contain negative values".
        with pytest.raises(ValueError, match=f"`height` must be at least 16, .* Received {height}"):
            with_height(text_reader((16, None, 3), 2), height)


def test_a_layer_as_wide_as_the_classes_keeps_its_width():
    """191 characters and the blank are as many as the channels of `words`."""
    model = text_reader((16, None, 3), 191)
    assert with_vocab(model, "ab", "".join(map(chr, range(191)))).output_shape[-1] == 3


def test_a_run_folder_and_a_keras_file_give_the_same_model(tmp_path):
    model = small_reader()
    model.save(tmp_path / "model.keras")
    images = noise(model)
    for source in (tmp_path, tmp_path / "model.keras"):
        np.testing.assert_allclose(
            outputs(load_pretrained(source), images), outputs(model, images), atol=1e-6
        )
    with pytest.raises(ValueError, match=r"configs\.yaml"):
        load_pretrained(tmp_path, vocab="ab")
    for name in ("other.keras", "other.h5"):  # KeyError without a word of the file, and OSError
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("a.txt", "a")
        with pytest.raises(ValueError, match=f"Keras cannot load `source`, .*{name}"):
            load_pretrained(tmp_path / name)
    with pytest.raises(ValueError, match="must not repeat characters"):
        load_pretrained("words_small", vocab="aa")


def test_a_saved_reader_of_text_loads_without_its_code(tmp_path):
    model = text_reader((16, None, 3), 2)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(*(output_layer(x).get_weights()[1] for x in (model, again)))


def test_what_is_no_reader_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="words_small"):
        load_pretrained(tmp_path / "missing")


def test_a_reader_of_grey_images_reads_colours_as_grey_values():
    grey, color = load_pretrained("words_small"), load_pretrained("words_small", color=True)
    images = noise(color)
    expected = outputs(grey, images @ np.array([[0.114], [0.587], [0.299]], np.float32))
    np.testing.assert_allclose(outputs(color, images), expected, atol=1e-4)
    assert color.input_shape == (None, 32, 128, 3)
    with pytest.raises(ValueError, match="`color` must be True for 'words', which reads images of"):
        load_pretrained("words", color=False)


def test_mixed_precision_computes_in_half_and_keeps_the_weights():
    with dtype_policy("mixed_bfloat16"):
        model = load_pretrained("words_small")
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert output_layer(model).compute_dtype == "float32"
    assert {x.compute_dtype for x in model.layers if isinstance(x, layers.Conv2D)} == {"bfloat16"}
    full = load_pretrained("words_small")
    for values, expected in zip(model.get_weights(), full.get_weights(), strict=True):
        np.testing.assert_array_equal(values, expected)
