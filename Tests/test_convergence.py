"""The convergence watch: its verdicts on histories and recorded trainings, and the callback."""

import functools
import json
import logging
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from keras import layers

from mltu.callbacks import ConvergenceWatch, _watch
from mltu.callbacks._watch import Snapshot, diagnose, diagnose_gap
from mltu.losses import CTCLoss
from mltu.resume._file import from_plain, to_plain
from mltu.synthetic import render_word, shipped_fonts

pytestmark = pytest.mark.backend

RECORDED = json.loads(
    (Path(__file__).parent / "data" / "snapshots.json").read_text(encoding="utf-8")
)


# Verdicts on histories


def history(losses, *, cer=1.0, blank_share=1.0, change=0.3, rate=1e-3):
    """Snapshots at every 100 steps; single values stand for all of them."""
    return [
        Snapshot(100 * (i + 1), loss, rate, change, cer, blank_share)
        for i, loss in enumerate(losses)
    ]


FLAT = [20.0, *[10.0] * 19]
FALLING = [20.0 * 0.97**i for i in range(20)]


@pytest.mark.parametrize(
    ("snapshots", "advantage", "name"),
    [
        # Flat, only blanks: the advantage decides.
        (history(FLAT), 0.5, "blank_collapse"),
        (history(FLAT), 5.0, None),
        (history(FLAT), None, None),
        (history(FLAT, blank_share=0.1), 0.5, "no_progress"),
        (history(FLAT, change=4.0), 0.5, "rate_too_high"),
        (history(FLAT, change=5e-3), 0.5, "rate_without_effect"),
        (history(FLAT, cer=0.5), 0.5, None),
        # Not long enough; still falling.
        (history(FLAT[:9]), 0.5, None),
        (history(FALLING), 0.5, None),
        # Four times the patience, whatever the advantage.
        (history([10.0] * 40), 5.0, "blank_collapse"),
        (history([10.0] * 40, blank_share=None), None, "no_progress"),
        (history([10.0] * 39), 5.0, None),
        # Above the start.
        (history([90.0] * 3), 0.5, "rate_too_high"),
        (history([90.0] * 2), 0.5, None),
        (history([90.0, 90.0, 40.0]), 0.5, None),
        (history([90.0] * 3, cer=0.3), 0.5, None),
        (history([90.0] * 3, cer=None), 0.5, "rate_too_high"),
        # A model that can read; weights that do not change.
        (history([0.1] * 20, cer=0.02, blank_share=0.0), 0.5, None),
        (history([30.0] * 3, change=0.0, rate=0.0), 0.5, "rate_without_effect"),
        (history([30.0] * 2, change=0.0, rate=0.0), 0.5, None),
        (history([0.1] * 3, change=0.0, cer=0.02), 0.5, None),
    ],
)
def test_verdicts(snapshots, advantage, name):
    diagnosis = diagnose(snapshots, 30.0, 1000, lambda: advantage)
    assert (diagnosis and diagnosis.name) == name


@pytest.mark.parametrize("name", RECORDED)
def test_verdicts_on_recorded_trainings(name):
    """Those of healthy trainings have none at any snapshot, of failing ones the first is right.

    Each row is a snapshot and the advantage at that step, None where nobody needed it.
    """
    training = RECORDED[name]
    snapshots, said = [], []
    for *values, advantage in training["snapshots"]:
        snapshots.append(Snapshot(*values))
        diagnosis = diagnose(
            snapshots,
            training["first_loss"],
            training["patience"],
            lambda: advantage,  # noqa: B023
        )
        said += [diagnosis.name] if diagnosis else []
    assert said[:1] == ([training["cause"]] if training["cause"] else [])


def test_paragraphs_hold_the_evidence():
    collapse = diagnose(history(FLAT), 30.0, 1000, lambda: 0.5)
    assert "emits only blanks" in collapse.text
    assert "between steps 1100 and 2000 the loss stays at 10" in collapse.text
    high = diagnose(history([90.0] * 3, rate=0.1), 30.0, 1000, lambda: None)
    assert "The learning rate of 0.1 is too high. The loss began at 30" in high.text
    assert "\n" not in collapse.text + high.text


