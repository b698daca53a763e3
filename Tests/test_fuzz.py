"""What the fuzzer found stays mended: each finding by its name, and a second of each target."""

import importlib.util
import json
import re
import struct
import sys
import tempfile

import cv2
import fuzz
import fuzz_targets as targets
import numpy as np
import pytest
from conftest import run_python
from hypothesis import given, settings
from hypothesis import strategies as st

from mltu.configs import BaseModelConfigs
from mltu.datasets import (
    read_csv,
    read_iam_lines,
    read_iam_words,
    read_lmdb,
    read_mjsynth,
    read_tsv,
)
from mltu.decoders import BeamDecoder, Lexicon, Pattern, to_probabilities
from mltu.preprocessors import ImageReader
from mltu.resume import find_state
from mltu.utils.image_size import is_small_jpeg, num_pixels

VOCAB = tuple(targets.ASCII)
PACKAGES = {"onnx": "onnx", "lmdb": "lmdb"}


def has(package):
    return importlib.util.find_spec(package) is not None


@pytest.mark.skipif(sys.platform != "linux", reason="limits and signals of Linux")
def test_a_second_of_each_target():
    names = [name for name in targets.TARGETS if has(PACKAGES.get(name, "json"))]
    result = run_python("Tests/tools/fuzz.py", *names, "--seconds", 1, "--seed", 0)
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["findings"] == []
    assert report["inputs"] > 0  # How many depends on what else the machine does.


def test_the_same_seed_gives_the_same_input():
    from fuzz_mutations import mutate

    seeds = targets.label_seeds()
    first, second = (
        mutate(seeds[0], seeds, targets.LABEL_TOKENS, np.random.default_rng([1, 2])) for _ in "ab"
    )
    assert first == second != seeds[0]


@pytest.mark.parametrize(
    "error", [ValueError("no"), ValueError(f"`a` must. Received {'x' * 9000}")]
)
def test_the_fuzzer_sees_errors_that_do_not_help(error, monkeypatch):
    def fail(data, folder):
        raise error

    monkeypatch.setitem(targets.TARGETS, "label", targets.Target(fail, list))
    assert "form: " in fuzz.try_input("label", b"", "")


def test_the_fuzzer_sees_other_exceptions(monkeypatch):
    monkeypatch.setitem(targets.TARGETS, "x", targets.Target(lambda data, folder: 1 / 0, list))
    assert "ZeroDivisionError" in fuzz.try_input("x", b"", "")


@pytest.mark.parametrize("name", ["card", "yaml", "labels", "decoders", "state"])
@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes(name, data):
    with tempfile.TemporaryDirectory() as folder:
        assert fuzz.try_input(name, data, folder) is None


# Images -------------------------------------------------------------------------------------


def patched(content, place, code, *numbers):
    size = struct.calcsize(code)
    return content[:place] + struct.pack(code, *numbers) + content[place + size :]


def encoded(suffix, channels=3):
    image = np.zeros((4, 4, channels), np.uint8)
    return cv2.imencode(suffix, image)[1].tobytes()


CLAIMS = {
    "png": lambda: targets.png(30000, 30000, 8, 2, b"\0"),
    "jpeg": lambda: targets.jpeg(claim=(30000, 30000)),
    "progressive jpeg": lambda: targets.jpeg(claim=(30000, 30000), progressive=True),
    "jpeg with exif": lambda: jpeg_with(targets.exif(6)),
    "bmp": lambda: patched(encoded(".bmp"), 18, "<ii", 30000, -30000),
    "gif": lambda: patched(encoded(".gif"), 6, "<HH", 30000, 30000),
    "webp": lambda: b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x2f\x75\0\x2f\x75\0",
    "pnm": lambda: b"P6 # 1 1\n30000\n#2\n30000 255\n" + bytes(50),
    "bigtiff": lambda: big_tiff(),
    "tiff": lambda: tiff((256, 4, 1, 30000), (257, 4, 1, 30000)),
}


def jpeg_with(segment):
    content = targets.jpeg(claim=(30000, 30000))
    return content[:2] + segment + content[2:]


def tiff(*entries):
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)


def big_tiff():
    entries = [struct.pack("<HHQQ", tag, 16, 1, 30000) for tag in (256, 257)]
    return b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 2) + b"".join(entries) + bytes(8)


def test_a_bigtiff_whose_directory_is_nowhere_has_no_size():
    assert num_pixels(b"II+\0" + struct.pack("<HHQ", 8, 0, 2**64 - 1)) == 0


