"""The model card: every key checked, hostile metadata harmless, a reader from the file alone."""

import json
import os

import numpy as np
import pytest
from fuzz_targets import small_model

from mltu.inference import check_card_fields, read_card
from mltu.inferenceModel import TextRecognizer

pytest.importorskip("onnx")

GOOD = {
    "format": 1, "vocab": "ab€", "blank": 3, "layout": "NHWC", "color": "BGR", "height": 2,
    "width": 4, "channels": 3, "resize": "stretch", "scaling": "in_model", "decoder": "ctc greedy",
}  # fmt: skip


def texts(**changes):
    return {key: json.dumps(value) for key, value in {**GOOD, **changes}.items()}


def test_a_good_card():
    card = read_card({**texts(), "other": "{{{", "note": '"x"'})
    assert (card.vocab, card.blank, card.height, card.width) == ("ab€", 3, 2, 4)
    assert (card.outputs, card.padding_color, card.metrics) == ("probabilities", (0,), {})
    card = read_card(
        texts(vocab=["a", "b"], blank=2, width=[2, 4], resize="fit", padding_color=[1, 2, 3])
    )
    assert (card.vocab, card.width, card.padding_color) == ("ab", (2, 4), (1, 2, 3))
    card = read_card(
        texts(
            num_parameters=9, metrics={"cer_onnx": 0.5, "cer_keras": None}, versions={"mltu": "2"}
        )
    )
    assert (card.metrics["cer_onnx"], card.versions["mltu"]) == (0.5, "2")
    assert (card.num_parameters, read_card(texts()).num_parameters) == (9, None)


def test_entries_of_the_first_versions_are_read():
    card = read_card(texts(scaling="inside", figures={"cer_onnx": 0.5}))
    assert (card.scaling, card.metrics) == ("in_model", {"cer_onnx": 0.5})
    assert read_card(texts(figures={}, metrics={"a": 1})).metrics == {"a": 1}
    assert check_card_fields({"scaling": "inside"}) == {"scaling": "in_model"}


def test_a_vocabulary_of_a_million_characters():
    vocab = [chr(i) for i in range(1_100_000) if not 0xD800 <= i < 0xE000]
    assert len(read_card(texts(vocab=vocab[:1_000_000], blank=1_000_000)).vocab) == 1_000_000
    with pytest.raises(ValueError, match=r"`vocab` in the metadata.* must be 1 to 1000000"):
        read_card(texts(vocab="".join(vocab)[:1_000_001], blank=1_000_001))


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_is_named(key):
    entries = texts()
    del entries[key]
    with pytest.raises(ValueError, match=f"must have the key `{key}` for a reader") as caught:
        read_card(entries, "'x.onnx'")
    assert "of 'x.onnx'" in str(caught.value)
    assert "validation=provider" in str(caught.value)


CODE = "__import__('os').system('touch trace')"

HOSTILE = [
    *[(key, value) for key in GOOD for value in (CODE, None, {}, [], [[]], -1, 1.5, True, 10**30)],
    ("vocab", ""), ("vocab", "aa"), ("vocab", ["a", "bc"]), ("vocab", ["a", 1]),
    ("vocab", "\ud800"), ("vocab", {"a": 1}), ("blank", 2), ("blank", 4), ("color", "RGB"),
    ("color", "GRAY"),
    ("height", 0), ("height", 100_000), ("height", "2"), ("width", [4, 2]), ("width", [2, 4]),
    ("width", [4]),
    ("width", list(range(1, 200))), ("channels", 4), ("resize", "crop"), ("format", 2),
    ("padding_color", [300]), ("padding_color", [0, 0]), ("padding_color", "black"),
    ("metrics", [1]), ("metrics", {"a": "b"}), ("metrics", {str(i): i for i in range(200)}),
    ("metrics", {"a": 10**400}), ("num_parameters", -1), ("num_parameters", "9"),
    ("versions", {"a": 1}), ("versions", "1"), ("outputs", "text"),
    ("widen_to", -1), ("widen_to", "3"), ("widen_to", True), ("widen_to", 3.0),
]  # fmt: skip


