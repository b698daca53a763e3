"""Tutorial 01 and the READMEs, run as a newcomer runs them, with small options."""

import ast
import functools
import inspect
import json
import re
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from conftest import ROOT, load_tutorial, run_python, run_tutorial

from mltu.cli._synth import words as synth_words
from mltu.configs import BaseModelConfigs
from mltu.dataProvider import DataProvider
from mltu.datasets import read_csv
from mltu.models import column_reader, row_reader, strong_reader
from mltu.preprocessors import ImageReader
from mltu.synthetic import shipped_fonts, write_mjsynth
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding
from mltu.utils.text_utils import get_cer

TUTORIAL = ROOT / "Tutorials" / "01_image_to_word"
RUN_FILES = {
    *("configs.yaml", "logs.log", "model.keras", "model.onnx", "train.csv", "val.csv"),
    *("logs", "curves.png", "readings.png", "state"),
}


NOTEBOOKS = load_tutorial(".", "notebooks")
SMALL_NOTEBOOKS = {
    "01_image_to_word/image_to_word.ipynb": (
        ["num_train=400", "num_validation=40", "limit=64", "train_epochs=1", "model_path=run"]
    ),
    "06_your_own_data/your_own_data.ipynb": ["num_drawn=40", "train_epochs=1", "model_path=run"],
}


run_script = functools.partial(run_tutorial, TUTORIAL.name)


@pytest.fixture(scope="module")
def run(words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run é"
    start = ("start_from=words_small", "augment=True")
    small = (f"data={words}", "train_epochs=1", f"model_path={folder}", *start)
    return folder, run_script("train.py", *small).stdout


@pytest.mark.slow
def test_scripts_of_the_tutorials_start(tmp_path):
    """All others run in the process of the tests; these start in one of their own."""
    code = """
import sys
from run_page import run_script
for script in sys.argv[1:]:
    sys.argv[:] = [script, "--help"]
    try:
        run_script(script)
    except SystemExit as end:
        assert not end.code, end.code
"""
    scripts = sorted(map(str, ROOT.glob("Tutorials/0[1-7]*/train.py")))
    done = run_python("-c", code, *scripts, cwd=tmp_path, paths=(ROOT / "Tests" / "tools",))
    assert done.stdout.lower().count("usage: train.py") == len(scripts) == 7


def test_the_set_of_the_readme_is_frozen():
    """Its recipe is frozen in test_synthetic; here are its counts and its seed."""
    configs = load_tutorial(TUTORIAL.name, "configs").ModelConfigs()
    assert (configs.num_train, configs.num_validation) == (44_000, 2_000)
    assert inspect.signature(write_mjsynth).parameters["seed"].default == 0
    assert {p.name: p.default for p in synth_words.params}["seed"] == 0


def test_the_network_is_the_published_one_and_that_of_the_library():
    train_model = load_tutorial(TUTORIAL.name, "model").train_model
    defaults = [p.default for p in inspect.signature(train_model).parameters.values()][2:]
    assert defaults == ["leaky_relu", 0.2]
    model = built_alike(train_model, row_reader, (32, 128, 3))
    assert model.count_params() == 252_799
    assert [model.layers[0].name, model.layers[-1].name] == ["input", "output"]


def built_alike(build, build_other, shape):
    """Build a model twice from the same seed; return the first."""
    keras.utils.set_random_seed(0)
    model = build(shape, 62)
    keras.utils.set_random_seed(0)
    other = build_other(shape, 62)
    assert [type(layer) for layer in model.layers] == [type(layer) for layer in other.layers]
    for mine, theirs in zip(model.weights, other.weights, strict=True):
        assert np.array_equal(mine, theirs)
    return model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "shape", "build"),
    [
        ("02_captcha_to_text", (48, 192, 1), column_reader),
        ("07_words_from_fonts", (32, 128, 1), strong_reader),
    ],
)
def test_the_networks_of_other_tutorials_are_those_of_the_library(folder, shape, build):
    built_alike(load_tutorial(folder, "model").train_model, build, shape)


