"""Warm starts: what fits is loaded to the bit, what does not keeps its own start and is named."""

import keras
import numpy as np
import pytest
from keras import layers

from mltu.models import warm_start

pytestmark = pytest.mark.backend

OLD, NEW = "abcd", "xcab"


def reader(vocab=OLD, width=16, filters=4, units=6, dropout=0.0):
    inputs = keras.Input((8, width, 1))
    x = layers.Conv2D(filters, 3, 2, padding="same")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Reshape((width // 2, 4 * filters))(layers.Permute((2, 1, 3))(x))
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(len(vocab) + 1, activation="softmax")(x))


def trained(**options):
    """A model whose every variable differs from a fresh one's."""
    model, rng = reader(**options), np.random.default_rng(0)
    for variable in model.variables:
        if "seed" not in variable.path:
            variable.assign(rng.uniform(0.1, 1, variable.shape).astype("float32"))
    return model


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
def test_the_same_model_gets_everything(tmp_path, suffix):
    old = trained(dropout=0.5)
    if suffix == ".weights.h5":
        old.save_weights(tmp_path / f"old{suffix}")
    else:
        old.save(tmp_path / f"old{suffix}")
    new = reader(dropout=0.5)
    report = warm_start(new, tmp_path / f"old{suffix}")
    assert report.skipped == []
    assert len(report.loaded) == 14
    for mine, theirs in zip(new.weights, old.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert str(report) == "Loaded 14 variables."


def test_another_width_changes_no_shape(tmp_path):
    trained().save(tmp_path / "old.keras")
    assert warm_start(reader(width=32), tmp_path / "old.keras").skipped == []


def test_what_does_not_fit_keeps_its_start_and_is_named(tmp_path):
    old = trained()
    old.save(tmp_path / "old.keras")
    new = reader(units=9)
    start = [keras.ops.convert_to_numpy(variable) for variable in new.variables]
    report = warm_start(new, tmp_path / "old.keras")
    assert all("conv2d" in name or "batch_norm" in name for name in report.loaded[:6])
    assert any("lstm" in name for name in report.skipped)
    assert "keep their initial values: " in str(report)
    by_path = dict(zip([v.path for v in new.variables], start, strict=True))
    for variable in new.variables:
        if variable.path in report.skipped:
            np.testing.assert_array_equal(variable, by_path[variable.path])
        assert not np.isnan(np.asarray(variable, "float32")).any()


def test_known_characters_keep_their_units_in_another_vocabulary(tmp_path):
    old = trained()
    old.save(tmp_path / "old.keras")
    new = reader(vocab=NEW)
    fresh = keras.ops.convert_to_numpy(new.layers[-1].kernel)
    report = warm_start(new, tmp_path / "old.keras", vocab=NEW, old_vocab=OLD)
    assert report.skipped == []
    assert report.new_characters == "x"
    kernel, old_kernel = (
        keras.ops.convert_to_numpy(new.layers[-1].kernel),
        keras.ops.convert_to_numpy(old.layers[-1].kernel),
    )
    for char in "abc":
        place, old_place = NEW.index(char), OLD.index(char)
        np.testing.assert_array_equal(kernel[:, place], old_kernel[:, old_place])
    np.testing.assert_array_equal(kernel[:, -1], old_kernel[:, -1])
    np.testing.assert_array_equal(kernel[:, 0], fresh[:, 0])
    images = np.random.default_rng(0).uniform(0, 1, (2, 8, 16, 1)).astype("float32")
    ours, theirs = new.predict(images, verbose=0), old.predict(images, verbose=0)
    np.testing.assert_allclose(ours[..., 1] / ours[..., 4], theirs[..., 2] / theirs[..., 4], 1e-4)


def test_without_vocabularies_the_output_layer_starts_anew(tmp_path):
    trained().save(tmp_path / "old.keras")
    report = warm_start(reader(vocab="abcdef"), tmp_path / "old.keras")
    assert len(report.skipped) == 2
    assert all("dense" in name for name in report.skipped)


def test_arguments(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no weights file at `path`, '"):
        warm_start(reader(), tmp_path / "absent.keras")
    (tmp_path / "bad.keras").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="Keras cannot read weights from `path`"):
        warm_start(reader(), tmp_path / "bad.keras")
    trained().save(tmp_path / "old.keras")
    with pytest.raises(ValueError, match="`vocab` and `old_vocab` must be given together"):
        warm_start(reader(), tmp_path / "old.keras", vocab=OLD)
    with pytest.raises(ValueError, match=r"`vocab` must match the last layer.*a Dense of 3 units"):
        warm_start(reader(), tmp_path / "old.keras", vocab="ab", old_vocab=OLD)
    with pytest.raises(ValueError, match="`old_vocab` does not match"):
        warm_start(reader(), tmp_path / "old.keras", vocab=OLD, old_vocab=OLD + "xy")
    inputs = keras.Input((3,))
    other = keras.Model(inputs, layers.Dense(1)(inputs))
    with pytest.raises(ValueError, match=r"No variable in .* fits the model"):
        warm_start(other, tmp_path / "old.keras")
