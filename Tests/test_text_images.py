"""Images of text: the font atlas, the texts, each kind of picture, and the step of a provider."""

import pickle
import shutil
import unicodedata

import numpy as np
import pytest
from conftest import contents

from mltu.dataProvider import DataProvider
from mltu.synthetic import (
    ALPHABET,
    KINDS,
    LATIN,
    FontAtlas,
    TextImages,
    Texts,
    Words,
    _draw,
    _place,
    _writer,
    shipped_fonts,
    write_mjsynth,
)
from mltu.synthetic._atlas import shipped_atlas
from mltu.synthetic._glyphs import draw_glyph, family_weights
from mltu.synthetic._textures import make_banks
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding
from mltu.utils.widening import widened

FONTS = shipped_fonts()
ROBOTO = next(path for path in FONTS if path.name == "RobotoSlab-Regular.otf")


@pytest.fixture(scope="module")
def atlas():
    return shipped_atlas()


@pytest.fixture(scope="module")
def images():
    return TextImages()


# The atlas


def test_the_atlas_draws_the_glyphs_of_the_font(atlas):
    font = atlas.names.index(ROBOTO.name)
    for char in "WQgj7":
        drawn, glyph = atlas.set_line(font, char).mask, draw_glyph(char, str(ROBOTO)).mask
        np.testing.assert_array_equal(drawn, glyph)
    widths = [draw_glyph(char, str(ROBOTO)).advance for char in "Quick7"]
    # Kerning and the bearings of the first and the last letter are a pixel or two each.
    assert abs(atlas.draw(font, "Quick7").shape[1] - sum(widths)) < 15


def test_spacing_and_heights_move_the_letters(atlas):
    plain = atlas.draw(0, "abc")
    assert atlas.draw(0, "abc", spacing=5).shape[1] == plain.shape[1] + 10
    assert atlas.draw(0, "xxx", heights=np.array([0, 4, 0])).shape[0] == (
        atlas.draw(0, "xxx").shape[0] + 4
    )
    line, wide = atlas.set_line(0, "a b c"), atlas.set_line(0, "a b c", gap=7)
    np.testing.assert_array_equal(wide.lefts - line.lefts, [0, 0, 7, 7, 14])


def test_lines_tell_where_the_base_line_and_the_characters_are(atlas):
    line = atlas.set_line(0, "nnn")
    assert abs(line.baseline - line.mask.shape[0]) <= 1
    for left, right in zip(line.lefts, line.rights, strict=True):
        np.testing.assert_array_equal(line.mask[:, left:right], atlas.set_line(0, "n").mask)
    assert atlas.set_line(0, "ng").baseline < atlas.set_line(0, "ng").mask.shape[0] - 5


def test_fonts_may_lack_optional_characters(atlas):
    mixed = FontAtlas.build(FONTS, "ab", optional="€語")
    assert mixed.characters == "ab€語"
    assert not mixed.has[:, 3].any()
    assert mixed.has[:, :2].all()
    assert list(mixed.fonts_for("ab€")) == list(np.flatnonzero(mixed.has[:, 2]))
    with pytest.raises(ValueError, match="made of characters of the font"):
        mixed.draw(0, "語")


def test_a_saved_atlas_draws_the_same_in_any_process(atlas, tmp_path):
    atlas = atlas.subset([0, 3, 1, 2])
    atlas.plain = np.array([True, False, True, False])  # Processes forgot it, and drew others.
    folder = atlas.save(tmp_path / "atlas é")
    loaded = FontAtlas.load(folder)
    for again in (loaded, pickle.loads(pickle.dumps(loaded)), pickle.loads(pickle.dumps(atlas))):
        assert (again.names, again.characters) == (atlas.names, atlas.characters)
        np.testing.assert_array_equal(again.plain, atlas.plain)
        for font in (0, 3):
            np.testing.assert_array_equal(again.draw(font, "Zebra"), atlas.draw(font, "Zebra"))
    assert len(pickle.dumps(loaded)) < 1000  # the folder's name, not the glyphs
    some = loaded.subset([3, 1])
    assert some.names == [atlas.names[3], atlas.names[1]]
    np.testing.assert_array_equal(some.draw(0, "Zebra"), atlas.draw(3, "Zebra"))
    assert FontAtlas.load(folder).digest() == atlas.digest() != some.digest()


