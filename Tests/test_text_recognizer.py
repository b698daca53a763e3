"""TextRecognizer: any image in, text with confidence and positions out."""

import copy
import dataclasses
import json
import logging
import pickle
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from mltu.decoders import BeamDecoder, Lexicon, Pattern, Spans, text_log_probabilities
from mltu.inference import _session as session_module
from mltu.inference import find_pretrained
from mltu.inference._image import ImagePreparer
from mltu.inferenceModel import OnnxInferenceModel, Reading, TextRecognizer, prepare_image
from mltu.synthetic import render_word, shipped_fonts
from mltu.utils.text_utils import ctc_decoder

WORDS = ["Reading", "HARBOUR", "window", "2026", "Quartz", "flight", "BRIDGE", "mango"]
SANS = next(path for path in shipped_fonts() if "Sans" in path.stem)


@pytest.fixture(scope="module")
def reader():
    return TextRecognizer(force_cpu=True)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [render_word(word, SANS, rng) for word in WORDS]


@pytest.mark.parametrize("name", ["words", "words_small"])  # logits, probabilities
def test_texts_are_greedy_and_confidences_those_of_ctc(name, images):
    reader = TextRecognizer(name, force_cpu=True)
    for image, reading in zip(images, reader.predict_batch(images), strict=True):
        batch = prepare_image(image, reader.card)[None].astype(np.float32)
        outputs = reader.model.run(None, {reader.input_name: batch})[0].astype(np.float64)
        (text,) = ctc_decoder(outputs, reader.card.vocab)
        assert reading.text == text
        scores = outputs if reader.card.outputs == "logits" else np.log(outputs)
        powers = np.exp(scores / reader.card.temperature)
        calibrated = powers / powers.sum(axis=2, keepdims=True)
        classes = [reader.card.vocab.index(char) for char in text]
        (expected,) = np.exp(text_log_probabilities(calibrated, [classes]))
        assert reading.confidence == pytest.approx(expected, rel=1e-3)
        assert "".join(char.text for char in reading.characters) == reading.text
        assert all(0 < char.confidence <= 1 + 1e-6 for char in reading.characters)


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ("Crème brûlée", Lexicon(["Creme brulee", "Crème brûlée", "Crème anglaise"])),
        ("São Paulo", Lexicon(["são paulo", "santos"], ignore_case=True)),
        ("12,50 €", Pattern(r"[0-9]{1,3},[0-9]{2} €")),
        ("Voilà, 25 °C!", None),
    ],
)
def test_spaces_accents_and_signs_are_read_with_and_without_a_constraint(text, constraint):
    image = render_word(text, SANS, np.random.default_rng(0))
    reader = TextRecognizer(decoder=BeamDecoder(constraint=constraint), force_cpu=True)
    assert reader.predict(image).text == text


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize(
    "options",
    [
        {"providers": ["CPUExecutionProvider"], "num_threads": 1},
        {"decoder": BeamDecoder(constraint=Lexicon(WORDS, ignore_case=True))},
        {"decoder": BeamDecoder(beam_width=5, constraint=Pattern("[A-Za-z0-9]{3,8}"))},
    ],
)
def test_a_copy_reads_the_same(clone, options, images, tmp_path, monkeypatch):
    """In another working directory too, although the path is relative."""
    shutil.copy(find_pretrained(), tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    source = TextRecognizer("model.onnx", **options)
    monkeypatch.chdir(Path(tmp_path.anchor))
    assert clone(source).predict(images[0]) == source.predict(images[0])


def test_a_file_of_mltu_1_is_read_once_its_card_is_added(images, tmp_path, monkeypatch):
    """By the code in docs/howto/migrate.md; such a file holds `str(vocab)` and nothing else."""
    reader = TextRecognizer("words_small", force_cpu=True)
    proto = onnx.load(find_pretrained("words_small"))
    onnx.helper.set_model_props(proto, {"vocab": str(list(reader.card.vocab))})
    (tmp_path / "run").mkdir()
    onnx.save(proto, tmp_path / "run" / "model.onnx")
    with pytest.raises(ValueError, match=r"To a file of mltu 1, docs/howto/migrate\.md adds"):
        TextRecognizer(tmp_path / "run")
    page = Path(__file__).resolve().parents[1] / "docs" / "howto" / "migrate.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if "write_metadata" in block]
    monkeypatch.chdir(tmp_path)
    for key in ("width", "resize", "color"):
        value = getattr(reader.card, key)
        code = re.sub(rf'"{key}": \w+|"{key}": "\w+"', f'"{key}": {value!r}', code)
    exec(code, {})
    texts = [reading.text for reading in TextRecognizer("run").predict_batch(images)]
    assert texts == [reading.text for reading in reader.predict_batch(images)]


def test_one_image_many_images_and_a_stream_agree(reader, images):
    together = reader.predict_batch(images)
    streamed = list(reader.predict_stream((image for image in images), batch_size=3))
    for one, batched, from_stream in zip(map(reader, images), together, streamed, strict=True):
        assert one.text == batched.text == from_stream.text
        assert one.confidence == pytest.approx(batched.confidence, rel=1e-3)
        assert one.confidence == pytest.approx(from_stream.confidence, rel=1e-3)
    assert reader.predict_batch([]) == []


def test_every_form_of_an_image_reads_alike(reader, images, tmp_path):
    image = images[0]
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    bgr = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    content = cv2.imencode(".png", bgr)[1].tobytes()
    path = tmp_path / "žodis.png"
    path.write_bytes(content)
    alpha = np.dstack([bgr, np.full(gray.shape, 255, np.uint8)])
    forms = [path, str(path), content, bytearray(content), gray, gray[:, :, None], bgr, alpha]
    first, *others = [reader.predict(form) for form in forms]
    assert first.text
    assert all(other == first for other in others)


def test_an_array_of_five_channels_is_refused(reader):
    (reading,) = reader.predict_batch([np.zeros((32, 128, 5), np.uint8)], on_error="keep")
    assert "1, 3 or 4" in reading.error


def test_positions_are_shares_of_the_width(reader):
    """A word that fills its image, and the image at twice its size."""
    image = np.full((40, 100, 3), 255, np.uint8)
    cv2.putText(image, "DOG", (15, 32), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 3)
    reading = reader.predict(image)
    assert reading.text == "DOG"
    lefts = [char.left for char in reading.characters]
    assert lefts == sorted(lefts)
    assert all(0 <= char.left < char.right <= 1 for char in reading.characters)
    assert 0.25 < lefts[1] < 0.65
    larger = reader.predict(cv2.resize(image, (200, 80), interpolation=cv2.INTER_NEAREST))
    assert [c.left for c in larger.characters] == pytest.approx(lefts, abs=0.035)


def test_positions_of_a_model_that_reads_row_by_row():
    """Its 256 steps go eight times over the image."""
    image = render_word("window", SANS, np.random.default_rng(0))
    reader = TextRecognizer("words_small", force_cpu=True)
    assert reader.card.rows == 8
    rows, columns = reader.predict(image), TextRecognizer(force_cpu=True).predict(image)
    assert rows.text == columns.text == "window"
    for ours, theirs in zip(rows.characters[1:-1], columns.characters[1:-1], strict=True):
        assert ours.left == pytest.approx(theirs.left, abs=1 / 8)
        assert 0 <= ours.left < ours.right <= 1


def test_positions_leave_the_padding_out(reader):
    """Ten steps over an image with a fifth of padding on both sides; classes 0, 1 and 2."""
    vocab = reader.card.vocab
    spans = Spans(
        np.array([vocab.index(char) for char in "012"]), np.array([0, 4, 8]), np.array([1, 6, 10])
    )
    probabilities = np.full((10, len(vocab) + 1), 0.5, np.float32)
    found = reader._characters(spans, probabilities, filled=0.6)
    assert [char.text for char in found] == ["0", "1", "2"]
    assert [char.left for char in found] == pytest.approx([0, 1 / 3, 1])
    assert [char.right for char in found] == pytest.approx([0, 2 / 3, 1])
    assert {char.confidence for char in found} == {0.5}


@pytest.mark.parametrize(("widen_to", "share"), [(0.0, 0.5), (3.0, 0.75)])
def test_padding_is_left_out_of_the_image_alone(reader, widen_to, share):
    """30 x 60 pixels at a height of 32 are 64 columns of 128."""
    card = dataclasses.replace(
        reader.card, resize="fit", width=128, color="GRAY", channels=1, widen_to=widen_to
    )
    prepared = ImagePreparer(card).prepare(np.zeros((30, 60), np.uint8))
    assert prepared.values.shape == (32, 128, 1)
    assert prepared.filled == share


class Sceptic(TextRecognizer):
    """Sees next to nothing in some images of each batch, and counts the images that it reads."""

    def __init__(self, is_unsure, **options):
        super().__init__(force_cpu=True, **options)
        self.is_unsure, self.sizes = is_unsure, []

    def _run(self, batch):
        outputs = super()._run(batch).copy()
        for image, row in zip(batch, outputs, strict=True):
            if self.is_unsure(image):
                row *= 0.2
        self.sizes.append(len(batch))
        return outputs


@pytest.mark.parametrize("together", [True, False])
def test_a_doubtful_image_is_read_again_in_other_views(images, together):
    card = TextRecognizer(force_cpu=True).card
    upright = {prepare_image(image, card).tobytes() for image in images[2:5]}
    is_known = lambda image: image.astype(np.uint8).tobytes() in upright  # noqa: E731
    once, again = (Sceptic(is_known, retry_below=limit) for limit in (0, 0.5))
    first, second = (
        reader.predict_batch(images) if together else [reader.predict(image) for image in images]
        for reader in (once, again)
    )
    assert [reading.text for reading in second] == WORDS
    assert all(reading.confidence < 0.5 for reading in first[2:5])
    assert all(reading.confidence > 0.5 for reading in second[2:5])
    assert first[:2] + first[5:] == second[:2] + second[5:]
    assert (sum(once.sizes), sum(again.sizes)) == (len(images), len(images) + 3 * 4)
    for before, after in zip(first[2:5], second[2:5], strict=True):  # In the whole image.
        for one, other in zip(before.characters, after.characters, strict=True):
            assert one.left == pytest.approx(other.left, abs=0.06)


def test_a_view_in_which_nothing_is_seen_does_not_count(images, monkeypatch):
    """It is certain that a closely cropped image is empty."""
    reader = Sceptic(lambda image: True, retry_below=0.99)
    expected = Sceptic(lambda image: True, retry_below=0).predict(images[0])
    read = reader._read_by_width
    monkeypatch.setattr(
        reader, "_read_by_width",
        lambda items: [Reading("", 1.0)] * 4 if len(items) == 4 else read(items),
    )  # fmt: skip
    found = reader.predict(images[0])
    assert (found.text, found.characters) == (expected.text, expected.characters)
    assert found.confidence == pytest.approx(expected.confidence * (1 + 1 / 5) / 2)


def test_text_that_rises_or_falls_is_turned_level(reader):
    """A bar that falls by a quarter of the height: in one of the views it lies in a row."""
    preparer = ImagePreparer(reader.card)
    for begin, end in ((30, 50), (50, 30)):
        image = np.full((80, 160, 3), 255, np.uint8)
        cv2.line(image, (0, begin), (159, end), (0, 0, 0), 6)
        dark = [(view.values < 100).mean(axis=1).max() for view in preparer.views(
            preparer.prepare(image, keeps_pixels=True))]  # fmt: skip
        assert len(dark) == 4
        assert max(dark[1:3]) > 0.95 > 2 * dark[0]


def test_letters_that_lean_to_the_right_are_made_upright(reader):
    image = np.full((64, 192, 3), 255, np.uint8)
    for x in range(20, 180, 20):
        cv2.line(image, (x + 10, 0), (x - 10, 63), (0, 0, 0), 3)
    preparer = ImagePreparer(reader.card)
    prepared = preparer.prepare(image, keeps_pixels=True)
    leaning, upright = (
        (view.values < 128).all(axis=2).mean(axis=0).max()
        for view in (prepared, preparer.views(prepared)[3])
    )
    assert upright > 0.9 > 2 * leaning


@pytest.mark.parametrize("direction", [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE])
def test_text_that_runs_upwards_or_downwards_is_turned(images, direction):
    turned = [cv2.rotate(image, direction) for image in images]
    readings = TextRecognizer(force_cpu=True, retry_below=0.9).predict_batch(turned)
    assert [reading.text for reading in readings] == WORDS
    once = TextRecognizer(force_cpu=True, retry_below=0).predict_batch(turned)
    assert not {reading.text for reading in once} & set(WORDS)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 300), (300, 1), (5, 40000), (40000, 5), (3000, 4000)]
)
def test_views_of_images_of_any_size(reader, shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    image[0, 0], image[-1, -1] = 0, 255
    preparer = ImagePreparer(reader.card)
    prepared = preparer.prepare(image, keeps_pixels=True)
    assert prepared.pixels.nbytes < 4_000_000
    views = preparer.views(prepared)
    long = shape[1] > 10 * shape[0]
    assert len(views) == (0 if long else 6 if shape[0] > shape[1] else 4) or shape == (1, 1)
    for view in views:
        assert view.values.shape[0] == reader.card.height
        assert view.pixels is None
    assert TextRecognizer(force_cpu=True, retry_below=1).predict(image).error is None


def test_pixels_are_kept_only_to_be_read_again(images):
    """A batch of 64 photographs took 200 MB and twice the time in readers that read once."""
    for limit, is_kept in ((0, False), (0.5, True)):
        reader = TextRecognizer(force_cpu=True, retry_below=limit)
        assert (reader._prepare(images[0]).pixels is not None) == is_kept


def test_the_card_says_when_to_read_again_unless_the_caller_does(tmp_path):
    proto = onnx.load(find_pretrained())
    entries = {entry.key: entry.value for entry in proto.metadata_props}
    onnx.helper.set_model_props(proto, {**entries, "retry_below": "0.25"})
    onnx.save(proto, tmp_path / "model.onnx")
    assert TextRecognizer(tmp_path).retry_below == 0.25
    assert TextRecognizer(tmp_path, retry_below=0).retry_below == 0
    assert TextRecognizer("words_small").retry_below == 0
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"`retry_below` must be in 0\.\.1"):
            TextRecognizer(tmp_path, retry_below=wrong)


