"""LMDB: what is packed comes back byte for byte, whatever happens on the way."""

import copy
import gc
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest
from conftest import ROOT

from mltu.data_check import check_data
from mltu.dataProvider import DataProvider
from mltu.datasets import (
    LmdbImages,
    Samples,
    _lmdb,
    load_samples,
    pack_lmdb,
    read_lmdb,
    validate_samples,
)
from mltu.preprocessors import ImageReader

LABELS = ["", "a b", "žodis", "単語", "007", "\x00", "x" * 600]


def picture(number):
    """Return the bytes of a small PNG that differs from the others."""
    return cv2.imencode(".png", np.full((2, 3), number, np.uint8))[1].tobytes()


@pytest.fixture
def samples(tmp_path):
    """Write seven images and return their paths and labels."""
    pairs = []
    for number, label in enumerate(LABELS):
        path = tmp_path / f"{number}.png"
        path.write_bytes(picture(number))
        pairs.append((str(path), label))
    return pairs


def pack(samples, path, **options):
    return pack_lmdb(samples, path, progress=False, **options)


def change(path, items):
    """Store other values under some keys; None deletes a key."""
    with (
        lmdb.open(str(path), map_size=1 << 26) as environment,
        environment.begin(write=True) as transaction,
    ):
        for key, value in items.items():
            if value is None:
                transaction.delete(key.encode())
            else:
                transaction.put(key.encode(), value)


def keys(path):
    with (
        lmdb.open(str(path), readonly=True, lock=False) as environment,
        environment.begin() as transaction,
    ):
        return [bytes(key).decode() for key in transaction.cursor().iternext(values=False)]


def test_what_is_packed_comes_back(samples, tmp_path):
    path = pack(samples, tmp_path / "new" / "words.lmdb", commit_every=3)
    assert path == tmp_path / "new" / "words.lmdb"
    back = read_lmdb(path)
    assert back.labels == LABELS
    assert list(back.data) == [picture(i) for i in range(7)]
    assert pack(samples, path, verify=True) == path
    assert load_samples(str(path)) == back


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps files that are open")
def test_an_lmdb_that_was_packed_again_is_another(samples, tmp_path):
    """As in a notebook: the old labels came back, from the file that was still open."""
    before = read_lmdb(pack(samples[:2], tmp_path / "lmdb"))
    assert before[0] == (picture(0), "")
    shutil.rmtree(tmp_path / "lmdb")
    try:
        pack(samples[2:5], tmp_path / "lmdb")
    except OSError as error:
        if "delete them first" not in str(error):
            raise
        pytest.skip("This version of lmdb tells files apart by their paths, and refuses.")
    assert list(read_lmdb(tmp_path / "lmdb").labels) == LABELS[2:5]
    assert before[1] == (picture(1), "a b")


def test_the_layout_is_that_of_scene_text(samples, tmp_path):
    path = pack(samples[:2], tmp_path / "words.lmdb")
    images = ["image-000000001", "image-000000002"]
    labels = ["label-000000001", "label-000000002"]
    assert keys(path) == [*images, *labels, "mltu-digest", "mltu-total", "num-samples"]


def test_a_file_of_another_tool_is_read(tmp_path):
    items = {"num-samples": b"1", "image-000000001": picture(5), "label-000000001": b"five"}
    change(tmp_path / "other", items)
    assert read_lmdb(tmp_path / "other") == [(picture(5), "five")]


def test_bytes_and_columns_are_packed(samples, tmp_path):
    first = pack([(picture(1), "a"), (samples[2][0], "b")], tmp_path / "first")
    second = pack(read_lmdb(first), tmp_path / "second")
    assert read_lmdb(second) == [(picture(1), "a"), (picture(2), "b")]


# The lazy column


def test_parts_read_nothing_and_keep_their_names(samples, tmp_path):
    path = pack(samples, tmp_path / "words.lmdb")
    back = read_lmdb(path)
    part = back.take([6, 0, 2])[1:]
    assert isinstance(part.data, LmdbImages)
    assert part == [(picture(0), LABELS[0]), (picture(2), LABELS[2])]
    assert part.source(1) == f"{path}: image-000000003"
    assert back.source(-1) == f"{path}: image-000000007"
    with pytest.raises(IndexError):
        back[7]
    os.remove(samples[3][0])
    validate_samples(back)


def test_a_missing_image_is_named(samples, tmp_path):
    path = pack(samples, tmp_path / "words.lmdb")
    change(path, {"image-000000002": None})
    back = read_lmdb(path)
    assert back[0] == (picture(0), "")
    with pytest.raises(ValueError, match="must have an image under 'image-000000002'"):
        back[1]


def test_threads_read_the_same_file(samples, tmp_path):
    columns = [read_lmdb(pack(samples, tmp_path / "words.lmdb")).data for _ in range(3)]
    wanted = [(column, i) for i in range(7) for column in columns] * 50
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda pair: pair[0][pair[1]], wanted))
    assert found == [picture(i) for _, i in wanted]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