@pytest.mark.slow
def test_training_fills_the_run_folder(run):
    folder, printed = run
    assert "252,799" in printed
    assert {path.name for path in folder.iterdir()} == RUN_FILES
    assert re.search(r"model.onnx on 40 validation words: CER \d+\.\d\d%", printed)
    configs = BaseModelConfigs.load(folder / "configs.yaml")
    labels = read_csv(folder / "train.csv").labels
    assert configs.vocab == "".join(sorted(set("".join(labels))))
    assert len(read_csv(folder / "val.csv")) == 40
    assert "Epoch 1;" in (folder / "logs.log").read_text(encoding="utf-8")
    for picture in ("curves.png", "readings.png"):
        assert cv2.imdecode(np.fromfile(folder / picture, "uint8"), cv2.IMREAD_COLOR).std() > 1


@pytest.mark.slow
def test_inference_script_prints_the_average_cer(run):
    folder, _ = run
    printed = run_script("inferenceModel.py", folder).stdout
    assert re.search(r"^Average CER: \d\.\d{4}$", printed, re.MULTILINE)


@pytest.mark.slow
def test_inference_counts_an_unreadable_image_as_an_empty_reading(run, tmp_path):
    folder, _ = run
    broken = tmp_path / "Models" / "1_image_to_word" / "2026"
    broken.mkdir(parents=True)
    for name in ("configs.yaml", "model.onnx"):
        (broken / name).write_bytes((folder / name).read_bytes())
    (broken / "val.csv").write_text(f"path,label\n{tmp_path}/gone.jpg,a\n", encoding="utf-8")
    printed = run_script("inferenceModel.py", place=tmp_path).stdout  # the newest run
    assert "Average CER: 1.0000" in printed


def test_missing_annotation_file_is_named(words, tmp_path):
    (tmp_path / "annotation_val.txt").write_bytes((words / "annotation_val.txt").read_bytes())
    for root in (tmp_path / "gone", tmp_path):
        failed = run_script("train.py", f"data={root}", check=False)
        assert failed.returncode != 0
        assert str(root / "annotation_train.txt") in failed.stderr


def test_a_character_that_only_validation_has_stops_before_training(tmp_path):
    (tmp_path / "annotation_train.txt").write_text("./1/1/1_ab_0.jpg 0\n", encoding="utf-8")
    (tmp_path / "annotation_val.txt").write_text("./1/1/2_xb_1.jpg 1\n", encoding="utf-8")
    failed = run_script(
        "train.py", f"data={tmp_path}", f"model_path={tmp_path / 'run'}", check=False
    )
    assert "'xb'" in failed.stderr
    assert "must consist of characters in `vocab`" in failed.stderr


def test_another_number_of_validation_words_may_follow(tmp_path):
    """The folder of the first was found, and refused as "a set of another recipe"."""
    for count in (2, 3):
        small = ("num_train=4", f"num_validation={count}", "batch_size=0")
        failed = run_script("train.py", *small, place=tmp_path, check=False)
        assert "`batch_size` must be" in failed.stderr


@pytest.mark.slow
def test_default_command_draws_its_words_trains_and_resumes(tmp_path):
    small = ("num_train=400", "num_validation=40", "limit=64", "precision=mixed_bfloat16")
    run_script("train.py", *small, "train_epochs=1", "model_path=run", place=tmp_path)
    assert (tmp_path / "Datasets/generated_words/400_40/annotation_train.txt").is_file()
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} == RUN_FILES

    before = (folder / "model.keras").read_bytes()
    failed = run_script("train.py", "model_path=run", place=tmp_path, check=False)
    assert "must be more than the 1 of the finished" in failed.stderr
    assert (folder / "model.keras").read_bytes() == before

    resumed = run_script("train.py", "model_path=run", "train_epochs=2", place=tmp_path).stdout
    assert "Epoch 2/2" in resumed
    log = (folder / "logs.log").read_text(encoding="utf-8")
    assert [f"Epoch {number};" in log for number in (1, 2, 3)] == [True, True, False]
    assert BaseModelConfigs.load(folder / "configs.yaml").precision == "mixed_bfloat16"