@pytest.mark.parametrize("make", CLAIMS.values(), ids=CLAIMS)
def test_a_few_bytes_that_claim_900_million_pixels_are_not_decoded(make, monkeypatch):
    """OpenCV took 5 GB and 10 s for the JPEG of 631 bytes."""
    if make is CLAIMS["gif"] and not cv2.haveImageWriter("claim.gif"):
        pytest.skip("OpenCV knows GIF since 4.12.")
    content = make()
    monkeypatch.setattr(cv2, "imdecode", None)
    assert num_pixels(content) == 900_000_000
    for read in (ImageReader().read, lambda data: ImageReader().batch([data], [""])):
        with pytest.raises(ValueError, match=r"at most 100000000 pixels.* 900000000 pixels"):
            read(content)


def test_the_header_says_what_is_decoded():
    for content in targets.image_seeds():
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if image is not None:
            assert num_pixels(content) == image.shape[0] * image.shape[1]


def test_max_pixels_is_the_callers_choice():
    content = targets.jpeg(16, 16)
    assert ImageReader(max_pixels=256).read(content).shape == (16, 16, 3)
    with pytest.raises(ValueError, match="at most 255 pixels"):
        ImageReader(max_pixels=255).read(content)
    with pytest.raises(ValueError, match="at most 255 pixels"):
        ImageReader(max_pixels=255).batch([content], [""])
    with pytest.raises(ValueError, match="`max_pixels` must be an integer of at least 1"):
        ImageReader(max_pixels=0)


def test_small_jpegs_are_known_at_once():
    assert is_small_jpeg(targets.jpeg())
    assert is_small_jpeg(targets.jpeg(progressive=True, grey=True))
    assert not is_small_jpeg(targets.jpeg(claim=(30000, 1)))
    assert not is_small_jpeg(targets.jpeg(claim=(1, 9984)))
    assert not is_small_jpeg(b"\xff\xd8\xff")
    assert not is_small_jpeg(encoded(".png"))


def test_a_thumbnail_does_not_hide_the_size():
    content = targets.jpeg(claim=(30000, 30000))
    inner = targets.jpeg(8, 8)
    segment = b"\xff\xe1" + struct.pack(">H", len(inner) + 2) + inner
    assert num_pixels(content[:2] + segment + content[2:]) == 900_000_000
    assert not is_small_jpeg(content[:2] + segment + content[2:])


@pytest.mark.parametrize("length", [0xC1FFFF03, 1000])
def test_a_part_of_a_png_that_claims_gigabytes(length):
    """OpenCV made room for 4 GB, as the part said."""
    content = encoded(".png")
    place = content.index(b"IDAT") - 4
    with pytest.raises(ValueError, match="a PNG that was cut off"):
        ImageReader().read(patched(content, place, ">I", length))
    assert ImageReader().read(content + b"more").shape == (4, 4, 3)


