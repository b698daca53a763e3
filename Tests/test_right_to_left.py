"""Right-to-left labels are trained in the order of the image, and readings are turned back."""

import cv2
import keras
import numpy as np
import pytest
from fuzz_targets import small_model
from hypothesis import given
from hypothesis import strategies as st

from mltu.configs import ReaderConfigs
from mltu.dataProvider import DataProvider
from mltu.datasets import Samples, write_csv
from mltu.decoders import BeamDecoder, Lexicon
from mltu.inference import TextRecognizer
from mltu.losses import CTCLoss
from mltu.metrics import CWERMetric
from mltu.models import use_native_layers
from mltu.onnx_export import _export
from mltu.training import start_with_blanks
from mltu.training._data import all_characters
from mltu.transformers import ExpandDims, LabelIndexer, LabelPadding
from mltu.utils.text_order import turn_back, turn_text

pytest.importorskip("bidi")
UNMIRRORED = str.maketrans(")", "(")
HEBREW = "אבגדהוזחטיכךלמםנןסעפףצץקרשת"
IMAGE = np.array([[[0, 255, 0], [0, 0, 255], [255, 0, 0], [0, 0, 255]]] * 2, np.uint8)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("שלום", "םולש"),
        ("سلام", "مالس"),
        ("שלום 12", "12 םולש"),  # A number keeps its order.
        ("(אב)", "(בא)"),  # Brackets are mirrored.
        ("abc 12", "abc 12"),
        ("לָ", "\u05b8ל"),
        ("می\u200cرود", "دور\u200cیم"),  # A joiner is part of Persian spelling.
        ("", ""),
    ],
)
def test_texts_are_turned_and_back(stored, shown):
    assert turn_text(stored) == shown
    assert turn_back(shown) == stored


@pytest.mark.parametrize(
    "text",
    ["خصم 20%", "20% خصم", "خصم%20", "سعر 5$", "سعر $5", "3.5% ب", "ب 3.5%", "رقم 12-34",
     "12-34 رقم", "#1 ب", "(20% خصم)", "iPhone 12 خصم 20%", "20% خصم 12-34 [ب]"],
)  # fmt: skip
def test_the_sign_of_a_number_beside_arabic_stays_at_its_place(text):
    """Turned twice, 20% was %20 and 12-34 was 34-12."""
    assert turn_back(turn_text(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخو",
        "نمی\u200cد 20%",
        "א\u00adב",
        "א\U0001faf6ב",
        "א\U000e0041\u0300ב",
    ],
)
def test_invisible_characters_are_turned_too(text):
    """The joiners of Persian were dropped."""
    shown = turn_text(text)
    assert sorted(shown) == sorted(text)
    assert turn_back(shown) == text


@given(st.text("אבגبج٣12 ab()-.,/%$'\u05b0", max_size=8))
def test_a_text_turned_back_has_the_letters_of_the_image(text):
    shown = turn_text(text)
    back = turn_back(shown)
    assert sorted(back.translate(UNMIRRORED)) == sorted(text.translate(UNMIRRORED))
    if turn_text(turn_text(shown)) == shown:
        assert turn_text(back) == shown


@pytest.mark.parametrize(
    "label", ["אב \u202a+12\u202c", "אב \u2066+12\u2069", "אב \u2068+12\u2069"]
)
def test_marks_of_direction_are_obeyed_and_left_out(label):
    assert turn_text(label) == "+12 בא"


@given(st.lists(st.text(HEBREW, min_size=1) | st.integers(0, 9999).map(str), min_size=1))
def test_turning_twice_gives_the_text(parts):
    text = " ".join(parts)
    assert turn_back(turn_text(text)) == text


def test_labels_are_indexed_in_the_order_of_the_image():
    indexer = LabelIndexer("אב1", order="visual")
    assert indexer(None, "אב1")[1].tolist() == [2, 1, 0]
    assert [row.tolist() for row in indexer.batch([0, 0], ["אב", "1"])[1]] == [[1, 0], [2]]
    assert indexer.describe() == {"vocab": "אב1", "label_order": "visual"}
    assert LabelIndexer("אב").describe() == {"vocab": "אב"}
    with pytest.raises(ValueError, match=r"outside `vocab`: '\)'"):  # A bracket is mirrored.
        LabelIndexer("(א", order="visual")(None, "(א")
    with pytest.raises(ValueError, match=r"1 of 2 labels have others, '\)'"):
        LabelIndexer("(א", order="visual").check_labels(["א", "(א"])
    with pytest.raises(ValueError, match="`order` must be 'logical' or 'visual'"):
        LabelIndexer("אב", order="rtl")


def test_the_vocabulary_of_visual_order_has_both_brackets():
    samples = Samples.from_pairs([("a.png", "(א")])
    assert all_characters(samples) == "(א"
    assert all_characters(samples, order="visual") == "()א"


