"""Words drawn while a training reads: the font atlas, the check of fonts, and the pictures."""

import pickle
import shutil

import cv2
import numpy as np
import pytest
from fontTools.ttLib import TTFont

from mltu.dataProvider import DataProvider
from mltu.synthetic import (
    ALPHABET,
    MARKS,
    FontAtlas,
    SceneWords,
    check_font,
    check_fonts,
    family_weights,
    find_fonts,
    load_words,
    shipped_fonts,
    write_mjsynth,
    writer,
)
from mltu.synthetic.drawing import MIN_CONTRAST, Layers, colour
from mltu.synthetic.font_sheet import draw_sheet
from mltu.synthetic.fonts import draw_mask
from mltu.synthetic.words import sample_scene_text
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

FONTS = shipped_fonts()
ROBOTO = next(path for path in FONTS if path.name == "RobotoSlab-Regular.otf")


@pytest.fixture(scope="module")
def atlas():
    return FontAtlas.build(FONTS)


@pytest.fixture(scope="module")
def scene(atlas):
    return SceneWords(atlas, num_textures=8)


# The atlas


@pytest.mark.parametrize("text", ["W", "Wavy", "Quick7", "jiffy"])
def test_the_atlas_draws_what_the_font_draws(atlas, text):
    font = atlas.names.index(ROBOTO.name)
    ours, theirs = atlas.draw(font, text), draw_mask(text, str(ROBOTO), 48)
    # Kerning alone moves letters, a pixel or two at this size.
    assert ours.shape[0] == theirs.shape[0]
    assert abs(ours.shape[1] - theirs.shape[1]) <= 3 * (len(text) - 1)
    assert abs(int(ours.sum()) - int(theirs.sum())) <= 0.01 * theirs.sum()


def test_spacing_and_heights_move_the_letters(atlas):
    plain = atlas.draw(0, "abc")
    assert atlas.draw(0, "abc", spacing=5).shape[1] == plain.shape[1] + 10
    assert atlas.draw(0, "xxx", heights=np.array([0, 4, 0])).shape[0] == (
        atlas.draw(0, "xxx").shape[0] + 4
    )


def test_a_saved_atlas_draws_the_same_in_any_process(atlas, tmp_path):
    folder = atlas.save(tmp_path / "atlas é")
    loaded = FontAtlas.load(folder)
    for again in (loaded, pickle.loads(pickle.dumps(loaded)), pickle.loads(pickle.dumps(atlas))):
        assert (again.names, again.characters) == (atlas.names, atlas.characters)
        for font in (0, len(atlas) - 1):
            np.testing.assert_array_equal(again.draw(font, "Zebra"), atlas.draw(font, "Zebra"))
    assert len(pickle.dumps(loaded)) < 1000  # the folder's name, not the glyphs
    some = loaded.subset([3, 1])
    assert some.names == [atlas.names[3], atlas.names[1]]
    np.testing.assert_array_equal(some.draw(0, "Zebra"), atlas.draw(3, "Zebra"))


def test_an_atlas_is_known_by_its_digest(atlas, tmp_path):
    folder = atlas.save(tmp_path / "atlas")
    assert FontAtlas.load(folder).digest() == atlas.digest()
    assert atlas.subset([0, 1]).digest() != atlas.subset([1, 0]).digest()


def test_only_an_atlas_is_replaced(atlas, tmp_path):
    folder = atlas.save(tmp_path / "atlas")
    loaded = FontAtlas.load(folder)
    atlas.subset([2]).save(folder, replace=True)
    assert FontAtlas.load(folder).names == [atlas.names[2]]
    np.testing.assert_array_equal(loaded.draw(0, "Zebra"), atlas.draw(0, "Zebra"))
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="holds other files"):
        atlas.save(folder, replace=True)
    assert (folder / "notes.txt").exists()


