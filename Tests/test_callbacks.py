"""The callbacks in tiny trainings, and the ONNX export by its numbers."""

import copy
import logging
import pickle

import keras
import numpy as np
import pytest
from conftest import slow_elsewhere
from keras import layers
from quick_exports import without_trial

from mltu.callbacks import (
    ConvergenceWatch,
    FollowSchedule,
    KeepState,
    Model2onnx,
    TrainLogger,
    _train_logger,
    fit_resumable,
    onnx_path_for,
    tensorboard,
)
from mltu.dataProvider import DataProvider
from mltu.inferenceModel import OnnxInferenceModel
from mltu.losses import CTCLoss
from mltu.onnx_export import TOLERANCE, _compare, _export, export_onnx
from mltu.training import compile_reader

pytestmark = pytest.mark.backend

CLASSES = 4


def scaling():
    return layers.Rescaling(1 / 255)


def lambda_scaling():
    return layers.Lambda(lambda x: x / 255)


def tiny_model(scale=scaling, optimizer=None):
    """Read an 8x16 image in 8 steps; untrained with the same weights each time."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 16, 1)),
            scale(),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
            layers.Permute((2, 1, 3)),
            layers.Reshape((8, 16)),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(optimizer or keras.optimizers.SGD(0.05), loss=CTCLoss())
    return model


def images(count=8):
    return np.random.default_rng(1).uniform(0, 255, (count, 8, 16, 1)).astype("float32")


def fit(model, *extra, epochs=2, count=8, batch_size=4):
    labels = np.tile(np.array([[0, 1, 3], [2, 3, 3]], np.int32), (count // 2, 1))
    return model.fit(
        images(count),
        labels,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=False,
        verbose=0,
        callbacks=list(extra),
    )


def run_onnx(path, inputs):
    model = OnnxInferenceModel(path, force_cpu=True)
    return model.model.run(None, {model.input_name: inputs})[0]


class Spoil(keras.callbacks.Callback):
    """Remember the checkpoint of the first epoch and its outputs; end with weights of zeros."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.bytes = self.path.read_bytes()
            self.outputs = self.model.predict(images(), verbose=0)
        else:
            self.model.set_weights([np.zeros_like(w) for w in self.model.get_weights()])


# Model2onnx ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "scale", "weights_only"),
    [
        ("model.keras", scaling, False),
        pytest.param("model.weights.h5", scaling, True, marks=pytest.mark.slow),
        pytest.param("model.h5", lambda_scaling, False, marks=pytest.mark.slow),
        pytest.param("model.keras", lambda_scaling, False, marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_best_weights_are_exported(tmp_path, name, scale, weights_only):
    """With `save_best_only` the first epoch is kept when the figure rises afterwards."""
    path = tmp_path / name
    model = tiny_model(scale)
    start = model.predict(images(), verbose=0)
    spoil = Spoil(path)
    vocab = "ä€日"
    options = {"save_best_only": True, "mode": "min", "save_weights_only": weights_only}
    save = keras.callbacks.ModelCheckpoint(path, "figure", **options)
    fit(model, Score(1.0, 2.0), save, spoil, Model2onnx(path, metadata={"vocab": vocab}))
    outputs = run_onnx(tmp_path / "model.onnx", images())
    assert np.abs(spoil.outputs - start).max() > 1e-3
    np.testing.assert_allclose(outputs, spoil.outputs, atol=1e-5)
    np.testing.assert_allclose(model.predict(images(), verbose=0), spoil.outputs, atol=1e-6)
    assert path.read_bytes() == spoil.bytes
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "model.onnx"])
    assert OnnxInferenceModel(tmp_path / "model.onnx").metadata["vocab"] == vocab


