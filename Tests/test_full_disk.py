"""A full disk: a small file system into which everything that writes is told to write too much."""

import errno
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from mltu.datasets import pack_lmdb, write_csv
from mltu.evaluation import Sample, write_report
from mltu.plots import write_contact_sheet
from mltu.resume._file import write_state
from mltu.synthetic import FontAtlas, shipped_fonts, write_mjsynth
from mltu.utils.files import naming_full_disk


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


NOISE = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
FACTS = {"epoch": 0, "step": 0, "num_steps": 1, "finished": False}


def write_table(disk):
    write_csv(disk / "labels.csv", [("x" * 90, "y")] * 4000)


def write_page(disk):
    (disk / "rest").write_bytes(bytes(250_000))
    write_report(disk / "report.html", [Sample(NOISE, "a", "b")] * 2, title="", num_resamples=1)


def write_sheet(disk):
    write_contact_sheet(disk / "sheet.png", [(NOISE, "a")] * 60)


def write_words(disk):
    write_mjsynth(disk / "words", num_train=300, num_validation=9, workers=0, progress=False)


def write_lmdb(disk):
    png = cv2.imencode(".png", NOISE)[1].tobytes()
    pack_lmdb([(png, "a")] * 9, disk / "lmdb", progress=False)


def write_atlas(disk):
    (disk / "rest").write_bytes(bytes(250_000))
    FontAtlas.build(shipped_fonts()[:3], "abcdefgh").save(disk / "atlas")


def write_training(disk):
    write_state(disk, FACTS, {})
    write_state(disk, FACTS, {"weights": np.zeros(100_000)})


@pytest.mark.parametrize(
    ("write", "name", "left"),
    [
        (write_table, "labels.csv", []),
        (write_page, "report.html", ["rest"]),
        (write_sheet, "sheet.png", []),
        (write_words, "words", []),
        (write_lmdb, "lmdb", ["lmdb", "data.mdb", "lock.mdb"]),
        (write_atlas, "atlas", ["rest"]),
        (write_training, "state.npz", ["state.npz"]),
    ],
)
def test_a_full_disk_is_named_with_what_was_written(write, name, left, small_disk):
    """And nothing half-written stays: only an LMDB, which holds whole samples and is continued."""
    with pytest.raises(OSError, match=r"The disk is full\. .* mltu train --resume RUN") as caught:
        write(small_disk)
    assert Path(caught.value.filename) == small_disk / name
    assert sorted(path.name for path in small_disk.rglob("*")) == sorted(left)


def test_a_used_up_quota_is_a_full_disk(tmp_path):
    with pytest.raises(OSError, match="The disk is full") as caught, naming_full_disk(tmp_path):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path))