def test_a_packed_atlas_has_five_levels_of_grey(atlas, tmp_path):
    atlas = atlas.subset([0, 5])
    atlas.plain = np.array([True, False])
    again = FontAtlas.unpack(atlas.pack(tmp_path / "atlas.pack"), tmp_path / "atlas")
    assert (again.names, again.characters) == (atlas.names, atlas.characters)
    np.testing.assert_array_equal(again.plain, atlas.plain)
    ours, theirs = atlas.draw(1, "AVÉ €"), again.draw(1, "AVÉ €")
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(int) - theirs).max() <= 32
    assert len(np.unique(theirs)) == 5
    assert (tmp_path / "atlas.pack").stat().st_size < 60_000


def test_an_interrupted_pack_leaves_the_older_file(atlas, tmp_path, monkeypatch):
    path = atlas.pack(tmp_path / "atlas.pack")
    before = path.read_bytes()
    monkeypatch.setattr("lzma.compress", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        atlas.pack(path)
    assert path.read_bytes() == before


def test_only_an_atlas_is_replaced(atlas, tmp_path):
    folder = atlas.subset([0]).save(tmp_path / "atlas")
    loaded = FontAtlas.load(folder)
    atlas.subset([2]).save(folder, replace=True)
    assert FontAtlas.load(folder).names == [atlas.names[2]]
    np.testing.assert_array_equal(loaded.draw(0, "Zebra"), atlas.draw(0, "Zebra"))
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="other files"):
        atlas.save(folder, replace=True)
    assert (folder / "notes.txt").exists()


def test_equal_and_unfit_fonts_are_left_out(tmp_path):
    copy = shutil.copy(FONTS[0], tmp_path / "copy.otf")
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    built = FontAtlas.build([FONTS[0], copy, broken, FONTS[1]], "ab", skip=True)
    assert built.names == [FONTS[0].name, FONTS[1].name]


def test_what_an_atlas_refuses(atlas, tmp_path):
    with pytest.raises(ValueError, match="made of"):
        atlas.draw(0, "語")
    with pytest.raises(ValueError, match="at least one character"):
        atlas.draw(0, "")
    with pytest.raises(ValueError, match="at least one font"):
        FontAtlas.build([])
    with pytest.raises(ValueError, match="no usable glyph for '語'"):
        FontAtlas.build([ROBOTO], "a語")
    with pytest.raises(ValueError, match="None of the 1"):
        FontAtlas.build([ROBOTO], "a語", skip=True)
    with pytest.raises(FileNotFoundError):
        FontAtlas.build([tmp_path / "none.ttf"])
    with pytest.raises(FileExistsError):
        atlas.save(tmp_path)
    with pytest.raises(FileNotFoundError):
        FontAtlas.load(tmp_path / "none")
    folder = atlas.subset([0]).save(tmp_path / "atlas")
    np.save(folder / "glyphs.npy", np.zeros(100, np.uint8))
    with pytest.raises(ValueError, match="inconsistent lengths"):
        FontAtlas.load(folder)
    (folder / "boxes.npy").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="not a complete font atlas"):
        FontAtlas.load(folder)
    assert not list(tmp_path.glob(".*"))  # nothing half-written


def test_large_families_weigh_less():
    names = ["Lato-Bold.ttf", "Lato-LightItalic.otf", "lato_400.pfb", "Lato.ttf", "Inter[wght].ttf"]
    np.testing.assert_allclose(family_weights(names), [4**-0.75] * 4 + [1])
    np.testing.assert_array_equal(family_weights(["1234.ttf", "Bold.ttf", "5678.ttf"]), [1, 1, 1])
    assert family_weights([]).shape == (0,)