@pytest.mark.parametrize("is_stale", [False, True])
def test_without_a_new_checkpoint_the_last_step_is_exported(tmp_path, is_stale):
    path, model = tmp_path / "model.keras", tiny_model()
    if is_stale:
        model.save(path)
    before = path.read_bytes() if is_stale else b""
    start = model.predict(images(), verbose=0)
    with pytest.warns(UserWarning, match="No checkpoint was written"):
        fit(model, Model2onnx(path), epochs=1)
    outputs = run_onnx(tmp_path / "model.onnx", images())
    np.testing.assert_allclose(outputs, model.predict(images(), verbose=0), atol=1e-5)
    assert np.abs(outputs - start).max() > 1e-3
    assert (path.read_bytes() if is_stale else b"") == before


@pytest.mark.parametrize(
    ("name", "onnx_name"),
    [
        ("model.keras", "model.onnx"),
        ("model.h5", "model.onnx"),
        ("model.weights.h5", "model.onnx"),
        ("v1.2.keras", "v1.2.onnx"),
        ("h5.keras.keras", "h5.keras.onnx"),
    ],
)
def test_onnx_stands_beside_the_checkpoint(tmp_path, name, onnx_name):
    assert onnx_path_for(tmp_path / name) == tmp_path / onnx_name
    assert Model2onnx(str(tmp_path / name)).onnx_path == tmp_path / onnx_name


@pytest.mark.parametrize("name", ["model.onnx", "model", "model.pt", "model.KERAS"])
def test_another_suffix_raises(name):
    with pytest.raises(ValueError, match="must end in") as caught:
        Model2onnx(name)
    assert name in str(caught.value)


class Failing:
    """Stand in for the child process: convert until the number of exports is reached, then fail."""

    def __init__(self, monkeypatch, good):
        self.good = good
        self.calls = 0
        self.convert = _export.run_child
        monkeypatch.setattr(_export, "run_child", self)

    def __call__(self, job, timeout):
        self.calls += 1
        if self.calls > self.good:
            raise RuntimeError("no such operator")
        self.convert(job, timeout)


def fail_at_the_end(monkeypatch):
    """Let the export after a training fail; the trial before it is left out."""
    Failing(monkeypatch, good=0)
    monkeypatch.setattr(Model2onnx, "_export", without_trial(Model2onnx._export))


def test_a_failing_export_stops_before_the_first_batch(tmp_path, monkeypatch):
    Failing(monkeypatch, good=0)
    path = tmp_path / "model.keras"
    (tmp_path / "model.onnx").write_bytes(b"good")
    batches = []
    count = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda *_: batches.append(1))
    with pytest.raises(RuntimeError, match=r"could not be exported to ONNX.*no such operator"):
        fit(tiny_model(), count, Model2onnx(path))
    assert batches == []
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"good"


def test_a_failure_at_the_end_keeps_the_model_and_says_how_to_go_on(tmp_path, monkeypatch):
    fail_at_the_end(monkeypatch)
    path = tmp_path / "model.keras"
    (tmp_path / "model.onnx").write_bytes(b"good")
    (tmp_path / "configs.yaml").touch()
    model = tiny_model()
    save = keras.callbacks.ModelCheckpoint(path)
    with pytest.raises(RuntimeError, match="The training is done and its model is safe") as caught:
        fit(model, save, Model2onnx(path), epochs=1)
    assert f"mltu export {str(tmp_path)!r}" in str(caught.value)
    assert "The cause: `model` 'sequential" in str(caught.value)
    loaded = keras.models.load_model(path, compile=False)
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])
    assert (tmp_path / "model.onnx").read_bytes() == b"good"


@pytest.mark.parametrize("name", ["model.keras", "best.keras", "model.weights.h5"])
def test_the_way_out_is_one_that_works(tmp_path, monkeypatch, name):
    """`mltu export` needs a run folder, with a model.keras and its configs.yaml."""
    fail_at_the_end(monkeypatch)
    if name != "model.keras":
        (tmp_path / "configs.yaml").touch()
    path = tmp_path / name
    save = keras.callbacks.ModelCheckpoint(path, save_weights_only=name.endswith("h5"))
    with pytest.raises(RuntimeError, match="run the export again: load the model by keras"):
        fit(tiny_model(), save, Model2onnx(path), epochs=1)


