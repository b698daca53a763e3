"""The command `mltu synth`: sets of words, and what it refuses."""

import json
import shutil

import cv2
import pytest
from conftest import contents, refusal, run_mltu

from mltu.cli import _synth
from mltu.datasets import read_lmdb, read_mjsynth
from mltu.synthetic import KINDS, FontAtlas, shipped_fonts

FONTS = shipped_fonts()[:3]


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    return FontAtlas.build(FONTS).save(tmp_path_factory.mktemp("atlas") / "é")


@pytest.fixture(scope="module")
def words(tmp_path_factory, atlas):
    root = tmp_path_factory.mktemp("words") / "set"
    write(root, "--atlas", atlas, "--lmdb")
    return root


def write(root, *more):
    counts = ("--num-train", 12, "--num-validation", 4, "--workers", 0)
    return run_mltu("synth", "words", root, *counts, *more).stdout


def test_the_working_folder_is_not_taken_away(tmp_path, monkeypatch):
    """It was replaced below the shell's feet, or refused after all the work."""
    monkeypatch.chdir(tmp_path)
    said = refusal("synth", "words", ".", "--num-train", 2, "--num-validation", 1)
    assert "the current working directory" in said
    assert list(tmp_path.iterdir()) == []


def test_words_are_written_and_packed(words, atlas):
    recipe = json.loads((words / "recipe.json").read_text(encoding="utf-8"))
    assert (recipe["kind"], recipe["num_fonts"]) == ("plain_word", 3)
    assert recipe["fonts_sha256"] == FontAtlas.load(atlas).digest()
    for part, count in (("train", 12), ("val", 4)):
        files, packed = read_mjsynth(words, part), read_lmdb(words / f"{part}.lmdb")
        assert len(files) == len(packed) == count
        for (path, label), (content, same) in zip(files, packed, strict=True):
            with open(path, "rb") as file:
                assert file.read() == content
            assert label == same
            assert cv2.imread(path).shape[::2] == (31, 3)


def test_a_second_run_finds_all_done(words, atlas, monkeypatch):
    before = contents(words)
    monkeypatch.chdir(words.parent)
    write(words.name, "--atlas", atlas, "--lmdb")
    assert contents(words) == before


def test_kind_and_fonts_follow_the_options(tmp_path):
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    for font in FONTS:
        shutil.copy(font, fonts)
    (fonts / "broken.ttf").write_bytes(b"no font")
    write(tmp_path / "plain")
    printed = write(tmp_path / "scene", "--kind", "scene_word", "--fonts", fonts)
    assert "3 different fonts of 4 files draw all of [0-9A-Za-z]" in printed
    recipes = [
        json.loads((tmp_path / name / "recipe.json").read_text(encoding="utf-8"))
        for name in ("plain", "scene")
    ]
    assert [recipe["kind"] for recipe in recipes] == ["plain_word", "scene_word"]
    assert [recipe["num_fonts"] for recipe in recipes] == [len(shipped_fonts()), 3]


def test_the_kinds_of_the_command_are_known():
    assert set(_synth._KINDS) == {name for name, kind in KINDS.items() if name.endswith("_word")}


def test_words_refuse(words, tmp_path):
    counts = ("--num-train", 1, "--num-validation", 1)
    new = ("synth", "words", tmp_path / "a", *counts)
    assert "is not a font atlas: glyphs.npy" in refusal(*new, "--atlas", tmp_path / "none")
    assert "Error: --fonts: there are no .ttf or .otf" in refusal(*new, "--fonts", tmp_path)
    both = ("--fonts", tmp_path, "--atlas", tmp_path)
    assert "not both" in run_mltu(*new, *both, status=2).stderr
    assert "a set of another recipe" in refusal("synth", "words", words, *counts)
    assert "-1 is not in the range" in run_mltu(*new, "--seed", -1, status=2).stderr
    assert not list(tmp_path.iterdir())
