"""Tutorial 02: captchas of a folder or drawn, folds, and its scripts as its README runs them."""

import functools
import json
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import ROOT, load_tutorial, run_tutorial

from mltu.dataProvider import DataProvider
from mltu.datasets import open_samples, read_csv
from mltu.inferenceModel import TextRecognizer

TUTORIAL = ROOT / "Tutorials" / "02_captcha_to_text"


run_script = functools.partial(run_tutorial, TUTORIAL.name)


@pytest.fixture(scope="module")
def data():
    return load_tutorial("02_captcha_to_text", "data")


@pytest.fixture(scope="module")
def captchas(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("captchas") / "drawn"
    data.draw_captchas(folder, 40, "plain", 0)
    return folder


@pytest.mark.parametrize(("style", "lengths"), [("plain", {5}), ("mixed", {4, 5, 6})])
def test_drawn_captchas_are_named_after_their_texts(data, tmp_path, style, lengths):
    folder = tmp_path / style
    data.draw_captchas(folder, 24, style, 0)
    samples = open_samples(folder, label_pattern="[^_]+")
    labels = list(samples.labels)
    assert len(set(labels)) == 24
    assert {len(label) for label in labels} == lengths
    assert set("".join(labels)) <= set(data.STYLES[style].characters)
    for path, _ in samples:
        image = cv2.imread(path)
        assert image.shape == (50, 200, 3)
        assert image.std() > 5
    data.draw_captchas(tmp_path / "again", 24, style, 0)
    again = open_samples(tmp_path / "again", label_pattern="[^_]+")
    assert list(again.labels) == labels
    for (path, _), (other, _) in zip(samples, again, strict=True):
        assert Path(path).read_bytes() == Path(other).read_bytes()


def test_captchas_drawn_in_training_are_new_in_each_epoch_and_follow_the_seed(data):
    step = pickle.loads(pickle.dumps(data.DrawCaptcha("mixed")))  # for processes
    provider = DataProvider(
        [("", "")] * 8, [], batch_size=8, augmentors=[step], skip_validation=True, shuffle=False
    )
    images, texts = provider[0]
    assert images.shape == (8, 50, 200, 3)
    assert len(set(texts)) == 8
    assert (provider[0][0] == images).all()
    provider.set_position(2)
    assert not set(provider[0][1]) & set(texts)


def test_each_captcha_is_held_out_once(data, captchas):
    samples = open_samples(captchas, label_pattern="[^_]+")
    held = []
    for fold in range(5):
        training, part = data.hold_out(samples, 5, fold, seed=0)
        assert len(part) == 8
        assert not set(training.data) & set(part.data)
        assert set(training.data) | set(part.data) == set(samples.data)
        held += part.data
    assert sorted(held) == sorted(samples.data)


def test_a_fold_that_is_none_is_refused(data, captchas):
    samples = open_samples(captchas, label_pattern="[^_]+")
    for num_folds, fold in ((5, 5), (5, -1), (41, 0)):
        with pytest.raises(ValueError, match=r"`fold` must be in 0\.\."):
            data.hold_out(samples, num_folds, fold, seed=0)


def test_moved_captchas_keep_their_ink(data, captchas):
    image = cv2.imread(str(next(captchas.iterdir())), cv2.IMREAD_GRAYSCALE)
    moved = [data.shift_and_shear(image, np.random.default_rng(seed)) for seed in range(20)]
    for other in moved:
        assert other.shape == image.shape
        assert 0.5 < other.std() / image.std() < 1.6
    assert len({other.tobytes() for other in moved}) == 20


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gone", "There is no data set at"),
        ("empty", "holds no images"),
        ("captchas.zip", "Unpack it"),
        ("few", "at most the 1 captchas"),
    ],
)
def test_data_that_is_none_ends_with_a_sentence(captchas, tmp_path, name, text):
    (tmp_path / "empty").mkdir()
    shutil.make_archive(str(tmp_path / "captchas"), "zip", captchas)
    (tmp_path / "few").mkdir()
    shutil.copy(next(captchas.iterdir()), tmp_path / "few")
    failed = run_script(
        "train.py", f"data={tmp_path / name}", f"model_path={tmp_path / 'run'}", check=False
    )
    assert text in failed.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_trains_goes_on_and_reads(captchas, tmp_path):
    run = tmp_path / "run"
    small = (f"data={captchas}", f"model_path={run}", "limit=40", "train_epochs=1")
    printed = run_script("train.py", *small).stdout
    assert re.search(r"4 captchas held out: .* exact, CER", printed)
    files = {path.name for path in run.iterdir()}
    assert {"configs.yaml", "model.keras", "model.onnx", "train.csv", "val.csv"} <= files
    for picture in ("curves.png", "readings.png"):
        assert cv2.imread(str(run / picture)).std() > 1
    refused = run_script("train.py", *small, check=False)
    assert "must be more than the 1 of the finished" in refused.stderr
    longer = run_script("train.py", f"model_path={run}", "train_epochs=2").stdout
    assert "Epoch 2/2" in longer
    assert TextRecognizer(run).card.color == "GRAY"
    printed = run_script("inferenceModel.py", run, "[2-8b-y]{5}").stdout
    assert re.search(r"4 captchas: .* exact\nAverage CER: ", printed)


