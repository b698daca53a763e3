"""Tutorial 07, run as its README runs it, with small options."""

import functools
import re
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import run_tutorial

from mltu.configs import BaseModelConfigs
from mltu.synthetic import ALPHABET, LATIN, FontAtlas, render_word, shipped_fonts

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "Tutorials" / "07_words_from_fonts"
SMALL = ("--epoch", 64, "--batch-size", 32)


run_script = functools.partial(run_tutorial, TUTORIAL.name)


def image(folder, word):
    path = folder / "word é.png"
    rng = np.random.default_rng(0)
    path.write_bytes(cv2.imencode(".png", render_word(word, shipped_fonts()[0], rng))[1].tobytes())
    return path


@pytest.mark.slow
def test_a_run_trains_and_goes_on(tmp_path):
    run, atlas, texts = (tmp_path / name for name in ("run", "atlas", "texts.pack"))
    FontAtlas.build(shipped_fonts()[:3], ALPHABET, optional=LATIN).save(atlas)
    with zipfile.ZipFile(texts, "w") as file:
        file.writestr("fr.words", "une\t9\ndeux\t1\nnaïve\t0")
        file.writestr("fr.prose", "")
    more = ("--atlas", atlas, "--texts", texts)
    run_script("train.py", "--images", 128, "--output", run, *SMALL, *more)
    files = {path.name for path in run.iterdir()}
    assert {"configs.yaml", "model.keras", "model.onnx", "logs.log", "state"} <= files
    for picture in ("curves.png", "readings.png"):
        assert cv2.imread(str(run / picture)).std() > 1
    refused = run_script("train.py", "--images", 128, "--output", run, check=False)
    assert refused.returncode == 1
    assert "already holds a run" in refused.stderr.splitlines()[-1]
    longer = run_script("train.py", "--resume", run, "--images", 192).stdout
    assert "Epoch 3/3" in longer
    assert BaseModelConfigs.load(run / "configs.yaml").num_images == 192
    read = run_script("inferenceModel.py", image(tmp_path, "Word"), "--model", run).stdout
    assert re.search(r"word é\.png: \S* ?\(\d+%\)", read)


def test_the_shipped_reader_reads_from_the_command_line(tmp_path):
    done = run_script("inferenceModel.py", image(tmp_path, "Harbour"), tmp_path / "none.png")
    first, second = done.stdout.splitlines()
    assert re.search(r"word é\.png: Harbour \(\d+%\)", first)
    assert "none.png" in second
