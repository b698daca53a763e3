"""DataProvider and its pipeline: a batch is a function of (samples, seed, epoch, index)."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorder import Noise, Recorder, content, numbered, same

from mltu.augmentors import Augmentor, RandomBrightness
from mltu.data import epoch_order
from mltu.data._batches import Pipeline, sample_rngs
from mltu.dataProvider import DataProvider
from mltu.preprocessors import ImageReader
from mltu.transformers import LabelIndexer, LabelPadding


def as_floats(data, label):
    return data.astype("float32"), np.float32(label)


def draw(seed, epoch, index):
    """The first number of a sample's generator."""
    (rng,) = sample_rngs(seed, epoch, [index])
    return int(rng.integers(2**62))


def provider(count=10, batch_size=3, **options):
    return DataProvider(numbered(count), [same], batch_size, **options)


def labels_of(source):
    return [int(label[0]) for i in range(len(source)) for label in source[i][1]]


# Order and batches


def test_lengths_and_the_smaller_last_batch():
    source = provider(10, 3, shuffle=False)
    assert len(source) == 4
    assert source.num_samples == 10
    assert [len(source[i][0]) for i in range(4)] == [3, 3, 3, 1]
    assert labels_of(source) == list(range(10))
    for index in (4, -1):
        with pytest.raises(IndexError, match=r"`index` must be in 0\.\.3"):
            source[index]


def test_the_smaller_last_batch_can_be_left_out():
    source = provider(10, 3, shuffle=False, drop_last=True)
    assert [len(source[i][0]) for i in range(len(source))] == [3, 3, 3]
    shard = source.shard(1, 2)
    assert [len(shard[i][0]) for i in range(len(shard))] == [3]
    with pytest.raises(ValueError, match="`drop_last` must leave at least one batch"):
        provider(10, 11, drop_last=True)


def test_frozen_order():
    """A resumed run must meet the order that it left: these numbers may not change."""
    assert epoch_order(6, seed=0, epoch=1, shuffle=True).tolist() == [1, 4, 5, 3, 2, 0]
    assert draw(seed=1, epoch=2, index=3) == 898044815881614375
    assert epoch_order(4, 0, 1, shuffle=False).tolist() == [0, 1, 2, 3]


@given(st.integers(0, 50), st.integers(0, 2**40), st.integers(0, 1000), st.booleans())
def test_order_is_always_a_permutation(num_samples, seed, epoch, shuffle):
    order = epoch_order(num_samples, seed, epoch, shuffle)
    assert sorted(order.tolist()) == list(range(num_samples))
    np.testing.assert_array_equal(order, epoch_order(num_samples, seed, epoch, shuffle))


def test_generators_of_samples_do_not_meet():
    draws = [
        draw(seed, epoch, index) for seed in range(3) for epoch in range(3) for index in range(3)
    ]
    assert len(set(draws)) == 27
    assert draw(1, 2, 0) == draws[9 + 6]
    several = [int(rng.integers(2**62)) for rng in sample_rngs(1, 2, [2, 0, 2])]
    assert several == [draws[9 + 8], draws[9 + 6], draws[9 + 8]]


def test_the_callers_list_is_never_changed():
    samples = numbered(10)
    before = [list(pair) for pair in samples]
    source = DataProvider(samples, [same], 3, augmentors=[Noise(1)])
    source.split(0.5)
    source.on_epoch_begin()
    content(source)
    source.on_epoch_end()
    for (data, label), (old_data, old_label) in zip(samples, before, strict=True):
        assert data is old_data
        assert label is old_label
    assert [int(data[0, 0]) for data, _ in samples] == list(range(10))


def test_two_reads_and_two_providers_give_equal_bytes():
    source = provider(augmentors=[Noise(1)], seed=4)
    first = content(source)
    assert content(source) == first
    assert content(provider(augmentors=[Noise(1)], seed=4)) == first
    assert content(provider(augmentors=[Noise(1)], seed=5)) != first
    assert [source[i][0].tobytes() for i in (3, 0, 2)] == [first[i][0] for i in (3, 0, 2)]


