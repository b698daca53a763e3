"""The ways of a batch: threads, processes, buckets, shards, backends, and what breaks on them."""

import hashlib
import itertools
import multiprocessing
import os
import shutil
import threading
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from conftest import ROOT, run_python
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_steps import as_lambda, as_objects, fields, refuse_five
from recorder import Noise, Recorder, content, numbered, same

from mltu.augmentors import Augmentor, RandomBrightness, RandomRotate
from mltu.data import BadSample, _processes
from mltu.data._epoch import arrange_batches
from mltu.dataProvider import DataProvider
from mltu.datasets import read_folder
from mltu.preprocessors import ImageReader
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

DIGITS = "0123456789"


def write_images(folder, count=14, grey=()):
    """Write PNGs of growing width whose names are their labels, and return the samples."""
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    samples = []
    for i in range(count):
        shape = (10, 12 + 3 * i) if i in grey else (10, 12 + 3 * i, 3)
        path = folder / f"{i:02d}.png"
        cv2.imwrite(str(path), rng.integers(0, 255, shape, dtype=np.uint8))
        samples.append((str(path), path.stem))
    return samples


def steps(resizer=None):
    return [resizer or ImageResizer(16, 8), LabelIndexer(DIGITS), LabelPadding(2, 10)]


def make(samples, **options):
    options = {"batch_size": 3, "transformers": steps(), **options}
    return DataProvider(samples, [ImageReader(options.pop("method", 1))], **options)


def labels_of(provider):
    rows = [row for i in range(len(provider)) for row in provider[i][1]]
    return [int("".join(map(str, row[row < 10]))) for row in rows]