def test_a_jpeg_of_thousands_of_scans():
    content = targets.jpeg(claim=(5000, 5000), progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    with pytest.raises(ValueError, match=r"a JPEG of 2\d\d\d scans over 25000000 pixels"):
        ImageReader().read(content[:-2] + 2000 * scan + b"\xff\xd9")


@pytest.mark.parametrize(("width", "height", "fits"), [(64, 64, True), (3999, 3999, False)])
def test_how_often_a_jpeg_may_be_gone_over_depends_on_its_size(width, height, fits):
    """78 KB of 490 scans over 16 million pixels took 8 seconds."""
    content = targets.jpeg(width, height, progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    content = content[:-2] + 480 * scan + b"\xff\xd9"
    assert not is_small_jpeg(content)
    for read in (ImageReader().read, lambda data: ImageReader().batch([data], [""])[0][0]):
        if fits:
            assert read(content).shape == (height, width, 3)
        else:
            with pytest.raises(ValueError, match=r"a JPEG of 4\d\d scans over 15992001 pixels"):
                read(content)


def test_a_tile_that_is_larger_than_its_image_counts():
    """OpenCV made room for 1 GB of a tile behind 16 x 16 pixels."""
    sides = [(256, 4, 1, 16), (257, 4, 1, 16), (322, 4, 1, 16368), (323, 4, 1, 16368)]
    with pytest.raises(ValueError, match="267911424 pixels"):
        ImageReader().read(tiff(*sides))


@pytest.mark.parametrize("suffix", [".pam", ".pfm", ".hdr", ".ras"])
def test_formats_of_unknown_size_are_refused(suffix):
    """OpenCV decodes them, whatever size they claim."""
    content = cv2.imencode(suffix, np.full((3, 5, 3), 200, np.float32))[1].tobytes()
    for read in (ImageReader().read, lambda data: ImageReader().batch([data], [""])):
        with pytest.raises(ValueError, match="in a format that it does not know"):
            read(content)


def test_a_tiff_with_two_widths_counts_by_the_larger():
    assert num_pixels(tiff((256, 3, 1, 44), (257, 3, 1, 20), (256, 3, 1, 1))) == 880
    assert num_pixels(tiff((256, 1, 1, 44), (257, 9, 1, 20))) == 880


def test_a_transparent_png_that_ends_as_a_jpeg_is_laid_over_white_in_a_batch_too():
    content = encoded(".png", 4) + b"\xff\xd9"
    assert np.all(ImageReader().read(content) == 255)
    assert np.all(ImageReader().batch([content], [""])[0][0] == 255)


@pytest.mark.parametrize("content", [b"", b"BM", b"P6\n2000000 1\n255\n"])
def test_bytes_that_opencv_asserts_on_are_refused_in_a_batch_too(content):
    with pytest.raises(ValueError, match="`data` must be an image that OpenCV can decode"):
        ImageReader().batch([targets.jpeg(), content], ["", ""])


@pytest.mark.parametrize("path", ["a\0b.png", "a\ud800.png"])
def test_a_path_that_no_file_can_have(path):
    for read in (ImageReader().read, lambda data: ImageReader().batch([data], [""])):
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            read(path)
        targets.known_form(caught.value)


def test_large_images_are_laid_over_white_as_small_ones(monkeypatch):
    monkeypatch.setattr("mltu.preprocessors._STRIP", 100)
    rng = np.random.default_rng(0)
    for dtype, depth in ((np.uint8, 1), (np.uint16, 257)):
        image = rng.integers(0, 256, (200, 3, 4)).astype(dtype)
        image = (image * depth).astype(dtype)
        content = cv2.imencode(".png", image)[1].tobytes()
        small = (image // depth).astype(float)
        alpha = small[:, :, 3:]
        expected = np.floor((small[:, :, :3] * alpha + 255 * (255 - alpha) + 127) / 255)
        assert np.array_equal(ImageReader().read(content), expected)


# Model files --------------------------------------------------------------------------------


def reader_of(folder, content):
    from mltu.inferenceModel import TextRecognizer

    path = folder / "model.onnx"
    path.write_bytes(content)
    return TextRecognizer(path, force_cpu=True, num_threads=1)


needs_onnx = pytest.mark.skipif(not has("onnx"), reason="writes models")


@needs_onnx
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"shape": None}, "inputs and outputs that are tensors"),
        ({"element": 7}, r"one input, tensor\(float\).*tensor\(int64\)"),
        ({"element": 11}, r"one input, tensor\(float\).*tensor\(double\)"),
    ],
    ids=["no inputs", "int64", "double"],
)
def test_a_model_that_takes_no_images_is_refused(tmp_path, changes, text):
    if changes == {"shape": None}:
        from onnx import helper

        value = helper.make_tensor("c", 1, [1, 4, 4], np.zeros(16))
        changes = {"shape": None, "nodes": [helper.make_node("Constant", [], ["y"], value=value)]}
    with pytest.raises(ValueError, match=text):
        reader_of(tmp_path, targets.small_model(**changes))


@needs_onnx
def test_names_that_are_no_text_are_refused(tmp_path):
    content = targets.small_model().replace(b"batch", b"\x80\xff\xfe\xfd\xfc")
    with pytest.raises(ValueError, match=r"`model_path` must be"):
        reader_of(tmp_path, content)


@needs_onnx
@pytest.mark.parametrize(
    ("low", "outputs", "text"),
    [
        (np.nan, "logits", "infinite values or NaN"),
        (np.inf, "logits", "infinite values or NaN"),
        (-5, "probabilities", r"finite probabilities.*values from -5.0 to"),
    ],
)
def test_a_model_that_gives_no_numbers_says_so(tmp_path, low, outputs, text):
    from onnx import helper

    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], axes=[1], keepdims=0),
        helper.make_node("Pad", ["m", "pads", "c"], ["y"]),
        helper.make_node("Constant", [], ["c"], value=helper.make_tensor("v", 1, [], [low])),
    ]
    nodes = [nodes[2], *nodes[:2]]
    reader = reader_of(tmp_path, targets.small_model(nodes=nodes, outputs=outputs))
    with pytest.raises(ValueError, match=text):
        reader.predict(np.zeros((2, 4, 3), np.uint8))