def test_threads_read_the_same_bytes():
    source = provider(40, 3, augmentors=[Noise(0.5)])
    expected = content(source)
    wanted = list(range(len(source))) * 4
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda i: tuple(array.tobytes() for array in source[i]), wanted))
    assert got == expected * 4


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_sample_once_per_epoch(shuffle):
    source, seen = provider(11, 4, shuffle=shuffle), []
    for _ in range(4):
        source.on_epoch_begin()
        seen.append(labels_of(source))
        source.on_epoch_end()
    assert all(sorted(labels) == list(range(11)) for labels in seen)
    assert len({tuple(labels) for labels in seen}) == (4 if shuffle else 1)


def test_duplicates_are_kept():
    samples = numbered(2) * 3
    assert sorted(labels_of(DataProvider(samples, [same], 4))) == [0, 0, 0, 1, 1, 1]


def test_limit():
    assert labels_of(provider(10, 3, shuffle=False, limit=4)) == [0, 1, 2, 3]
    assert provider(3, limit=40).num_samples == 3


def test_annotations_match_the_batches():
    source = provider(10, 3)
    for index in range(len(source)):
        pairs = source.get_batch_annotations(index)
        assert [label for _, label in pairs] == source[index][1].tolist()
    with pytest.raises(IndexError):
        source.get_batch_annotations(4)


def test_augmentation_belongs_to_the_sample_and_not_to_its_batch():
    def by_sample(batch_size, epoch=1, **options):
        source = provider(12, batch_size, augmentors=[Noise(1)], initial_epoch=epoch, **options)
        return {
            int(label[0]): data.tobytes()
            for i in range(len(source))
            for data, label in zip(*source[i], strict=True)
        }

    expected = by_sample(1)
    assert by_sample(5) == expected
    assert by_sample(12) == expected
    assert by_sample(4, shuffle=False) == expected
    assert by_sample(1, epoch=2) != expected
    assert by_sample(1, seed=1) != expected


def test_short_first_sorts_the_first_epoch_and_only_it():
    samples = [[np.zeros((1, 1), np.uint8), [0] * (1 + i % 3)] for i in range(9)]
    padding = LabelPadding(3, 9)

    def lengths(source):
        return [int((row != 9).sum()) for i in range(len(source)) for row in source[i][1]]

    source = DataProvider(samples, [same], 2, transformers=[padding], short_first=True)
    plain = DataProvider(samples, [same], 2, transformers=[padding])
    assert lengths(source) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert lengths(plain) != lengths(source)
    for either in (source, plain):
        either.set_position(2)
    assert content(source) == content(plain)
    source.set_position(1)
    assert lengths(source) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    _, validation = source.split(0.3)  # It has one order for all epochs.
    before = content(validation)
    validation.set_position(2)
    assert content(validation) == before


def test_padding_with_a_character_is_refused():
    steps = [LabelIndexer("abc"), LabelPadding(3, 20)]
    DataProvider([("x", "ab")], [], transformers=steps, skip_validation=True)
    with pytest.raises(ValueError, match=r"0 to 2\)\. Received LabelPadding\(max_word_length=3, p"):
        DataProvider(
            [("x", "ab")],
            [],
            transformers=[LabelIndexer("abc"), LabelPadding(3, 2)],
            skip_validation=True,
        )


# Epochs and positions


def expected_epochs(epochs, **options):
    twin, expected = provider(**options), []
    for epoch in epochs:
        twin.set_position(epoch)
        expected.append(sorted(content(twin)))
    return expected


