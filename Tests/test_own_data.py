"""Tutorial 06 and the notebooks: what is chosen for a data set, and the way from data to reader."""

import functools
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import ROOT, load_tutorial, run_tutorial

from mltu.data_check import check_data
from mltu.datasets import read_csv
from mltu.inferenceModel import TextRecognizer
from mltu.training import choose_settings

TUTORIAL = ROOT / "Tutorials" / "06_your_own_data"
NOTEBOOKS = {
    "06_your_own_data/your_own_data.ipynb": {"NUM_DRAWN": 40, "EPOCHS": 1},
    "01_image_to_word/image_to_word.ipynb": {"NUM_TRAIN": 64, "NUM_VALIDATION": 32, "EPOCHS": 1},
}


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
        ("gone.csv", "There is nothing at"),
        ("empty", "which has none of them"),
        ("numbers.zip", "Unpack it"),
        ("no_labels.csv", "must have the columns"),
    ],
)
def test_data_that_is_none_ends_with_a_sentence(numbers, tmp_path, name, text):
    (tmp_path / "empty").mkdir()
    shutil.make_archive(str(tmp_path / "numbers"), "zip", numbers.parent)
    (tmp_path / "no_labels.csv").write_text("file\na.png\n", encoding="utf-8")
    train = load_tutorial(TUTORIAL.name)
    with pytest.raises(SystemExit, match=text):
        train.main([str(tmp_path / name), "--output", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def test_errors_of_the_data_end_before_the_training(numbers, tmp_path, capsys):
    table = numbers.with_name("faulty.csv")
    table.write_text(numbers.read_text(encoding="utf-8") + "gone.png,AB1\n", encoding="utf-8")
    train = load_tutorial(TUTORIAL.name)
    with pytest.raises(SystemExit, match="Mend the errors above"):
        train.main([str(table), "--output", str(tmp_path / "run")])
    assert "gone.png" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "data_check.json",
        "data_check.png",
    ]


@pytest.mark.parametrize("has_begun", [False, True])
def test_ctrl_c_offers_to_go_on_where_that_can_be_done(numbers, tmp_path, monkeypatch, has_begun):
    train = load_tutorial(TUTORIAL.name)

    def press(args, run):
        if has_begun:
            run.mkdir()
            (run / "configs.yaml").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "begin_run", press)
    with pytest.raises(SystemExit) as caught:
        train.main([str(numbers), "--output", str(tmp_path / "run")])
    assert caught.value.code.startswith("Interrupted.")
    assert ("--resume" in caught.value.code) == has_begun


@pytest.mark.slow
def test_the_way_from_data_to_reader(numbers, tmp_path):
    run = tmp_path / "run"
    printed = run_script(numbers, "--output", run, "--epochs", 1).stdout
    assert re.search(r"height 48: .*\nwidth \d+: .*\nmodel 'columns'", printed)
    assert re.search(r"4 images held out: .* exact, CER", printed)
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!")
    assert TextRecognizer(run).predict(read_csv(run / "val.csv")[0][0]).error is None
    refused = run_script(numbers, "--output", run, check=False)
    assert refused.returncode == 1
    assert "holds a run" in refused.stderr.splitlines()[-1]
    assert "Epoch 2/2" in run_script("--resume", run, "--epochs", 2).stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_run_from_top_to_bottom(name, tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(ROOT / "Tutorials" / name, as_version=4)
    (position,) = (
        i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])
    )
    small = "\n".join(f"{key} = {value}" for key, value in NOTEBOOKS[name].items())
    notebook.cells.insert(position + 1, nbformat.v4.new_code_cell(small))
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=900, resources=resources).execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 3
    assert (Path(tmp_path) / "run" / "model.onnx").is_file()