# The texts


def test_the_vocabulary_is_composed_and_each_character_is_there_once():
    assert unicodedata.normalize("NFC", LATIN) == LATIN
    assert len(set(LATIN)) == len(LATIN) == 191
    assert set(map(chr, range(32, 127))) <= set(LATIN)


@pytest.mark.parametrize("form", sorted({kind.form for kind in KINDS.values()}))
def test_texts_are_short_made_of_the_vocabulary_and_follow_from_the_generator(form):
    words = Words(["straße", "élan", "Ødegård", "a"], [5, 2, 1, 9], ['He said: "So, it\'s -- me."'])
    texts = Texts({"en": words, "de": words})
    drawn = [texts.draw(np.random.default_rng(seed), form, 30) for seed in range(400)]
    assert drawn == [texts.draw(np.random.default_rng(seed), form, 30) for seed in range(400)]
    assert set("".join(drawn)) <= set(LATIN)
    assert all(text and " ".join(text.split()) == text and len(text) <= 30 for text in drawn)
    assert len(set(drawn)) > 100


def test_every_form_can_be_drawn():
    texts, rng = Texts(), np.random.default_rng(0)
    for form in texts.forms:
        assert all(texts.draw(rng, form) for _ in range(50))


def test_a_wall_along_which_the_camera_looks_has_upright_strokes():
    corners = _place.distorted(np.random.default_rng(0), 0.0, 0.2, 0.0, rise=0.5)(3.0)
    (left, top), (right, high), (far, bottom), (near, low) = corners
    assert (left, right) == (near, far) == (0.0, 3.0)
    assert (high + bottom) / 2 - (top + low) / 2 == pytest.approx(0.5 * 3.0)


def test_words_of_other_scripts_are_refused():
    """They were drawn again for ever."""
    with pytest.raises(ValueError, match=r"`form` must be one of .*word.* Received 'poem'"):
        Texts().draw(np.random.default_rng(0), "poem")
    texts = Texts({"el": Words(["αβγ"], [1], [])})
    with pytest.raises(ValueError, match=r"characters of `LATIN`.*the last 'αβγ'"):
        texts.draw(np.random.default_rng(0), "words")


def test_texts_without_words_are_refused():
    with pytest.raises(ValueError, match="`languages` must not be empty"):
        Texts({})
    for words, counts in (([], []), (["house"], []), (["house"], [1, 2])):
        with pytest.raises(ValueError, match="one number for each"):
            Words(words, counts, [])


def test_frequent_words_are_frequent():
    words = Words(["rare", "often"], [0, 999], [])
    rng = np.random.default_rng(0)
    counts = [words.frequent(rng) for _ in range(2000)].count("often")
    assert abs(counts / 2000 - 1000**0.6 / (1000**0.6 + 1)) < 0.02


def test_texts_are_loaded_from_a_zip_file(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "texts.pack", "w") as file:
        file.writestr("en.words", "house\t7\nboat\t0\n")  # A last line end was an IndexError.
        file.writestr("en.prose", "One house.")
    texts = Texts.load(tmp_path / "texts.pack")
    assert {texts.draw(np.random.default_rng(i), "words") for i in range(20)} == {"house", "boat"}
    assert {texts.draw(np.random.default_rng(i), "prose_line") for i in range(20)} == {"One house."}


# The pictures


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_draws_what_it_says(images, kind):
    grey = TextImages(images.atlas, images.texts, height=48, color=False, max_width=200)
    shapes = set()
    for seed in range(25):
        first, text = images.draw(np.random.default_rng(seed), kind=kind)
        again, same = images.draw(np.random.default_rng(seed), kind=kind)
        np.testing.assert_array_equal(first, again)
        assert text == same
        assert set(text) <= set(LATIN)
        assert len(text) <= KINDS[kind].max_length
        assert first.dtype == np.uint8
        assert first.flags.c_contiguous
        assert first.shape[::2] == (32, 3)
        assert 10 <= first.shape[1] <= 1024
        shapes.add(first.shape)
        other, _ = grey.draw(np.random.default_rng(seed), kind=kind)
        assert other.ndim == 2
        assert len(other) == 48
        assert other.shape[1] <= 200
    assert len(shapes) > 10  # the width follows the text