@pytest.mark.backend
@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("initial_epoch", [1, 5])
def test_fit_sees_each_epoch_once_and_counts_it(workers, initial_epoch):
    options = {"augmentors": [Noise(1)], "initial_epoch": initial_epoch}
    source, model = provider(**options, workers=workers), Recorder()
    model.compile(run_eagerly=True)
    model.fit(source, epochs=3, shuffle=False, verbose=0)
    assert source.epoch == initial_epoch + 3
    seen = [sorted(model.batches[i : i + 4]) for i in (0, 4, 8)]
    assert seen == expected_epochs(range(initial_epoch, initial_epoch + 3), **options)
    model.fit(source, epochs=1, shuffle=False, verbose=0)
    assert source.epoch == initial_epoch + 4
    assert sorted(model.batches[12:]) == expected_epochs([initial_epoch + 3], **options)[0]


@pytest.mark.backend
@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.filterwarnings("error:.*shuffle")
@pytest.mark.parametrize("fits", [[(8, 1)], [(3, 1), (5, 1)], [(2, 3), (1, 2)], [(1, 8)]])
def test_steps_per_epoch_take_each_sample_once_before_any_twice(fits, shuffle, workers):
    """Also over several fits: eight batches are two epochs, however they are divided."""
    source, model = provider(augmentors=[Noise(1)], workers=workers), Recorder()
    model.compile(run_eagerly=True)
    for epochs, steps in fits:
        model.fit(source, epochs=epochs, steps_per_epoch=steps, shuffle=shuffle, verbose=0)
    expected = []
    for epoch in (1, 2):
        source.set_position(epoch)
        expected += content(source)
    assert model.batches == expected


@pytest.mark.backend
@pytest.mark.parametrize("workers", [0, 2])
def test_a_fit_of_whole_epochs_follows_one_of_steps(workers):
    source, model = provider(workers=workers), Recorder()
    model.compile(run_eagerly=True)
    model.fit(source, epochs=1, steps_per_epoch=6, verbose=0)
    model.fit(source, epochs=1, shuffle=False, verbose=0)
    assert source.epoch == 4  # It left the rest of the second out.
    source.set_position(3)
    assert model.batches[6:] == content(source)


@pytest.mark.backend
@pytest.mark.parametrize("workers", [0, 2])
def test_predict_and_evaluate_leave_the_order_alone(workers):
    """What `get_batch_annotations` says afterwards is the order of the predictions."""
    source = provider(transformers=[as_floats], workers=workers)
    inputs = keras.Input((1, 1))
    model = keras.Model(inputs, keras.layers.Flatten()(inputs))
    model.compile("sgd", "mse")
    for _ in range(2):
        outputs = model.predict(source, verbose=0)
        read = [label for i in range(4) for _, label in source.get_batch_annotations(i)]
        assert outputs.tolist() == read
        assert model.evaluate(source, verbose=0) == 0
        assert model.evaluate(source, steps=2, verbose=0) == 0
        assert source.epoch == 1


