"""The convergence watch: its arithmetic by hand, its verdicts on histories and on trainings."""

import functools
import logging
import math

import cv2
import keras
import numpy as np
import pytest
from keras import layers

from mltu import convergence, decoders
from mltu.callbacks import _watch as watch_module
from mltu.callbacks._watch import ConvergenceWatch
from mltu.convergence import Evidence, Look, at_once, diagnose
from mltu.losses import CTCLoss, required_steps
from mltu.resume._file import from_plain, to_plain
from mltu.synthetic import render_word, shipped_fonts

DIGITS = "0123456789"
LETTERS = "abcdefgh"


# Words rendered here and now ------------------------------------------------------------------


@functools.cache
def words(count, seed, vocab=DIGITS, shortest=2, longest=5):
    """Render words to (count, 16, 64, 1), with labels (count, longest) padded by the blank."""
    rng = np.random.default_rng(seed)
    fonts = shipped_fonts()[:4]
    labels = np.full((count, longest), len(vocab), np.int32)
    images = np.empty((count, 16, 64, 1), np.float32)
    for image, label in zip(images, labels, strict=True):
        size = int(rng.integers(shortest, longest + 1))
        label[:size] = rng.integers(len(vocab), size=size)
        text = "".join(vocab[i] for i in label[:size])
        drawn = render_word(text, fonts[int(rng.integers(len(fonts)))], rng)
        image[..., 0] = cv2.resize(cv2.cvtColor(drawn, cv2.COLOR_BGR2GRAY), (64, 16))
    return images, labels


# Figures, by hand ------------------------------------------------------------------------------


def test_best_answers_merge_repeats_and_drop_blanks():
    paths = np.array([[0, 0, 2, 0, 1], [2, 2, 2, 2, 2], [1, 1, 1, 1, 1]])
    assert convergence.best_answers(np.eye(3)[paths]) == [(0, 0, 1), (), (1,)]


def test_true_texts_know_both_paddings():
    labels = np.array([[0, 1, 3, 3], [2, -1, -1, -1], [3, 3, 3, 3]])
    assert convergence.true_texts(labels, 3) == [(0, 1), (2,), ()]


@pytest.mark.parametrize(
    ("text", "steps"), [((), 0), ((1,), 1), ((1, 2, 1), 3), ((1, 1), 3), ((4, 4, 4, 7), 6)]
)
def test_needed_steps(text, steps):
    assert decoders.required_steps(text) == steps
    labels = np.array([[*text, *[9] * (5 - len(text))]], "int32")
    lengths = keras.ops.convert_to_tensor(np.array([len(text)], "int32"))
    oracle = required_steps(keras.ops.convert_to_tensor(labels), lengths)
    assert int(oracle[0]) == steps


def test_answer_figures_by_hand():
    """Two blanks and one half word of four: 2 + 1 + 2 + 0 edits of 7 characters."""
    answers = [(), (1,), (), (3,)]
    texts = [(1, 2), (1, 2), (2, 2), (3,)]
    assert convergence.answer_figures(answers, texts) == {
        "cer": 5 / 7,
        "empty": 2 / 4,
        "alike": 2 / 4,
    }


def test_deviations():
    assert convergence.deviations(5.0, [1.0, 3.0]) == 3.0
    assert convergence.deviations(5.0, [2.0, 2.0]) is None
    assert convergence.deviations(0.0, [0.0, 0.0]) is None


def test_true_pairs_match_and_shuffled_pairs_do_not():
    images, labels = words(128, 1)
    texts = convergence.true_texts(labels, 10)
    figures = []
    for order in (range(128), np.random.default_rng(1).permutation(128), np.roll(range(128), 1)):
        rng = np.random.default_rng(0)
        moved = [texts[i] for i in order]
        figures.append(convergence.match_of_images_and_labels(images, moved, rng))
    assert figures[0] > 10
    assert max(figures[1:]) < 3


def test_a_match_that_cannot_be_told_is_none():
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(64, 4, 8, 1))
    assert convergence.match_of_images_and_labels(images, [(1, 2)] * 64, rng) is None
    assert convergence.match_of_images_and_labels(images[:, 0, 0], [(1,), (2,)] * 32, rng) is None


