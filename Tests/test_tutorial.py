"""Tutorial 01 and the READMEs, run as a newcomer runs them, with small options."""

import functools
import inspect
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import load_tutorial, run_tutorial

from mltu.configs import BaseModelConfigs
from mltu.datasets import read_csv
from mltu.synthetic import shipped_fonts, write_mjsynth

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "Tutorials" / "01_image_to_word"
RUN_FILES = {
    *("configs.yaml", "logs.log", "model.keras", "model.onnx", "train.csv", "val.csv"),
    *("logs", "curves.png", "readings.png", "state"),
}


run_script = functools.partial(run_tutorial, TUTORIAL.name)


@pytest.fixture(scope="module")
def run(words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run é"
    trained = run_script(
        "train.py", "--data", words, "--epochs", 1, "--model", "columns", "--output", folder
    )
    return folder, trained.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "script", sorted(ROOT.glob("Tutorials/0[1-7]*/train.py")), ids=lambda p: p.parent.name
)
def test_scripts_of_the_tutorials_start(script, tmp_path):
    """All others run their `main` in this process."""
    command = [sys.executable, str(script), "--help"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage: train.py" in done.stdout


def without_unknown(data):
    return {char for _, label in read_csv(data) for char in label}


def test_the_set_of_the_readme_is_frozen():
    """Its recipe is frozen in test_synthetic; here are its counts and its seed."""
    train = load_tutorial(TUTORIAL.name)
    assert train.NUM_GENERATED == (56_000, 2_000)
    assert inspect.signature(write_mjsynth).parameters["seed"].default == 0


@pytest.mark.slow
def test_training_fills_the_run_folder(run):
    folder, printed = run
    assert {path.name for path in folder.iterdir()} == RUN_FILES
    assert re.search(r"model.onnx on 40 validation words: CER \d+\.\d\d%", printed)
    configs = BaseModelConfigs.load(folder / "configs.yaml")
    assert configs.vocab == "".join(sorted(without_unknown(folder / "train.csv")))
    assert len(read_csv(folder / "val.csv")) == 40
    assert "Epoch 1;" in (folder / "logs.log").read_text(encoding="utf-8")
    for picture in ("curves.png", "readings.png"):
        assert cv2.imdecode(np.fromfile(folder / picture, "uint8"), cv2.IMREAD_COLOR).std() > 1


@pytest.mark.slow
def test_inference_script_prints_the_average_cer(run):
    folder, _ = run
    printed = run_script("inferenceModel.py", folder, "--limit", 5, "--show").stdout
    assert re.search(r"^Average CER: \d\.\d{4}$", printed, re.MULTILINE)


@pytest.mark.slow
def test_inference_counts_an_unreadable_image_as_an_empty_reading(run, tmp_path):
    folder, _ = run
    samples = read_csv(folder / "val.csv")[:1]
    broken = tmp_path / "run"
    broken.mkdir()
    for name in ("configs.yaml", "model.onnx"):
        (broken / name).write_bytes((folder / name).read_bytes())
    (broken / "val.csv").write_text(
        f"path,label\n{tmp_path / 'gone.jpg'},{samples[0][1]}\n", encoding="utf-8"
    )
    assert "Average CER: 1.0000" in run_script("inferenceModel.py", broken).stdout


@pytest.mark.slow
def test_missing_annotation_file_is_named(words, tmp_path):
    (tmp_path / "annotation_val.txt").write_bytes((words / "annotation_val.txt").read_bytes())
    failed = run_script("train.py", "--data", tmp_path, check=False)
    assert failed.returncode != 0
    assert str(tmp_path / "annotation_train.txt") in failed.stderr


@pytest.mark.slow
def test_a_finished_run_is_never_overwritten(run, words):
    folder, _ = run
    before = (folder / "model.keras").read_bytes()
    failed = run_script("train.py", "--data", words, "--output", folder, check=False)
    assert "which holds a run" in failed.stderr
    assert (folder / "model.keras").read_bytes() == before


@pytest.mark.slow
def test_a_character_that_only_validation_has_stops_before_training(tmp_path):
    (tmp_path / "annotation_train.txt").write_text("./1/1/1_ab_0.jpg 0\n", encoding="utf-8")
    (tmp_path / "annotation_val.txt").write_text("./1/1/2_xb_1.jpg 1\n", encoding="utf-8")
    failed = run_script("train.py", "--data", tmp_path, check=False)
    assert "characters that no training label has: 'xb'" in failed.stderr


@pytest.mark.slow
def test_two_processes_train_by_the_launch_lines_of_the_readme(words, tmp_path):
    if find_spec("jax") is None:
        pytest.skip("jax is not installed")
    text = (TUTORIAL / "README.md").read_text(encoding="utf-8")
    launch = re.search(r"^export KERAS_BACKEND=.*?(?=^```)", text, re.MULTILINE | re.DOTALL)[0]
    variables = dict(re.findall(r"([A-Z_]+)=(\S+)", launch.partition(".venv")[0]))
    variables |= {"DATA": str(words), "RUN": str(tmp_path)}
    lines = re.findall(
        r"PROCESS_ID=(\d) .venv/bin/python (\S+) (.*?)(?: &)?$", launch, re.MULTILINE
    )
    assert [number for number, *_ in lines] == ["0", "1"]
    processes = [
        subprocess.Popen(
            [
                sys.executable, str(ROOT / script),
                *(variables.get(word.removeprefix("$"), word) for word in options.split()),
                *("--limit", "64", "--epochs", "1", "--batch-size", "16", "--model", "columns"),
            ],
            env={**os.environ, **variables, "KERAS_DISTRIBUTION_PROCESS_ID": number,
                 "PYTHONPATH": str(ROOT)},
        )
        for number, script, options in lines
    ]  # fmt: skip
    assert [process.wait(timeout=600) for process in processes] == [0, 0]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == RUN_FILES - {"model.onnx", "readings.png", "state"}
    assert (tmp_path / "logs.log").read_text(encoding="utf-8").count("Epoch 1;") == 1


@pytest.mark.slow
def test_a_run_starts_from_the_weights_of_another(run, capsys):
    folder, _ = run
    train = load_tutorial(TUTORIAL.name)
    configs = train.ModelConfigs.load(folder / "configs.yaml")
    configs.vocab = "é" + configs.vocab
    model = train.make_model(configs)
    train.take_weights(model, folder, configs.vocab)
    assert "variables; new characters: 'é'" in (capsys.readouterr().out)


def check(*arguments):
    """Run `train.py --check` in this process; return its exit status."""
    with pytest.raises(SystemExit) as ended:
        load_tutorial(TUTORIAL.name).main(["--check", *map(str, arguments)])
    return ended.value.code


def test_data_that_are_none_end_in_one_sentence(tmp_path):
    archive = tmp_path / "words.zip"
    archive.write_bytes(b"PK\x03\x04")
    empty = tmp_path / "annotation_train.txt"
    for root in (tmp_path / "gone", archive, tmp_path):
        assert "There is no file" in check("--data", root)
    empty.write_text("", encoding="utf-8")
    assert str(empty) in check("--data", tmp_path)


def test_check_examines_the_data_and_does_not_train(words, tmp_path, capsys):
    assert check("--data", words, "--limit", 50, "--output", tmp_path / "run") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Checked 50 training and 40 validation samples\n")
    assert "Training can start." in printed
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"data_check.json", "data_check.png"}