def test_a_fork_opens_the_file_for_itself(samples, tmp_path):
    back = read_lmdb(pack(samples, tmp_path / "words.lmdb"))
    expected = list(back)
    child = os.fork()
    if not child:  # Threads of other tests may be running: nothing but the reading happens here.
        status = 1
        try:
            twice = [list(back), list(back.take([0, 1]))]
            status = 0 if twice == [expected, expected[:2]] else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert list(back) == expected


def test_a_pickle_opens_the_file_in_another_process(samples, tmp_path, monkeypatch):
    pack(samples, tmp_path / "words.lmdb")
    monkeypatch.chdir(tmp_path)
    back = read_lmdb("words.lmdb")
    expected = list(back)
    monkeypatch.chdir(ROOT)
    assert pickle.loads(pickle.dumps(back)) == expected
    code = "import pickle, sys; print(len(list(pickle.load(sys.stdin.buffer))))"
    result = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(back), capture_output=True, cwd=ROOT
    )
    assert result.stdout.split() == [b"7"], result.stderr


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_provider_of_an_lmdb_can_be_copied(clone, samples, tmp_path):
    """While its file is open."""
    pack(samples, tmp_path / "words.lmdb")
    source = DataProvider(tmp_path / "words.lmdb", [ImageReader()], 2)
    before = [(data.tobytes(), labels.tolist()) for data, labels in map(source.__getitem__, (0, 1))]
    twin = clone(source)
    del source
    gc.collect()  # The last handle of the original closes the file.
    assert [(d.tobytes(), y.tolist()) for d, y in map(twin.__getitem__, (0, 1))] == before


# Interruptions


def test_an_interrupted_file_is_whole_and_is_finished(samples, tmp_path, monkeypatch, caplog):
    path, read_file, num_read = tmp_path / "words.lmdb", _lmdb._content, []

    def interrupt(path):
        num_read.append(int(Path(path).stem))
        if len(num_read) == 6:
            raise KeyboardInterrupt
        return read_file(path)

    monkeypatch.setattr(_lmdb, "_content", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pack(samples, path, commit_every=2)
    with caplog.at_level(logging.WARNING):
        assert read_lmdb(path) == [(picture(i), LABELS[i]) for i in range(4)]
    assert "holds 4 of 7 samples" in caplog.text
    pack(samples, path, commit_every=2)
    assert num_read[6:] == [4, 5, 6]
    pack(samples, path)
    assert len(num_read) == 9  # All was there: nothing was read.
    pack(samples, path, verify=True)
    assert len(num_read) == 16


def num_packed_so_far(path):
    """Look into a file to which another process writes."""
    try:
        with (
            lmdb.open(str(path), readonly=True, lock=False, create=False) as environment,
            environment.begin() as transaction,
        ):
            return int(transaction.get(b"num-samples", b"0"))
    except lmdb.Error:  # It is not there yet.
        return 0


@pytest.mark.slow
def test_kill_minus_nine(tmp_path):
    """The process dies while it packs; the file is whole, and is finished."""
    path = tmp_path / "words.lmdb"
    code = f"""
import numpy as np
from mltu.datasets import pack_lmdb
samples = [(np.full(2000, i % 251, np.uint8).tobytes(), str(i)) for i in range(60_000)]
pack_lmdb(samples, {str(path)!r}, commit_every=20, progress=False)
"""
    child = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    deadline = time.monotonic() + 30
    while not num_packed_so_far(path):
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    child.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    assert child.wait() != 0
    samples = [(np.full(2000, i % 251, np.uint8).tobytes(), str(i)) for i in range(60_000)]
    num_packed = len(read_lmdb(path))
    assert 0 < num_packed < 60_000
    assert num_packed % 20 == 0
    assert read_lmdb(path) == samples[:num_packed]
    pack(samples, path)
    back = read_lmdb(path)
    assert back.labels == [label for _, label in samples]
    assert back[59_999] == samples[59_999]


def test_other_samples_are_refused(samples, tmp_path):
    path = pack(samples, tmp_path / "words.lmdb")
    for others in (samples[:6], samples[::-1], [*samples[:6], (samples[6][0], "y")]):
        with pytest.raises(ValueError, match="`path` must be a new folder"):
            pack(others, path)
    change(tmp_path / "other", {"num-samples": b"0"})
    with pytest.raises(ValueError, match="`path` must be a new folder"):
        pack(samples, tmp_path / "other")
    pack(samples, path, verify=True)


def test_the_digest_tells_where_a_name_ends():
    digests = {
        _lmdb._digest(Samples.from_pairs(pairs))
        for pairs in ([("ab", "c")], [("a", "bc")], [("a", "b"), ("c", "")], [("1:a", "b")])
    }
    assert len(digests) == 4


def test_the_map_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(_lmdb, "_FIRST_MAP_SIZE", 1 << 15)
    samples = [(bytes([i]) * 5000, str(i)) for i in range(1, 60)]
    path = pack(samples, tmp_path / "words.lmdb", commit_every=7)
    assert read_lmdb(path) == samples
    pack(samples, path)


def test_an_empty_file_left_by_a_crash_is_no_obstacle(samples, tmp_path):
    (tmp_path / "words.lmdb").mkdir()
    (tmp_path / "words.lmdb" / "data.mdb").touch()
    pack(samples, tmp_path / "words.lmdb", verify=True)


def test_samples_that_are_being_read_keep_the_file_open(samples, tmp_path):
    path = pack(samples, tmp_path / "words.lmdb")
    change(path, {"num-samples": b"5"})
    back = read_lmdb(path)
    assert back[0] == (picture(0), "")
    with pytest.raises(OSError, match="objects read from it keep it open"):
        pack(samples, path)
    del back
    pack(samples, path, verify=True)


# Bad samples


@pytest.mark.parametrize(
    ("sample", "error", "message"),
    [
        (("absent.png", "x"), FileNotFoundError, "no file 'absent.png'"),
        ((b"", "x"), ValueError, "Received no bytes from 0 bytes in row 5"),
    ],
)
def test_a_bad_file_stops_and_what_is_stored_stays(samples, tmp_path, sample, error, message):
    path = tmp_path / "words.lmdb"
    bad = [*samples[:5], sample, samples[6]]
    with pytest.raises(error, match=message):
        pack(bad, path, commit_every=2)
    assert read_lmdb(path) == [(picture(i), LABELS[i]) for i in range(4)]


@pytest.mark.parametrize(
    ("sample", "error", "message"),
    [
        (("a.png", 7), TypeError, "must be text. Received 7 of type int in row 1, for 'a.png'"),
        ((np.zeros((2, 2)), "x"), TypeError, r"Received ndarray in row 1. .*cv2\.imencode"),
        (("a.png", "\ud800"), ValueError, r"must be valid UTF-8\. Received '\\ud800' in row 1"),
    ],
)
def test_what_cannot_be_stored_is_seen_before_anything_is(
    samples, tmp_path, sample, error, message
):
    with pytest.raises(error, match=message):
        pack([samples[0], sample], tmp_path / "words.lmdb")
    assert not (tmp_path / "words.lmdb").exists()


def test_arguments(samples, tmp_path):
    with pytest.raises(ValueError, match="`samples` must contain at least one"):
        pack([], tmp_path / "words.lmdb")
    with pytest.raises(ValueError, match="`commit_every` must be an integer of at least 1"):
        pack(samples, tmp_path / "words.lmdb", commit_every=0)
    with pytest.raises(FileNotFoundError, match=r"There is no file .*data\.mdb"):
        read_lmdb(tmp_path / "absent")


# Faulty files


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"num-samples": None}, "must have the key 'num-samples'"),
        ({"num-samples": b"many"}, "a number under 'num-samples'. Received b'many'"),
        ({"label-000000003": None}, "must have 7 labels. There is no 'label-000000003'"),
        ({"label-000000003": b"\xff"}, r"Received b'\\xff' under 'label-000000003'"),
    ],
)
def test_faults_are_named_by_the_reader(samples, tmp_path, items, message):
    path = pack(samples, tmp_path / "words.lmdb")
    change(path, items)
    with pytest.raises(ValueError, match=message):
        read_lmdb(path)