def test_constant_images_and_their_text():
    images = np.full((3, 4, 4, 1), 7.0)
    assert "All 3 images looked at are equal" in convergence.constant_images(images).text
    images[2, 0, 0] = 8.0
    assert convergence.constant_images(images) is None
    assert convergence.constant_images(images[:1]) is None
    assert convergence.constant_images(np.zeros((2, 4, 4, 1))).name == "constant_images"


def test_too_few_steps_and_their_text():
    texts = [(1, 2, 3)] * 98 + [(1, 1, 1), (1, 2, 3, 4, 5)]
    diagnosis = convergence.too_few_steps(texts, 4)
    assert "4 time steps, but 2 of the 100 labels looked at (2%) need more, up to 5" in (
        diagnosis.text
    )
    assert not diagnosis.is_hopeless
    assert convergence.too_few_steps(texts, 2).is_hopeless
    assert convergence.too_few_steps(texts, 5) is None
    assert convergence.too_few_steps([(1,)] * 101 + [(1, 2)], 1) is None  # Below 1 %.


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_names_its_step(loss):
    diagnosis = convergence.non_finite_loss(loss, 137, "batch 7 of epoch 3", 0.5)
    assert f"The loss is {loss:g} at step 137 (batch 7 of epoch 3)" in diagnosis.text
    assert convergence.non_finite_loss(12.0, 1, "", None) is None


# Verdicts on histories -------------------------------------------------------------------------


def history(losses, *, cer=1.0, empty=1.0, moved=0.3, rate=1e-3):
    """Looks at every 100 steps; single values stand for all looks."""
    count = len(losses)
    cers = cer if isinstance(cer, list) else [cer] * count
    return [
        Look(100 * (i + 1), loss, rate, moved, cers[i], empty, 1.0) for i, loss in enumerate(losses)
    ]


def verdict(looks, *, match=20.0, advantage=0.5, first_loss=30.0, patience=1000):
    found = diagnose(looks, first_loss, patience, lambda: Evidence(match, advantage))
    return found and found.name


FLAT = [20.0, *[10.0] * 19]
FALLING = [20.0 * 0.97**i for i in range(20)]
RISEN = [1.0] * 5 + [10.0] * 5


@pytest.mark.parametrize(
    ("looks", "evidence", "name"),
    [
        # Flat, all blank: the evidence decides.
        (history(FLAT), {}, "blank_collapse"),
        (history(FLAT), {"match": 1.0}, "labels_of_other_images"),
        (history(FLAT), {"advantage": 5.0}, None),
        (history(FLAT), {"match": 1.0, "advantage": 5.0}, None),
        (history(FLAT), {"match": None, "advantage": None}, None),
        (history(FLAT), {"match": None}, "blank_collapse"),
        (history(FLAT, empty=0.1), {}, "no_progress"),
        (history(FLAT, moved=4.0), {}, "rate_too_high"),
        (history(FLAT, moved=5e-3), {}, "rate_without_effect"),
        (history(FLAT, cer=0.5), {}, None),
        # Not long enough; still falling; learning by heart.
        (history(FLAT[:9]), {}, None),
        (history(FALLING), {}, None),
        (history(FALLING), {"match": 1.0}, "labels_of_other_images"),
        (history(FALLING[:19]), {"match": 1.0}, None),
        # Four times the patience, whatever the evidence.
        (history([10.0] * 40), {"advantage": 5.0}, "blank_collapse"),
        (history([10.0] * 40, empty=None), {"match": None, "advantage": None}, "no_progress"),
        (history([10.0] * 39), {"advantage": 5.0}, None),
        # Above the start.
        (history([90.0] * 3), {}, "rate_too_high"),
        (history([90.0] * 2), {}, None),
        (history([90.0, 90.0, 40.0]), {}, None),
        (history([90.0] * 3, cer=0.3), {}, None),
        (history([90.0] * 3, cer=None), {}, "rate_too_high"),
        # A model that could read.
        (history(RISEN, cer=[0.2] * 5 + [1.0] * 5), {}, "rate_too_high"),
        (history(RISEN, cer=[0.2] * 5 + [0.4] * 5), {}, None),
        (history([0.1] * 20, cer=0.02, empty=0.0), {}, None),
        # Weights that do not move.
        (history([30.0] * 3, moved=0.0, rate=0.0), {}, "rate_without_effect"),
        (history([30.0] * 2, moved=0.0, rate=0.0), {}, None),
        (history([0.1] * 3, moved=0.0, cer=0.02), {}, None),
    ],
)
def test_verdicts(looks, evidence, name):
    assert verdict(looks, **evidence) == name