@pytest.mark.backend
@pytest.mark.parametrize("workers", [0, 2])
def test_fit_by_steps_beside_evaluate_and_predict(workers):
    """They read the epoch from `step` on; two workers failed, "no attribute 'indices'"."""
    source = provider(transformers=[as_floats], workers=workers)
    model = keras.Sequential([keras.Input((1, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")  # `fit` builds it no more, unlike a Recorder.
    num_read = []

    class Reader(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            model.evaluate(source, verbose=0)
            num_read.append(len(model.predict(source, verbose=0)))

    for callbacks in ([Reader()], []):
        model.fit(source, epochs=2, steps_per_epoch=3, callbacks=callbacks, verbose=0)
        model.evaluate(source, verbose=0)
        num_read.append(len(model.predict(source, verbose=0)))
        model.evaluate(source, steps=2, verbose=0)
    assert num_read == [10, 10, 10, 4]
    assert (source.epoch, source.step) == (2, 2)  # Where the second `fit` began.


@pytest.mark.backend
@pytest.mark.parametrize("workers", [0, 2])
def test_a_validation_reads_the_same_samples_each_time(workers):
    """With `validation_steps` too, although a provider shuffles by default."""
    source, model = provider(workers=workers), Recorder()
    model.compile(run_eagerly=True)
    training = provider(3)
    options = {"validation_data": source, "validation_steps": 2, "verbose": 0}
    model.fit(training, epochs=3, **options)
    seen = model.validated
    assert seen == content(source)[:2] * 3
    assert training.epoch == 4


@pytest.mark.backend
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_batch_that_keras_builds_a_model_from_is_no_epoch(workers):
    """On JAX and PyTorch the first `fit` draws one to build the loss, and leaves the rest."""
    source = provider(transformers=[as_floats], workers=workers)
    source.set_position(3, 2)
    places = []

    class Look(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            places.append((source.epoch, source.step))

        def on_train_batch_end(self, batch, logs=None):
            places.append(batch)

    inputs = keras.Input((1, 1))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(inputs)))
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(source, epochs=1, shuffle=False, verbose=0, callbacks=[Look()])
    assert places == [(3, 2), 0, 1]
    assert (source.epoch, source.step) == (4, 0)
    model.fit(source, epochs=1, shuffle=False, verbose=0, callbacks=[Look()])
    assert places[3:] == [(4, 0), 0, 1, 2, 3]
    assert source.epoch == 5


class Events(keras.utils.PyDataset):
    """One batch, and a list of what Keras called, in order: an index is `__getitem__`."""

    def __init__(self):
        super().__init__()
        self.events = []

    def __len__(self):
        return 1

    def __getitem__(self, index):
        self.events.append(index)
        return np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)

    def on_epoch_begin(self):
        self.events.append("begin")

    def on_epoch_end(self):
        self.events.append("end")


@pytest.mark.backend
def test_keras_asks_for_a_shape_as_for_a_batch():
    """Why the provider inspects the call stack: nothing else tells what Keras is doing.

    TensorFlow reads a shape before any other call, as a user reads a batch. JAX and PyTorch build
    the metrics of a model in what looks like an epoch of one batch.
    """
    dataset, epoch = Events(), ["begin", 0, "end"]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(dataset, epochs=1, shuffle=False, verbose=0)
    first = [0, "end"] if keras.backend.backend() == "tensorflow" else epoch
    assert dataset.events[: len(first) + 3] == [*first, *epoch]


def test_position():
    source = provider(10, 3)
    source.set_position(4)
    whole = content(source)
    source.set_position(4, 2)
    assert (source.epoch, source.step, len(source)) == (4, 2, 2)
    assert content(source) == whole[2:]
    assert content(provider(10, 3, initial_epoch=4)) == whole
    source.on_epoch_end()  # Keras calls it once before the first epoch.
    assert (source.epoch, source.step) == (4, 2)
    source.on_epoch_begin()
    source.on_epoch_end()
    assert (source.epoch, source.step, len(source)) == (5, 0, 4)


def test_a_state_leads_back_to_the_position():
    source, other = provider(10, 3), provider(10, 3)
    source.set_position(4)
    assert source.get_state(2) == {"epoch": 4, "step": 2, "samples": 10}
    other.set_state(source.get_state(2))
    assert content(other) == content(source)[2:]
    source.on_epoch_begin()  # of an epoch in which a callback stops `fit`
    assert source.get_state(2)["epoch"] == 4
    assert source.get_state()["epoch"] == 5
    source.set_state(source.get_state())
    source.on_epoch_end()
    assert (source.epoch, source.step) == (5, 0)
    with pytest.raises(ValueError, match=r"belongs to a data set of 10 samples\. This one has 9"):
        provider(9, 3).set_state(source.get_state())


def test_position_outside():
    source = provider(10, 3, shuffle=False)
    for step in (4, -1):
        with pytest.raises(ValueError, match=rf"`step` must be in 0\.\.3. Received {step}"):
            source.set_position(1, step)
    with pytest.raises(ValueError, match=r"`epoch` must be an integer of at least 0. Received -1"):
        source.set_position(-1)
    assert (source.epoch, source.step) == (1, 0)


# Split


def test_split_is_disjoint_and_complete():
    for shuffle in (True, False):
        first, second = provider(10, 3).split(0.7, shuffle=shuffle)
        assert (first.num_samples, second.num_samples) == (7, 3)
        assert sorted(labels_of(first) + labels_of(second)) == list(range(10))
    assert sorted(labels_of(second)) == [7, 8, 9]


def test_split_is_deterministic_by_seed():
    first = [sorted(labels_of(part)) for part in provider(seed=1).split(0.5)]
    assert first == [sorted(labels_of(part)) for part in provider(seed=1).split(0.5)]
    assert first != [sorted(labels_of(part)) for part in provider(seed=2).split(0.5)]


def test_the_validation_half_has_one_order():
    training, validation = provider().split(0.5)
    halves = (content(training), content(validation))
    for part in (training, validation):
        part.set_position(2)
    assert content(training) != halves[0]
    assert content(validation) == halves[1]


def test_split_parts_are_independent():
    source = provider(augmentors=[Noise(1)], transformers=[same])
    training, validation = source.split(0.5)
    assert len(training.augmentors) == 1
    assert validation.augmentors == []
    validation.augmentors = [RandomBrightness()]
    training.augmentors = []
    assert isinstance(source.augmentors[0], Noise)
    assert isinstance(validation.augmentors[0], RandomBrightness)
    training.on_epoch_begin()
    training.on_epoch_end()
    assert (training.epoch, validation.epoch, source.epoch) == (2, 1, 1)
    training.transformers = []
    assert validation.transformers == source.transformers == [same]


@pytest.mark.parametrize("split", [0, 1, -0.5, 1.5, 0.01])
def test_split_leaves_neither_side_empty(split):
    with pytest.raises(ValueError, match=r"`split` must leave at least one of the 10 samples"):
        provider().split(split)


class Doubled(Augmentor):
    def apply(self, image, rng):
        return image * rng.integers(1, 3, dtype=np.uint8)


CLONES = [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]


@pytest.mark.parametrize("processes", [0, 1])
@pytest.mark.parametrize("clone", CLONES)
def test_a_copy_is_another_provider(clone, processes):
    source = provider(augmentors=[Doubled(1)], processes=processes)
    source.set_position(3, 1)
    twin = clone(source)
    source.set_position(1)
    assert (twin.epoch, twin.step) == (3, 1)
    twin.set_position(1)
    if not processes:  # Spawning them takes seconds.
        assert content(twin) == content(source)


class CloneAtStep(keras.callbacks.Callback):
    """Copy a provider, and stop the training if it is told to, after batch `step` of a fit."""

    def __init__(self, source, step, clone=copy.copy, stop=False):
        super().__init__()
        self.source, self.left, self.clone, self.stop = source, step, clone, stop

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            self.twin = self.clone(self.source)
            if self.stop:
                raise KeyboardInterrupt


@pytest.mark.backend
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("steps", [None, 2])
@pytest.mark.parametrize("clone", CLONES)
def test_a_copy_in_the_middle_of_an_epoch_begins_with_that_epoch(clone, steps, workers):
    """Where Keras counts steps, behind those of its whole epochs: here after two batches."""
    source, model = provider(workers=workers), Recorder()
    model.compile(run_eagerly=True)
    copying = CloneAtStep(source, 2 if steps is None else 3, clone)
    options = {"epochs": 2, "steps_per_epoch": steps, "shuffle": False, "verbose": 0}
    model.fit(source, callbacks=[copying], **options)
    trained, twin = model.batches, copying.twin
    assert (twin.epoch, twin.step, twin.num_batches) == (1, 0, 4)
    assert content(twin) == content(provider())
    model.batches = []
    model.fit(twin, **options)
    assert model.batches == (trained if steps is None else content(provider())[2:] + second_epoch())


def second_epoch():
    source = provider()
    source.set_position(2)
    return content(source)[:2]


@pytest.mark.backend
@pytest.mark.parametrize("workers", [1, 2])
def test_fit_by_steps_after_one_that_was_interrupted(workers):
    """In Keras's first epoch: with two workers its threads failed, "no attribute 'indices'"."""
    source, model = provider(workers=workers), Recorder()
    model.compile(run_eagerly=True)
    options = {"epochs": 2, "steps_per_epoch": 2, "shuffle": False, "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        model.fit(source, callbacks=[CloneAtStep(source, 1, stop=True)], **options)
    model.batches = []
    model.fit(source, **options)
    assert model.batches == content(provider())


def test_parts_of_a_provider_begin_with_their_first_batch():
    """Also after a `fit` of another number of steps."""
    source, model = provider(), Recorder()
    model.compile(run_eagerly=True)
    model.fit(source, steps_per_epoch=3, verbose=0)
    for part in (source.split(0.5, shuffle=False)[0], source.shard(0, 1)):
        model.batches = []
        model.fit(part, epochs=1, shuffle=False, verbose=0)
        part.set_position(1)
        assert model.batches == content(part)


# Data sets that come in and go out

TRICKY = ["NULL", "nan", "NA", "007", "a,b", 'say "x"', "1e5", ""]


def test_csv_round_trip(tmp_path):
    samples = [(f"{i}.png", label) for i, label in enumerate(TRICKY)]
    source = DataProvider(samples, [same], 3, skip_validation=True)
    path = tmp_path / "new" / "data.csv"
    source.to_csv(path)
    assert path.read_text(encoding="utf-8").splitlines()[:2] == ["path,label", "0.png,NULL"]
    for kind in (str, lambda path: path):
        again = DataProvider(kind(path), [same], 99, False, skip_validation=True)
        assert again.get_batch_annotations(0) == samples


def test_to_csv_refuses_arrays(tmp_path):
    with pytest.raises(TypeError, match="`samples` must be pairs of text"):
        provider().to_csv(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"label": ["007", "b"], "more": [1, 2], "path": ["x", "y"]}),
        pd.DataFrame([["x", "007"], ["y", "b"]]),
    ],
    ids=["named", "two columns"],
)
def test_frames(frame):
    before = frame.copy()
    source = DataProvider(frame, [same], 9, False, skip_validation=True)
    assert source.get_batch_annotations(0) == [("x", "007"), ("y", "b")]
    pd.testing.assert_frame_equal(frame, before)


def test_frame_with_wrong_columns():
    with pytest.raises(ValueError, match=r"columns 'path' and 'label'. .*\['file', 'word', 'n'\]"):
        DataProvider(pd.DataFrame(columns=["file", "word", "n"]), [same])


@pytest.mark.parametrize(
    "label", [7, 7.0, float("nan"), None, True, np.int64(7), np.float32("nan"), pd.NA]
)
def test_labels_that_are_numbers_or_absent(tmp_path, label):
    samples = [[np.zeros((1, 1), np.uint8), "ok"], [np.zeros((1, 1), np.uint8), label]]
    with pytest.raises(TypeError, match=r"labels of `dataset` must be text. .* in row 1\. "):
        DataProvider(samples, [same])
    frame = pd.DataFrame({"path": ["x"], "label": pd.Series([label], dtype=object)})
    with pytest.raises(TypeError, match="dtype=str, keep_default_na=False"):
        DataProvider(frame, [same])


@pytest.mark.parametrize("dataset", [[], pd.DataFrame(columns=["path", "label"])])
def test_empty_data_sets(dataset):
    with pytest.raises(ValueError, match="`dataset` must contain at least one sample"):
        DataProvider(dataset, [same])


def test_missing_files_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.png").touch()
    samples = [("there.png", "x")] + [(f"{i}.png", "x") for i in range(25)]
    with pytest.raises(FileNotFoundError, match="25 of 26 do not") as caught:
        DataProvider(samples, [same])
    assert str([f"{i}.png" for i in range(10)]) in str(caught.value)
    assert "10.png" not in str(caught.value)
    assert repr(str(tmp_path)) in str(caught.value)
    assert DataProvider(samples, [same], skip_validation=True).num_samples == 26


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 2.5),
        ("initial_epoch", -1),
        ("seed", -1),
        ("seed", None),
        ("workers", -1),
        ("limit", 0),
        ("limit", True),
    ],
)
def test_counts_are_checked(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least"):
        DataProvider(numbered(3), [same], **{name: value})


# Steps


def test_setters_check():
    source = provider()
    with pytest.raises(TypeError, match=r"`augmentors` must be a list .* `ImageTransform`"):
        source.augmentors = [same]
    with pytest.raises(TypeError, match="`augmentors` must be a list of callables"):
        source.augmentors = Noise()
    with pytest.raises(TypeError, match=r"`transformers` must be a list of callables. Received 3"):
        source.transformers = [same, 3]
    with pytest.raises(TypeError, match="`data_preprocessors` must be a list of callables"):
        DataProvider(numbered(1), same)
    assert source.transformers == source.augmentors == []
    source.transformers.append(3)
    assert source.transformers == []


def test_steps_run_in_their_order():
    class Mark(Augmentor):
        def __call__(self, data, label, rng):
            return data, [*label, 2]

    source = DataProvider(
        [[np.zeros((1, 1), np.uint8), [0]]],
        [lambda data, label: (data, [*label, 1])],
        augmentors=[Mark()],
        transformers=[lambda data, label: (data, [*label, 3])],
    )
    assert source[0][1].tolist() == [[0, 1, 2, 3]]


def test_errors_carry_the_step_and_the_sample():
    reader = ImageReader()
    source = DataProvider(
        [("absent.png", "word")], [reader], skip_validation=True, on_bad_sample="raise"
    )
    with pytest.raises(FileNotFoundError) as caught:
        source[0]
    assert source.bad_samples == []
    assert caught.value.__notes__ == [
        f"This happened in the step {reader!r} on the sample 'absent.png' with the label 'word'."
    ]
    source = DataProvider([("a", "xyz")], [same], transformers=[LabelIndexer("xy")],
                          skip_validation=True)  # fmt: skip
    with pytest.raises(ValueError, match="outside `vocab`: 'z'") as caught:
        source[0]
    assert "LabelIndexer(vocab='xy', " in caught.value.__notes__[0]


def test_notes_describe_arrays_by_their_shape():
    def fail(data, label):
        raise KeyError("lost")

    data = np.zeros((3, 4))
    with pytest.raises(KeyError) as caught:
        Pipeline([fail], [], [], seed=0).read_sample(data, "x", data)
    assert "an array of shape (3, 4) with the label 'x'" in caught.value.__notes__[0]


def test_a_step_that_returns_no_pair_is_named():
    def forgetful(data, label):
        data + 1

    provider = DataProvider([(np.zeros((3, 4)), "x")], [], transformers=[forgetful])
    with pytest.raises(TypeError, match="cannot unpack") as caught:
        provider[0]
    assert "in the step <function test_a_step_" in caught.value.__notes__[0]


def test_differing_shapes_name_the_remedy():
    images = [[np.zeros((1, side), np.uint8), "x"] for side in (1, 2)]
    with pytest.raises(ValueError, match=r"\[\(1, 1\), \(1, 2\)\]. Add ImageResizer or Spec"):
        DataProvider(images, [same], 2)[0]
    labels = [[np.zeros((1, 1), np.uint8), [0] * length] for length in (1, 2)]
    with pytest.raises(ValueError, match=r"`label` must have one shape .* Add LabelPadding to"):
        DataProvider(labels, [same], 2)[0]


def test_repr():
    assert repr(provider(10, 3)) == "DataProvider(10 samples, batch_size=3, epoch=1)"