@pytest.mark.parametrize(
    ("cer", "validation_cer", "momentum", "words"),
    [
        (0.051, 1.0, 0.99, "momentum of 0.99 is too high"),
        (0.051, 1.0, 0.9, "The model reads its training data (CER 5%)"),
        (0.051, 0.4, 0.99, None),  # memorizing, as every small data set
        (0.826, 1.0, 0.99, None),  # still at the start
    ],
)
def test_a_validation_that_stands_while_training_falls_is_named(
    cer, validation_cer, momentum, words
):
    diagnosis = diagnose_gap(cer, validation_cer, momentum)
    if words is None:
        assert diagnosis is None
    else:
        assert diagnosis.name == "validation_gap"
        assert words in diagnosis.text
        assert ("momentum" in diagnosis.text) == (momentum == 0.99)


# The callback


def small_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 8, 1)),
            layers.Permute((2, 1, 3)),
            layers.Reshape((8, 4)),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("sgd", loss=CTCLoss())
    return model


def small_data(count=24):
    images = np.random.default_rng(0).uniform(size=(count, 4, 8, 1)).astype("float32")
    return images, np.tile(np.array([[0, 1, 3], [2, 3, 3]], "int32"), (count // 2, 1))


def fit(model, *callbacks, epochs=4):
    return model.fit(
        *small_data(), batch_size=4, epochs=epochs, verbose=0, callbacks=list(callbacks)
    )


def logged(caplog):
    """Return the warnings of the watch; TensorFlow logs some of its own."""
    records = [record for record in caplog.records if record.name == "mltu.callbacks.watch"]
    assert all(record.levelno == logging.WARNING for record in records)
    return [record.message for record in records]


class BecomeNaN(keras.callbacks.Callback):
    """Spoil the weights before a batch of an epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.where = (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.where:
            self.model.set_weights([w * np.nan for w in self.model.get_weights()])


def test_nan_is_named_with_its_step_once_and_stops(tmp_path, caplog):
    path = tmp_path / "run" / "watch.log"
    watch = ConvergenceWatch(small_data(), stop=True, every=3, log_path=path)
    history = fit(small_model(), BecomeNaN(1, 2), watch)
    (diagnosis,) = watch.diagnoses
    assert diagnosis.name == "non_finite_loss"
    assert "The loss is nan at step 9 (batch 3 of epoch 2), at a learning rate of 0.01" in (
        diagnosis.text
    )
    assert len(history.epoch) == 2
    assert path.read_text("utf-8") == f"non_finite_loss: {diagnosis.text}\n"
    assert logged(caplog) == [diagnosis.text]


def test_without_stop_the_training_continues():
    watch = ConvergenceWatch()
    history = fit(small_model(), BecomeNaN(0, 2), watch)
    assert len(watch.diagnoses) == 1
    assert len(history.epoch) == 4


def test_snapshots_have_the_mean_loss_between_them_and_the_weights():
    steps = []

    class Collect(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append((batch, logs["loss"]))

    watch = ConvergenceWatch(small_data(), every=4)
    fit(small_model(), Collect(), watch)
    sums = [float(loss) * (batch + 1) for batch, loss in steps]
    before = [0 if batch == 0 else sums[i - 1] for i, (batch, _) in enumerate(steps)]
    losses = np.reshape(np.subtract(sums, before), (6, 4)).mean(axis=1)
    snapshots = watch._snapshots
    assert [snapshot.step for snapshot in snapshots] == [4, 8, 12, 16, 20, 24]
    np.testing.assert_allclose([snapshot.loss for snapshot in snapshots], losses, rtol=1e-4)
    assert 0 < snapshots[0].weight_change <= snapshots[-1].weight_change
    assert snapshots[0].learning_rate == pytest.approx(0.01)


def test_rates_of_the_probe_by_hand(monkeypatch):
    """Of 24 samples, half are [0, 1] and half [2]; each is read as [0]: (12 + 12) edits of 36."""
    watch = ConvergenceWatch(small_data(), every=24)
    outputs = np.eye(4)[np.tile([0, 0, 3, 3], (24, 1))]
    monkeypatch.setattr(watch, "_predict", lambda images: outputs[: len(images)])
    fit(small_model(), watch)
    (snapshot,) = watch._snapshots
    assert (snapshot.cer, snapshot.blank_share) == (24 / 36, 0.0)
    outputs[12:] = np.eye(4)[3]
    watch._step += 1
    watch._take_snapshot(None)
    assert watch._snapshots[1].blank_share == 0.5


@pytest.mark.parametrize("follows", [True, False])
def test_the_advantage_shows_whether_outputs_follow_the_images(monkeypatch, follows):
    labels = np.random.default_rng(0).integers(3, size=(64, 2)).astype("int32")
    images = np.repeat(labels, 4, axis=1)  # Each is its label, at eight time steps.

    def predict(images):
        outputs = np.full((len(images), 8, 4), 0.1, "float32")
        np.put_along_axis(outputs, images[:, :, None] if follows else np.array([[[3]]]), 0.7, 2)
        return outputs

    watch = ConvergenceWatch((images, labels), patience=40)
    monkeypatch.setattr(watch, "_predict", predict)
    watch.set_model(small_model())
    watch.on_train_begin()
    watch._step = 10
    assert (watch._measure_advantage() > 4) is follows
    assert watch._measure_advantage() is None  # Asked again too soon.


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras takes one step at a time there"
)
def test_several_steps_at_once_are_counted_each():
    """Six batches an epoch, four at once and then two; equal weights, so the losses are equal."""
    snapshots = []
    for several in (1, 4):
        model = small_model()
        model.compile(keras.optimizers.SGD(0.0), CTCLoss(), steps_per_execution=several)
        watch = ConvergenceWatch(small_data(), every=6)
        fit(model, watch, epochs=3)
        snapshots.append([(snapshot.step, snapshot.loss) for snapshot in watch._snapshots])
    assert [step for step, _ in snapshots[1]] == [6, 12, 18]
    np.testing.assert_allclose(snapshots[1], snapshots[0], rtol=1e-4)


def test_the_state_of_the_watch_has_no_images_and_brings_its_snapshots_back():
    """The 256 images of the sample went into every state; the snapshots were lost."""
    watch, other = ConvergenceWatch(small_data(), every=4), ConvergenceWatch(small_data(), every=4)
    fit(small_model(), watch)
    state = watch.get_state()
    assert not any(value is watch._images for value in state.values())
    arrays = {}
    plain = to_plain(state, arrays, "watch")
    assert sum(array.size for array in arrays.values()) < 100
    other.set_state(from_plain(plain, arrays), "epoch 5, batch 1 of 6")
    assert other._snapshots == watch._snapshots
    assert (other._step, other.diagnoses) == (24, watch.diagnoses)
    np.testing.assert_array_equal(other._first_weights, watch._first_weights)
    state["looks"] = [[*values, 1.0] for values in state["looks"]]  # as de414a1 wrote it
    other.set_state(state, "epoch 5, batch 1 of 6")
    assert other._snapshots == watch._snapshots


def test_the_training_is_the_same_with_the_watch():
    weights = []
    for callbacks in ([], [ConvergenceWatch(small_data(), every=2, patience=2)]):
        model = small_model()
        fit(model, *callbacks)
        weights.append(model.get_weights())
    for with_watch, without in zip(*weights, strict=True):
        np.testing.assert_array_equal(with_watch, without)


def test_a_provider_is_sampled_from_all_over():
    asked = []

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 50

        def __getitem__(self, index):
            asked.append(index)
            return tuple(part[:8] + index for part in small_data())

    watch = ConvergenceWatch(Batches())
    fit(small_model(), watch, epochs=1)
    assert asked == [0, 7, 14, 21, 28, 35, 42, 49]
    assert watch._images.shape == (64, 4, 8, 1)
    assert len(watch._texts[watch._probe]) == 32


def test_labels_may_be_padded_to_the_longest_of_their_batch():
    """Batches whose labels differ in length ended in an error of np.concatenate."""

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            images, labels = small_data(8)
            return images, np.pad(labels, [(0, 0), (0, index % 2)], constant_values=-1)

    watch = ConvergenceWatch(Batches())
    watch.set_model(small_model())
    watch.on_train_begin()
    assert (len(watch._images), watch._labels.shape) == (16, (16, small_data(8)[1].shape[1]))


def test_an_unseen_gpu_is_named_and_does_not_stop(monkeypatch):
    monkeypatch.setattr(_watch, "has_unhidden_gpu", lambda: True)
    monkeypatch.setattr(_watch, "num_gpus", lambda backend: 0)
    watch = ConvergenceWatch(stop=True)
    history = fit(small_model(), watch)
    assert [d.name for d in watch.diagnoses] == ["unseen_gpu"]
    assert "CUDA_VISIBLE_DEVICES=-1" in watch.diagnoses[0].text
    assert len(history.epoch) == 4


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"patience": 0}, ValueError, "`patience` must be"),
        ({"every": 0}, ValueError, "`every` must be"),
        ({"data": [1, 2, 3]}, TypeError, "`data` must be a PyDataset"),
        ({"data": (np.zeros((0, 4)), np.zeros((0, 2)))}, ValueError, "`data` must contain"),
    ],
)
def test_arguments_are_checked(arguments, error, words):
    with pytest.raises(error, match=words):
        ConvergenceWatch(**arguments)


def test_another_kind_of_model_is_refused():
    model = keras.Sequential([keras.Input((4, 8, 1)), layers.Flatten(), layers.Dense(3)])
    model.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match=r"shape \(batch, time, classes\).*\(24, 3\)"):
        fit(model, ConvergenceWatch(small_data()))


# Real trainings


@functools.cache
def words(count, seed):
    """Render numbers of 2 to 5 digits to (count, 16, 64, 1), with labels (count, 5)."""
    rng = np.random.default_rng(seed)
    fonts = shipped_fonts()[:4]
    labels = np.full((count, 5), 10, np.int32)
    images = np.empty((count, 16, 64, 1), np.float32)
    for image, label in zip(images, labels, strict=True):
        size = int(rng.integers(2, 6))
        label[:size] = rng.integers(10, size=size)
        drawn = render_word("".join(map(str, label[:size])), fonts[int(rng.integers(4))], rng)
        gray = cv2.resize(cv2.cvtColor(drawn, cv2.COLOR_BGR2GRAY), (64, 16))
        gray = cv2.normalize(gray, None, 0, 255, cv2.NORM_MINMAX)
        # Dark on light, all of them: these trainings are short.
        image[..., 0] = gray if np.median(gray) > 127 else 255 - gray
    return images, labels


def train(activation, depth, norm, rate, steps, seed=0):
    """Train a small reader of 16 time steps on 2,048 numbers, and return its watch."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((16, 64, 1))
    x = layers.Rescaling(1 / 255)(inputs)
    for number in range(depth):
        stride = 2 if number < 2 else 1
        x = layers.Conv2D(16 * min(number + 1, 2), 3, strides=stride, padding="same")(x)
        x = layers.BatchNormalization()(x) if norm else x
        x = layers.Activation(activation)(x)
    x = layers.Reshape((16, 4 * x.shape[-1]))(layers.Permute((2, 1, 3))(x))
    x = layers.Bidirectional(layers.LSTM(32, return_sequences=True))(x)
    model = keras.Model(inputs, layers.Dense(11, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(rate), loss=CTCLoss())
    watch = ConvergenceWatch(words(256, 1), patience=400, every=25)
    model.fit(
        *words(2048, 0), batch_size=32, epochs=round(steps / 64), verbose=0, callbacks=[watch]
    )
    return watch


def test_the_gap_is_said_once_and_does_not_stop(caplog):
    """With its statistics untouched by training, a model validates at chance."""
    model = keras.Sequential([keras.Input((4, 8, 1)), layers.BatchNormalization()])
    watch = ConvergenceWatch(stop=True)
    watch.set_model(model)
    watch.on_train_begin()
    for epoch in range(3):
        watch.on_epoch_end(epoch, {"CER": 0.1, "val_CER": 1.0})
    assert [diagnosis.name for diagnosis in watch.diagnoses] == ["validation_gap"]
    assert "momentum of 0.99" in watch.diagnoses[0].text
    assert logged(caplog) == [watch.diagnoses[0].text]
    assert not getattr(model, "stop_training", False)


@pytest.mark.slow
def test_blank_collapse_is_named(caplog):
    watch = train("sigmoid", depth=7, norm=False, rate=3e-4, steps=448)
    assert [diagnosis.name for diagnosis in watch.diagnoses] == ["blank_collapse"]
    assert logged(caplog) == [watch.diagnoses[0].text]


@pytest.mark.slow
def test_a_slow_starter_is_left_alone(caplog):
    """Its loss is flat for hundreds of steps, in which only the advantage grows."""
    watch = train("relu", depth=2, norm=True, rate=2e-4, steps=1100, seed=2)
    assert watch.diagnoses == []
    assert logged(caplog) == []
    assert watch._snapshots[-1].cer < 0.9  # It has begun to read, so it was healthy indeed.