def test_check_ends_with_status_1_where_training_would_go_wrong(tmp_path, capsys):
    (tmp_path / "annotation_train.txt").write_text(f"./1_{'m' * 20}_0.jpg 0\n", encoding="utf-8")
    (tmp_path / "annotation_val.txt").write_text("./2_xm_1.jpg 1\n", encoding="utf-8")
    options = ("--data", tmp_path, "--output", tmp_path / "run", "--model", "columns")
    assert check(*options) == 1
    printed = capsys.readouterr().out
    assert "ERROR missing_file: 1 in training, 1 in validation" in printed
    assert "ERROR unknown_character: 1 in validation" in printed
    assert "The label needs more than 32 time steps" in printed
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"data_check.json"}


@pytest.mark.slow
def test_default_command_renders_its_own_words_and_trains_rows(tmp_path):
    printed = run_script(
        "train.py", "--limit", 64, "--epochs", 1, "--output", tmp_path,
        "--precision", "mixed_bfloat16",
    ).stdout  # fmt: skip
    assert "252,799" in printed
    assert {path.name for path in tmp_path.iterdir()} == RUN_FILES
    resumed = run_script("train.py", "--resume", tmp_path, "--epochs", 2, "--int8").stdout
    assert "goes on at" in resumed
    log = (tmp_path / "logs.log").read_text(encoding="utf-8")
    assert [f"Epoch {number};" in log for number in (1, 2, 3)] == [True, True, False]
    assert (tmp_path / "model.int8.onnx").is_file()