@pytest.mark.parametrize(
    "items", [{"image-000000003": picture(9)}, {"label-000000003": b"other"}], ids=str
)
def test_a_difference_is_found_by_verification(samples, tmp_path, items):
    path = pack(samples, tmp_path / "words.lmdb")
    change(path, items)
    with pytest.raises(ValueError, match=r"image-000000003 or its label differs .*2\.png'"):
        pack(samples, path, verify=True)


def test_what_is_no_lmdb(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"nonsense" * 1000)
    with pytest.raises(OSError, match="cannot be opened"):
        read_lmdb(tmp_path)


def test_without_the_package_the_extra_is_named(samples, tmp_path, monkeypatch):
    path = pack(samples, tmp_path / "words.lmdb")
    monkeypatch.setitem(sys.modules, "lmdb", None)
    for call in (read_lmdb, lambda path: pack(samples, path / "new")):
        with pytest.raises(ImportError, match=r'pip install "mltu\[lmdb\]"'):
            call(path)


def test_the_data_check_tells_two_lmdbs_of_one_name_apart(tmp_path):
    """Image i of one was taken for image i of the other, which was not read."""
    packed = [
        pack([(picture(n + 7 * i), f"{n}") for n in range(3)], tmp_path / part / "words.lmdb")
        for i, part in enumerate(("train", "val"))
    ]
    report = check_data(packed[0], validation=packed[1], progress=False)
    assert report.num_examined == 6
    assert {finding.name for finding in report.findings} <= {
        "rare_character",
        "tiny_image",
        "blank_image",
    }


def test_missing_files_beside_an_lmdb_are_found(samples, tmp_path):
    joined = read_lmdb(pack(samples, tmp_path / "words.lmdb")) + Samples.from_pairs(samples)
    validate_samples(joined)
    os.remove(samples[3][0])
    with pytest.raises(FileNotFoundError, match="1 of 14 do not"):
        validate_samples(joined)
    validate_samples(joined.take(range(10)))
