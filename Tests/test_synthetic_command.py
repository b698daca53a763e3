"""The command `mltu synth`: fonts, words and sheets, and what it refuses."""

import json
import shutil
import string
import subprocess
import sys

import cv2
import pytest
from click.testing import CliRunner
from fontTools.ttLib import TTFont

from mltu.cli.main import commands
from mltu.datasets import read_lmdb, read_mjsynth
from mltu.synthetic import ALPHABET, MARKS, FontAtlas, shipped_fonts

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
    main(["words", str(root), *map(str, (*counts, *more))])


def main(arguments):
    """Run a command that must not fail, and return what it printed."""
    result = CliRunner().invoke(commands, ["synth", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(*arguments):
    """Run a command that must fail with one line, and return the line."""
    result = CliRunner().invoke(commands, ["synth", *map(str, arguments)])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    return line


def misuse(*arguments):
    """Run a command with an option that click refuses, and return what it says."""
    result = CliRunner().invoke(commands, ["synth", *map(str, arguments)])
    assert result.exit_code == 2
    return result.stderr


# Fonts


def test_fonts_are_checked_and_the_fit_ones_become_an_atlas(tmp_path):
    folder = tmp_path / "fonts"
    folder.mkdir()
    for font in FONTS:
        shutil.copy(font, folder)
    (folder / "broken.ttf").write_text("no font", encoding="utf-8")
    atlas, sheet, report = (tmp_path / name for name in ("atlas", "sheet.png", "report.json"))
    options = ("--atlas", atlas, "--sheet", sheet, "--json", report, "--verbose")
    for _ in range(2):  # an atlas may be replaced by another
        printed = main([str(argument) for argument in ("fonts", folder, *options)])
    assert f"{folder / 'broken.ttf'}: " in printed
    assert "      1 cannot be read\n" in printed
    assert "      3 of 4 fonts are fit" in printed
    assert FontAtlas.load(atlas).names == [font.name for font in FONTS]
    found = json.loads(report.read_text(encoding="utf-8"))
    assert found["fit"] == [str(folder / font.name) for font in FONTS]
    assert list(found["unfit"]) == [str(folder / "broken.ttf")]
    assert cv2.imread(str(sheet)).shape[1] > 3 * 190
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "atlas", "fonts", "report.json", "sheet.png",
    ]  # fmt: skip


def test_fonts_of_capitals_become_an_atlas_of_their_own(tmp_path):
    folder = tmp_path / "fonts"
    folder.mkdir()
    shutil.copy(FONTS[0], folder)
    font = TTFont(FONTS[0])
    for table in font["cmap"].tables:
        table.cmap.update({ord(c): table.cmap[ord(c.upper())] for c in string.ascii_lowercase})
    font.save(folder / "capitals.ttf")
    both, capitals = tmp_path / "both", tmp_path / "capitals"
    where = ["--atlas", str(both), "--capitals", str(capitals)]
    printed = main(["fonts", str(folder), *where, "--marks"])
    assert FontAtlas.load(both).names == [FONTS[0].name]
    assert FontAtlas.load(capitals).names == ["capitals.ttf"]
    assert FontAtlas.load(capitals).characters == ALPHABET + MARKS
    assert "capitals for small letters" in printed
    # Without such fonts the other atlas is written all the same.
    more = ("--atlas", tmp_path / "other", "--capitals", tmp_path / "none", "--workers", 0)
    (folder / "capitals.ttf").unlink()
    assert "--capitals needs at least one font" in refusal("fonts", folder, *more)
    assert FontAtlas.load(tmp_path / "other").names == [FONTS[0].name]
    equal = ("--atlas", both, "--capitals", both)
    assert "must be two folders" in refusal("fonts", folder, *equal)


def test_fonts_refuse(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work", encoding="utf-8")
    line = refusal("fonts", "--shipped", "--atlas", tmp_path)
    assert "which holds other files. Choose another folder" in line
    assert (tmp_path / "thesis.txt").exists()
    assert "which have none" in refusal("fonts", tmp_path)
    assert "must be folders" in refusal("fonts", tmp_path / "none")
    assert "'--workers': -1" in misuse("fonts", "--shipped", "--workers", -1)
    (tmp_path / "broken.ttf").write_text("no font", encoding="utf-8")
    assert "At least one font must be fit" in refusal("fonts", tmp_path)


# Words


@pytest.mark.parametrize(
    "command", ["fonts --shipped --atlas .", "words . --num-train 2 --num-validation 1"]
)
def test_the_working_folder_is_not_taken_away(command, tmp_path, monkeypatch):
    """It was replaced below the shell's feet, or refused after all the work."""
    monkeypatch.chdir(tmp_path)
    assert "the current working directory" in refusal(*command.split())
    assert list(tmp_path.iterdir()) == []


def test_words_are_written_and_packed(words, atlas):
    recipe = json.loads((words / "recipe.json").read_text(encoding="utf-8"))
    assert (recipe["style"], recipe["num_fonts"]) == ("SceneWords", 3)
    assert recipe["atlas_sha256"] == FontAtlas.load(atlas).digest()
    for part, count in (("train", 12), ("val", 4)):
        files, packed = read_mjsynth(words, part), read_lmdb(words / f"{part}.lmdb")
        assert len(files) == len(packed) == count
        for (path, label), (content, same) in zip(files, packed, strict=True):
            with open(path, "rb") as file:
                assert file.read() == content
            assert label == same
            assert cv2.imread(path).shape[::2] == (31, 3)


def test_a_second_run_finds_all_done(words, atlas, monkeypatch):
    before = {path: path.read_bytes() for path in words.rglob("*") if path.is_file()}
    monkeypatch.chdir(words.parent)
    write(words.name, "--atlas", atlas, "--lmdb")
    assert {path: path.read_bytes() for path in words.rglob("*") if path.is_file()} == before


def test_the_style_follows_the_options(tmp_path):
    for style, options in (("plain", ()), ("scene", ("--scene",))):
        write(tmp_path / style, *options)
    recipes = [
        json.loads((tmp_path / style / "recipe.json").read_text(encoding="utf-8"))
        for style in ("plain", "scene")
    ]
    assert ["style" in recipe for recipe in recipes] == [False, True]
    assert recipes[1]["num_fonts"] == len(shipped_fonts())


def test_words_refuse(words, tmp_path):
    counts = ("--num-train", 1, "--num-validation", 1)
    line = refusal("words", tmp_path / "a", *counts, "--atlas", tmp_path / "none")
    assert "`folder` must hold table.npz and glyphs.npy" in line
    assert "a set of another recipe" in refusal("words", words, *counts)
    assert "-1 is not in the range" in misuse("words", tmp_path / "a", *counts, "--seed", -1)
    assert not list(tmp_path.iterdir())


# Sheets


def test_sheets_show_generated_and_real_words(words, atlas, tmp_path):
    one, both, again = (tmp_path / name for name in ("one.png", "both.png", "again.png"))
    main(["sheet", str(one), "--atlas", str(atlas), "--count", "10"])
    for png in (both, again):
        main(["sheet", str(png), "--atlas", str(atlas), "--count", "4", "--real", str(words)])
    assert both.read_bytes() == again.read_bytes()
    height, width = cv2.imread(str(one)).shape[:2]
    assert (height, width) == (2 * 38 + 6, 8 * 186 + 6)
    assert cv2.imread(str(both)).shape[:2] == (28 + 38 + 6, 2 * (4 * 186 + 6) + 18)


def test_sheets_refuse(words, atlas, tmp_path):
    png = tmp_path / "sheet.png"
    assert "0 is not in the range" in misuse("sheet", png, "--count", 0)
    some = ("sheet", png, "--atlas", atlas, "--real")
    assert "at least --count 5 images" in refusal(*some, words, "--count", 5)
    assert "annotation_val.txt" in refusal(*some, tmp_path)
    assert not png.exists()


def test_the_module_runs(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "mltu", "synth", "fonts", str(tmp_path)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith("Error: FOLDER must hold font files")
    assert "Traceback" not in result.stderr