@pytest.mark.slow
def test_inference_agrees_with_keras_to_four_digits(run):
    """`get_cer` of the ONNX readings is what `evaluate` says of the restored best model."""
    code = f"""
import sys; sys.path.insert(0, {str(TUTORIAL)!r})
import keras
from inferenceModel import ImageToWordModel, read_or_empty
from train import make_provider
from mltu.configs import BaseModelConfigs
from mltu.datasets import read_csv
from mltu.utils.text_utils import get_cer
run = {str(run[0])!r}
configs, samples = BaseModelConfigs.load(run + "/configs.yaml"), read_csv(run + "/val.csv")
model = keras.models.load_model(run + "/model.keras")
said = model.evaluate(make_provider(samples, configs, None), verbose=0, return_dict=True)["CER"]
reader = ImageToWordModel(model_path=run, char_list=configs.vocab)
read = get_cer([read_or_empty(reader, p)[0] for p, _ in samples], [label for _, label in samples])
assert abs(said - read) < 1e-4, (said, read)
print("agree", said)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "agree" in done.stdout, done.stderr[-2000:]


def test_commands_of_the_readmes_name_scripts_and_options_that_exist():
    for readme in (ROOT / "README.md", *ROOT.glob("Tutorials/*/README.md")):
        commands = re.findall(r"python3? (Tutorials/\S+\.py)([^\n`]*)", readme.read_text("utf-8"))
        assert commands
        for script, options in commands:
            source = (ROOT / script).read_text(encoding="utf-8")
            for option in re.findall(r"--[a-z-]+", options):
                assert f'"{option}"' in source, (script, option)


def test_pictures_and_links_of_all_pages_are_there():
    pages = [path for part in (".", "docs", "benchmarks", "mltu", "Tutorials")
             for path in (ROOT / part).glob("*.md" if part == "." else "**/*.md")
             if "node_modules" not in path.parts]  # fmt: skip
    for page in pages:
        links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
        for link in links:
            assert (page.parent / link).exists(), (page, link)
            assert not link.endswith(".png") or (page.parent / link).stat().st_size > 1000
    assert "docs/readings.png" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(shipped_fonts()) >= 12


@pytest.mark.slow
def test_the_benchmark_of_whole_trainings_serves_this_checkout(words, tmp_path):
    """Its one command takes an hour; one epoch shows that it still finds its way in."""
    command = [sys.executable, str(ROOT / "benchmarks" / "time_to_cer.py"), "--serve", str(ROOT)]
    options = ["--no-export", "--epochs", "1", "--data", words, "--output", tmp_path / "run"]
    done = subprocess.run(
        [*command, *map(str, options)], input="\n" * 9, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    first, last = (json.loads(line) for line in done.stdout.splitlines())
    assert first == {}
    assert (last["batches"], last["end"]) == (13, True)
    assert last["CER"] > 0
