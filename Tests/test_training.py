"""What prepares a model for training, without a training."""

import cv2
import keras
import numpy as np
import pytest
from keras import layers

from mltu.augmentors import RandomBrightness
from mltu.configs import ReaderConfigs
from mltu.dataProvider import DataProvider
from mltu.datasets import load_samples
from mltu.losses import CTCLoss
from mltu.models import column_reader, row_reader, strong_reader
from mltu.preprocessors import ImageReader
from mltu.training import compile_reader, fit_reader, start_with_blanks, train_reader
from mltu.training._data import make_provider
from mltu.training._run import draw_augmented
from mltu.transformers import LabelIndexer


def model_with(*last, num_steps=40):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((num_steps, 3)), layers.Dense(7), *last])


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
    # 8 of 40 steps are for the four characters, 2 for each: the blank has 16 times as much.
    bias = model.layers[1].get_weights()[1]
    np.testing.assert_allclose(bias, [0, 0, 0, 0, np.log(16)], rtol=1e-6)
    outputs = keras.ops.convert_to_numpy(model(np.zeros((2, 40, 3), "float32")))
    assert (outputs.argmax(axis=-1) == 4).all()
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("num_steps", "label_length", "blank"), [(256, 8, 0.96875), (20, 16, 0.5), (None, 8, 2 / 3)]
)
def test_the_blank_starts_with_its_share_of_the_steps(num_steps, label_length, blank):
    model = model_with(layers.Dense(5, activation="softmax"), num_steps=num_steps)
    start_with_blanks(model, label_length)
    outputs = keras.ops.convert_to_numpy(model(np.zeros((1, num_steps or 20, 3))))
    np.testing.assert_allclose(outputs[..., -1], blank, rtol=1e-5)


def test_a_label_length_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"`label_length` must be above 0\. Received 0"):
        start_with_blanks(model_with(layers.Dense(5)), 0)


def test_a_model_without_a_bias_for_the_blank_is_refused():
    with pytest.raises(ValueError, match="must have a Dense layer with a bias and 5 units"):
        start_with_blanks(model_with(layers.Dense(5, use_bias=False)))


def test_processes_prepare_the_batches_of_training_alone():
    image = np.arange(32 * 64, dtype=np.uint8).reshape(32, 64, 1).repeat(3, -1)
    options = {"width": 64, "height": 32, "vocab": "ab", "batch_size": 2}
    samples = load_samples([(image, "ab"), (image[::-1].copy(), "b")])
    threads, processes = (
        ReaderConfigs.from_options(**options, processes=count) for count in (0, 1)
    )
    for each in (threads, processes):
        each.max_text_length = 2
    providers = [make_provider(samples, each, training=True) for each in (threads, processes)]
    assert [each._loader.num_processes for each in providers] == [0, 1]
    assert make_provider(samples, processes, training=False)._loader.num_processes == 0
    for ours, theirs in zip(*(each[0] for each in providers), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_image_that_the_training_replaces_is_not_among_the_augmented(tmp_path):
    """One broken file of 1,200 ended a training if it was one of the six that are shown."""
    path = tmp_path / "word.png"
    cv2.imwrite(str(path), np.zeros((32, 64, 3), np.uint8))
    samples = load_samples([(str(tmp_path / "absent.png"), "a"), (str(path), "a"), (b"x", "a")])
    draw_augmented(tmp_path / "run", samples, [RandomBrightness()])
    assert ImageReader().read(tmp_path / "run" / "augmented.png").size
    draw_augmented(tmp_path / "none", samples[:1], [RandomBrightness()])
    assert not (tmp_path / "none").exists()


def test_a_data_set_without_text_is_refused():
    image = np.zeros((32, 64, 3), np.uint8)
    with pytest.raises(ValueError, match="Received 4 training labels, all of them empty"):
        train_reader([(image, "")] * 4, validation=[(image, "a")], vocab="", output="unused")


@pytest.mark.parametrize(
    "build",
    [
        lambda: LabelIndexer(""),
        lambda: row_reader((32, 64, 3), 0),
        lambda: column_reader((32, 64, 3), 0),
        lambda: strong_reader((32, 64, 3), 0),
        lambda: CTCLoss()(np.zeros((1, 2)), np.ones((1, 4, 1))),
    ],
)
def test_a_vocabulary_of_no_characters_is_refused(build):
    with pytest.raises(ValueError, match=r"at least 1|at least one character|the blank"):
        build()


def tiny_training():
    """Return a model of four time steps, and a provider of four samples."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4, 3)), layers.Dense(3, activation="softmax")])
    samples = [[np.zeros((4, 3), np.float32), np.zeros(1, np.int32)]] * 4
    return model, DataProvider(samples, [], 2)


def test_the_run_folder_may_have_any_name(tmp_path):
    """Keras formats the path of a checkpoint: `run{x}` was a KeyError after the first epoch."""
    model, provider = tiny_training()
    compile_reader(model, 1e-3, "ab")
    run = tmp_path / "run{x} {} [2026] 100%d"
    fit_reader(
        model, provider, provider, run, epochs=1, learning_rate=1e-3, metadata={"vocab": "ab"},
        export=False, progress=False,
    )  # fmt: skip
    assert (run / "model.keras").is_file()


def test_of_equal_epochs_the_last_is_kept(tmp_path, monkeypatch):
    class StartedError(Exception):
        pass

    def start(*args, callbacks, **options):
        raise StartedError(callbacks)

    monkeypatch.setattr("mltu.training._fit.fit_resumable", start)
    model, provider = tiny_training()
    with pytest.raises(StartedError) as started:
        fit_reader(
            model, provider, provider, tmp_path, epochs=3, learning_rate=1e-3,
            metadata={"vocab": "ab"}, export=False,
        )  # fmt: skip
    (best,) = [c for c in started.value.args[0] if isinstance(c, keras.callbacks.ModelCheckpoint)]
    best.set_model(model)
    for epoch, cer in enumerate((0.5, 0.5, 0.6)):
        model.layers[0].bias.assign(np.full(3, epoch, "float32"))
        best.on_epoch_end(epoch, {"val_CER": cer})
    kept = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(kept.layers[0].get_weights()[1], [1, 1, 1])