TOGETHER = [("width", [2, 4]), ("width", [4]), ("widen_to", 3.0)]

TEXTS = {
    "code": CODE,
    "deep": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 30_000 + "1" + "}" * 30_000,
    "digits": "9" * 10_000,
    "huge": '"' + "x" * 20_000_000 + '"',
    "nan": "NaN",
    "infinity": '{"a": Infinity}',
    "empty": "",
    "yaml": "!!python/object/apply:os.system ['touch trace']",
    "nul": "\x00",
}


@pytest.mark.parametrize(("key", "value"), HOSTILE)
def test_wrong_types_and_sizes_are_named(key, value):
    with pytest.raises(ValueError, match="must be") as caught:
        read_card(texts(**{key: value}))
    # Two keys can be right each, and wrong together; then one of them is named.
    assert f"`{key}`" in str(caught.value) or (key, value) in TOGETHER
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("key", ["vocab", "height", "metrics", "versions", "decoder"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_that_is_no_card_does_no_harm(tmp_path, monkeypatch, key, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"`{key}` in the metadata of the file must be") as caught:
        read_card({**texts(), key: text})
    assert len(str(caught.value)) < 500
    assert list(tmp_path.iterdir()) == []


def test_images_beyond_memory_are_refused():
    with pytest.raises(ValueError, match=r"`width` .*at most 67108864 pixels"):
        read_card(texts(height=16_000, width=16_000))


def test_some_fields_are_checked_alone():
    assert check_card_fields({"height": 3, "mine": object}) == {"height": 3}
    with pytest.raises(ValueError, match="`resize`"):
        check_card_fields({"resize": "crop"})


# Files ----------------------------------------------------------------------------------------


def write_model(path, metadata):
    path.write_bytes(small_model(metadata))
    return path


def test_a_reader_from_the_file_alone(tmp_path):
    """Blue, black, green, red are a, blank, b, €."""
    path = write_model(tmp_path / "model.onnx", texts(outputs="logits"))
    row = [[255, 0, 0], [0, 0, 0], [0, 255, 0], [0, 0, 255]]
    reading = TextRecognizer(tmp_path).predict(np.array([row, row], np.uint8))
    assert reading.text == "ab€"
    e = np.e
    # Only the blank's step is in doubt, and an "a" or a "b" there would make the same text.
    assert reading.confidence == pytest.approx((e + 2) / (e + 3))
    assert TextRecognizer(path)(np.zeros((5, 9), np.uint8)).text == ""


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"height": 3}, "says height 3, the model takes 2"),
        ({"width": 8}, "says width 8, the model takes 4"),
        ({"channels": 1, "color": "GRAY"}, "says channels 1, the model takes 3"),
        ({"vocab": "abcd", "blank": 4}, "says classes 5, the model has 4"),
    ],
)
def test_a_card_that_does_not_suit_the_model_is_refused(tmp_path, changes, text):
    path = write_model(tmp_path / "model.onnx", texts(**changes))
    with pytest.raises(ValueError, match=text):
        TextRecognizer(path)


def test_a_file_without_a_card_says_what_it_lacks(tmp_path):
    path = write_model(tmp_path / "model.onnx", {"vocab": '"ab€"'})
    with pytest.raises(
        ValueError, match=r"key `format` for a reader.*Received the keys \['vocab'\]"
    ):
        TextRecognizer(path)


def test_metadata_that_is_no_text_is_refused(tmp_path):
    path = write_model(tmp_path / "model.onnx", {"note": "QQQQ"})
    path.write_bytes(path.read_bytes().replace(b"QQQQ", b"\xff\xfe\xff\xfe"))
    with pytest.raises(ValueError, match="`model_path` must be"):
        TextRecognizer(path)
    assert os.listdir(tmp_path) == ["model.onnx"]
