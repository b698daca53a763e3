"""Exact resume: the same variables, logs and history as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import resumable_training
from conftest import ROOT, contents, run_python
from resumable_training import (
    EPOCHS,
    DieAt,
    Killed,
    all_variables,
    make_callbacks,
    make_data,
    make_model,
    make_provider,
    train,
)

from mltu.augmentors import RandomBrightness
from mltu.callbacks import KeepState, Model2onnx, TrainLogger, fit_resumable
from mltu.resume import _file, _fit, _state
from mltu.resume._file import find_state, from_plain, mark_finished, to_plain, write_state

pytestmark = pytest.mark.backend

FACTS = {"epoch": 1, "step": 2, "num_steps": 5, "finished": False}


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


# The file


def test_state_returns_as_it_was_written(tmp_path):
    write_state(tmp_path, {**FACTS, "text": "é"}, {"a": np.float32([0.1, np.nan])})
    state = find_state(tmp_path)
    assert (state.epoch, state.step, state.finished, state.facts["text"]) == (1, 2, False, "é")
    assert state.position == "epoch 2, batch 3 of 5"
    assert state.arrays["a"].tobytes() == np.float32([0.1, np.nan]).tobytes()
    mark_finished(tmp_path)
    assert find_state(tmp_path).finished


def test_no_state_is_none(tmp_path):
    assert find_state(tmp_path / "gone") is None
    mark_finished(tmp_path / "gone")


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped"])
def test_a_damaged_state_gives_way_to_the_one_before(tmp_path, damage):
    for epoch in (0, 1):
        write_state(tmp_path, {**FACTS, "epoch": epoch}, {"a": np.arange(1000)})
    path = tmp_path / "state.npz"
    whole = bytearray(path.read_bytes())
    whole[4000] ^= 1
    path.write_bytes({"cut": whole[:5000], "empty": b"", "flipped": whole}[damage])
    with pytest.warns(UserWarning, match="The previous one is used: epoch 1, batch 3 of 5"):
        assert find_state(tmp_path).epoch == 0
    (tmp_path / "state.before.npz").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="readable state") as caught:
        find_state(tmp_path)
    assert "state.npz" in str(caught.value)
    assert "state.before.npz" in str(caught.value)


def test_death_between_the_two_renames_leaves_the_one_before(tmp_path):
    write_state(tmp_path, FACTS, {})
    (tmp_path / "state.npz").rename(tmp_path / "state.before.npz")
    (tmp_path / "state.unfinished").write_bytes(b"half")
    assert find_state(tmp_path).epoch == 1


def test_plain_values_survive_json():
    arrays = {}
    value = {"a": [1, 2.5, None, True, "x"], 3: (np.float32(0.1), [np.arange(3)]), "inf": np.inf}
    back = from_plain(json.loads(json.dumps(to_plain(value, arrays, "k"))), arrays)
    assert back["a"] == value["a"]
    assert (type(back[3]), back[3][0].dtype, back["inf"]) == (tuple, np.float32, np.inf)
    assert back[3][1][0].tolist() == [0, 1, 2]
    for bad in (object(), np.array([object()]), [print]):
        with pytest.raises(TypeError):
            to_plain(bad, {}, "k")


# The training


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = tmp_path_factory.mktemp("whole")
    return run, *train(run)


@pytest.mark.parametrize(
    ("epoch", "step"),
    [pytest.param(1, 3, id="mid-epoch"), pytest.param(1, None, id="end")],
)
@pytest.mark.slow
def test_a_resumed_run_is_equal_to_the_bit(whole, tmp_path, epoch, step):
    folder, variables, history = whole
    with pytest.raises(Killed):
        train(tmp_path, DieAt(epoch, step))
    ours, our_history = train(tmp_path, resume=True)
    assert same(ours, variables)
    assert our_history == history
    assert (tmp_path / "epochs.csv").read_bytes() == (folder / "epochs.csv").read_bytes()
    log = (tmp_path / "logs.log").read_text(encoding="utf-8").splitlines()
    assert [line.split(" INFO ")[1][:8] for line in log if "Epoch" in line] == [
        f"Epoch {i + 1};" for i in range(EPOCHS)
    ]
    # Dead at the end of epoch 2, before KeepState: the newest state is the one in mid-epoch.
    assert any(line.endswith(f"Resumed at epoch 2, batch {3 if step else 5} of 5") for line in log)
    assert find_state(tmp_path / "state").finished


@pytest.mark.slow
def test_a_finished_run_says_so_and_goes_on_with_more_epochs(whole, tmp_path):
    train(tmp_path, epochs=2)
    with pytest.raises(ValueError, match="must be more than the 2 of the finished run"):
        train(tmp_path, epochs=2, resume=True)
    variables, history = train(tmp_path, epochs=EPOCHS, resume=True)
    assert same(variables, whole[1])
    assert history == whole[2]


def test_a_run_that_stopped_early_has_its_patience_anew(tmp_path):
    def never_better():
        return keras.callbacks.EarlyStopping("val_loss", min_delta=1e6, patience=2, mode="min")

    assert len(train(tmp_path, never_better(), epochs=4)[1]["loss"]) == 3
    assert len(train(tmp_path, never_better(), epochs=8, resume=True)[1]["loss"]) == 5


def test_an_export_that_joins_a_resumed_run_takes_its_best_weights(tmp_path, monkeypatch):
    train(tmp_path, epochs=2)
    monkeypatch.setattr(Model2onnx, "_export", lambda *_, **__: None)
    monkeypatch.setattr(keras.callbacks.ModelCheckpoint, "on_epoch_end", lambda *_, **__: None)
    model = make_model()
    train(tmp_path, Model2onnx(tmp_path / "model.keras"), epochs=3, resume=True, model=model)
    best = make_model()
    best.load_weights(tmp_path / "model.keras")
    assert same(model.get_weights(), best.get_weights())


def test_two_trainings_of_one_run_are_noticed(tmp_path):
    class Another(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:  # As a second process does that has resumed the run.
                state = find_state(tmp_path / "state")
                _file.write_state(tmp_path / "state", {**state.facts, "step": 1}, state.arrays)

    with pytest.raises(RuntimeError, match="another process has written"):
        train(tmp_path, Another())
    assert find_state(tmp_path / "state").step == 1


def test_variables_exist_before_the_first_batch():
    images, labels = np.zeros((2, 8, 24, 1), "float32"), np.zeros((2, 4), "int32")
    model, tested = make_model(), make_model()
    _fit._create_variables(model, images, labels)
    tested.test_on_batch(images, labels)
    tested.optimizer.build(tested.trainable_variables)
    for mine, other in zip(every_variable(model), every_variable(tested), strict=True):
        assert mine.name.rpartition("_")[2] == other.name.rpartition("_")[2]
        assert mine.shape == other.shape


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its own kind of scope")
def test_a_model_of_several_devices_gets_its_variables_in_their_scope():
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        model = make_model()
    alone, batch = make_model(), (np.zeros((2, 8, 24, 1), "float32"), np.zeros((2, 4), "int32"))
    _fit._create_variables(model, *batch)
    _fit._create_variables(alone, *batch)
    assert len(every_variable(model)) == len(every_variable(alone))


def every_variable(model):
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    return [*model.variables, *model.optimizer.variables, *metrics]


@pytest.fixture
def interruptible():
    """Answer Ctrl-C in a process that ignores it too, as one started in the background does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_saves_the_last_finished_batch(tmp_path):
    class Press(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="continues at epoch 1, batch 4 of 5"):
        train(tmp_path, Press(), every_steps=0)
    assert find_state(tmp_path / "state").step == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("interruptible")
