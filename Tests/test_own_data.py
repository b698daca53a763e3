"""Tutorial 06: what is chosen for a data set, and the way from data to reader."""

import functools
import re
import shutil

import cv2
import numpy as np
import pytest
from conftest import ROOT, load_tutorial, run_tutorial

from mltu.data_check import check_data
from mltu.datasets import read_csv
from mltu.inferenceModel import TextRecognizer
from mltu.training import choose_settings

TUTORIAL = ROOT / "Tutorials" / "06_your_own_data"
run_script = functools.partial(run_tutorial, TUTORIAL.name, "train.py")


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers") / "drawn"
    load_tutorial(TUTORIAL.name, "data").draw_serial_numbers(folder, 40)
    return folder / "labels.csv"


def report_of(labels, size):
    image = np.random.default_rng(0).integers(0, 255, (*reversed(size), 3), np.uint8)
    return check_data([(image, label) for label in labels], progress=False)


@pytest.mark.parametrize(
    ("labels", "size", "expected"),
    [
        (["2b827"] * 4, (200, 50), (192, 48, "columns")),  # captchas
        (["word"] * 4, (115, 31), (128, 32, "columns")),  # MJSynth
        (["a"] * 4, (20, 200), (64, 64, "columns")),  # high and narrow
        (["a" * 40] * 4, (64, 32), (320, 32, "columns")),  # two time steps for each character
        (["a" * 100] * 4, (900, 32), (512, 32, "strong")),  # no room left
    ],
)
def test_size_and_network_follow_the_data(labels, size, expected):
    choice = choose_settings(report_of(labels, size))
    assert choice[:3] == expected
    assert [reason.split()[0] for reason in choice.reasons] == ["height", "width", "model"]


def test_nothing_is_chosen_for_data_that_cannot_be_read(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    report = check_data([(str(tmp_path / "a.png"), "a")], progress=False)
    with pytest.raises(ValueError, match="readable images"):
        choose_settings(report)


def test_drawn_serial_numbers_keep_their_zeros(numbers):
    samples = read_csv(numbers)
    labels = list(samples.labels)
    assert all(re.fullmatch(r"[A-Z]{2}\d{4,6}", label) for label in labels)
    assert any(label[2] == "0" for label in labels)
    assert all(cv2.imread(str(numbers.parent / path)).shape[0] == 40 for path in samples.data)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gone.csv", "There is no data set at"),
        ("empty", "holds no images"),
        ("numbers.zip", "Unpack it"),
        ("no_labels.csv", "must have the columns"),
    ],
)
def test_data_that_is_none_ends_with_a_sentence(numbers, tmp_path, name, text):
    (tmp_path / "empty").mkdir()
    shutil.make_archive(str(tmp_path / "numbers"), "zip", numbers.parent)
    (tmp_path / "no_labels.csv").write_text("file\na.png\n", encoding="utf-8")
    failed = run_script(f"data={tmp_path / name}", f"model_path={tmp_path / 'run'}", check=False)
    assert text in failed.stderr
    assert not (tmp_path / "run").exists()


def test_errors_of_the_data_end_before_the_training(numbers, tmp_path):
    table = numbers.with_name("faulty.csv")
    table.write_text(numbers.read_text(encoding="utf-8") + "gone.png,AB1\n", encoding="utf-8")
    failed = run_script(f"data={table}", f"model_path={tmp_path / 'run'}", check=False)
    assert "Fix the errors above" in failed.stderr
    assert "gone.png" in failed.stdout
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "data_check.json",
        "data_check.png",
    ]


@pytest.mark.slow
def test_the_way_from_data_to_reader(numbers, tmp_path):
    run = tmp_path / "run"
    printed = run_script(f"data={numbers}", f"model_path={run}", "train_epochs=1").stdout
    assert "start from 'words'" in printed
    assert re.search(r"4 validation images: .* exact, CER", printed)
    assert re.search(r"\d of 4 labels differ from their readings", printed)
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!")
    assert TextRecognizer(run).predict(read_csv(run / "val.csv")[0][0]).error is None
    refused = run_script(f"model_path={run}", check=False)
    assert "must be more than the 1 of the finished" in refused.stderr
    assert "Epoch 2/2" in run_script(f"model_path={run}", "train_epochs=2").stdout
