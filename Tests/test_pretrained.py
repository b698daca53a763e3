"""The readers that come with the library: found by name, small, and able to read."""

import json
import runpy

import cv2
import numpy as np
import pytest
from conftest import ROOT, run_python

from mltu.inference import find_pretrained, pretrained_names
from mltu.inferenceModel import TextRecognizer
from mltu.synthetic import FontAtlas, TextImages, render_word, shipped_fonts
from mltu.utils.text_utils import get_cer

WORDS = ["Reading", "HARBOUR", "window", "2026", "Quartz", "flight", "BRIDGE", "mango"]


@pytest.fixture(scope="module")
def scene():
    return TextImages(FontAtlas.build(shipped_fonts()[:4]), color=False, weights={"plain_word": 1})


@pytest.mark.parametrize("name", pretrained_names())
def test_a_shipped_reader_reads_plain_words(name):
    reader = TextRecognizer(name, force_cpu=True)
    fonts = [path for path in shipped_fonts() if "Sans" in path.stem or "Serif" in path.stem]
    rng = np.random.default_rng(0)
    images = [render_word(word, fonts[i % len(fonts)], rng) for i, word in enumerate(WORDS)]
    readings = [reading.text for reading in reader.predict_batch(images)]
    assert get_cer([r.lower() for r in readings], [w.lower() for w in WORDS]) < 0.15, readings


def test_the_default_is_there_and_all_are_small():
    assert find_pretrained() == find_pretrained("words")
    sizes = {name: find_pretrained(name).stat().st_size for name in pretrained_names()}
    assert sum(sizes.values()) < 8_000_000, sizes


def test_an_unknown_name_lists_those_that_are_there():
    with pytest.raises(ValueError, match=r"Unknown reader 'wrods'\. Available: words, "):
        find_pretrained("wrods")


def test_a_run_of_the_same_name_is_not_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words").mkdir()  # Images, say.
    assert TextRecognizer("words", force_cpu=True).model_path == str(find_pretrained())
    (tmp_path / "words" / "model.onnx").write_bytes(find_pretrained("words_small").read_bytes())
    with pytest.raises(ValueError, match=r"Write '\./words' for the folder"):
        TextRecognizer("words", force_cpu=True)
    assert "words" in TextRecognizer("./words", force_cpu=True).model_path


def test_each_reader_has_its_card():
    card = find_pretrained().with_name("README.md").read_text(encoding="utf-8")
    for name in pretrained_names():
        assert f"`{name}`" in card


def test_the_benchmark_of_real_words_reads_both_kinds_of_set(tmp_path, scene):
    """The same images as an MJSynth folder and as a TSV file: the same metrics."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "words" / "1" / "1"
    folder.mkdir(parents=True)
    lines, rows = [], []
    for i, word in enumerate(WORDS):
        cv2.imwrite(str(folder / f"{i}_{word}_7.png"), scene.draw(rng, word)[0])
        lines.append(f"./1/1/{i}_{word}_7.png 7\n")
        rows.append(f"1/1/{i}_{word}_7.png\t{word}\n")
    (tmp_path / "words" / "annotation_val.txt").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "words" / "labels.tsv").write_text("".join(rows), encoding="utf-8")
    command = (ROOT / "benchmarks" / "real_words.py", "words", "words/labels.tsv")
    run = run_python(*command, "--sheet", "sheet.png", cwd=tmp_path)
    metrics = json.loads(run.stdout.splitlines()[-1])
    assert metrics["words"] == metrics["words/labels.tsv"]
    assert metrics["words"]["num_samples"] == len(WORDS)
    for sheet in ("words_sheet.png", "words_labels.tsv_sheet.png"):
        assert cv2.imread(str(tmp_path / sheet)).std() > 1


def test_sets_whose_tables_have_one_name_are_measured_apart(tmp_path, scene):
    """`a/labels.tsv b/labels.tsv` left only the second in the JSON of rivals.py."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        image = scene.draw(np.random.default_rng(1), name)[0]
        cv2.imwrite(str(tmp_path / name / "word.png"), image)
        table = tmp_path / name / "labels.tsv"
        table.write_text(f"path\tlabel\nword.png\t{name}\n", encoding="utf-8")
    options = ("--environment", "none", "--readers", "mltu", "--speed-images", "0")
    command = (ROOT / "benchmarks" / "rivals.py", "a/labels.tsv", "b/labels.tsv", *options)
    run = run_python(*command, cwd=tmp_path)
    assert set(json.loads(run.stdout.splitlines()[-1])) == {"a/labels.tsv", "b/labels.tsv"}


def test_the_benchmark_scores_typographic_signs_as_a_keyboard_writes_them(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    measure = runpy.run_path(str(ROOT / "benchmarks" / "real_words.py"))["measure"]
    metrics = measure(["the “C–R” isn’t…"], ["the ``C-R'' isn't..."])  # noqa: RUF001
    assert metrics["folded_cer"].value == 0
    assert metrics["cer"].value > 0.3


def test_the_benchmark_of_decoders_refuses_a_lexicon_of_other_words(tmp_path, scene):
    cv2.imwrite(str(tmp_path / "word.png"), scene.draw(np.random.default_rng(1), "word")[0])
    (tmp_path / "labels.tsv").write_text("path\tlabel\nword.png\tword\n", encoding="utf-8")
    (tmp_path / "lexicon.txt").write_text("others\n", encoding="utf-8")
    command = (ROOT / "benchmarks" / "decoders.py", "labels.tsv", "--lexicon", "lexicon.txt")
    run = run_python(*command, cwd=tmp_path, check=False)
    assert run.stderr.splitlines()[-1] == "None of the 1 words of labels.tsv is in the lexicon."