@needs_onnx
def test_a_model_that_gives_another_shape_than_its_file_says(tmp_path):
    """The fuzzer padded by 30,000 on two sides: 490 bytes that took 3.5 GB, and still do."""
    content = targets.small_model(shape=(1, 2, 4, 3), pads=[0, 0, 0, 0, 3, 3])
    reader = reader_of(tmp_path, content)
    with pytest.raises(ValueError, match=r"with 4 classes\. Received the shape \(1, 7, 6\)"):
        reader.predict(np.zeros((2, 4, 3), np.uint8))


@needs_onnx
def test_a_model_that_fails_says_so(tmp_path):
    from onnx import helper

    shape = helper.make_tensor("v", 7, [3], [5, 5, 5])
    nodes = [
        helper.make_node("Constant", [], ["s"], value=shape),
        helper.make_node("Reshape", ["x", "s"], ["y"]),
    ]
    reader = reader_of(tmp_path, targets.small_model(nodes=nodes))
    with pytest.raises(ValueError, match=r"cannot be run on images of shape \(1, 2, 4, 3\)"):
        reader.predict(np.zeros((2, 4, 3), np.uint8))


def test_small_probabilities_at_a_low_temperature_are_no_nan():
    outputs = np.full((1, 1, 5000), 1 / 5000, np.float32)
    assert np.allclose(to_probabilities(outputs, "probabilities", 0.05), 1 / 5000)
    assert np.allclose(to_probabilities(np.zeros((1, 4), np.float32), "probabilities", 2.0), 0.25)
    huge = np.array([[3e38, -3e38]], np.float32)
    assert to_probabilities(huge, "logits", 0.05).tolist() == [[1, 0]]


# Configs ------------------------------------------------------------------------------------

LAUGHS = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    ['a: !!int ""', 'a: !!float ""', "a: !!bool x", "a: !!timestamp x", "a: &a [*a]", LAUGHS],
    ids=["int", "float", "bool", "timestamp", "itself", "billion laughs"],
)
def test_yaml_that_is_not_what_it_says(tmp_path, text):
    path = tmp_path / "configs.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="`path` must be a YAML file of plain values") as caught:
        BaseModelConfigs.load(path)
    assert len(str(caught.value)) < 1000


def test_a_number_of_thousands_of_digits_cannot_be_stored(tmp_path):
    configs = BaseModelConfigs()
    configs.model_path, configs.number = str(tmp_path), 1 << 20_000
    with pytest.raises(TypeError, match=r"`number` must be .* Received a number of 20001 bits"):
        configs.save()


# Labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "read", "content"),
    [
        ("a.csv", read_csv, "path,label\n" + "x" * 100_000 + "\n"),
        ("a.csv", read_csv, "x" * 100_000 + "\n"),
        ("a.tsv", read_tsv, "a\t" + "x" * 100_000 + "\tb\n"),
        ("words.txt", read_iam_words, "x" * 100_000 + "\n"),
        ("lines.txt", read_iam_lines, "x" * 100_000 + "\n"),
        ("annotation_train.txt", read_mjsynth, "x" * 100_000 + "\n"),
    ],
)
def test_a_huge_line_makes_a_short_error(tmp_path, name, read, content):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match="Received") as caught:
        read(path if name.startswith("a.") else tmp_path)
    assert len(str(caught.value)) < 1000


@pytest.mark.skipif(not has("lmdb"), reason="reads LMDB")
class TestLmdb:
    @pytest.mark.parametrize("count", [b"9" * 5000, b"9" * 18, b"99999999999", b"6"])
    def test_more_samples_than_entries(self, tmp_path, count):
        """`read_lmdb` made room for all of them."""
        import lmdb

        environment = lmdb.open(str(tmp_path), map_size=1 << 20)
        with environment.begin(write=True) as transaction:
            for key in (b"image-000000001", b"label-000000001", b"x", b"y"):
                transaction.put(key, b"1")
            transaction.put(b"num-samples", count)
        environment.close()
        with pytest.raises(ValueError, match=r"must have .*Received"):
            read_lmdb(tmp_path)

    def test_a_file_that_was_cut_off(self, tmp_path):
        """To read behind its end killed the process."""
        content = targets.lmdb_seeds()[0]
        (tmp_path / "data.mdb").write_bytes(content[: 3 * 4096])
        with pytest.raises(OSError, match=r"must have at least 20480 bytes. Received 12288"):
            read_lmdb(tmp_path)

    def test_more_entries_than_the_file_has_room_for(self, tmp_path):
        """With both numbers altered, a billion images were looked for."""
        content = targets.lmdb_seeds()[0]
        for meta in (0, 4096):  # The entries stand there, behind the page's head and other numbers.
            content = patched(content, meta + 120, "<Q", 10**9)
        (tmp_path / "data.mdb").write_bytes(content)
        with pytest.raises(OSError, match="must have at least 16000000000 bytes"):
            read_lmdb(tmp_path)