@pytest.mark.slow
def test_the_same_provider_goes_on_where_it_stood(whole, tmp_path):
    """A notebook cell that is stopped and run again."""

    class Press(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            signal.raise_signal(signal.SIGINT)

    samples = make_data()
    provider = make_provider(samples[:38], 0, augmentors=[RandomBrightness()])
    provider.set_position(provider.epoch, 3)  # of no meaning for a training that begins
    options = {"validation_data": make_provider(samples[38:], 0, shuffle=False), "verbose": 0}
    model = make_model()
    with pytest.raises(KeyboardInterrupt, match="continues at epoch 1, batch 2 of 5"):
        fit_resumable(
            model, provider, epochs=EPOCHS, callbacks=make_callbacks(tmp_path, Press()), **options
        )
    model, callbacks = make_model(), make_callbacks(tmp_path)
    fit_resumable(model, provider, epochs=EPOCHS, callbacks=callbacks, resume=True, **options)
    assert same(all_variables(model), whole[1])


def test_a_stop_in_mid_epoch_ends_the_epoch_of_the_data_too(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    train(tmp_path, Stop(), epochs=2)
    state = find_state(tmp_path / "state")
    assert state.epoch == 1
    assert state.facts["provider"]["epoch"] == make_provider(make_data(), 0).epoch + 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent otherwise there")
def test_ctrl_c_on_a_terminal_leaves_the_processes_of_the_data_alone(tmp_path):
    """It goes to all processes of a terminal; those that died took the training with them."""
    script, options = resumable_training.__file__, ["--processes", "1", "--slow", "0.05"]
    process = subprocess.Popen(
        [sys.executable, script, str(tmp_path), *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    limit = time.monotonic() + 100
    while (state := find_state(tmp_path / "state")) is None or not state.step:
        assert time.monotonic() < limit
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    try:
        _, printed = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "Training was stopped and continues at epoch" in printed


# Refusals: all before a callback has touched a file.


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    run = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Killed):
        train(run, DieAt(0, 3))
    return run


def test_a_run_is_not_begun_over_another(stopped):
    with pytest.raises(FileExistsError, match="resume=True"):
        train(stopped)


def test_another_model_is_refused_with_its_differences(stopped):
    with pytest.raises(ValueError, match=r"\(16, 16\) float32 in the model is now .*\(16, 20\)"):
        train(stopped, resume=True, model=make_model(units=5))


def test_another_vocabulary_is_refused_and_changes_no_file(stopped):
    """Nor what a callback saves, as configs.yaml and val.csv of the tutorials are."""
    before = contents(stopped)
    saving = keras.callbacks.LambdaCallback(on_train_begin=lambda _: (stopped / "new").touch())
    with pytest.raises(ValueError, match=r"'vocab' was 'abc'. Received 'acb'"):
        train(stopped, saving, resume=True, settings={"vocab": "acb"})
    assert contents(stopped) == before


def test_another_data_set_is_refused(stopped):
    with pytest.raises(ValueError, match=r"38 samples in 5 batches .* Received 20 in 3"):
        fit_resumable(
            make_model(), make_provider(make_data()[:20], 0),
            callbacks=make_callbacks(stopped), resume=True,
        )  # fmt: skip


def test_other_versions_are_named(stopped, tmp_path, monkeypatch):
    versions = _state.library_versions()
    monkeypatch.setattr(_state, "library_versions", lambda: {**versions, "keras": "9.9"})
    state = find_state(stopped / "state")
    write_state(tmp_path / "state", state.facts, state.arrays)
    with pytest.warns(UserWarning, match=f"keras was {keras.__version__} and is 9.9"):
        train(tmp_path, resume=True, epochs=1)


def test_keep_state_stands_last_and_needs_fit_resumable(tmp_path):
    keep, model = KeepState(tmp_path / "state"), make_model()
    provider = make_provider(make_data()[:8], 0)
    for callbacks in ([keep, TrainLogger(tmp_path)], [keep, keep], []):
        with pytest.raises(ValueError, match="must have exactly one KeepState"):
            fit_resumable(model, provider, callbacks=callbacks)
    with pytest.raises(ValueError, match="Received `initial_epoch`, `shuffle`"):
        fit_resumable(model, provider, callbacks=[keep], initial_epoch=1, shuffle=True)
    with pytest.raises(RuntimeError, match="fit_resumable"):
        model.fit(provider, callbacks=[keep], verbose=0)


def test_csv_logger_must_append(stopped):
    callbacks = make_callbacks(stopped)
    callbacks.insert(0, keras.callbacks.CSVLogger(stopped / "other.csv"))
    with pytest.raises(ValueError, match="`append` of CSVLogger"):
        fit_resumable(
            make_model(), make_provider(make_data()[:38], 0), callbacks=callbacks, resume=True
        )


def test_settings_are_no_state(tmp_path):
    """A run folder may move, and patience may be raised: neither comes back from the state."""
    stopping = keras.callbacks.EarlyStopping(patience=3)
    stopping.on_train_begin()
    stopping.folder, stopping.word = str(tmp_path), "a"
    texts = _state.collect_texts([stopping])
    stopping.word, stopping.wait = "b", 2
    ((name, kept),) = _state.collect_callbacks([stopping], texts, {})
    attributes = from_plain(kept, {})
    assert name == "EarlyStopping"
    assert (attributes["word"], attributes["wait"]) == ("b", 2)
    assert not {"folder", "patience", "monitor", "_model"} & set(attributes)


# Slow: each backend, averaged weights, real kills


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "workers"), [("tensorflow", 2), ("jax", 0), ("torch", 0)])
def test_every_backend_is_exact(tmp_path, backend, workers):
    pytest.importorskip(backend)
    arguments = (tmp_path, "--prove", "--workers", workers)
    done = run_python(resumable_training.__file__, *arguments, KERAS_BACKEND=backend)
    assert done.stdout.endswith("exact\n"), done.stderr[-2000:]


@pytest.mark.slow
def test_averaged_and_best_weights_are_kept(tmp_path):
    """The end of the inner fit must not leave the averages in the weights."""
    options = {"best": True}
    expected, _ = train(tmp_path / "whole", model=make_model(use_ema=True), **options)
    with pytest.raises(Killed):
        train(tmp_path / "run", DieAt(1, 3), model=make_model(use_ema=True), **options)
    ours, _ = train(tmp_path / "run", model=make_model(use_ema=True), resume=True, **options)
    assert same(ours, expected)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 and fork are for POSIX")
def test_kill_9_and_resume(tmp_path):
    script = ROOT / "Tests" / "tools" / "kill_and_resume.py"
    done = subprocess.run(
        [sys.executable, script, "--kills", "4", "--no-export"],
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1])["exact"] == 4, done.stdout + done.stderr