def test_accents_behind_their_letter_are_named_with_a_fix():
    with pytest.raises(ValueError, match=r"unicodedata.normalize\('NFC', label\)\.$"):
        LabelIndexer("café").check_labels(["cafe\u0301"])


def make_reader(path, **card):
    """Make a reader of images whose columns are blue for alef, green for bet and red for blanks."""
    path.write_bytes(small_model(vocab="אב", blank=2, classes=3, **card))
    return TextRecognizer(path, force_cpu=True)


def test_readings_are_turned_back(tmp_path):
    """The card says the order; words of a lexicon are given as they are stored."""
    pytest.importorskip("onnx")
    reader = make_reader(tmp_path / "visual.onnx", label_order="visual")
    reading = reader.predict(IMAGE)
    assert reading.text == "אב"
    assert [char.text for char in reading.characters] == ["ב", "א"]
    limited = TextRecognizer(
        reader.model_path, decoder=BeamDecoder(constraint=Lexicon(["אב", "בבב"])), force_cpu=True
    )
    assert limited.predict(IMAGE).text == "אב"
    assert make_reader(tmp_path / "logical.onnx").predict(IMAGE).text == "בא"


def test_a_later_export_of_a_run_keeps_the_order(tmp_path):
    configs = ReaderConfigs.from_options(vocab="אב", label_order="visual", width=8, height=8)
    fields = _export._fields(configs)
    assert fields["label_order"] == "visual"
    cv2.imwrite(str(tmp_path / "a.png"), IMAGE)
    write_csv(tmp_path / "val.csv", [(tmp_path / "a.png", "אב")])
    assert _export._read_images(tmp_path / "val.csv", fields).texts == ["בא"]


# A training, minutes long ----------------------------------------------------------------------


def find_font():
    """Return a font of the system that has Hebrew letters; Debian's culmus brings some."""
    from matplotlib import font_manager, ft2font

    for path in sorted(font_manager.findSystemFonts()):
        if path.endswith((".ttf", ".otf")) and ord("א") in ft2font.FT2Font(path).get_charmap():
            return path
    return pytest.skip("no font with Hebrew letters")


def draw_words(font, count, seed):
    """Draw words as they are read, from right to left, and the same ones from left to right."""
    from PIL import Image, ImageDraw, ImageFont

    rng, letters = np.random.default_rng(seed), list(HEBREW)
    pen = ImageFont.truetype(font, 20, layout_engine=ImageFont.Layout.BASIC)
    words = ["".join(rng.choice(letters, rng.integers(3, 7))) for _ in range(count)]
    images = {"right": [], "left": []}
    for word in words:
        place = (int(rng.integers(2, 10)), int(rng.integers(0, 4)))
        for side, text in (("right", word[::-1]), ("left", word)):
            image = Image.new("L", (96, 28), 255)
            ImageDraw.Draw(image).text(place, text, font=pen)
            images[side].append(np.asarray(image))
    return images, words


def learn(images, words, order):
    """Train for three epochs; return the CER on the last 200 words after each."""
    keras.utils.set_random_seed(0)

    def provide(part):
        return DataProvider(
            list(zip(images[part], words[part], strict=True)),
            [],
            batch_size=32,
            transformers=[
                ExpandDims(),
                LabelIndexer(HEBREW, order=order),
                LabelPadding(6, len(HEBREW)),
            ],
            skip_validation=True,
        )

    inputs = keras.Input((28, 96, 1))
    x = keras.layers.Rescaling(-1 / 255, 1)(inputs)
    for filters, strides in ((16, 2), (32, 2), (48, (2, 1))):
        x = keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        x = keras.layers.Activation("relu")(keras.layers.BatchNormalization(momentum=0.8)(x))
    x = keras.layers.Reshape((24, 4 * 48))(keras.layers.Permute((2, 1, 3))(x))
    x = keras.layers.Bidirectional(keras.layers.LSTM(48, return_sequences=True))(x)
    outputs = keras.layers.Dense(len(HEBREW) + 1, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    start_with_blanks(model)
    use_native_layers(model)
    model.compile(keras.optimizers.Adam(3e-3), CTCLoss(), metrics=[CWERMetric(HEBREW)])
    history = model.fit(
        provide(slice(0, -200)), validation_data=provide(slice(-200, None)), epochs=3, verbose=0
    )
    return history.history["val_CER"]


@pytest.mark.slow
def test_words_from_right_to_left_are_learned_as_fast_as_from_left_to_right():
    images, words = draw_words(find_font(), 3000, 0)
    rates = {
        "left to right": learn(images["left"], words, "logical"),
        "right to left, turned": learn(images["right"], words, "visual"),
        "right to left, as stored": learn(images["right"], words, "logical"),
    }
    for name, cers in rates.items():
        print(f"{name:26}", *(f"{cer:.3f}" for cer in cers))
    forward, turned, stored = (cers[-1] for cers in rates.values())
    assert turned < 0.1
    assert turned < forward + 0.05
    assert stored > turned + 0.3