@pytest.mark.slow
def test_mixed_captchas_are_drawn_while_it_trains(tmp_path):
    small = ("num_drawn=64", "num_validation=4", "train_epochs=1", "model_path=run")
    printed = run_script("mixed.py", *small, place=tmp_path).stdout
    assert re.search(r"with case: 4 captchas, .* exact, CER .*\ncase ignored: 4 captchas", printed)
    assert len(read_csv(tmp_path / "run" / "val.csv")) == 4
    assert "Average CER: " in run_script("inferenceModel.py", "run", place=tmp_path).stdout


def test_folds_of_other_settings_are_not_counted_with_these(captchas, tmp_path):
    """`num_folds=10` after `num_folds=5` read captchas twice, and `dropout=0.3` changed nothing."""
    configs = load_tutorial("02_captcha_to_text", "configs").ModelConfigs()
    configs.model_path, configs.data = str(tmp_path / "fold_0"), str(captchas)
    configs.num_folds = 2
    configs.save()
    (tmp_path / "fold_0" / "model.onnx").touch()
    same = (f"model_path={tmp_path}", f"data={captchas}", "num_folds=2")
    for given in ("num_folds=3", "dropout=0.3", "data=elsewhere"):
        done = run_script("cross_validate.py", *same, given, check=False)
        assert f"fold_0 was trained with {given.split('=')[0]}=" in done.stderr
    # What was given to the first folds and is left out now would be the default in the others.
    done = run_script("cross_validate.py", *same[::2], check=False)
    assert "fold_0 was trained with data=" in done.stderr
    done = run_script("cross_validate.py", *same, check=False)
    assert "val.csv" in done.stderr  # It went on with this fold.
    done = run_script("cross_validate.py", *same, "pattern=[z-a]", check=False)
    assert "the range z-a is reversed" in done.stderr


@pytest.mark.slow
def test_folds_are_trained_once(captchas, tmp_path, monkeypatch):
    run = subprocess.run

    def run_here(command, **options):
        """A process for each fold would import Keras again."""
        if command[0] != sys.executable:
            return run(command, **options)
        assert command[1].parent == TUTORIAL
        return run_script(command[1].name, *command[2:], **options)

    monkeypatch.setattr(subprocess, "run", run_here)
    folds = ("num_folds=2", f"model_path={tmp_path / 'folds'}", "pattern=.{5}")
    arguments = ("cross_validate.py", f"data={captchas}", *folds, "train_epochs=1")
    printed = run_script(*arguments).stdout
    metrics = json.loads(printed.splitlines()[-1])
    assert metrics["greedy"]["num_samples"] == metrics[".{5}"]["num_samples"] == 40
    assert cv2.imread(str(tmp_path / "folds" / "worst.png")).std() > 1
    stamps = [Path(path).stat().st_mtime_ns for path in (tmp_path / "folds").glob("*/model.onnx")]
    held = read_csv(tmp_path / "folds" / "fold_0" / "val.csv")
    kept = Path(held[0][0]).read_bytes()
    Path(held[0][0]).write_bytes(b"")  # It cannot be drawn among the worst, and ends nothing.
    broken = json.loads(run_script(*arguments).stdout.splitlines()[-1])
    assert broken["greedy"]["num_samples"] == 40
    Path(held[0][0]).write_bytes(kept)
    again = run_script(*arguments).stdout
    assert json.loads(again.splitlines()[-1]) == metrics
    assert stamps == [
        Path(path).stat().st_mtime_ns for path in (tmp_path / "folds").glob("*/model.onnx")
    ]
