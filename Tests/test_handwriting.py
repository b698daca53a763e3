"""Tutorials 03 and 04, handwritten words and text lines, run as their READMEs run them."""

import re
import shutil
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import load_tutorial, run_tutorial

from mltu.configs import BaseModelConfigs
from mltu.datasets import read_csv, read_iam_lines, read_iam_words
from mltu.decoders import Hypothesis
from mltu.inferenceModel import TextRecognizer

WORDS, LINES = "03_handwriting_recognition", "04_sentence_recognition"
KINDS = {WORDS: "words", LINES: "lines"}
both = pytest.mark.parametrize("tutorial", [WORDS, LINES])


def iam(root, tutorial, num_forms=4):
    """Write a small data set in the layout of IAM, one sample a form marked `err`."""
    kind, rows = KINDS[tutorial], []
    for form in range(num_forms):
        for line in range(3):
            name = f"a01-{form:03}u-{line:02}" + ("-00" if kind == "words" else "")
            path = root / kind / "a01" / f"a01-{form:03}u" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            width = 60 * (line + 1)
            image = np.random.default_rng([form, line]).integers(0, 255, (40, width), np.uint8)
            assert cv2.imwrite(str(path), image)
            state, text = "err" if line == 2 else "ok", "cab" if kind == "words" else "ab|cd|."
            rows.append(f"{name} {state} 154 1 2 3 4 NN {text}")
    (root / f"{kind}.txt").write_text("# IAM\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return root


def read(tutorial, root):
    configs = load_tutorial(tutorial, "configs").ModelConfigs()
    configs.data = str(root)
    return load_tutorial(tutorial, "data").read_samples(configs)


@both
def test_iam_is_read_and_divided_by_form(tmp_path, tutorial):
    split = read(tutorial, iam(tmp_path, tutorial))
    each = 2 if tutorial == WORDS else 3  # Badly cut words are left out, lines are taken.
    assert list(map(len, split)) == [2 * each, each, each]
    assert set(split.training.labels) == {"cab" if tutorial == WORDS else "ab cd ."}


def stand_in(tutorial, folder, seed=0):
    data = load_tutorial(tutorial, "data")
    data.write_stand_in(folder, 60, seed)
    reader = read_iam_words if tutorial == WORDS else read_iam_lines
    return data, reader(folder)


@both
def test_the_stand_in_follows_its_seed_and_is_whole_or_not_there(tmp_path, tutorial, monkeypatch):
    data, samples = stand_in(tutorial, tmp_path / "a")
    assert len(samples) == 60
    sizes = [cv2.imread(path, cv2.IMREAD_GRAYSCALE).shape for path in samples.data]
    assert len(set(sizes)) > 30
    _, again = stand_in(tutorial, tmp_path / "b")
    assert list(again.labels) == list(samples.labels)
    assert all(
        Path(first).read_bytes() == Path(second).read_bytes()
        for first, second in zip(samples.data, again.data, strict=True)
    )
    _, other = stand_in(tutorial, tmp_path / "c", seed=1)
    assert list(other.labels) != list(samples.labels)
    monkeypatch.setattr(data.cv2, "imencode", lambda *_: [False, np.array(1 / 0)])
    data.write_stand_in(tmp_path / "a", 60, 0)  # It is there: nothing is drawn.
    with pytest.raises(ZeroDivisionError):
        data.write_stand_in(tmp_path / "d", 60, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_hands_differ_between_forms_and_not_within_one():
    data = load_tutorial(WORDS, "data")
    fonts = [path for path in data.shipped_fonts() if path.name.startswith(data.HANDS)]
    assert len(fonts) == 3  # It works without the fonts beside the tutorial.
    rng = np.random.default_rng
    first, second = (data._draw_writer(rng(i), fonts) for i in (0, 1))
    images = [data.draw_word("word", first, rng(0)) for _ in range(2)]
    assert (images[0] == images[1]).all()
    assert abs(float(np.median(images[0])) - first.paper) < 3
    assert data.draw_word("word", second, rng(0)).shape != images[0].shape
    other = data.draw_word("word", first, rng(1))
    assert other.shape != images[0].shape or (other != images[0]).any()


def test_slanted_letters_lean_to_the_right():
    data = load_tutorial(WORDS, "data")
    fonts = [path for path in data.shipped_fonts() if path.name.startswith("ComicNeue")]
    hand = data._draw_writer(np.random.default_rng(0), fonts)
    steady = hand._replace(stroke=0, width=1.0, spacing=0, jitter=0, wobble=0, ink=0, paper=255)

    def top_minus_bottom(slant):
        image = data.draw_word("l", steady._replace(slant=slant), np.random.default_rng(0))
        dark = [np.flatnonzero(row < 100).mean() for row in (image[8], image[-8])]
        return dark[0] - dark[1]

    assert abs(top_minus_bottom(0.0)) < 3
    assert top_minus_bottom(0.4) > 6


def test_lines_are_printed_without_a_space_before_marks():
    data = load_tutorial(LINES, "data")
    assert data.as_printed(["Ores", ",", "posed", ".", "Beret"]) == "Ores, posed. Beret"
    drawn = [data.draw_words(np.random.default_rng(i)) for i in range(300)]
    lengths = {sum(word.isalpha() for word in words) for words in drawn}
    assert lengths == {1, 2, 3, 4, 5}
    after = [b for words in drawn for a, b in pairwise(words) if a == "."]
    assert len(after) > 10
    assert all(word[0].isupper() for word in after)


def test_known_words_decide_between_readings_that_are_about_as_likely(monkeypatch):
    module = load_tutorial(LINES, "inferenceModel")
    decoder = module.KnownWords(["The", "cat"], penalty=2.0)
    logs = {"the cut": -0.5, "the cat": -1.5, "a cat": -9.0}
    found = [Hypothesis(text, log, ()) for text, log in logs.items()]
    decoder.search = SimpleNamespace(decode=lambda *_: [found, []])
    assert decoder.decode(None, "") == [[found[1], found[0], found[2]], []]
    decoder.penalty = 0.5
    assert decoder.decode(None, "")[0][0].text == "the cut"


@both
def test_faults_of_the_data_end_with_one_sentence(tmp_path, tutorial):
    kind, run = KINDS[tutorial], tmp_path / "run"

    def fails(place):
        done = run_tutorial(tutorial, "train.py", f"data={place}", f"model_path={run}", check=False)
        return done.stderr.splitlines()[-1]

    archive = tmp_path / "iam.zip"
    archive.write_bytes(b"PK")
    for place in (tmp_path / "none", tmp_path, archive):
        assert f"must be a folder with the file {kind}.txt" in fails(place)
    (tmp_path / f"{kind}.txt").write_text("# nothing\n", encoding="utf-8")
    assert "must list at least one" in fails(tmp_path)
    assert not run.exists()
    iam(tmp_path, tutorial)
    shutil.rmtree(tmp_path / kind)
    assert "files of `dataset` must exist" in fails(tmp_path)


@pytest.mark.slow
@both
def test_a_run_trains_goes_on_and_reads(tmp_path, tutorial):
    run = tmp_path / "run"
    reader = "" if tutorial == WORDS else "words"  # from nothing, too
    small = ("num_drawn=250", "limit=40", "batch_size=20", "train_workers=1", "seed=3")
    small += (f"start_from={reader}",)
    start = (tutorial, "train.py", "model_path=run")
    printed = run_tutorial(*start, *small, "train_epochs=1", place=tmp_path).stdout
    pattern = r"model\.onnx on (\d+) test \w+: CER \d+\.\d+%.*, WER .*, exactly right \d"
    count = int(re.search(pattern, printed).group(1))
    assert count <= 40
    files = {path.name for path in run.iterdir()}
    kept = {"configs.yaml", "model.keras", "model.onnx", "logs.log", "state"}
    assert kept | {"train.csv", "val.csv", "test.csv"} <= files
    for picture in ("curves.png", "readings.png"):
        assert cv2.imread(str(run / picture)).std() > 1
    forms = [
        {Path(path).stem[:7] for path in read_csv(run / f"{part}.csv").data}
        for part in ("train", "val", "test")
    ]
    assert len(set.union(*forms)) == sum(map(len, forms))
    for path, _ in read_csv(run / "train.csv")[:2]:
        image = cv2.imread(str(tmp_path / path), cv2.IMREAD_GRAYSCALE)
        assert image.std() > 1

    if tutorial == WORDS:  # Lines have the same script.
        refused = run_tutorial(*start, place=tmp_path, check=False)
        assert "must be more than the 1 of the finished" in refused.stderr
        longer = run_tutorial(*start, "train_epochs=2", place=tmp_path).stdout
        assert "Epoch 2/2" in longer
        configs = BaseModelConfigs.load(run / "configs.yaml")
        assert (configs.train_epochs, configs.seed) == (2, 3)

    printed = run_tutorial(tutorial, "inferenceModel.py", "run", place=tmp_path).stdout
    assert "label:" in printed
    figures = re.findall(r"CER \d+\.\d+%.*WER", printed)
    assert len(figures) == (1 if tutorial == WORDS else 3)
    assert TextRecognizer(run).card.padding_color == (255, 255, 255)

    if tutorial == LINES:
        reader = TextRecognizer(run)
        assert reader.card.width == (160, 320, 480, 640, 960, 1280)
        assert not isinstance(reader.input_shape[1], int)
        images = [np.full((32, width), 200, np.uint8) for width in (20, 200, 700, 3000, 150)]
        alone = [reader.predict(image) for image in images]
        together = reader.predict_batch(images)
        assert [reading.text for reading in together] == [reading.text for reading in alone]