@pytest.mark.parametrize("kind", KINDS)
def test_letters_stand_out_from_the_ground(images, kind):
    """Nearly all images have a contrast, and different texts give different images."""
    spread = []
    for seed in range(40):
        image, _ = images.draw(np.random.default_rng(seed), "HAMBURG", kind=kind)
        grey = image.mean(axis=2)
        spread.append(np.subtract(*np.percentile(grey, (98, 2))))
        other, _ = images.draw(np.random.default_rng(seed), "8", kind=kind)
        assert other.shape != image.shape
    assert np.mean(np.array(spread) < 12) < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_the_spans_say_where_the_characters_are(images, kind):
    """The ink of letters is within their spans, and a space between has little."""
    clear = []
    for seed in range(20):
        image, text, spans = images.draw_aligned(np.random.default_rng(seed), "HI MU", kind=kind)
        assert spans.shape == (len(text), 2)
        assert np.all(np.diff(spans.mean(axis=1)) > 0)
        contrast = image.mean(axis=2).std(axis=0)
        middles = np.clip(spans.mean(axis=1).astype(int), 2, image.shape[1] - 3)
        ink = [contrast[middle - 2 : middle + 3].mean() for middle in middles]
        clear.append(ink[2] < np.mean(ink))
    assert np.mean(clear) > 0.7


@pytest.mark.parametrize("kind", ["scan_line", "mixed_line", "stamped"])
def test_print_takes_spaces_at_the_ends(images, kind):
    for seed in range(20):
        for text in (" a b ", "a  b", "a ", " a"):
            *_, spans = images.draw_aligned(np.random.default_rng(seed), text, kind=kind)
            assert len(spans) == len(text)


def test_kinds_are_drawn_by_their_weights(images, monkeypatch):
    drawn = []

    def paint(name):
        def note(rng, atlas, banks, task):
            drawn.append(name)
            return np.zeros((32, 40, 3), np.uint8), np.zeros((len(task.text), 2))

        return note

    for name, kind in KINDS.items():
        monkeypatch.setitem(KINDS, name, kind._replace(paint=paint(name)))
    some = TextImages(images.atlas, images.texts, weights={"scan_line": 3, "display": 1})
    rng = np.random.default_rng(0)
    for _ in range(800):
        some.draw(rng)
    assert set(drawn) == {"scan_line", "display"}
    assert abs(drawn.count("scan_line") - 600) < 50


def test_print_is_set_in_fonts_of_running_text(atlas):
    some = atlas.subset(range(6))
    some.plain = np.array([True] + [False] * 5)
    images, rng = TextImages(some), np.random.default_rng(0)
    fonts = [images._find_font(rng, "abc", KINDS["scan_line"]) for _ in range(300)]
    assert 0.85 < fonts.count(0) / 300 < 0.98
    fonts = [images._find_font(rng, "abc", KINDS["scene_word"]) for _ in range(300)]
    assert fonts.count(0) / 300 < 0.3


def test_a_font_that_has_the_characters_is_found(atlas):
    few = FontAtlas.build(FONTS[:4], ALPHABET, optional="é")
    few.has = few.has.copy()
    few.has[[0, 1, 3], few.characters.index("é")] = False
    images, rng = TextImages(few), np.random.default_rng(0)
    assert {images._find_font(rng, "né", KINDS["scan_line"]) for _ in range(20)} == {2}
    _, text = images.draw(rng)  # texts of other characters are not drawn
    assert set(text) <= set(few.characters)
    with pytest.raises(ValueError, match="made of"):
        images.draw(rng, "naïve")
    few.has[2, few.characters.index("é")] = False
    with pytest.raises(ValueError, match="No font of the atlas has all characters"):
        TextImages(few).draw(rng, "né")