def test_a_bad_image_among_good_ones(reader, images, tmp_path):
    gone = str(tmp_path / "gone.png")
    batch = [images[0], gone, images[1], b"no image", np.zeros((2, 2)), 7]
    with pytest.raises(FileNotFoundError, match=r"gone\.png") as caught:
        reader.predict_batch(batch)
    assert caught.value.__notes__ == ["While reading images[1]."]
    readings = reader.predict_batch(batch, on_error="keep")
    assert [reading.text for reading in readings[::2][:2]] == [
        reading.text for reading in reader.predict_batch(images[:2])
    ]
    bad = [readings[i] for i in (1, 3, 4, 5)]
    assert all(reading.text == "" and reading.confidence == 0 for reading in bad)
    for reading, text in zip(bad, ["gone.png", "8 bytes", "float64", "int"], strict=True):
        assert text in reading.error
    assert reader.predict_batch([gone], on_error="keep")[0].error


def test_what_is_no_list_of_images_is_refused(reader):
    one = [np.zeros((32, 9), np.uint8), np.zeros((32, 9, 3), np.uint8), bytearray(b"x")]
    for image in ["word.png", *one]:
        with pytest.raises(TypeError, match=f"Received one {type(image).__name__}"):
            reader.predict_batch(image)
    assert len(reader.predict_batch(np.zeros((2, 32, 9, 3), np.uint8))) == 2
    with pytest.raises(ValueError, match="`on_error` must be 'raise' or 'keep'"):
        reader.predict_batch([], on_error="skip")
    with pytest.raises(ValueError, match="`batch_size`"):
        reader.predict_stream([], batch_size=0)