# The same bytes on every way


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write_images(folder)
    (folder / "05.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    """Three epochs of digests, made batch by batch without Keras."""
    provider = make(read_folder(folder), augmentors=[RandomBrightness(), RandomRotate()])
    digests = []
    for epoch in (1, 2, 3):
        provider.set_position(epoch)
        whole = b"".join(data + labels for data, labels in content(provider))
        digests.append(hashlib.sha256(whole).hexdigest())
    return digests


class EpochSeen(keras.callbacks.Callback):
    """Note which epoch the provider is in whenever Keras begins one."""

    def __init__(self, provider):
        super().__init__()
        self.provider, self.epochs = provider, []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append((epoch + 1, self.provider.epoch))


@pytest.mark.backend
@pytest.mark.parametrize(
    "options", [*({"workers": number} for number in (0, 1, 2, 4)), {"processes": 2}], ids=str
)
def test_fit_gets_the_same_bytes_for_any_workers(options, folder, expected):
    provider = make(read_folder(folder), augmentors=[RandomBrightness(), RandomRotate()], **options)
    model, seen = Recorder(), EpochSeen(provider)
    model.compile(run_eagerly=True)
    model.fit(provider, epochs=3, shuffle=False, verbose=0, callbacks=[seen])
    batches = [x + y for x, y in model.batches]
    assert len(batches) == 15
    digests = [hashlib.sha256(b"".join(batches[at : at + 5])).hexdigest() for at in (0, 5, 10)]
    assert digests == expected
    assert len(set(expected)) == 3
    assert seen.epochs == [(1, 1), (2, 2), (3, 3)]
    assert [sample.position for sample in provider.bad_samples] == [5]


class SameReader(ImageReader):
    """A subclass, which the provider therefore runs sample by sample."""


class SameResizer(ImageResizer):
    pass


class SameIndexer(LabelIndexer):
    pass


class SamePadding(LabelPadding):
    pass


@pytest.mark.parametrize("method", [cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE, cv2.IMREAD_UNCHANGED])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("memory", ["paths", "bytes", "arrays"])
def test_a_batch_at_once_is_a_batch_sample_by_sample(tmp_path, method, keep, memory):
    samples = write_images(tmp_path)
    if memory == "bytes":
        samples = [(Path(path).read_bytes(), label) for path, label in samples]
    if memory == "arrays":
        samples = [(cv2.imread(path), label) for path, label in samples]
    fast = make(samples, method=method,
                transformers=steps(ImageResizer(16, 8, keep_aspect_ratio=keep)))  # fmt: skip
    slow = DataProvider(
        samples, [SameReader(method)], 3,
        transformers=[
            SameResizer(16, 8, keep_aspect_ratio=keep), SameIndexer(DIGITS), SamePadding(2, 10)
        ],
    )  # fmt: skip
    assert content(fast) == content(slow)


def test_images_of_two_kinds_in_a_batch_are_named(tmp_path):
    """OpenCV would leave the row of the odd one unwritten."""
    samples = write_images(tmp_path, 3, grey=[1])
    with pytest.raises(ValueError, match=r"\[\(8, 16\), \(8, 16, 3\)\]"):
        make(samples, method=cv2.IMREAD_UNCHANGED)[0]


@pytest.mark.parametrize("shapes", [[(20,), (20,)], [(5, 6), (5, 6, 1)]])
def test_the_fast_way_refuses_what_the_slow_way_refuses(shapes):
    samples = [(np.zeros(shape, np.uint8), "x") for shape in shapes]
    with pytest.raises(ValueError, match=r"must be an image|must have one shape"):
        DataProvider(samples, [same], 2, transformers=[ImageResizer(16, 8)])[0]


def test_several_widths_need_images():
    with pytest.raises(ValueError, match=r"`data` must be an image of shape .* Put ImageReader"):
        DataProvider([("a", "x")], [same], skip_validation=True,
                     transformers=[ImageResizer((8, 16), 8, keep_aspect_ratio=True)])  # fmt: skip


def test_a_subclass_is_not_bypassed(tmp_path):
    class Upper(LabelIndexer):
        def __call__(self, data, label):
            return super().__call__(data, label[::-1])

    samples = [(path, "12") for path, _ in write_images(tmp_path, 2)]
    provider = make(samples, transformers=[*steps()[:1], Upper(DIGITS), LabelPadding(2, 10)])
    assert labels_of(provider) == [21, 21]


# Widths


def bucketed(samples, widths=(16, 24, 32), **options):
    resizer = ImageResizer(widths, 8, keep_aspect_ratio=True)
    return make(samples, transformers=steps(resizer), **options)


def test_every_batch_has_one_of_the_widths_and_every_sample_comes_once(tmp_path):
    samples = write_images(tmp_path, 14)  # at 8 px of height 10 to 41 px wide
    provider = bucketed(samples, workers=2)
    assert len(provider) == 6  # 3, 3 and 8 samples of each width
    for epoch in (1, 2):
        provider.set_position(epoch)
        shapes = [provider[i][0].shape for i in range(len(provider))]
        assert sorted(shape[2] for shape in shapes) == [16, 24, 24, 32, 32, 32]
        assert sorted(labels_of(provider)) == list(range(14))
        assert [shape[0] for shape in shapes[:-2]] == [3] * 4
    again = bucketed(samples)
    again.set_position(2)
    assert content(again) == content(provider)


def test_an_image_in_its_bucket_is_the_resizers(tmp_path):
    samples = write_images(tmp_path, 14)
    resizer = ImageResizer((16, 24, 32), 8, keep_aspect_ratio=True)
    provider = bucketed(samples)
    for index in range(len(provider)):
        for image, (path, _) in zip(
            provider[index][0], provider.get_batch_annotations(index), strict=True
        ):
            np.testing.assert_array_equal(image, resizer(cv2.imread(path), None)[0])


def test_augmentors_and_stand_ins_stay_in_the_width_of_the_batch(tmp_path):
    samples = write_images(tmp_path, 14)
    Path(samples[13][0]).write_bytes(b"no image")
    provider = bucketed(samples, augmentors=[RandomRotate(1, 40)])
    widths = {provider[i][0].shape[2] for i in range(len(provider))}
    assert widths == {16, 24, 32}
    assert [sample.position for sample in provider.bad_samples] == [13]


@pytest.mark.backend
@pytest.mark.parametrize("step", [1, 4])
def test_fit_takes_all_widths_where_the_first_batches_have_one(tmp_path, step):
    """TensorFlow took the shape of the first two batches for that of all, and stopped."""
    samples = write_images(tmp_path, 14)
    provider = bucketed(samples, shuffle=False, batch_size=2)
    provider.set_position(1, step)
    assert provider[0][0].shape == provider[1][0].shape
    model = keras.Sequential([
        keras.Input((8, None, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1),
    ])  # fmt: skip
    model.compile(loss=lambda truth, answer: keras.ops.mean(answer, axis=-1))
    history = model.fit(provider, epochs=3, verbose=0, shuffle=False).history
    assert len(history["loss"]) == 3


def test_split_parts_keep_their_widths(tmp_path):
    first, second = bucketed(write_images(tmp_path, 14)).split(0.5)
    assert sorted(labels_of(first) + labels_of(second)) == list(range(14))


def test_several_widths_need_the_aspect_ratio():
    with pytest.raises(ValueError, match="`keep_aspect_ratio` must be True for several widths"):
        ImageResizer((16, 32), 8)
    with pytest.raises(ValueError, match="`width` must be in ascending order"):
        ImageResizer((32, 16), 8, keep_aspect_ratio=True)
    assert ImageResizer((16, 32), 8, keep_aspect_ratio=True).choose_width(np.zeros((4, 9))) == 1
    assert ImageResizer((16, 32), 8, keep_aspect_ratio=True).choose_width(np.zeros((4, 8))) == 0
    assert ImageResizer((16, 32), 8, keep_aspect_ratio=True).choose_width(np.zeros((4, 99))) == 1


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 7), st.booleans())
def test_arranged_batches_are_a_permutation_of_one_bucket_each(buckets, batch_size, one):
    buckets = np.array(buckets)
    order = np.random.default_rng(len(buckets)).permutation(len(buckets))
    arranged, starts = arrange_batches(order, batch_size, None if one else buckets)
    assert sorted(arranged.tolist()) == list(range(len(buckets)))
    batches = np.split(arranged, starts[1:-1])
    assert all(0 < len(batch) <= batch_size for batch in batches)
    assert one or all(len(set(buckets[batch])) == 1 for batch in batches)
    numbers = [len(buckets)] if one else np.unique(buckets, return_counts=True)[1].tolist()
    assert len(batches) == sum(-(-number // batch_size) for number in numbers)
    kept, ends = arrange_batches(order, batch_size, None if one else buckets, drop_last=True)
    full = [batch.tolist() for batch in batches if len(batch) == batch_size]
    assert [kept[a:b].tolist() for a, b in itertools.pairwise(ends)] == full


def test_an_epoch_without_full_batches_says_how_many_samples_there_are():
    samples = [(np.zeros((4, width, 1), np.uint8), [0]) for width in (4, 4, 99, 99, 99)]
    resizer = ImageResizer((16, 32), 8, keep_aspect_ratio=True)
    with pytest.raises(ValueError, match="Received 5 samples for batches of 4"):
        DataProvider(samples, [same], 4, transformers=[resizer], drop_last=True)


# Shards


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
def test_shards_together_are_the_epoch(num_samples, batch_size, count, epoch):
    whole = DataProvider(numbered(num_samples), [same], batch_size * count, initial_epoch=epoch)
    part = DataProvider(numbered(num_samples), [same], batch_size, initial_epoch=epoch)
    shards = [part.shard(index, count) for index in range(count)]
    assert {len(shard) for shard in shards} == {len(whole)}
    for step in range(len(whole)):
        expected = sorted(whole[step][1][:, 0].tolist())
        got = sorted(int(label) for shard in shards for label in shard[step][1][:, 0])
        if len(expected) >= count:
            assert got == expected
        else:  # One batch has fewer samples than there are shards: the rest repeat its first.
            assert set(got) == set(expected)
            assert len(got) == count


def test_a_shard_keeps_its_part_in_the_next_epoch_and_augments_as_the_whole_does():
    options = {"augmentors": [Noise(1)]}
    whole = DataProvider(numbered(9), [same], 4, **options)
    shards = [DataProvider(numbered(9), [same], 2, **options).shard(i, 2) for i in (0, 1)]
    for provider in (whole, *shards):
        provider.on_epoch_begin()
        provider.on_epoch_end()
        assert provider.epoch == 2
    for step in range(2):
        both = np.concatenate([shard[step][0] for shard in shards])
        assert sorted(both.ravel().tolist()) == sorted(whole[step][0].ravel().tolist())


def test_shard_arguments():
    provider = DataProvider(numbered(4), [same], 2)
    with pytest.raises(ValueError, match=r"`index` must be in 0\.\.1. Received 2"):
        provider.shard(2, 2)
    with pytest.raises(ValueError, match="`count` must be an integer of at least 1"):
        provider.shard(0, 0)
    with pytest.raises(ValueError, match="Received a shard"):
        provider.shard(0, 2).shard(0, 2)
    provider.set_position(1, 1)
    with pytest.raises(ValueError, match="Received one at step 1"):
        provider.shard(0, 2)


# Processes


def test_multiprocessing_of_keras_is_refused_with_its_reason():
    with pytest.raises(ValueError, match=r"is killed, training waits forever .* `processes`"):
        DataProvider(numbered(4), [same], use_multiprocessing=True)
    provider = DataProvider(numbered(4), [same])
    with pytest.raises(ValueError, match="`use_multiprocessing` must be False"):
        provider.use_multiprocessing = True
    provider.use_multiprocessing = False
    assert provider.use_multiprocessing is False


def within(seconds, function):
    """Run a function in a thread and return the error that it raised, or None; it must end."""
    errors = []

    def run():
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"
    return errors[0] if errors else None


def test_a_killed_process_raises(tmp_path):
    provider = make(write_images(tmp_path), processes=1)
    before = set(multiprocessing.active_children())
    expected = content(make(write_images(tmp_path)))
    assert content(provider) == expected
    (child,) = set(multiprocessing.active_children()) - before
    child.kill()
    child.join(10)
    error = within(20, lambda: provider[0])
    assert isinstance(error, BrokenProcessPool)
    assert "worker `processes` died" in str(error)


def test_processes_report_a_fault_as_threads_do(tmp_path):
    samples = write_images(tmp_path)
    Path(samples[3][0]).unlink()
    provider = make(samples, processes=1, skip_validation=True, on_bad_sample="raise")
    error = within(60, lambda: content(provider))
    assert isinstance(error, FileNotFoundError)
    assert "03.png" in error.__notes__[0]


def test_an_error_that_cannot_be_pickled_keeps_its_sample(tmp_path):
    samples = write_images(tmp_path)
    provider = DataProvider(samples, [ImageReader(), refuse_five], 3, transformers=steps(),
                            processes=1)  # fmt: skip
    assert len(content(provider)) == 5
    assert [(bad.position, bad.reason) for bad in provider.bad_samples] == [
        (5, "05.png: bad header")
    ]


@pytest.mark.parametrize("step", [as_objects, pytest.param(fields, marks=pytest.mark.slow)])
def test_labels_that_are_no_plain_numbers_come_through(tmp_path, step):
    """Object pointers of another process would kill this one."""
    samples = write_images(tmp_path, 12)
    options = {"transformers": [ImageResizer(16, 8), step]}
    here, there = make(samples, **options), make(samples, **options, processes=1)
    for index in range(4):
        expected, got = here[index][1], there[index][1]
        assert got.dtype == expected.dtype
        assert got.tolist() == expected.tolist()


def test_blocks_that_were_replaced_are_closed():
    """Every worker process held the memory of all of them to its end."""
    blocks = [SharedMemory(create=True, size=4096 * n) for n in (1, 2, 3)]
    samples = [(np.zeros((2, 2, 3), np.uint8), np.zeros(1, np.int32))] * 2
    run = DataProvider(samples, [], 2)._loader.pipeline.run
    try:
        for block in blocks:
            pair = [[column] * 2 for column in samples[0]]
            _processes._run(run, block.name, *pair, np.arange(2), 1, 0)
        assert list(_processes._blocks) == [blocks[2].name]
    finally:
        _processes._blocks.pop(blocks[2].name).close()
        for block in blocks:
            block.close()
            block.unlink()


def test_batches_that_grow_come_through(tmp_path):
    samples = write_images(tmp_path, 14)
    options = {"widths": (16, 24, 64), "batch_size": 2}
    assert content(bucketed(samples, processes=1, **options)) == content(
        bucketed(samples, **options)
    )


@pytest.mark.slow
def test_processes_end_with_one_that_is_killed(tmp_path):
    """A worker of a dead training held its memory and its terminal for ever."""
    samples = write_images(tmp_path, 3)
    code = (
        "import multiprocessing, os\n"
        "from Tests.test_provider_paths import make\n"
        "if __name__ == '__main__':\n"
        f"    make({samples!r}, processes=1)[0]\n"
        "    (child,) = multiprocessing.active_children()\n"
        "    print(child.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    # The pipe ends when the last process that holds it has ended.
    paths = (ROOT / "Tests", ROOT / "Tests" / "tools")
    result = run_python(script, paths=paths, check=False, timeout=60)
    assert result.stdout.strip().isdigit(), result.stderr


def test_a_step_that_cannot_travel_is_named():
    with pytest.raises(TypeError, match=r"`processes` needs steps that can be pickled. .*lambda"):
        DataProvider(numbered(2), [lambda data, label: (data, label)], processes=1)


# Faults of labels come before epoch 1


def test_labels_are_checked_when_the_provider_is_made(tmp_path):
    samples = write_images(tmp_path)
    odd = [*samples, (samples[0][0], "1x"), (samples[0][0], "é")]
    with pytest.raises(ValueError, match=r"2 of 16 labels have others, 'xé', among them \['1x'"):
        make(odd)
    with pytest.raises(ValueError, match=r"1 of 15 are longer, among them \['123'\]"):
        make([*samples, (samples[0][0], "123")])
    with pytest.raises(TypeError, match=r"`label` must be text\. Received 7 of type int"):
        make([*samples, (samples[0][0], 7)], skip_validation=True)
    provider = make(samples)
    with pytest.raises(ValueError, match="characters in `vocab`"):
        provider.transformers = [LabelIndexer("01234")]
    assert labels_of(provider)  # The good ones stay.
    with pytest.raises(TypeError, match="`label` must be text"):
        make([*samples, (samples[0][0], ["1"])])


def test_labels_behind_a_step_of_unknown_effect_are_left_for_later(tmp_path):
    samples = [(path, "x") for path, _ in write_images(tmp_path, 2)]
    replace = [lambda data, label: (data, label.replace("x", "1")), *steps()]
    assert labels_of(make(samples, transformers=replace)) == [1, 1]

    class Lower(LabelIndexer):
        def __call__(self, data, label):
            return super().__call__(data, label.replace("x", "1"))

    provider = make(samples, transformers=[*steps()[:1], Lower(DIGITS), LabelPadding(2, 10)])
    assert labels_of(provider) == [1, 1]


# What breaks while fit runs


class Hook(keras.callbacks.Callback):
    """Do something once, after the first batch of an epoch."""

    def __init__(self, epoch, action):
        super().__init__()
        self.epoch, self.action, self.now = epoch, action, None

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.action and self.now == self.epoch:
            self.action()
            self.action = None


def fit(provider, action, epochs=3):
    model = Recorder()
    model.compile(run_eagerly=True)
    options = {"epochs": epochs, "shuffle": False, "verbose": 0}
    callbacks = [Hook(1, action)]
    error = within(60, lambda: model.fit(provider, callbacks=callbacks, **options))
    return model, error


@pytest.mark.backend
@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_deleted_during_the_epoch_is_replaced(tmp_path, workers):
    samples = write_images(tmp_path, 14)
    provider = make(samples, workers=workers, max_queue_size=1)
    model, error = fit(provider, Path(samples[4][0]).unlink)
    assert error is None
    assert len(model.shapes) == 15
    assert model.shapes.count((3, 8, 16, 3)) == 12
    (bad,) = provider.bad_samples
    assert isinstance(bad, BadSample)
    assert (bad.position, bad.path) == (4, samples[4][0])
    assert "There is no file" in bad.reason


@pytest.mark.backend
@pytest.mark.parametrize("workers", [0, 2])
def test_a_folder_unmounted_during_the_epoch_stops_with_ten_names(tmp_path, workers):
    samples = write_images(tmp_path / "disk", 30)
    provider = make(samples, workers=workers, max_queue_size=1)
    _, error = fit(provider, lambda: shutil.rmtree(tmp_path / "disk"))
    assert "of `dataset` cannot be read" in str(error)
    assert str(error).count(".png'") >= 10


@pytest.mark.backend
@pytest.mark.parametrize("workers", [0, 2])
def test_a_worker_that_raises_ends_fit_with_the_path(tmp_path, workers):
    samples = write_images(tmp_path, 14)

    class Breaks(Augmentor):
        def apply(self, image, rng):
            raise ZeroDivisionError("in the augmentor")

    provider = make(samples, workers=workers)

    def break_it():
        provider.augmentors = [Breaks(1)]

    _, error = fit(provider, break_it)
    text = "".join([str(error), *getattr(error, "__notes__", [])])
    assert "in the augmentor" in text
    assert ".png' with the label" in text


# Reading ahead


class Noted(list):
    """A reader that notes the paths as it is asked for them."""

    def __call__(self, data, label):
        self.append(int(label))
        return data, label


@pytest.mark.backend
@pytest.mark.parametrize("shuffle", [False, True])
def test_no_batch_is_read_twice(shuffle):
    """Keras's own order is followed: else `shuffle=True` would drop most that was read ahead."""
    noted, model = Noted(), Recorder()
    samples = [[image, str(index)] for index, (image, _) in enumerate(numbered(40))]
    labels = [lambda data, label: (data, np.int32([label]))]
    source = DataProvider(samples, [noted], 2, transformers=labels, workers=2, max_queue_size=3)
    model.compile(run_eagerly=True)
    model.fit(source, epochs=2, shuffle=shuffle, verbose=0)
    assert set(Counter(noted).values()) <= {2, 3}
    of_shape = 2 * 2 if keras.backend.backend() == "tensorflow" else 0
    assert len(noted) == 2 * 40 + of_shape


def test_a_fork_leaves_the_processes_alone(tmp_path):
    """What a fork has a copy of is not its own to end."""
    if not hasattr(os, "fork"):
        pytest.skip("This system has no fork.")
    provider = make(write_images(tmp_path), processes=1)
    expected = content(provider)
    pid = os.fork()
    if pid == 0:
        _processes._end(os.getppid(), provider._loader._processes._workers, [])
        os._exit(0)
    os.waitpid(pid, 0)
    assert content(provider) == expected


def test_an_answer_that_cannot_travel_names_the_step(tmp_path):
    """A label that cannot be pickled is found by loading the batch here."""
    provider = make(write_images(tmp_path, 3), transformers=[ImageResizer(16, 8), as_lambda],
                    processes=1)  # fmt: skip
    assert within(60, lambda: provider[0]) is None
    assert callable(provider[0][1][0])