def test_equal_fonts_are_taken_once(tmp_path):
    copy = shutil.copy(FONTS[0], tmp_path / "copy.otf")
    assert FontAtlas.build([FONTS[0], copy, FONTS[1]], "ab").names == [
        FONTS[0].name,
        FONTS[1].name,
    ]


def test_what_an_atlas_refuses(atlas, tmp_path):
    with pytest.raises(ValueError, match="made of"):
        atlas.draw(0, "naïve")
    with pytest.raises(ValueError, match="at least one character"):
        atlas.draw(0, "")
    with pytest.raises(ValueError, match="at least one font"):
        FontAtlas.build([])
    with pytest.raises(ValueError, match="has no glyph for '語'"):
        FontAtlas.build([ROBOTO], "a語")
    with pytest.raises(FileNotFoundError):
        FontAtlas.build([tmp_path / "none.ttf"])
    with pytest.raises(FileExistsError):
        atlas.save(tmp_path)
    with pytest.raises(FileNotFoundError):
        FontAtlas.load(tmp_path / "none")
    folder = atlas.save(tmp_path / "atlas")
    np.save(folder / "glyphs.npy", np.zeros(100, np.uint8))
    with pytest.raises(ValueError, match="another length"):
        FontAtlas.load(folder)
    for content in (b"nonsense", (folder / "table.npz").read_bytes()[:100]):
        (folder / "table.npz").write_bytes(content)
        with pytest.raises(ValueError, match="must hold a font atlas"):
            FontAtlas.load(folder)
    assert not list(tmp_path.glob(".*"))  # nothing half-written


# Which fonts are fit


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


LOWER = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"q": None, "7": None}, "no glyph for '7q'"),
        ({char: char.upper() for char in LOWER}, "capitals for small letters"),
        ({char.upper(): char for char in LOWER}, "small letters and capitals alike"),
        ({char: char.upper() for char in "abdeg"}, "small letters and capitals alike"),
        (dict.fromkeys(ALPHABET, "o"), "different characters alike"),
        (dict(zip(ALPHABET, ALPHABET[7:] + ALPHABET[:7], strict=True)), "not read as"),
        ({"a": " "}, "for 'a'"),
    ],
    ids=["fit", "missing", "capitals", "small", "mixed", "tofu", "symbols", "empty"],
)
def test_unfit_fonts_are_told_from_fit_ones(tmp_path, changes, reason):
    found = check_font(changed_font(tmp_path / "font.otf", changes))
    assert reason in found
    assert bool(reason) == bool(found)


def test_all_shipped_fonts_are_fit():
    assert [report.reason for report in check_fonts(FONTS)] == [""] * len(FONTS)


def test_a_file_that_is_no_font_is_told(tmp_path):
    (tmp_path / "font.ttf").write_text("no font", encoding="utf-8")
    assert "cannot be decoded" in check_font(tmp_path / "font.ttf")