def test_an_atlas_may_have_no_latin_letters():
    """It was refused for want of letters to measure."""
    images = TextImages(FontAtlas.build([ROBOTO], "αβγ"))
    assert images.draw(np.random.default_rng(0), "βγ", kind="scan_line")[1] == "βγ"


def test_neighbours_stay_outside_of_the_box(atlas):
    rng = np.random.default_rng(0)
    alone = _draw.set_text(rng, atlas, 0, "word")
    among = _draw.set_text(rng, atlas, 0, "word", beside=("left", "right"), around=("up", "down"))
    cut = [s.mask[s.box[1] : s.box[3], s.box[0] : s.box[2]] for s in (alone, among)]
    np.testing.assert_array_equal(*cut)
    assert among.mask.sum() > 2 * alone.mask.sum()
    assert among.mask[: among.box[1]].any()
    assert among.mask[among.box[3] :].any()


@pytest.mark.parametrize("kind", ["scene_word", "scan_line", "receipt_line", "screen_word"])
def test_some_sides_are_wide_and_blank(images, kind, monkeypatch):
    def sides():
        for seed in range(60):
            rng = np.random.default_rng(seed)
            image, _, spans = images.draw_aligned(rng, "Hello", kind=kind)
            yield image, spans[0, 0] / 32, (image.shape[1] - spans[-1, 1]) / 32

    assert 0 < np.mean([max(left, right) > 1 for _, left, right in sides()]) < 0.2
    monkeypatch.setattr(_place, "_BLANK_SIDES", 1.0)
    wide, quiet = [], []
    for image, left, right in sides():
        wide.append(max(left, right) > 1)
        if right > 1:
            contrast = image.mean(axis=2).std(axis=0)
            quiet.append(contrast[-16:].mean() < contrast[: -int(32 * right)].mean())
    assert np.mean(wide) > 0.3
    assert np.mean(quiet) > 0.8


def test_a_side_with_a_neighbour_is_not_widened(atlas, monkeypatch):
    monkeypatch.setattr(_place, "_BLANK_SIDES", 1.0)
    widened = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        setting = _draw.set_text(rng, atlas, 0, "word", beside=("", "right"))
        widened.append(_place.with_blank_sides(rng, [0.1, 0.1, 0.1, 0.1], setting))
    left, *others = np.array(widened).T
    assert max(left) > 0.4
    assert np.all(np.array(others) == 0.1)


def test_small_capitals_stand_on_the_base_line(atlas):
    rng = np.random.default_rng(0)
    large = _draw.set_text(rng, atlas, 0, "HHH")
    small = _draw.set_text(rng, atlas, 0, "HHH", small_caps=0.7)
    assert small.box[3] == large.box[3]
    assert small.box[2] < large.box[2]
    row = small.mask[small.box[1] + 2]  # only the first letter is as high
    assert row[: small.box[0] + 20].any()
    assert not row[small.box[0] + 40 :].any()


@pytest.mark.parametrize("seed", range(6))
def test_one_word_of_a_line_is_emphasised(atlas, seed):
    line = _draw.set_text(np.random.default_rng(0), atlas, 0, "one two six")
    before = line.mask.copy()
    _draw.emphasise(np.random.default_rng(seed), line, "one two six")
    first, last = np.flatnonzero((line.mask != before).any(axis=0))[[0, -1]]
    places = [0, *line.cuts[[2, 6]].tolist(), before.shape[1]]
    word = int(np.searchsorted(places, first)) - 1
    assert places[word] - 1 <= first
    assert last <= places[word + 1] + 14  # the space behind it