@pytest.mark.filterwarnings("ignore:No checkpoint was written")
def test_a_failure_at_the_end_saves_a_model_that_has_no_checkpoint(tmp_path, monkeypatch):
    fail_at_the_end(monkeypatch)
    model = tiny_model()
    with pytest.raises(RuntimeError, match=r"is safe in '.*model\.last\.keras'"):
        fit(model, Model2onnx(tmp_path / "model.keras"), epochs=1)
    loaded = keras.models.load_model(tmp_path / "model.last.keras", compile=False)
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


class Score(keras.callbacks.Callback):
    """Give each epoch a figure, for `save_best_only`."""

    def __init__(self, *figures):
        super().__init__()
        self.figures = figures

    def on_epoch_end(self, epoch, logs=None):
        logs["figure"] = self.figures[epoch]


@slow_elsewhere
def test_each_new_best_is_exported_if_asked(tmp_path, monkeypatch):
    """Epochs 1 and 3 are better than all before; a failure there warns and keeps the file."""
    path = tmp_path / "model.keras"
    failing = Failing(monkeypatch, good=2)
    save = keras.callbacks.ModelCheckpoint(path, "figure", save_best_only=True, mode="min")
    onnx = Model2onnx(path, at_best=True)
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((tmp_path / "model.onnx").read_bytes())
            if epoch == 2:
                failing.good = 99

    with pytest.warns(UserWarning, match="of epoch 3, was not exported; training continues"):
        fit(tiny_model(), Score(2.0, 3.0, 1.0), save, onnx, Look(), epochs=3)
    assert seen[0] == seen[1] == seen[2]
    assert failing.calls == 4  # The trial, two new bests, the end.
    assert (tmp_path / "model.onnx").read_bytes() != seen[0]


@pytest.mark.slow
def test_validation_and_int8(tmp_path, capsys):
    path = tmp_path / "model.keras"
    labels = ["ab", "c", "", "a"] * 10
    onnx = Model2onnx(path, {"vocab": "abc"}, validation=(images(40), labels), int8=True)
    fit(tiny_model(), keras.callbacks.ModelCheckpoint(path), onnx, epochs=1)
    assert (onnx.metrics.num_images, onnx.metrics.cer_keras) == (40, onnx.metrics.cer_onnx)
    assert onnx.int8_report.fp32.cer == onnx.metrics.cer_onnx
    names = {item.name for item in tmp_path.iterdir()}
    assert names == {"model.keras", "model.onnx", "model.int8.onnx"}
    assert capsys.readouterr().out == ""  # The training had verbose=0.
    onnx.set_params({"verbose": 1})
    onnx.on_train_begin()
    assert "The ONNX export works" in capsys.readouterr().out


def test_int8_needs_images():
    with pytest.raises(ValueError, match="`int8` must be False without images to calibrate on"):
        Model2onnx("model.keras", int8=True)


# export_onnx --------------------------------------------------------------------------------


def test_outputs_that_differ_keep_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"good")
    monkeypatch.setattr(
        _compare, "keras_outputs", lambda model, batches: [np.full((2, 8, CLASSES), 0.9)]
    )
    with pytest.raises(
        RuntimeError, match=r"difference of the outputs is 0\.\d+, .* the file was discarded"
    ):
        export_onnx(tiny_model(), path)
    assert path.read_bytes() == b"good"
    assert list(tmp_path.iterdir()) == [path]


def test_outputs_that_are_nan_are_refused(tmp_path):
    model = tiny_model()
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    with pytest.raises(RuntimeError, match="outputs is nan"):
        export_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_metadata_round_trip_and_free_batch(tmp_path):
    metadata = {
        "vocab": 'a€"',
        "size": [32, 128],
        "nested": {"größe": 1.5, "none": None, "yes": True},
        "number": "007",
        "note": "aßä€日\"'\\ \n",
    }
    path = tmp_path / "new" / "model.onnx"
    assert export_onnx(tiny_model(), path, metadata=metadata).difference <= TOLERANCE
    model = OnnxInferenceModel(path, force_cpu=True)
    assert {key: model.metadata[key] for key in metadata} == metadata
    assert model.input_shape == [8, 16, 1]
    for count in (1, 3):
        assert run_onnx(path, images(count)).shape == (count, 8, CLASSES)