def test_a_stream_holds_no_more_than_a_batch(reader, images):
    drawn = []

    def draw():
        for i in range(100):
            drawn.append(i)
            yield images[i % len(images)]

    stream = reader.predict_stream(draw(), batch_size=4)
    next(stream)
    assert len(drawn) <= 5


def test_a_stream_shows_its_progress(reader, images, capsys):
    list(reader.predict_stream(images, progress=True))
    assert f"{len(images)}/{len(images)}" in capsys.readouterr().err


def test_threads_share_one_reader(reader, images):
    expected = [reading.text for reading in reader.predict_batch(images)]
    with ThreadPoolExecutor(len(images)) as pool:
        found = list(pool.map(reader.predict, images * 5))
    assert [reading.text for reading in found] == expected * 5


def test_a_decoder_decides_the_text(images):
    lexicon = Lexicon(["harbour", "window", "bridge"], ignore_case=True)
    free = TextRecognizer(force_cpu=True, decoder=BeamDecoder(10))
    held = TextRecognizer(force_cpu=True, decoder=BeamDecoder(10, constraint=lexicon))
    plates = TextRecognizer(force_cpu=True, decoder=BeamDecoder(constraint=Pattern("[0-9]{4}")))
    greedy = TextRecognizer(force_cpu=True).predict(images[1])
    assert free.predict(images[1]).text == greedy.text
    assert free.predict(images[1]).confidence == pytest.approx(greedy.confidence)
    assert [r.text.lower() for r in held.predict_batch(images[1:3])] == ["harbour", "window"]
    assert held.predict(images[0]).text.lower() in lexicon.words  # "Reading" is not among them.
    assert held.predict(images[0]).confidence < 0.01
    number = plates.predict(images[3])
    assert number.text == "2026"
    assert [char.text for char in number.characters] == list("2026")
    impossible = TextRecognizer(decoder=BeamDecoder(constraint=Pattern(".{1000}")))
    assert impossible.predict(images[0]).text == ""
    with pytest.raises(TypeError, match=r"`decoder` must be a BeamDecoder or None.*Put a Lexicon"):
        TextRecognizer(decoder=lexicon)