def test_seven_segments():
    rng = np.random.default_rng(0)
    one, eight = (_draw.segments(rng, char) for char in "18")
    assert eight.mask.sum() > 2.5 * one.mask.sum()
    assert len(_draw.segments(rng, "12:30").cuts) >= 3


def test_banks_are_made_from_a_fixed_seed():
    banks, again = make_banks(), make_banks.__wrapped__()
    for bank, same in zip(banks, again, strict=True):
        np.testing.assert_array_equal(bank, same)
        assert bank.dtype == np.float32
    assert abs(banks.noise.std() - 1) < 0.01
    assert (banks.lights.min(), banks.lights.max()) == (0, 1)


def test_a_pickled_generator_of_images_draws_the_same(atlas, tmp_path):
    folder = atlas.subset([0, 1]).save(tmp_path / "atlas")
    texts = Texts({"en": Words(["house", "boat"], [1, 1], [])})  # It could not be pickled.
    images = TextImages(folder, texts, height=40, color=False, weights={"scan_word": 1})
    stored = pickle.dumps(images)
    assert len(stored) < 1000
    first, again = (x.draw(np.random.default_rng(3)) for x in (images, pickle.loads(stored)))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 8}, "at least 16"),
        ({"height": 20.5}, "`height` must be an integer"),
        ({"max_width": 100}, "four times that"),
        ({"widen_to": -1}, "`widen_to` must be in 0..100"),
        ({"weights": {"scan": 1}}, "Unknown kind 'scan'"),
        ({"weights": {"scan_line": 0}}, "not all 0"),
        ({"weights": {}}, "not all 0"),
        ({"weights": {"scan_line": np.inf}}, "must be finite"),
        ({"weights": {"scan_line": -1, "display": 3}}, "at least 0"),
    ],
)
def test_what_text_images_refuse(options, message):
    with pytest.raises(ValueError, match=message):
        TextImages(**options)


def test_a_neighbour_whose_capital_no_font_has_stays_as_it_is(images):
    """That of µ is a Greek letter: after hours, a process that drew died of it."""
    texts = Texts({"en": Words(["µm"], [1], [])})
    signs = TextImages(images.atlas, texts, weights={"scene_word": 1})
    for seed in range(150):
        signs.draw(np.random.default_rng(seed), "AB")


@pytest.mark.parametrize("kind", KINDS)
def test_narrow_pictures_are_drawn_as_wide_as_they_are_read(images, kind):
    """As wide as `ImageResizer` would make the picture that is not widened."""
    wide = TextImages(images.atlas, images.texts, widen_to=3.0)
    widths = []
    for seed in range(30):
        image, _ = images.draw(np.random.default_rng(seed), "It", kind=kind)
        other, _, spans = wide.draw_aligned(np.random.default_rng(seed), "It", kind=kind)
        assert other.shape[1] == pytest.approx(widened(image.shape[1], 32, 3.0), abs=3)
        assert (spans >= -8).all()
        assert (spans <= other.shape[1] + 8).all()
        widths.append(image.shape[1])
    assert min(widths) < 96


def test_the_feet_of_a_line_above_stand_on_no_capital(atlas):
    """Lines are closer where both are capitals; a third of the capitals had feet in them."""
    left, top, right, bottom = _draw.set_text(np.random.default_rng(0), atlas, 0, "HEXT").box
    for seed in range(30):
        rng = np.random.default_rng(seed)
        setting = _draw.set_text(rng, atlas, 0, "HEXT", around=("gypsy gypsy", ""))
        assert setting.box[3] - setting.box[1] == bottom - top
        rows = slice(setting.box[1], setting.box[3])
        alone = _draw.set_text(rng, atlas, 0, "HEXT").mask[top:bottom]
        np.testing.assert_array_equal(setting.mask[rows, left:right], alone[:, left:right])