def test_metadata_outside_json_raises_before_the_export(tmp_path):
    with pytest.raises(TypeError, match="cannot be stored as JSON"):
        export_onnx(tiny_model(), tmp_path / "model.onnx", metadata={"vocab": {1, 2}})
    assert list(tmp_path.iterdir()) == []


# TrainLogger --------------------------------------------------------------------------------


def test_train_logger_writes_each_training_and_appends(tmp_path):
    root = list(logging.getLogger().handlers)
    names = set(logging.Logger.manager.loggerDict)
    logger = TrainLogger(tmp_path / "logs" / "run", "train.log")
    assert list(tmp_path.iterdir()) == []
    model = tiny_model()
    for _ in range(2):
        fit(model, logger)
        assert logger._logger.handlers == []
    lines = (tmp_path / "logs" / "run" / "train.log").read_text("utf-8").splitlines()
    kinds = [line.split(" INFO ")[1].split(";")[0].split(":")[0] for line in lines]
    assert kinds == ["Training begins", "Epoch 1", "Epoch 2", "Training ends"] * 2
    assert all("loss: " in line for line in lines if " INFO Epoch" in line)
    assert str(model.count_params()) in lines[0]
    assert logging.getLogger().handlers == root
    assert not [n for n in set(logging.Logger.manager.loggerDict) - names if "mltu" in n]


def test_train_logger_can_be_copied(tmp_path):
    """Before and after a training; its logger cannot."""
    logger = TrainLogger(tmp_path)
    for clone in (copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))):
        twin = clone(logger)
        fit(tiny_model(), twin, epochs=1)
        twin = clone(twin)
    assert (tmp_path / "logs.log").read_text().count("Epoch 1;") == 2


def test_train_logger_writes_utf_8(tmp_path):
    logger = TrainLogger(tmp_path)
    logger.set_model(tiny_model())
    logger.on_train_begin()
    logger.on_epoch_begin(0)
    logger.on_epoch_end(0, {"größe_€": np.float32(0.5)})
    logger.on_train_end()
    text = (tmp_path / "logs.log").read_bytes().decode("utf-8")
    assert "Epoch 1;" in text
    assert "größe_€: 0.5\n" in text


def test_train_logger_level(tmp_path):
    fit(tiny_model(), TrainLogger(tmp_path, logLevel=logging.WARNING), epochs=1)
    assert (tmp_path / "logs.log").read_bytes() == b""


# FollowSchedule -----------------------------------------------------------------------------


class Rates(keras.callbacks.Callback):
    """Record the rate of each step, and multiply it by `cuts[step]` after that step."""

    def __init__(self, cuts=()):
        super().__init__()
        self.rates = []
        self.cuts = dict(cuts)

    def on_train_batch_end(self, batch, logs=None):
        optimizer = self.model.optimizer
        self.rates.append(float(optimizer.learning_rate))
        factor = self.cuts.get(len(self.rates) - 1, 1.0)
        optimizer.learning_rate = float(optimizer.learning_rate) * factor


def halving(step):
    return 0.1 * 0.5 ** int(step)


def test_rate_follows_the_schedule():
    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, 8, 0.02)
    rates = Rates()
    fit(tiny_model(), FollowSchedule(schedule), rates, epochs=2)
    np.testing.assert_allclose(rates.rates, [float(schedule(i)) for i in range(4)], rtol=1e-5)