def test_a_reading_is_ready_for_json(reader, images):
    found = json.loads(json.dumps(reader.predict(images[0]).to_dict()))
    assert set(found) == {"text", "confidence", "characters", "error"}
    assert set(found["characters"][0]) == {"text", "confidence", "left", "right"}
    assert Reading("a", 0.5).to_dict() == {
        "text": "a", "confidence": 0.5, "characters": (), "error": None,
    }  # fmt: skip


def test_providers_and_threads_can_be_chosen():
    reader = TextRecognizer(providers=["CPUExecutionProvider"], num_threads=1)
    assert reader.model.get_session_options().intra_op_num_threads == 1
    assert reader.model.get_providers() == ["CPUExecutionProvider"]
    with pytest.raises(ValueError, match=r"Unknown provider .*onnxruntime-gpu"):
        TextRecognizer(providers=["TPUExecutionProvider"])
    with pytest.raises(ValueError, match="`num_threads`"):
        TextRecognizer(num_threads=0)


def test_a_graphics_card_that_does_not_serve_is_told(monkeypatch, caplog):
    monkeypatch.setattr(session_module.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(
        session_module.ort, "get_available_providers", lambda: ["CPUExecutionProvider"]
    )
    with caplog.at_level(logging.WARNING):
        TextRecognizer(force_cpu=True)
        assert not caplog.records
        TextRecognizer()
    assert "Install onnxruntime-gpu" in caplog.text


def test_a_provider_that_does_not_start_is_told(caplog):
    with caplog.at_level(logging.WARNING):
        session_module._log_device("CUDAExecutionProvider", "CPUExecutionProvider", False)
    assert "could not start CUDAExecutionProvider" in caplog.text


def test_a_blank_image_has_no_text(reader, tmp_path):
    """With a lexicon of two words even a blank image read "chicken"."""
    blank = np.full((40, 120, 3), 250, np.uint8)
    words = TextRecognizer(decoder=BeamDecoder(constraint=Lexicon(["chicken", "egg"])))
    for one in (reader, words):
        assert (one.predict(blank).text, one.predict(blank).confidence) == ("", 1.0)


def test_what_is_no_image_is_named_with_a_way_to_read_it(reader, tmp_path):
    with pytest.raises(TypeError, match="Read them with `predict_batch`"):
        reader.predict([np.zeros((8, 8), np.uint8)])
    with pytest.raises(IsADirectoryError, match="`mltu read` takes folders too"):
        reader.predict(tmp_path)
    with pytest.raises(ValueError, match="If it is base64, decode it"):
        reader.predict("iVBORw0KGgo" * 500)
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        reader.predict("\ud800.png")
    pillow = pytest.importorskip("PIL.Image").new("RGB", (8, 8))
    with pytest.raises(TypeError, match=r"numpy.array\(image.convert\('RGB'\)\)"):
        reader.predict_batch([pillow])


def test_a_reader_and_a_reading_say_what_they_are(reader):
    said = r"TextRecognizer\('.*words.onnx'\): reads \d+ characters in 32 to 2048x32 pixels, on \w+"
    assert re.fullmatch(said, repr(reader))
    assert repr(Reading("cat", 0.5)) == "Reading('cat', 50.0%)"
    assert repr(Reading("", 0.0, error="cut off")) == "Reading(error='cut off')"


def test_a_subclass_takes_the_name_of_a_shipped_reader():
    assert Path(OnnxInferenceModel("words", force_cpu=True).model_path).name == "words.onnx"


@pytest.mark.parametrize("size", [1, 4])
def test_a_file_of_a_fixed_batch_is_read_one_by_one_or_refused(images, tmp_path, size):
    """Other exporters fix it; onnxruntime's error named neither the cause nor a fix."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(find_pretrained())
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = size
    onnx.save(model, tmp_path / "model.onnx")
    if size == 1:
        fixed = TextRecognizer(tmp_path, force_cpu=True)
        assert [reading.text for reading in fixed.predict_batch(images[:3])] == WORDS[:3]
    else:
        with pytest.raises(ValueError, match=r"reads exactly 4 images at once. Export it with"):
            TextRecognizer(tmp_path, force_cpu=True)