# Decoders -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern", ["(.*a.{14})", "((((){1000}){1000}){1000}){1000}", "((a{0}){1000}){1000}"]
)
def test_patterns_that_would_take_for_ever_are_refused(pattern):
    with pytest.raises(ValueError, match=r"at most 100000 states.* Received"):
        Pattern(pattern).automaton(VOCAB)


def test_a_long_pattern_is_refused_and_a_long_way_is_short_work():
    with pytest.raises(ValueError, match=r"at most 10000 characters. Received 10001"):
        Pattern("a" * 10_001)
    missing = Pattern("(.{1000}){9}").automaton(VOCAB).num_missing
    assert missing.tolist() == list(range(9000, -1, -1))


@pytest.mark.parametrize("pattern", [r"[\\-\]]+", r"[!-\-]+", r"[]-a]+", "[a-c-e]+", r"[\--0]+"])
def test_escaped_ends_of_ranges_mean_what_they_mean_in_re(pattern):
    """`[\\-\\]]` was read as three characters."""
    automaton = Pattern(pattern).automaton(VOCAB)
    accepted = [
        char for char, state in zip(VOCAB, automaton.transitions[0], strict=True) if state >= 0
    ]
    assert accepted == [char for char in VOCAB if re.fullmatch(pattern, char)]


@pytest.mark.parametrize("pattern", [r"[\d-z]", r"[a-\w]", "[a-"])
def test_ranges_of_classes_are_refused(pattern):
    with pytest.raises(ValueError, match=r"Invalid pattern .* at position \d"):
        Pattern(pattern)


def test_words_that_are_whole_files_are_refused_in_short():
    with pytest.raises(ValueError, match="at most 10000 characters") as caught:
        Lexicon(["x" * 10_001])
    assert len(str(caught.value)) < 300
    with pytest.raises(ValueError, match="cannot be written with the vocabulary") as caught:
        Lexicon(["x" * 9000]).automaton(("a",))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("probabilities", "vocab", "text"),
    [
        (np.zeros((1, 3, 1)), "", "`vocab` must have at least one character"),
        (np.zeros((1, 3, 2), complex), "a", "real numbers"),
        (np.full((1, 3, 2), "x"), "a", "real numbers"),
        ([[[0.5, 0.5]], [[1]]], "a", "must be an array"),
        (np.full((1, 3, 2), np.nan), "a", r"values in 0\.\.1"),
        (np.full((1, 3, 2), np.inf), "a", r"values in 0\.\.1"),
        (np.full((1, 3, 2), -1.0), "a", r"values in 0\.\.1"),
        (np.zeros((1, 0, 2)), "a", "must have the shape"),
    ],
)
def test_outputs_that_are_no_probabilities(probabilities, vocab, text):
    with pytest.raises(ValueError, match=text):
        BeamDecoder().decode(probabilities, vocab)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float16, np.int64, bool])
def test_outputs_of_other_types_are_read_as_floats(dtype):
    outputs = np.array([[[1, 0, 0], [0, 0, 1], [0, 1, 0]]], dtype)
    assert BeamDecoder().decode(outputs, "ab")[0][0].text == "ab"


# States -------------------------------------------------------------------------------------


def test_a_damaged_state_is_named_whatever_is_wrong(tmp_path):
    """A compressed part with a wrong byte raised `zlib.error`."""
    content = bytearray(targets.state_seeds()[2])
    name = content.index(b"facts.json.npy")
    place = name + 20 + int.from_bytes(content[name - 2 : name], "little")  # Past the header.
    for change in range(1, 256, 5):
        content[place] ^= change
        (tmp_path / "state.npz").write_bytes(content)
        content[place] ^= change
        with pytest.raises(ValueError, match="`folder` must contain a readable state"):
            find_state(tmp_path)