def test_paragraphs_hold_the_figures():
    collapse = diagnose(history(FLAT), 30.0, 1000, lambda: Evidence(20.0, 0.5))
    assert "only blanks (100% of the samples)" in collapse.text
    assert "between steps 1100 and 2000 the loss stayed at 10" in collapse.text
    assert "0.5 standard deviations" in collapse.text
    still = diagnose(history([90.0] * 3, rate=0.1), 30.0, 1000, Evidence)
    assert "The learning rate of 0.1 is too high. The loss began at 30" in still.text
    assert "\n" not in collapse.text + still.text


# The callback ----------------------------------------------------------------------------------


def small_model(optimizer="sgd", loss=None):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 8, 1)),
            layers.Permute((2, 1, 3)),
            layers.Reshape((8, 4)),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(optimizer, loss=loss or CTCLoss())
    return model


def small_data(count=24):
    images = np.random.default_rng(0).uniform(size=(count, 4, 8, 1)).astype("float32")
    return images, np.tile(np.array([[0, 1, 3], [2, 3, 3]], "int32"), (count // 2, 1))


def said(caplog):
    """Return the warnings of the watch; TensorFlow logs some of its own."""
    records = [record for record in caplog.records if record.name == "mltu.callbacks._watch"]
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


def fit(model, *callbacks, epochs=4):
    return model.fit(
        *small_data(), batch_size=4, epochs=epochs, verbose=0, callbacks=list(callbacks)
    )


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
    assert said(caplog) == [diagnosis.text]


def test_without_stop_the_training_goes_on():
    watch = ConvergenceWatch()
    history = fit(small_model(), BecomeNaN(0, 2), watch)
    assert len(watch.diagnoses) == 1
    assert len(history.epoch) == 4


def test_looks_have_the_mean_loss_between_them_and_the_weights():
    steps = []

    class Keep(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append((batch, logs["loss"]))

    watch = ConvergenceWatch(small_data(), every=4)
    fit(small_model(), Keep(), watch)
    sums = [float(loss) * (batch + 1) for batch, loss in steps]
    before = [0 if batch == 0 else sums[i - 1] for i, (batch, _) in enumerate(steps)]
    losses = np.subtract(sums, before)
    assert [look.step for look in watch._looks] == [4, 8, 12, 16, 20, 24]
    np.testing.assert_allclose(
        [look.loss for look in watch._looks], np.reshape(losses, (6, 4)).mean(axis=1), rtol=1e-4
    )
    moved = [look.moved for look in watch._looks]
    assert 0 < moved[0] <= moved[-1]
    assert watch._looks[0].rate == pytest.approx(0.01)


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras takes one step at a time there"
)
def test_several_steps_at_once_are_counted_each():
    """Six batches an epoch, four at once and then two; equal weights, so the losses are equal."""
    looks = []
    for several in (1, 4):
        model = small_model()
        model.compile(keras.optimizers.SGD(0.0), CTCLoss(), steps_per_execution=several)
        watch = ConvergenceWatch(small_data(), every=6)
        fit(model, watch, epochs=3)
        looks.append([(look.step, look.loss) for look in watch._looks])
    assert [step for step, _ in looks[1]] == [6, 12, 18]
    np.testing.assert_allclose(looks[1], looks[0], rtol=1e-4)


def test_what_is_kept_of_the_watch_has_no_images_and_brings_its_looks_back():
    """The 256 images of the sample went into every state; the looks were lost."""
    watch, other = ConvergenceWatch(small_data(), every=4), ConvergenceWatch(small_data(), every=4)
    fit(small_model(), watch)
    kept = watch.kept_state()
    assert not any(value is watch._images for value in kept.values())
    arrays = {}
    plain = to_plain(kept, arrays, "watch")
    assert sum(array.size for array in arrays.values()) < 100
    other.restore_kept_state(from_plain(plain, arrays), "epoch 5, batch 1 of 6")
    assert other._looks == watch._looks
    assert (other._step, other.diagnoses) == (24, watch.diagnoses)
    np.testing.assert_array_equal(other._first_weights, watch._first_weights)


def test_the_training_is_the_same_with_the_watch():
    weights = []
    for callbacks in ([], [ConvergenceWatch(small_data(), every=2, patience=2)]):
        model = small_model()
        fit(model, *callbacks)
        weights.append(model.get_weights())
    for with_watch, without in zip(*weights, strict=True):
        np.testing.assert_array_equal(with_watch, without)


def test_evidence_of_a_few_samples_and_not_too_often():
    watch = ConvergenceWatch(small_data(), every=2, patience=40)
    fit(small_model(), watch)
    watch._asked_at = 0
    evidence = watch._find_evidence()
    assert evidence.match is None  # 24 samples are too few to tell.
    assert math.isfinite(evidence.advantage)
    assert watch._find_evidence() == Evidence()


def test_a_provider_is_sampled_from_all_over(monkeypatch):
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


def test_long_labels_are_found_before_the_first_step_and_stop(caplog):
    images, labels = small_data()
    long = np.repeat(labels[:, :1], 6, axis=1)  # Six equal characters need 11 of the 8 steps.
    watch = ConvergenceWatch((images, long), stop=True)
    history = fit(small_model(), watch)
    assert [d.name for d in watch.diagnoses] == ["too_few_time_steps"]
    assert len(history.epoch) == 1


def test_an_unseen_gpu_is_named_and_does_not_stop(monkeypatch):
    monkeypatch.setattr(convergence, "gpu_in_machine", lambda: True)
    monkeypatch.setattr(watch_module, "_gpu_in_backend", lambda: False)
    watch = ConvergenceWatch(stop=True)
    history = fit(small_model(), watch)
    assert [d.name for d in watch.diagnoses] == ["unseen_gpu"]
    assert "CUDA_VISIBLE_DEVICES=-1" in watch.diagnoses[0].text
    assert len(history.epoch) == 4


def test_a_hidden_gpu_is_hidden_on_purpose(monkeypatch):
    monkeypatch.setattr(at_once.Path, "exists", lambda path: True)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert convergence.gpu_in_machine()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert not convergence.gpu_in_machine()


def test_nvidia_smi_has_to_list_a_gpu(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(at_once.Path, "exists", lambda path: False)
    monkeypatch.setattr(at_once.shutil, "which", lambda name: None)
    assert not convergence.gpu_in_machine()
    program = tmp_path / "nvidia-smi"
    monkeypatch.setattr(at_once.shutil, "which", lambda name: str(program))
    for output, found in [("GPU 0: NVIDIA H200", True), ("No devices were found", False)]:
        program.write_text(f"#!/bin/sh\necho '{output}'\n")
        program.chmod(0o755)
        assert convergence.gpu_in_machine() is found


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"patience": 0}, ValueError, "`patience` must be"),
        ({"every": 0}, ValueError, "`every` must be"),
        ({"data": [1, 2, 3]}, TypeError, "`data` must be a PyDataset"),
        ({"data": (np.zeros((0, 4)), np.zeros((0, 2)))}, ValueError, "`data` must hold"),
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


# Real trainings -------------------------------------------------------------------------------


def reader(num_classes=11, *, strides=((2, 2), (2, 2)), seed=0, activation="relu", norm=True,
           depth=2, scale=1 / 255, units=32, rnn=layers.LSTM):  # fmt: skip
    """Build a small convolutional reader, column by column: 16 time steps."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((16, 64, 1))
    x = layers.Rescaling(scale)(inputs)
    for number in range(depth):
        stride = strides[number] if number < len(strides) else 1
        x = layers.Conv2D(16 * min(number + 1, 2), 3, strides=stride, padding="same")(x)
        x = layers.BatchNormalization()(x) if norm else x
        x = layers.Activation(activation)(x)
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]))(x)
    x = layers.Bidirectional(rnn(units, return_sequences=True))(x)
    return keras.Model(inputs, layers.Dense(num_classes, activation="softmax")(x))


def train(model, data, optimizer, steps, *callbacks, watched=None, **options):
    """Train for so many steps of 32 samples and return the watch."""
    images, labels = data
    model.compile(optimizer, loss=CTCLoss())
    watch = ConvergenceWatch(watched or words(256, 1), **{"patience": 400, "every": 25, **options})
    epochs = max(1, round(steps * 32 / len(images)))
    model.fit(images, labels, batch_size=32, epochs=epochs, verbose=0,
              callbacks=[watch, *callbacks])  # fmt: skip
    return watch


def adam(rate):
    return keras.optimizers.Adam(rate)


def shuffled(data, seed=5):
    images, labels = data
    return images, labels[np.random.default_rng(seed).permutation(len(labels))]


def constant(data):
    return np.repeat(data[0][:1], len(data[0]), axis=0), data[1]


def blank_collapse():
    model = reader(activation="sigmoid", norm=False, depth=5)
    return train(model, words(2048, 0), adam(3e-4), 640)


def too_high_rate():
    return train(reader(), words(2048, 0), adam(1.0), 256)


def zero_rate():
    return train(reader(), words(2048, 0), adam(0.0), 256)


def too_long_labels():
    long = (DIGITS, 9, 12)
    model = reader(strides=((2, 4), (2, 2)))
    return train(model, words(512, 0, *long), adam(3e-3), 256, watched=words(128, 1, *long))


def shuffled_labels():
    pairs = shuffled(words(2048, 0))
    return train(reader(), pairs, adam(3e-3), 640, watched=shuffled(words(256, 1)))


def constant_images():
    pairs = constant(words(2048, 0))
    return train(reader(), pairs, adam(3e-3), 256, watched=constant(words(256, 1)))


FAILING = {
    blank_collapse: "blank_collapse",
    too_high_rate: "rate_too_high",
    zero_rate: "rate_without_effect",
    too_long_labels: "too_few_time_steps",
    shuffled_labels: "labels_of_other_images",
    constant_images: "constant_images",
}


@pytest.mark.slow
@pytest.mark.parametrize(("training", "cause"), FAILING.items(), ids=FAILING.values())
def test_the_cause_of_a_failing_training_is_named(training, cause, caplog):
    watch = training()
    assert [diagnosis.name for diagnosis in watch.diagnoses] == [cause]
    assert said(caplog) == [watch.diagnoses[0].text]


def plain():
    return train(reader(), words(2048, 0), adam(1e-3), 700)


def letters_at_a_high_rate():
    data, watched = words(2048, 2, LETTERS, 3, 6), words(256, 3, LETTERS, 3, 6)
    return train(reader(9, seed=1), data, adam(1e-2), 700, watched=watched)


def slow_starter():
    return train(reader(seed=2), words(2048, 0), adam(2e-4), 1100)


def unscaled_tanh():
    model = reader(activation="tanh", norm=False, scale=1.0, rnn=layers.GRU, seed=3)
    return train(model, words(2048, 4), keras.optimizers.RMSprop(1e-3), 800)


def converged_model_goes_on():
    model = reader(units=48, seed=4)
    train(model, words(2048, 0), adam(3e-3), 450)
    rate = keras.optimizers.schedules.CosineDecay(1e-4, 400)
    watch = train(model, words(2048, 0), adam(rate), 500)
    assert watch._looks[0].cer < 0.3
    return watch


def short_words_first_with_a_warm_up():
    images, labels = words(2048, 5, shortest=1)
    order = np.argsort((labels < 10).sum(axis=1), kind="stable")
    rate = keras.optimizers.schedules.CosineDecay(0.0, 1100, warmup_target=3e-3, warmup_steps=100)
    model = reader(seed=6)
    model.compile(adam(rate), loss=CTCLoss())
    watch = ConvergenceWatch(words(256, 1), patience=400, every=25)
    model.fit(images[order], labels[order], batch_size=32, epochs=18, shuffle=False, verbose=0,
              callbacks=[watch])  # fmt: skip
    return watch


HEALTHY = [
    plain,
    letters_at_a_high_rate,
    slow_starter,
    unscaled_tanh,
    converged_model_goes_on,
    short_words_first_with_a_warm_up,
]


@pytest.mark.slow
@pytest.mark.parametrize("training", HEALTHY)
def test_a_healthy_training_hears_nothing(training, caplog):
    watch = training()
    assert watch.diagnoses == []
    assert said(caplog) == []
    assert watch._looks[-1].cer < 0.9  # It has begun to read, so it was healthy indeed.