def test_the_rate_rises_to_its_peak_and_falls_along_a_cosine():
    def rates(num_steps, steps):
        schedule = FollowSchedule.warmup_cosine(0.1, num_steps).schedule
        return [float(schedule(step)) for step in steps]

    np.testing.assert_allclose(
        rates(3_300, (0, 150, 300, 1_800, 3_300)), [0, 0.05, 0.1, 0.05, 0], atol=1e-6
    )
    np.testing.assert_allclose(rates(20, (1, 2, 11, 20)), [0.05, 0.1, 0.05, 0], atol=1e-6)
    with pytest.raises(ValueError, match="`num_steps` must be an integer of at least 1"):
        rates(0, ())  # It was an error about `decay_steps`, which nobody has set.


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras takes one step at a time there"
)
def test_several_steps_at_once_are_several_steps_of_the_schedule():
    """With 4 of them at once a warm-up took four times its length, and the decay never came."""
    model, rates = tiny_model(), Rates()
    model.compile(keras.optimizers.SGD(0.05), CTCLoss(), steps_per_execution=4)
    follow = FollowSchedule(lambda step: 0.1 / (1 + int(step)))
    fit(model, follow, rates, count=10, batch_size=1)
    expected = [0.1 / (1 + step) for step in (0, 4, 8, 10, 14, 18)]
    np.testing.assert_allclose(rates.rates, expected, rtol=1e-5)


def test_a_cut_stays_in_force():
    rates = Rates({1: 0.1})
    fit(tiny_model(), FollowSchedule(halving), rates, epochs=2)
    np.testing.assert_allclose(rates.rates, [0.1, 0.05, 0.0025, 0.00125], rtol=1e-5)


def test_a_second_training_goes_on_where_the_optimizer_stands():
    model, follow, rates = tiny_model(), FollowSchedule(halving), Rates()
    fit(model, follow, rates, epochs=1)
    fit(model, follow, rates, epochs=1)
    np.testing.assert_allclose(rates.rates, [0.1, 0.05, 0.025, 0.0125], rtol=1e-5)


def test_a_schedule_may_start_and_end_at_zero():
    rates = Rates()
    fit(tiny_model(), FollowSchedule(lambda step: [0.0, 0.1, 0.0, 0.2][int(step)]), rates)
    np.testing.assert_allclose(rates.rates, [1e-8, 0.1, 1e-8, 0.2], rtol=1e-4)


# tensorboard --------------------------------------------------------------------------------


def test_tensorboard_is_left_out_with_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(_train_logger, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match="tensorflow and tensorboard cannot be imported"):
        assert tensorboard(tmp_path) == []


def test_tensorboard_takes_its_options(tmp_path, monkeypatch):
    monkeypatch.setattr(_train_logger, "find_spec", lambda name: True)
    (callback,) = tensorboard(tmp_path, update_freq=7)
    assert isinstance(callback, keras.callbacks.TensorBoard)
    assert callback.update_freq == 7


# A model that its first batch builds


def unbuilt_model():
    model = keras.Sequential(
        [
            layers.Permute((2, 1, 3)),
            layers.Reshape((16, 8)),
            layers.BatchNormalization(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile("adam", loss=CTCLoss())
    return model


@slow_elsewhere
def test_callbacks_wait_for_a_model_that_is_not_built(tmp_path):
    """A Sequential without an Input raised an exception in the first batch."""
    watch = ConvergenceWatch(every=1)
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "model.keras")
    export = Model2onnx(tmp_path / "model.keras", {"vocab": "abc"})
    schedule = FollowSchedule(lambda step: 1e-3)
    fit(unbuilt_model(), TrainLogger(tmp_path), schedule, watch, checkpoint, export)
    assert "Training begins" in (tmp_path / "logs.log").read_text(encoding="utf-8")
    assert (tmp_path / "model.onnx").is_file()
    assert not list(tmp_path.glob(".*"))  # the trial
    assert watch._snapshots[0].weight_change < 1


def test_a_resumable_fit_builds_the_model(tmp_path):
    samples = [[image, np.array([0, 1], np.int32)] for image in images(4)]
    provider = DataProvider(samples, [], 2)
    keep = KeepState(tmp_path / "state")
    history = fit_resumable(unbuilt_model(), provider, callbacks=[keep], verbose=0)
    assert np.isfinite(history.history["loss"][0])


def test_what_needs_a_built_model_says_so():
    with pytest.raises(ValueError, match="`model` must be built"):
        compile_reader(unbuilt_model(), 1e-3)