def test_letters_on_an_arc_lean_as_in_a_stretched_picture(atlas):
    """They were drawn upright to the stretched arc, which no reader of narrow pictures sees."""
    setting = _draw.set_text(np.random.default_rng(0), atlas, 0, "IT")
    narrow, wide = (
        _place.put(
            _place.find_place(setting.box, 32, 1024, widen_to=widen_to, bend=0.2), [setting.mask]
        )[0]
        for widen_to in (0.0, 3.0)
    )
    assert wide.shape[1] == pytest.approx(2 * narrow.shape[1], abs=1)
    stretched, _ = ImageResizer(wide.shape[1], 32)(narrow, None)
    assert np.abs(stretched - wide).mean() < 0.06


def test_an_unknown_kind_is_refused(images):
    with pytest.raises(ValueError, match="Unknown kind 'sign'"):
        images.draw(np.random.default_rng(0), kind="sign")


# The step of a provider


def make_provider(images, samples, vocab=ALPHABET, length=8):
    return DataProvider(
        samples, [], batch_size=4, skip_validation=True, workers=0, augmentors=[images],
        shuffle=False,
        transformers=[
            ImageResizer(64, 32), LabelIndexer(vocab), LabelPadding(length, len(vocab))
        ],
    )  # fmt: skip


def test_each_epoch_of_a_provider_draws_the_words_anew(images):
    provider = make_provider(images, [[word, word] for word in ["one", "Two", "THREE", "4"] * 3])
    (first, labels), (again, _) = provider[0], provider[0]
    provider.set_position(2)
    second, same = provider[0]
    assert first.shape == (4, 32, 64, 3)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(labels, same)
    assert (first != second).any()


def test_a_provider_draws_new_texts_in_each_epoch(images):
    new = TextImages(
        images.atlas, images.texts, new_texts=True, color=False, weights={"scene_word": 1}
    )
    provider = make_provider(new, [["-", "-"]] * 8, LATIN, 26)
    (pictures, labels), (_, again) = provider[0], provider[0]
    provider.set_position(2)
    assert pictures.shape == (4, 32, 64, 1)
    np.testing.assert_array_equal(labels, again)
    assert (labels != provider[0][1]).any(axis=1).all()


def test_labels_that_stay_are_checked_before_training(images):
    with pytest.raises(ValueError, match="characters that no font of the atlas draws: '語'"):
        make_provider(images, [["-", "n語"]])
    for label in ("", " "):
        with pytest.raises(ValueError, match="A label is blank"):
            make_provider(images, [["-", label]])
    with pytest.raises(ValueError, match="consist of characters in `vocab`"):
        make_provider(images, [["-", "xyz"]], "abc")


# On disk


def test_a_set_of_scenes_does_not_depend_on_the_number_of_workers(atlas, tmp_path, monkeypatch):
    monkeypatch.setattr(_writer, "_JOBS_PER_CHUNK", 5)  # work for both processes
    few = atlas.subset([0, 1, 2])
    sets = [
        write_mjsynth(
            tmp_path / str(workers), num_train=15, num_validation=5, seed=3, workers=workers,
            progress=False, atlas=few, kind="scene_word",
        )
        for workers in (0, 2)
    ]  # fmt: skip
    first, second = map(contents, sets)
    assert first == second
    assert sum(name.endswith(".jpg") for name in first) == 20
    with pytest.raises(FileExistsError, match="another recipe"):
        write_mjsynth(sets[0], num_train=15, num_validation=5, seed=3, atlas=atlas.subset([0, 1]))


def test_what_the_writer_refuses(atlas, tmp_path):
    with pytest.raises(ValueError, match="not both"):
        write_mjsynth(tmp_path / "set", fonts=FONTS, atlas=atlas)
    with pytest.raises(ValueError, match=r"No font of `atlas` has all of \[0-9A-Za-z\]"):
        write_mjsynth(
            tmp_path / "set", atlas=FontAtlas.build(FONTS[:1], "abc", optional=ALPHABET[:30])
        )
    with pytest.raises(ValueError, match="Unknown kind 'words'"):
        write_mjsynth(tmp_path / "set", atlas=atlas, kind="words")
