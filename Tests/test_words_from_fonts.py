"""Tutorial 07, run as its README runs it, with small options."""

import functools
import re
import runpy
import shutil
import string
import types
import zipfile

import cv2
import numpy as np
import pytest
from conftest import ROOT, run_tutorial
from fontTools.ttLib import TTFont

from mltu.configs import BaseModelConfigs
from mltu.synthetic import ALPHABET, KINDS, LATIN, FontAtlas, render_word, shipped_fonts

TUTORIAL = ROOT / "Tutorials" / "07_words_from_fonts"
ROBOTO = next(path for path in shipped_fonts() if path.name == "RobotoSlab-Regular.otf")


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
    small = ("width=64", "filters=4", "batch_size=32", "num_validation=32", "images_per_epoch=64")
    more = (f"atlas={atlas}", f"texts={texts}", "train_epochs=1")
    printed = run_script("train.py", f"model_path={run}", *small, *more).stdout
    assert re.search(r"3 fonts, \d+ words", printed)
    assert re.search(r"model.onnx on \d+ words: CER \d+\.\d\d%", printed)
    files = {path.name for path in run.iterdir()}
    assert {"configs.yaml", "model.keras", "model.onnx", "logs.log", "state"} <= files
    for picture in ("curves.png", "readings.png"):
        assert cv2.imread(str(run / picture)).std() > 1
    refused = run_script("train.py", f"model_path={run}", check=False)
    assert "must be more than the 1 of the finished" in refused.stderr
    longer = run_script("train.py", f"model_path={run}", "train_epochs=2").stdout
    assert "Epoch 2/2" in longer
    assert "3 fonts" in longer
    assert BaseModelConfigs.load(run / "configs.yaml").train_epochs == 2
    read = run_script("inferenceModel.py", run, image(tmp_path, "Word")).stdout
    assert re.search(r"word é\.png: \S* ?\(\d+%\)", read)


# The tools


@pytest.fixture
def tool():
    """Import a script of the tutorial, in a name space of its own."""

    def load(name):
        return types.SimpleNamespace(**runpy.run_path(str(TUTORIAL / f"{name}.py"), run_name=name))

    return load


def changed_font(path, changes):
    """Write a font whose characters have the glyphs of others; None takes a character away."""
    font = TTFont(ROBOTO)
    glyphs = dict(font.getBestCmap())
    for table in font["cmap"].tables:
        for char, other in changes.items():
            table.cmap.pop(ord(char), None)
            if other is not None:
                table.cmap[ord(char)] = glyphs[ord(other)]
    font.save(path)
    return path


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Q": None, "7": None, "A": None}, "lacks capitals or digits"),
        (dict.fromkeys(ALPHABET, "o"), "draws different characters alike"),
        (dict(zip(ALPHABET, ALPHABET[7:] + ALPHABET[:7], strict=True)), "not read as"),
        ({char: char.upper() for char in "abde"}, "small letters and capitals alike"),
    ],
    ids=["missing", "tofu", "symbols", "mixed"],
)
def test_unfit_fonts_are_told_from_fit_ones(tool, tmp_path, changes, reason):
    found = tool("font_tools").check_sheet(changed_font(tmp_path / "font.otf", changes))
    assert isinstance(found, str)
    assert reason in found


def test_glyphs_that_stand_for_others_are_left_out(tool, tmp_path):
    """Capitals for small letters, an accent left out, one sign for many, a sign of other shape."""
    tools = tool("font_tools")

    def kept(changes):
        # Fonts are cached by their names.
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.otf"
        sheet = tools.check_sheet(changed_font(path, changes))
        return {char for char, box in zip(LATIN, sheet.boxes, strict=True) if box[0] >= 0}

    every = kept({})
    assert set(ALPHABET) | set("!?.,-€éÄß “”") <= every
    capitals = kept({char: char.upper() for char in string.ascii_lowercase})
    assert not {char for char in capitals if char.islower()}
    assert set(string.ascii_uppercase + string.digits) <= capitals
    assert every - kept({"é": "e", "€": "©", "£": "©", "?": "W"}) == set("é€£©?")


def test_the_font_tools_write_an_atlas(tool, tmp_path, capsys):
    fonts = tmp_path / "fonts" / "deep"
    fonts.mkdir(parents=True)
    for font in (*shipped_fonts()[:2], ROBOTO):
        shutil.copy(font, fonts)
    shutil.copy(ROBOTO, fonts / "copy.OTF")
    (fonts / "broken.ttf").write_bytes(b"no font")
    tool("font_tools").main(
        [str(tmp_path / "fonts"), "--atlas", str(tmp_path / "atlas"), "--pack", str(tmp_path / "p")]
    )
    assert "3 fonts of 5; unfit: {'cannot be read: ValueError': 1}" in capsys.readouterr().out
    atlas = FontAtlas.load(tmp_path / "atlas")
    assert len(atlas) == 3
    assert atlas.plain.all()
    assert FontAtlas.unpack(tmp_path / "p", tmp_path / "again").names == atlas.names


def test_families_are_cut_to_some_fonts(tool, tmp_path):
    for name in ("Lato-Bold.ttf", "Lato-Light.ttf", "Lato-Thin.ttf", "Inter.otf"):
        (tmp_path / name).touch()
    found = tool("font_tools").find_fonts([tmp_path], 2)
    assert len(found) == 3
    assert found == tool("font_tools").find_fonts([tmp_path], 2)


def test_texts_are_cleaned(tool):
    lists = tool("word_lists")
    assert lists.clean("see I<perlfunc> or C<< a >>, ``so''") == 'see perlfunc or a, "so"'
    page = '<p class="a">One <b>bold</b> &amp; two.</p>\n<div class="para">Three.</div>'
    assert lists.paragraphs(page) == ["One bold & two.", "Three."]


def test_texts_that_lack_a_language_leave_no_file(tool, tmp_path, monkeypatch):
    lists, path = tool("word_lists"), tmp_path / "texts.pack"

    def words_of(language):
        if language == "de":
            raise FileNotFoundError("/usr/share/dict/ngerman")
        return {"word": 1}

    monkeypatch.setitem(lists.main.__globals__, "words_of", words_of)
    monkeypatch.setitem(lists.main.__globals__, "prose_of", lambda language: [])
    monkeypatch.setattr("sys.argv", ["word_lists.py", str(path)])
    with pytest.raises(FileNotFoundError):
        lists.main()
    assert not list(tmp_path.iterdir())


def test_sheets_are_drawn(tool, tmp_path):
    sheets = tool("sheets")
    sheets.main([str(tmp_path / "page.png"), "--page"])
    page = cv2.imread(str(tmp_path / "page.png"))
    assert page.shape[1] == sheets.WIDTH
    (tmp_path / "real").mkdir()
    image(tmp_path / "real", "Word")
    (tmp_path / "real" / "labels.tsv").write_text("word é.png\tWord\n", encoding="utf-8")
    sheets.main(
        [str(tmp_path / "out"), "--count", "2", "--real", str(tmp_path / "real" / "labels.tsv")]
    )
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"{kind}.png" for kind in KINDS} | {"real_real.png"}
    with pytest.raises(FileNotFoundError):  # It ended well and wrote nothing.
        sheets.main([str(tmp_path / "none" / "page.png"), "--page", "--count", "1"])


# Reading


def test_the_shipped_reader_reads_from_the_command_line(tmp_path):
    done = run_script("inferenceModel.py", image(tmp_path, "Harbour"), tmp_path / "none.png")
    first, second = done.stdout.splitlines()
    assert re.search(r"word é\.png: Harbour \(\d+%\)", first)
    assert "none.png" in second