def test_fonts_are_found_in_folders(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for place in ("b.ttf", "deep/er/a.OTF"):
        shutil.copy(FONTS[0], tmp_path / place)
    (tmp_path / "deep" / "readme.txt").write_text("-", encoding="utf-8")
    assert [path.name for path in find_fonts([tmp_path, tmp_path / "deep"])] == ["b.ttf", "a.OTF"]
    assert all(path.is_file() for path in find_fonts())
    with pytest.raises(NotADirectoryError):
        find_fonts([tmp_path / "none"])


# The pictures


def test_a_picture_is_a_function_of_text_and_generator(scene):
    first, again, other = (scene.draw("Apple", np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


@pytest.mark.parametrize(("height", "channels"), [(32, 3), (48, 1)])
def test_height_and_channels_are_as_asked(atlas, height, channels):
    scene = SceneWords(atlas, height=height, channels=channels, num_textures=2)
    for seed in range(40):
        word = "i" if seed % 2 else "Wavelengths"
        image, label = scene(None, word, np.random.default_rng(seed))
        assert label == word
        assert image.dtype == np.uint8
        assert image.shape[::2] == (height, channels)
        assert height // 2 <= image.shape[1] <= 40 * height
    assert (image[..., 0] == image[..., -1]).all()


def test_letters_stand_out_from_the_ground(scene):
    """The contrast that was drawn survives grounds, edges and the pictures in the letters."""
    mask = np.zeros((32, 96), np.uint8)
    cv2.putText(mask, "abc", (4, 26), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 3)
    edge, weak = cv2.dilate(mask, np.ones((3, 3))), 0
    shadow = cv2.warpAffine(mask, np.array([[1.0, 0, 3], [0, 1, 3]]), mask.shape[::-1])
    around = cv2.dilate(mask, np.ones((5, 5))) > 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        layers = Layers(mask, (None, edge, shadow)[seed % 3])
        image = colour(rng, layers, scene._textures)
        inside = image[mask == 255].mean()
        nearby = image[around & (mask == 0)].mean()
        weak += abs(inside - nearby) < MIN_CONTRAST / 3
    assert weak < 0.05 * 400


def test_each_epoch_of_a_provider_draws_the_words_anew(scene):
    words = ["one", "Two", "THREE", "4"] * 3
    provider = DataProvider(
        [[word, word] for word in words], [], batch_size=4, skip_validation=True, workers=0,
        augmentors=[scene], shuffle=False,
        transformers=[ImageResizer(64, 32), LabelIndexer(ALPHABET), LabelPadding(5, 62)],
    )  # fmt: skip
    (first, labels), (again, _) = provider[0], provider[0]
    provider.set_position(2)
    second, same = provider[0]
    assert first.shape == (4, 32, 64, 3)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(labels, same)
    assert (first != second).any()


def test_heights_are_drawn_for_each_image(atlas):
    scene = SceneWords(atlas, height=(20, 23), num_textures=2)
    heights = {len(scene.draw("Word", np.random.default_rng(seed))) for seed in range(60)}
    assert heights == {20, 21, 22, 23}
    # One height takes nothing from the generator.
    narrow, fixed = (SceneWords(atlas, height, num_textures=2) for height in ((32, 32), 32))
    first, same = (each.draw("Word", np.random.default_rng(0)) for each in (narrow, fixed))
    np.testing.assert_array_equal(first, same)


# New words


def test_new_words_follow_from_the_generator_alone(atlas):
    scene = SceneWords(atlas, num_textures=2, words=load_words())
    labels = [scene(None, "old", np.random.default_rng(seed))[1] for seed in range(60)]
    assert len(set(labels)) > 55
    (image, label), (again, same) = (scene(None, "", np.random.default_rng(5)) for _ in "ab")
    assert label == same == labels[5]
    np.testing.assert_array_equal(image, again)


def test_texts_are_as_signs_have_them():
    rng, words = np.random.default_rng(0), ["lighthouse", "harbour", "pier"]
    texts = [sample_scene_text(rng, words, ["pier"]) for _ in range(4_000)]
    share = {
        "words": np.mean([text.lower() in words for text in texts]),
        "digits": np.mean([text.isdigit() for text in texts]),
        "short": np.mean([len(text) <= 4 for text in texts]),
    }
    assert share["words"] == pytest.approx(0.82, abs=0.03)
    assert share["digits"] == pytest.approx(0.07, abs=0.02)
    assert share["short"] == pytest.approx(0.74 / 3 + 0.08 + 0.06 + 0.05, abs=0.04)
    assert {"Lighthouse", "LIGHTHOUSE", "lighthouse", "PierHarbour"} <= set(texts)
    assert sample_scene_text(rng, ["lighthouse"], [])  # no short word to draw


def test_marks_are_drawn_and_not_in_the_label(monkeypatch):
    monkeypatch.setattr("mltu.synthetic.scene._MARKS_SHARE", 1.0)
    atlas = FontAtlas.build(FONTS[:2], ALPHABET + MARKS)
    drawn, draw = [], atlas.draw
    atlas.draw = lambda font, text, **options: drawn.append(text) or draw(font, text, **options)
    for options in ({}, {"words": load_words()}):
        drawn.clear()
        scene = SceneWords(atlas, num_textures=2, marks=MARKS, **options)
        labels = [scene(None, "Word", np.random.default_rng(seed))[1] for seed in range(40)]
        assert not set("".join(labels)) & set(MARKS)
        assert all(set(text) & set(MARKS) for text in drawn)
        bare = ["".join(char for char in text if char not in MARKS) for text in drawn]
        assert bare == labels


def test_capitals_have_labels_in_capitals(atlas, monkeypatch):
    monkeypatch.setattr("mltu.synthetic.scene._CAPITALS_SHARE", 1.0)
    sheet = draw_sheet(str(FONTS[0]), ALPHABET.upper())
    equal = FontAtlas(["equal"], ALPHABET, [sheet])
    scene = SceneWords(atlas, num_textures=2, words=["harbour"], capitals=equal)
    labels = [scene(None, "", np.random.default_rng(seed))[1] for seed in range(60)]
    assert not any(char.islower() for label in labels for char in label)
    assert "HARBOUR" in labels
    boxes = sheet.boxes.copy()
    boxes[36:, 0] = boxes[36:, 0] * 3 // 4  # the rows of small letters: cut off is small enough
    pixels = np.zeros(int((boxes[:, 0].astype(int) * boxes[:, 1]).sum()), np.uint8) + 255
    small = FontAtlas(["small"], ALPHABET, [sheet._replace(boxes=boxes, pixels=pixels)])
    scene = SceneWords(atlas, num_textures=2, words=["harbour"], capitals=small)
    labels = {scene(None, "", np.random.default_rng(seed))[1] for seed in range(60)}
    assert {"Harbour", "HARBOUR"} < labels
    assert "harbour" not in labels


def test_new_words_keep_to_the_length_and_to_the_characters():
    letters = "bdefghilnorstuBDEFGHILNORSTU12"
    words = ["one", "three", "lighthouse"]
    atlas = FontAtlas.build(FONTS[:2], letters)
    scene = SceneWords(atlas, num_textures=2, words=words, max_word_length=5)
    labels = [scene(None, None, np.random.default_rng(seed))[1] for seed in range(600)]
    assert max(map(len, labels)) == 5
    assert set("".join(labels)) <= set(letters)
    assert {"one", "Three", "ONE"} < set(labels)
    assert any(label.isdigit() for label in labels)


def test_a_provider_draws_other_words_in_each_epoch(atlas):
    scene = SceneWords(atlas, num_textures=2, words=load_words(), max_word_length=8)
    provider = DataProvider(
        [["-", "-"]] * 16, [], batch_size=16, skip_validation=True, workers=0, augmentors=[scene],
        transformers=[ImageResizer(64, 32), LabelIndexer(ALPHABET), LabelPadding(8, 62)],
    )  # fmt: skip
    (_, labels), (_, again) = provider[0], provider[0]
    provider.set_position(2)
    np.testing.assert_array_equal(labels, again)
    assert (labels != provider[0][1]).any(axis=1).all()


def test_labels_that_stay_are_checked_before_training(scene):
    steps = [ImageResizer(64, 32), LabelIndexer("abc"), LabelPadding(8, 3)]
    with pytest.raises(ValueError, match="Received others, 'é'"):
        DataProvider(
            [["-", "né"]], [], skip_validation=True, augmentors=[scene], transformers=steps
        )
    with pytest.raises(ValueError, match="at least one character to be drawn"):
        DataProvider([["-", ""]], [], skip_validation=True, augmentors=[scene], transformers=steps)
    with pytest.raises(ValueError, match="made of characters of `vocab`"):
        DataProvider(
            [["-", "xyz"]], [], skip_validation=True, augmentors=[scene], transformers=steps
        )


# Which fonts are drawn


def test_large_families_weigh_less():
    names = ["Lato-Bold.ttf", "Lato-LightItalic.otf", "lato_400.pfb", "Lato.ttf", "Inter[wght].ttf"]
    np.testing.assert_allclose(family_weights(names), [4**-0.75] * 4 + [1])
    np.testing.assert_array_equal(family_weights(["1234.ttf", "Bold.ttf", "5678.ttf"]), [1, 1, 1])
    assert family_weights([]).shape == (0,)


def test_fonts_are_drawn_in_proportion_to_their_weights(atlas):
    weights = np.zeros(len(atlas))
    weights[3], weights[5] = 6, 2
    scene = SceneWords(atlas, num_textures=2, font_weights=weights)
    rng = np.random.default_rng(0)
    fonts = [scene._choose_font(rng) for _ in range(2000)]
    assert set(fonts) == {3, 5}
    assert abs(fonts.count(3) - 1500) < 60
    image = scene.draw("Word", np.random.default_rng(9))
    np.testing.assert_array_equal(image, scene.draw("Word", np.random.default_rng(9)))


# On disk


def test_a_set_of_scenes_does_not_depend_on_the_number_of_workers(atlas, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_JOBS_PER_CHUNK", 5)  # work for both processes
    few = atlas.subset([0, 1, 2])
    sets = [
        write_mjsynth(
            tmp_path / str(workers), num_train=15, num_validation=5, seed=3, workers=workers,
            progress=False, atlas=few,
        )
        for workers in (0, 2)
    ]  # fmt: skip
    first, second = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in sets
    )
    assert first == second
    assert sum(path.suffix == ".jpg" for path in first) == 20
    with pytest.raises(FileExistsError, match="another recipe"):
        write_mjsynth(sets[0], num_train=15, num_validation=5, seed=3, atlas=atlas.subset([0, 1]))


def test_what_the_writer_refuses(atlas, tmp_path):
    with pytest.raises(ValueError, match="must not both be given"):
        write_mjsynth(tmp_path / "set", fonts=FONTS, atlas=atlas)
    with pytest.raises(ValueError, match=r"all of \[0-9A-Za-z\]. Received one .* '0123"):
        write_mjsynth(tmp_path / "set", atlas=FontAtlas.build(FONTS[:1], "abc"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 8}, "at least 16 pixels"),
        ({"height": (40, 32)}, r"range \(low, high\) of such. Received \(40, 32\)"),
        ({"channels": 4}, "must be 1 or 3. Received 4"),
        ({"words": []}, "Received 0 words"),
        ({"words": ["lighthouse"], "max_word_length": 4}, "at most `max_word_length`"),
        ({"words": ["one", "naïve"]}, r"1 of 2 are not, among them \['naïve'\]"),
        ({"max_word_length": 4}, "`max_word_length` needs `words`"),
        ({"marks": "!"}, "`marks` must be characters of the atlas. Received '!'"),
        ({"capitals": FontAtlas.build(FONTS[:1])}, "`capitals` needs `words`"),
        (
            {"capitals": FontAtlas.build(FONTS[:1], "abc"), "words": ["a"]},
            "`capitals` must draw the characters of `atlas`",
        ),
        ({"font_weights": [1, 2]}, r"each of the 19 fonts of the atlas. Received shape \(2,\)"),
        ({"font_weights": [0.0] * 19}, "not all zero"),
        ({"font_weights": [1.0] * 18 + [-1]}, "not negative"),
        ({"font_weights": [1.0] * 18 + [np.nan]}, "finite"),
        ({"font_weights": [1.0] * 18 + [np.inf]}, "finite"),
    ],
)
def test_what_a_scene_refuses(atlas, options, message):
    with pytest.raises(ValueError, match=message):
        SceneWords(atlas, num_textures=1, **options)