@pytest.mark.slow
def test_inference_agrees_with_keras_to_four_digits(run):
    """`get_cer` of the ONNX readings is what `evaluate` says of the restored best model."""
    folder, _ = run
    configs = BaseModelConfigs.load(folder / "configs.yaml")
    samples = read_csv(folder / "val.csv")
    model = keras.models.load_model(folder / "model.keras")
    provider = DataProvider(
        samples,
        [ImageReader()],
        transformers=[
            ImageResizer(configs.width, configs.height),
            LabelIndexer(configs.vocab),
            LabelPadding(configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        shuffle=False,
    )
    expected = model.evaluate(provider, verbose=0, return_dict=True)["CER"]
    reader = load_tutorial(TUTORIAL.name, "inferenceModel").ImageToWordModel(
        model_path=folder, char_list=configs.vocab
    )
    words = [reader(ImageReader()(path, None)[0]) for path, _ in samples]
    assert get_cer(words, list(samples.labels)) == pytest.approx(expected, abs=1e-4)


PAGES = [p for p in ROOT.glob("Tutorials/*/train.py") if "fit_resumable" in p.read_text("utf-8")]


@pytest.mark.parametrize("script", PAGES, ids=lambda path: path.parent.name)
def test_a_page_saves_its_run_as_the_training_begins(script):
    """Not before: a resume with other settings is refused, and had overwritten configs.yaml."""
    body = ast.parse(script.read_text("utf-8")).body
    statements = [ast.unparse(node) for node in body if not isinstance(node, ast.FunctionDef)]
    assert not [
        text for text in statements if re.search(r"configs\.save\(\)|to_csv\(|write_csv\(", text)
    ]


@pytest.mark.parametrize("name", NOTEBOOKS.NOTEBOOKS)
def test_notebooks_have_the_text_of_their_scripts(name):
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("jupytext")
    found = nbformat.read(ROOT / "Tutorials" / name, as_version=4)
    assert found == nbformat.from_dict(NOTEBOOKS.make_notebook(name)), "Run Tutorials/notebooks.py"


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_NOTEBOOKS)
def test_notebooks_run_from_top_to_bottom(name, tmp_path, monkeypatch):
    """In a folder of their own, as in Colab."""
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("jupytext")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = NOTEBOOKS.make_notebook(name)
    for cell in notebook.cells:
        small = f"from_command_line({SMALL_NOTEBOOKS[name]})"
        cell.source = cell.source.replace("from_command_line([])", small)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=900, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert len([output for output in outputs if "image/png" in output.get("data", {})]) >= 2
    assert (tmp_path / "run" / "model.onnx").is_file()


def test_commands_of_the_readmes_name_scripts_and_options_that_exist():
    for readme in (ROOT / "README.md", *ROOT.glob("Tutorials/*/README.md")):
        commands = re.findall(r"python3? (Tutorials/\S+\.py)([^\n`]*)", readme.read_text("utf-8"))
        assert commands
        for script, options in commands:
            source = (ROOT / script).read_text(encoding="utf-8")
            for option in re.findall(r"--[a-z-]+", options):
                assert f'"{option}"' in source, (script, option)
            folder = (ROOT / script).parent
            sources = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
            for name in re.findall(r"\b([a-z_]+)=", options):
                assert f"self.{name} = " in sources, (script, name)


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
    options = ["train_epochs=1", f"data={words}", f"model_path={tmp_path / 'run'}"]
    done = subprocess.run(
        [*command, *options], input="\n" * 9, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    first, last = (json.loads(line) for line in done.stdout.splitlines())
    assert first == {}
    assert (last["batches"], last["end"]) == (13, True)
    assert last["CER"] > 0
