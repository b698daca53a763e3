"""The synthetic word images: fonts, labels, pictures, and the data set on disk."""

import hashlib
import json
import string
from collections import Counter
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import contents, run_python

from mltu.datasets import open_validation
from mltu.synthetic import (
    ALPHABET,
    FontAtlas,
    TextImages,
    _writer,
    load_words,
    render_word,
    sample_word,
    shipped_fonts,
    write_mjsynth,
)
from mltu.synthetic._glyphs import draw_glyph

FONTS = shipped_fonts()

# Labels, file names and lexicon entries of 60 + 12 images with seed 7. If this changes, sets made
# by an earlier version can no longer be made again: raise RECIPE_VERSION and say so in CHANGELOG.
FROZEN_ANNOTATIONS = "efadd6cf3b9585331373000ebab3edb9a05afd5f2ce546764abc38695707dd5d"


def small_set(root: Path, **changes: object) -> Path:
    arguments = {"num_train": 60, "num_validation": 12, "seed": 7, "workers": 0, "progress": False}
    return write_mjsynth(root, **(arguments | changes))  # type: ignore[arg-type]


def annotations(root: Path, split: str) -> list[tuple[str, int]]:
    lines = (root / f"annotation_{split}.txt").read_text(encoding="ascii").splitlines()
    return [(path, int(index)) for path, index in (line.split(" ") for line in lines)]


def label_of(path: str) -> str:
    return path.split("_")[1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_set(tmp_path_factory.mktemp("finished") / "set")


# Fonts


def test_fonts_are_shipped_sorted_and_small() -> None:
    assert len(FONTS) >= 12
    assert sorted(FONTS) == FONTS
    assert sum(path.stat().st_size for path in FONTS) < 3_000_000


@pytest.mark.parametrize("font", FONTS, ids=lambda path: path.stem)
def test_font_has_its_licence_beside_it_and_its_origin_in_the_readme(font: Path) -> None:
    family = font.stem.split("-")[0]
    text = font.with_name(f"{family}-LICENSE.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE" in text or "Apache License" in text
    assert "opyright" in text.splitlines()[0]
    readme = (font.parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"| {family}" in readme.replace(" ", "").replace("|", "| ")


@pytest.mark.parametrize("font", FONTS, ids=lambda path: path.stem)
def test_font_draws_62_different_characters(font: Path) -> None:
    glyphs = [draw_glyph(char, str(font)) for char in ALPHABET]
    drawn = {glyph.mask.tobytes() for glyph in glyphs if glyph is not None}
    assert len(drawn) == 62


@pytest.mark.parametrize("font", FONTS, ids=lambda path: path.stem)
def test_font_has_real_lower_case(font: Path) -> None:
    """Small capitals are upper-case shapes drawn smaller; real letters differ at equal size."""
    for lower in "abdeghnqrt":
        small, large = (
            cv2.resize(draw_glyph(char, str(font)).mask, (48, 48)).astype(float)
            for char in (lower, lower.upper())
        )
        assert np.abs(small - large).mean() > 25, lower


# Words


def test_words_are_lower_case_letters_sorted_and_unique() -> None:
    words = load_words()
    assert 40_000 <= len(words) <= 45_000
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)
    assert {len(word) for word in words} <= set(range(2, 16))
    assert all(first < second for first, second in pairwise(words))


def test_sampled_labels_cover_every_character_and_every_case() -> None:
    rng = np.random.default_rng(0)
    words = load_words()
    labels = [sample_word(rng, words) for _ in range(50_000)]
    counts = Counter("".join(labels))
    assert set(counts) == set(string.digits + string.ascii_letters)
    assert min(counts.values()) >= 50
    known = set(words)
    cases = Counter(
        "lower" if label.islower() else "upper" if label.isupper() else "capitalised"
        for label in labels
        if label.lower() in known
    )
    # 92 % are words, a third of them in each case: 15,333 of 50,000.
    assert all(abs(count - 15_333) < 500 for count in cases.values())
    assert len(cases) == 3


def test_sample_word_errors() -> None:
    with pytest.raises(ValueError, match="`words` is empty"):
        sample_word(np.random.default_rng(0), [])
    # The first draw decides between word and code; a seed whose first draw asks for a code:
    seed = next(seed for seed in range(1000) if np.random.default_rng(seed).random() < 0.08)
    with pytest.raises(ValueError, match="`accept` refused 100000 codes"):
        sample_word(np.random.default_rng(seed), ["a"], accept=lambda code: False)


# Pictures


@pytest.mark.parametrize("height", [16, 31, 64])
def test_image_has_the_height_asked_for_and_a_width_that_follows_the_text(height: int) -> None:
    widths = []
    for text in ("i", "Lube", "denationalization"):
        image = render_word(text, FONTS[0], np.random.default_rng(1), height=height)
        assert image.dtype == np.uint8
        assert image.shape[0] == height
        assert image.shape[2] == 3
        assert image.shape[1] >= height // 2
        widths.append(image.shape[1])
    assert widths[0] < widths[1] < widths[2] / 2


def test_text_fills_the_height_and_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """In black on white, without light, blur and noise, the rim is white and the inside is not."""
    monkeypatch.setattr("mltu.synthetic._draw.tinted", lambda rng, level, tint: np.full(3, level))
    monkeypatch.setattr("mltu.synthetic._camera.noise", lambda rng, banks, image, *more: image)
    monkeypatch.setattr("mltu.synthetic._signs.cv2.GaussianBlur", lambda image, *more: image)
    monkeypatch.setattr("mltu.synthetic._textures.piece", lambda rng, bank, size: np.float32(0.5))
    for style in ("border", "shadow"):
        monkeypatch.setattr(f"mltu.synthetic._draw.{style}", lambda rng, mask: np.zeros_like(mask))
    for seed in range(100):
        font = FONTS[seed % len(FONTS)]
        image = render_word("Typography", font, np.random.default_rng(seed))
        inked = np.abs(image - image[0, 0]).max(axis=2) > 20
        rim = np.concatenate([inked[0], inked[-1], inked[:, 0], inked[:, -1]])
        assert not rim.any(), (font.name, seed)
        rows = np.flatnonzero(inked.any(axis=1))
        assert rows[-1] - rows[0] + 1 >= 0.6 * 31


def test_render_word_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for text in ("", "  ", "two\nlines"):
        with pytest.raises(ValueError, match="`text` must be one line with at least one visible"):
            render_word(text, FONTS[0], rng)
    with pytest.raises(ValueError, match=r"'Cabin-Regular\.otf' has no glyph for '漢' of 'a漢b'"):
        render_word("a漢b", FONTS[0], rng)
    with pytest.raises(ValueError, match="`height` must be at least 16"):
        render_word("a", FONTS[0], rng, height=8)
    with pytest.raises(FileNotFoundError, match=r"No font file at '.*absent\.ttf'"):
        render_word("a", tmp_path / "absent.ttf", rng)
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font at all")
    with pytest.raises(ValueError, match=r"broken\.ttf' cannot be read as a TrueType"):
        render_word("a", broken, rng)


# The data set


def test_layout_is_that_of_mjsynth(finished: Path) -> None:
    lexicon = (finished / "lexicon.txt").read_text(encoding="ascii").splitlines()
    assert lexicon[: len(load_words())] == list(load_words())
    assert len(set(lexicon)) == len(lexicon)
    for split, count in (("train", 60), ("val", 12)):
        entries = annotations(finished, split)
        assert len({path for path, _ in entries}) == count
        for number, (path, index) in enumerate(entries, start=1):
            dot, outer, inner, name = path.split("/")
            assert (dot, outer, inner) == (".", "1" if split == "train" else "9001", "1")
            assert name == f"{number}_{label_of(path)}_{index}.jpg"
            assert lexicon[index] == label_of(path).lower()
            image = cv2.imread(str(finished / path))
            assert image is not None
            assert image.shape[0] == 31
    assert len(list(finished.rglob("*.jpg"))) == 72


def test_no_folder_holds_more_than_500_images() -> None:
    files = [_writer._file(0, number, "w", 0) for number in range(9_000)]
    folders = Counter(file.rsplit("/", 1)[0] for file in files)
    assert max(folders.values()) == 500
    assert files[0] == "1/1/1_w_0.jpg"
    assert files[4_000] == "2/1/1_w_0.jpg"
    assert len(set(files)) == 9_000


def test_validation_labels_never_occur_in_training() -> None:
    train, validation = (
        {label.lower() for label in _writer._draw_labels(split, 3_000, 0, None)} for split in (0, 1)
    )
    assert not train & validation
    assert any(not label.isalpha() for label in train)
    assert any(not label.isalpha() for label in validation)
    share = sum(map(_writer.is_validation_label, load_words())) / len(load_words())
    assert 0.09 < share < 0.11


def test_max_word_length_holds_for_words_and_codes() -> None:
    labels = _writer._draw_labels(0, 2_000, 0, 4)
    assert {len(label) for label in labels} <= {1, 2, 3, 4}
    assert any(label.isdigit() for label in labels)


def test_an_image_does_not_depend_on_how_many_follow(finished: Path, tmp_path: Path) -> None:
    shorter = small_set(tmp_path / "shorter", num_train=5, num_validation=0)
    pairs = zip(annotations(shorter, "train"), annotations(finished, "train"), strict=False)
    for (path, _), (longer_path, _) in pairs:
        assert label_of(path) == label_of(longer_path)
        assert (shorter / path).read_bytes() == (finished / longer_path).read_bytes()
    assert open_validation(shorter) is None  # An empty list would be an error.


def test_recipe_is_frozen(finished: Path) -> None:
    texts = [(finished / f"annotation_{split}.txt").read_bytes() for split in ("train", "val")]
    assert hashlib.sha256(b"".join(texts)).hexdigest() == FROZEN_ANNOTATIONS
    recipe = json.loads((finished / "recipe.json").read_text(encoding="utf-8"))
    assert (recipe["version"], recipe["seed"]) == (2, 7)
    assert (recipe["num_train"], recipe["num_validation"]) == (60, 12)
    assert (recipe["kind"], recipe["num_fonts"]) == ("plain_word", len(FONTS))
    assert write_mjsynth.__kwdefaults__ == {
        "num_train": 60_000,
        "num_validation": 2_000,
        "seed": 0,
        "workers": None,
        "fonts": None,
        "max_word_length": None,
        "progress": True,
        "atlas": None,
        "kind": "plain_word",
    }


def test_another_seed_gives_another_set(finished: Path, tmp_path: Path) -> None:
    other = small_set(tmp_path / "other", seed=8)
    assert annotations(other, "train") != annotations(finished, "train")


def test_a_finished_set_is_returned_untouched(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TextImages, "draw", None)  # any attempt to draw would raise
    before = contents(finished)
    assert small_set(finished) == finished
    assert contents(finished) == before


def test_a_root_with_something_else_is_refused(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match=r"a set of another recipe in it\. Choose"):
        small_set(finished, seed=9)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("three years of work", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"files of another origin in it\. Choose"):
        small_set(foreign)
    assert (foreign / "thesis.txt").exists()
    with pytest.raises(FileExistsError, match="files of another origin"):
        small_set(foreign / "thesis.txt")


def test_an_empty_root_is_filled(tmp_path: Path) -> None:
    """Also by a number of NumPy: it failed after all images had been drawn."""
    root = tmp_path / "leer é"
    root.mkdir()
    for _ in range(2):
        small_set(root, num_train=np.int64(2), num_validation=1, seed=np.int64(7))
    assert len(annotations(root, "train")) == 2


def test_an_interrupted_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def fail_at_the_tenth(images: TextImages, rng: object, text: str) -> tuple[np.ndarray, str]:
        calls.append(text)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return np.zeros((31, 40, 3), np.uint8), text

    monkeypatch.setattr(TextImages, "draw", fail_at_the_tenth)
    with pytest.raises(KeyboardInterrupt):
        small_set(tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_a_worker_process_arrives_here(tmp_path: Path) -> None:
    jobs = [_writer.Job(0, 0, "漢", "1/1/1_x_0.jpg")]
    images = TextImages(FontAtlas.build(FONTS[:1]))
    with pytest.raises(ValueError, match=r"`text` must be made of .* Received '漢'"):
        _writer._write_images(tmp_path, jobs, 0, images, workers=1, progress=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_train": -1}, "`num_train` must be an integer of at least 0. Received -1"),
        ({"num_validation": -2}, "`num_validation` must be an integer of at least 0. Received -2"),
        ({"seed": -3}, "`seed` must be an integer of at least 0. Received -3"),
        ({"workers": -1}, "`workers` must be an integer of at least 0. Received -1"),
        ({"max_word_length": 1}, "`max_word_length` must be an integer of at least 2. Received 1"),
        ({"fonts": []}, "`fonts` must name at least one font file. Received none"),
    ],
)
def test_unfit_arguments_are_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        small_set(tmp_path / "set", **changes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_script_without_a_main_guard_ends(tmp_path):
    """It waited forever: a process that ended did not read what it was sent."""
    script = tmp_path / "script.py"
    script.write_text(
        "from mltu.synthetic import write_mjsynth\n"
        f"write_mjsynth({str(tmp_path / 'words')!r}, num_train=600, num_validation=1, workers=2)\n",
        encoding="utf-8",
    )
    result = run_python(script, check=False, timeout=120)
    assert result.returncode == 1
    assert 'A script that starts processes needs `if __name__ == "__main__":`.' in result.stderr
