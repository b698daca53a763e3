"""The doors through which something comes from outside, each a function of bytes, with its seeds.

A target returns or raises; `fuzz.py` decides what may be raised. Where it returns, it compares
with a slow oracle or saves and reads again, and an AssertionError says that they differ.
"""

import io
import json
import os
import re
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from fuzz_mutations import mutate

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "mltu" / "inference" / "weights" / "words.onnx"
ASCII = "".join(map(chr, range(32, 127)))


@dataclass(frozen=True)
class Target:
    """What to run: `run(data, folder)`; `seeds()` are whole inputs, `tokens` parts of them."""

    run: object
    seeds: object
    tokens: list = field(default_factory=list)
    change: object = mutate
    calls: int = 1  # of mltu for one input, each of which has its seconds


# Images -------------------------------------------------------------------------------------

_kept = {}


def once(make):
    """Return what `make` makes, made once."""
    if make not in _kept:
        _kept[make] = make()
    return _kept[make]


def _recognizer():
    from mltu.inferenceModel import TextRecognizer

    return TextRecognizer(force_cpu=True, num_threads=1)


def run_image(data, folder):
    from mltu.preprocessors import ImageReader
    from mltu.utils.image_size import num_pixels

    try:
        batched = ImageReader().batch([data], [""])[0][0]
    except ValueError as error:
        known_form(error)
        batched = None
    color = ImageReader().read(data)
    grey = ImageReader(cv2.IMREAD_GRAYSCALE).read(data)
    assert color.dtype == grey.dtype == np.uint8
    assert color.shape == (*grey.shape, 3)
    assert grey.size
    assert num_pixels(data) >= grey.size  # No way round the limit.
    assert np.array_equal(batched, color)
    if zlib.crc32(data) % 8 == 0:
        reading = once(_recognizer).predict(data)
        assert 0 <= reading.confidence <= 1
        assert all(0 <= c.left <= c.right <= 1 for c in reading.characters)


def png(width, height, depth, color, rows, extra=b""):
    """Write a PNG from its parts; the header may say anything."""

    def chunk(name, content):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b"")


def jpeg(width=16, height=16, *, claim=None, progressive=False, grey=False):
    """Write a JPEG; its header says `claim`, (width, height), where that is given."""
    image = np.full((height, width) if grey else (height, width, 3), 200, np.uint8)
    content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)])[1]
    content = content.tobytes()
    if claim is not None:
        at = re.search(rb"\xff[\xc0\xc2]\x00", content).end() + 2
        content = content[:at] + struct.pack(">HH", claim[1], claim[0]) + content[at + 4 :]
    return content


def exif(orientation):
    """Return the segment that says how a JPEG is turned."""
    entry = struct.pack("<HHII", 0x112, 3, 1, orientation)
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    return b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff


def image_seeds():
    word = cv2.putText(
        np.full((20, 44, 3), 255, np.uint8),
        "ab",
        (2, 15),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.6,
        (9, 0, 99),
    )
    clear = np.dstack([word, 255 - word[:, :, 0]])
    images = [word, word[:, :, 0], clear, word.astype(np.uint16) * 257]
    seeds = []
    for suffix, kinds in {
        ".png": images, ".jpg": images[:2], ".bmp": images[:3], ".webp": images[:3],
        ".gif": images[:1], ".tiff": images, ".ppm": images[:1], ".pgm": images[1:2],
        ".jp2": images[:2], ".avif": images[:1],
    }.items():  # fmt: skip
        for image in kinds:
            try:
                is_done, content = cv2.imencode(suffix, image)
            except cv2.error:
                is_done = False
            if is_done:  # Builds of OpenCV differ in the formats that they write.
                seeds.append(content.tobytes())
    palette = b"PLTE", bytes(range(12))
    extra = b"".join(
        struct.pack(">I", len(content)) + name + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in [palette, (b"tRNS", b"\0\x80\xff\x01")]
    )  # fmt: skip
    seeds.append(png(8, 4, 2, 3, b"\0\x1b\xe4" * 4, extra))
    seeds.append(png(4, 4, 16, 6, (b"\0" + bytes(range(32))) * 4))
    turned = jpeg(24, 8)
    seeds.append(turned[:2] + exif(6) + turned[2:])
    seeds += [jpeg(progressive=True), jpeg(claim=(3000, 2000)), b"P3\n2 2\n255\n" + b"9 " * 12]
    return [*seeds, b"P1\n3 2\n1 0 1 0 1 1\n"]


IMAGE_TOKENS = [
    b"\xff\xd8", b"\xff\xd9", b"\xff\xda", b"\xff\xc0\x00\x11\x08", b"IHDR", b"IDAT", b"tRNS",
    b"acTL", b"fcTL", b"PLTE", b"eXIf", b"iCCP", b"RIFF", b"WEBP", b"VP8X", b"GIF89a", b"BM",
    b"II*\0", b"MM\0*", b"P6\n", b"\x75\x30\x75\x30",
]  # fmt: skip


# Model files --------------------------------------------------------------------------------

CARD = {
    "format": 1, "vocab": "ab€", "blank": 3, "layout": "NHWC", "color": "BGR", "height": 2,
    "width": 4, "channels": 3, "resize": "stretch", "scaling": "in_model", "decoder": "ctc greedy",
    "outputs": "logits", "temperature": 1.5, "padding_color": [0], "metrics": {"cer": 0.5},
    "num_parameters": 7, "versions": {"mltu": "2"},
}  # fmt: skip


def small_model(
    metadata=None, *, shape=("batch", 2, 4, 3), classes=4, element=1, nodes=None, pads=None,
    **changes,
):  # fmt: skip
    """Write a model of a few hundred bytes whose time steps are columns.

    The three channels and a constant are scores; `changes` are of its card, which `metadata`
    replaces; `element` is a dtype.
    """
    from onnx import helper

    card = {key: json.dumps(value) for key, value in {**CARD, **changes}.items()}
    card = card if metadata is None else metadata
    x = [] if shape is None else [helper.make_tensor_value_info("x", element, shape)]
    y = helper.make_tensor_value_info("y", element, ["batch", 4, classes])
    nodes = nodes or [
        helper.make_node("ReduceMax", ["x"], ["m"], axes=[1], keepdims=0),
        helper.make_node("Pad", ["m", "pads", "low"], ["y"]),
    ]
    pads = helper.make_tensor("pads", 7, [6], pads or [0, 0, 0, 0, 0, classes - 3])
    low = helper.make_tensor("low", element, [], [1])
    graph = helper.make_graph(nodes, "read", x, [y], [pads, low])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, card)
    return model.SerializeToString()


def run_onnx(data, folder):
    """Load a model and read with it.

    One finding is known and stays: a model that runs may take any amount of memory and time.
    """
    from mltu.inferenceModel import TextRecognizer

    path = Path(folder) / "model.onnx"
    path.write_bytes(data)
    reader = TextRecognizer(path, force_cpu=True, num_threads=1)
    image = np.arange(5 * 9 * 3, dtype=np.uint8).reshape(5, 9, 3)
    for reading in [reader.predict(image), *reader.predict_batch([image, image[:, :, 0]])]:
        assert 0 <= reading.confidence <= 1
        assert len(reading.text) == len(reading.characters)


def onnx_seeds():
    """Small models of several kinds, since an onnxruntime loads the shipped one in 50 ms."""
    from onnx import TensorProto, helper

    dense = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["t", "shape"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["s"]),
        helper.make_node("Softmax", ["s"], ["y"], axis=-1),
        helper.make_node(
            "Constant", [], ["shape"], value=helper.make_tensor("c", 7, [3], [-1, 4, 6])
        ),
        helper.make_node(
            "Constant", [], ["w"],
            value=helper.make_tensor("v", TensorProto.FLOAT, [6, 4], np.linspace(-1, 1, 24)),
        ),
    ]  # fmt: skip
    gray = {"color": "GRAY", "channels": 1}
    return [
        small_model(),
        small_model(nodes=dense, outputs="probabilities"),
        small_model(shape=(1, 2, 4, 3)),
        small_model(width=[2, 4], resize="fit", shape=("b", 2, "w", 3)),
        small_model(shape=("b", 2, 4, 1), **gray),
        small_model(shape=None),
        small_model(element=7),
        small_model(element=11),
        small_model(scaling="1/255", temperature=0.05),
    ]


ONNX_TOKENS = [
    b"ReduceMax", b"Pad", b"Softmax", b"Identity", b"Cast", b"Loop", b"If", b"Shape",
    b"ConstantOfShape", b"Expand", b"SequenceEmpty", b"batch", b"\x08\x01", b"\x08\x07", b"NaN",
    b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"vocab", b'"logits"', b"ai.onnx",
]  # fmt: skip


def change_model(data, others, tokens, rng):
    """Change the parts of a model one by one, since a byte at random makes it no model at all."""
    import onnx

    if rng.random() < 0.2:
        return mutate(data, others, tokens, rng)
    model = onnx.ModelProto.FromString(others[rng.integers(len(others))])
    graph = model.graph
    changes = [_change_node, _change_node, _change_tensor, _change_value, _change_card]
    for _ in range(rng.integers(1, 4)):
        changes[rng.integers(len(changes))](model, graph, rng)
    content = model.SerializeToString()
    return mutate(content, others, tokens, rng) if rng.random() < 0.05 else content


OPS = ["ReduceMax", "ReduceSum", "Identity", "Neg", "Log", "Sqrt", "Exp", "Reciprocal", "Shape"]
OPS += ["Not", "Squeeze", "Flatten", "Size", "NonZero", "Softmax", "Reshape", "Expand", "Tile"]
OPS += ["Transpose", "SequenceConstruct", "Unsqueeze", "ArgMax", "Cast", "Div", "Mul", "Pow"]
OPS += ["Gather", "Concat"]
SIDES = [0, 1, 2, 3, 4, 5, 6, 7, -1, 96, 30_000, 2**31, 2**62]


def _change_node(model, graph, rng):
    if not len(graph.node):
        return
    node = graph.node[rng.integers(len(graph.node))]
    kind = rng.integers(5)
    names = [name for one in graph.node for name in [*one.input, *one.output]]
    if kind == 0:
        node.op_type = OPS[rng.integers(len(OPS))]
    elif kind == 1 and len(node.input):
        node.input[rng.integers(len(node.input))] = names[rng.integers(len(names))]
    elif kind == 2 and len(node.attribute):
        attribute = node.attribute[rng.integers(len(node.attribute))]
        attribute.i = int(rng.choice(SIDES))
        if len(attribute.ints):
            attribute.ints[0] = int(rng.choice(SIDES))
    elif kind == 3:  # One more node before the output.
        op = OPS[rng.integers(len(OPS))]
        last = next((one for one in graph.node if "y" in one.output), None)
        if last is not None:
            last.output[list(last.output).index("y")] = "before"
            graph.node.add(op_type=op, input=["before"], output=["y"])
    else:
        del node.input[:1]


def _change_tensor(model, graph, rng):
    found = [
        *graph.initializer,
        *(a.t for n in graph.node for a in n.attribute if a.name == "value"),
    ]
    tensor = found[rng.integers(len(found))]
    if rng.random() < 0.3 and len(tensor.dims):
        tensor.dims[rng.integers(len(tensor.dims))] = int(rng.choice(SIDES))
    elif len(tensor.float_data):
        values = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 0, -1]
        tensor.float_data[rng.integers(len(tensor.float_data))] = float(rng.choice(values))
    elif len(tensor.int64_data):
        tensor.int64_data[rng.integers(len(tensor.int64_data))] = int(rng.choice(SIDES))


def _change_value(model, graph, rng):
    """Change what the file says of an input or output."""
    values = [*graph.input, *graph.output]
    value = values[rng.integers(len(values))].type.tensor_type
    kind = rng.integers(4)
    if kind == 0:
        value.elem_type = int(rng.integers(0, 20))
    elif kind == 1 and len(value.shape.dim):
        side = value.shape.dim[rng.integers(len(value.shape.dim))]
        side.dim_value = int(rng.choice(SIDES))
    elif kind == 2:
        value.shape.dim.add(dim_param="more")
    else:
        value.ClearField("shape")


def _change_card(model, graph, rng):
    entry = model.metadata_props[rng.integers(len(model.metadata_props))]
    values = ["0", "1", "3", "4", "20", "0.05", "1e300", "16384", "null", "[]", "[2, 4]", '"fit"']
    values += ['"GRAY"', '"logits"', '"probabilities"', '"abc"', '"1/255"']
    entry.value = values[rng.integers(len(values))]


def run_card(data, folder):
    """Read a card of `key NUL text` pairs, divided by NUL; pieces without a key go to each key."""
    from mltu.inference import ModelCard, read_card

    pieces = data.decode("utf-8", "replace").split("\0")
    good = {key: json.dumps(value) for key, value in CARD.items()}
    entries = dict(zip(pieces[::2], pieces[1::2], strict=False))
    for found in (entries, {**good, **entries}):
        try:
            card = read_card(found, "'x.onnx'")
        except ValueError as error:
            known_form(error)
            continue
        assert isinstance(card, ModelCard)
        assert card.blank == len(card.vocab)
        hash((card.vocab, card.width, card.padding_color))


def card_seeds():
    rows = [(key, json.dumps(value)) for key, value in CARD.items()]
    whole = "\0".join(part for row in rows for part in row)
    others = ["[1, 2, 3]", '{"a": {"b": []}}', "1e5", "-0.0", '"\\ud800"', "[[[]]]", "true"]
    pairs = [f"{key}\0{text}" for key in CARD for text in others[:3]]
    return [whole.encode(), *(text.encode() for text in pairs), 'vocab\0"äß\\u00e9"'.encode()]


CARD_TOKENS = [
    b"\0", b"NaN", b"Infinity", b"-", b"1e400", b"[" * 1500, b'{"a":' * 1200, b"null",
    b'"\\ud83d\\ude00"', b'"\\ud800"', b"9" * 5000, b"true", *(k.encode() for k in CARD),
]  # fmt: skip


# Configs ------------------------------------------------------------------------------------


def run_yaml(data, folder):
    """Load; what was loaded is saved and comes back as it is."""
    from mltu.configs import BaseModelConfigs

    path = Path(folder) / "configs.yaml"
    path.write_bytes(data)
    configs = BaseModelConfigs.load(path)
    configs.model_path = str(folder)
    again = BaseModelConfigs.load(configs.save("again.yaml"))
    ours, theirs = (repr(vars(one)).translate({40: "[", 41: "]"}) for one in (configs, again))
    assert ours == theirs  # But for tuples, which !!omap makes.


def yaml_seeds():
    plain = """model_path: Models/x\nvocab: "ab\\u20ac\\ud800"\nheight: 32\nrate: 1.0e-3
flag: true\nnothing: null\nwidths: [64, 128]\nnested:\n  a: {b: [1, 2.5, 'x']}\n  3: c
text: |\n  two\n  lines\nquoted: 'it''s'\n- a\n"""
    tagged = "a: !!int 7\nb: !!float 1.5\nc: !!bool yes\nd: !!timestamp 2024-01-02\ne: !!str x\n"
    linked = "base: &b {x: 1, y: [1, 2]}\nother:\n  <<: *b\n  z: *b\nlist: &l [*b, *b]\n"
    rare = "a: 190:20:30\nb: 0x1F\nc: 0o17\nd: .inf\ne: .nan\nf: 2024-01-02T03:04:05Z\n? k\n: v\n"
    types = "a: !!set {x, y}\nb: !!omap [x: 1]\nc: !!pairs [x: 1]\nd: !!binary aGk=\n"
    texts = [
        plain[: plain.index("- a")],
        plain,
        tagged,
        linked,
        rare,
        types,
        "%YAML 1.1\n---\na: b\n...",
    ]
    return [text.encode() for text in texts]


YAML_TOKENS = [
    b"!!int ", b"!!float ", b"!!bool ", b"!!null ", b"!!timestamp ", b"!!binary ", b"\n", b"&a ",
    b"*a", b"<<: *b\n", b"<<: [*b, *b]\n", b"!!python/object:os.system ", b"? ", b"[" * 400,
    b"{a: " * 300, b"- ", b"  ", b"|\n", b">-\n", b"\xef\xbb\xbf", b"\xff\xfe", b"!!set ",
    b"!!omap ", b"!!map ", b"!!seq ", b"!!str ", b'"\\x00"', b'"\\ud800"', b"''", b"1:2:3", b"0x",
    b"0b", b"=", b"---\n", b"%TAG ! tag:x\n", b"#", b"\xe2\x80\xa8",
]  # fmt: skip


# Labels -------------------------------------------------------------------------------------


def run_labels(data, folder):
    """Read the same bytes as each of the listings."""
    from mltu.datasets import (
        open_samples,
        read_csv,
        read_iam_lines,
        read_iam_words,
        read_mjsynth,
        read_tsv,
    )

    folder = Path(folder)
    for name in ("a.csv", "words.txt", "lines.txt", "annotation_train.txt"):
        (folder / name).write_bytes(data)
    doors = {
        "csv": lambda: read_csv(folder / "a.csv"),
        "tsv": lambda: read_tsv(folder / "a.csv"),
        "any": lambda: open_samples(folder / "a.csv"),
        "iam": lambda: read_iam_words(folder, include_err=True),
        "iam lines": lambda: read_iam_lines(folder, include_err=True),
        "mjsynth": lambda: read_mjsynth(folder),
    }
    for name, read in doors.items():
        try:
            samples = read()
        except (OSError, ValueError) as error:
            known_form(error)
            found = None
        else:
            found = list(samples)
            assert all(isinstance(path, str) and isinstance(label, str) for path, label in found)
        if name == "mjsynth":
            assert found == slow_mjsynth(data, folder)


def slow_mjsynth(data, folder):
    """Read the annotation file in another way, by its bytes; None where it is refused."""
    found = []
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        try:
            match = re.fullmatch(
                r"\s*(\./)?(?P<path>(\S*/)?[^\s_/]*_(?P<label>[^\s_/]*)_[^\s/]*)(\s+\d+)?\s*",
                line.decode(),
            )
        except UnicodeDecodeError:
            return None
        if match is None and line.decode().strip():
            return None
        if match:
            found.append((os.path.join(folder, match["path"]), match["label"]))
    return found or None


def label_seeds():
    return [
        b"path,label\na.png,one\nb.png,\"two, \"\"2\"\"\"\n", b"\xef\xbb\xbfpath,label\r\na,b\r\n",
        b"id,label,path\n1,007,a b.png\n", "path,label\nä.png,€\n".encode(),
        b"a.png\tone\nb.png\t\"\n", b"path\tlabel\tmore\na\tb\tc\n\n",
        b"#--- words.txt\na01-000u-00-00 ok 154 408 768 27 51 AT A\n"
        b"a01-000u-00-01 err 154 507 766 213 48 NN MO VE\n",
        b"./2425/1/115_Lube_45484.jpg 45484\n./2425/1/114_Spencerian_73323.jpg 73323\n",
        b"/abs/1_x_2.png\r\n3_\xc3\xa9_4.png 4\r5_y_6.png", "path,label\na,b\n".encode("utf-16"),
    ]  # fmt: skip


LABEL_TOKENS = [
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xef\xbb\xbf", b"\r\n", b"\r", b"\n", b"\t", b'"',
    b'""', b",", b"_", b"./", b"/", b" ", b"path", b"label", b"ok ", b"err ", b"#", b"\x1c",
    b"\x0b", "\u2028\u0661".encode(), b"x" * 140_000, b"../", b"a01-000u-00-00 ",
]  # fmt: skip


def run_lmdb(data, folder):
    """Read the bytes as the `data.mdb` of a data set, and look at every image and label."""
    from mltu.datasets import read_lmdb

    (Path(folder) / "data.mdb").write_bytes(data)
    try:
        list(read_lmdb(folder))
    except (OSError, ValueError) as error:
        known_form(error)


def lmdb_seeds():
    """Small files as `lmdb` writes them; one claims more samples than there are."""
    import tempfile

    import lmdb

    seeds = []
    for count in (b"2", b"3", b"99999999999", b"9" * 5000, b""):
        content = png(2, 2, 8, 0, b"\0\0\0" * 2)
        items = {b"image-000000001": content, b"label-000000001": b"one", b"num-samples": count}
        items |= {b"image-000000002": content * 90, b"label-000000002": "€".encode()}
        with tempfile.TemporaryDirectory() as folder:
            environment = lmdb.open(folder, map_size=1 << 20)
            with environment.begin(write=True) as transaction:
                for key, value in items.items():
                    transaction.put(key, value)
            environment.close()
            seeds.append((Path(folder) / "data.mdb").read_bytes())
    return seeds


LMDB_TOKENS = [
    b"num-samples", b"image-000000001", b"label-000000002", b"2", b"9" * 20, b"\xde\xc0\xef\xbe",
]  # fmt: skip


# Decoders -----------------------------------------------------------------------------------


def run_decoders(data, folder):
    """`P` and a pattern, `L` and words, or a probability matrix."""
    kind, rest = data[:1], data[1:]
    if kind == b"P":
        _run_pattern(rest.decode("utf-8", "replace"))
    elif kind == b"L":
        _run_lexicon(rest.decode("utf-8", "replace").split("\n"), len(rest) % 2 == 1)
    else:
        _run_outputs(rest)


def _probabilities(batch, time, classes):
    rng = np.random.default_rng(0)
    values = rng.random((batch, time, classes)) ** 4
    return (values / values.sum(axis=2, keepdims=True)).astype(np.float32)


def _run_pattern(text):
    from mltu.decoders import BeamDecoder, Pattern

    vocab = ASCII if len(text) % 2 else "ab1-"
    rows = BeamDecoder(4, 2, Pattern(text)).decode(_probabilities(2, 6, len(vocab) + 1), vocab)
    for hypothesis in (one for row in rows for one in row):
        assert re.fullmatch(text, hypothesis.text, re.DOTALL)
        assert hypothesis.log_probability <= 1e-6


def _run_lexicon(words, ignore_case):
    from mltu.decoders import BeamDecoder, Lexicon

    lexicon = Lexicon(words, ignore_case=ignore_case)
    rows = BeamDecoder(4, 2, lexicon).decode(_probabilities(2, 6, 96), ASCII)
    assert all(one.text in lexicon for row in rows for one in row)


def _run_outputs(data):
    from mltu.decoders import BeamDecoder
    from mltu.utils.text_utils import ctc_decoder

    batch, time, classes, kind = (*data[:4], 0, 0, 0, 0)[:4]
    shape = (batch % 4, time % 9, classes % 6)
    dtype = [np.float32, np.float64, np.float16, np.int8, np.complex64, np.uint8, bool][kind % 7]
    size = int(np.prod(shape))
    content = data[4:].ljust(16 * size, b"\0")[: size * np.dtype(dtype).itemsize]
    values = np.frombuffer(content, dtype)
    outputs = values.reshape(shape)
    with np.errstate(all="ignore"):
        tamed = np.nan_to_num(np.abs(outputs.real.astype(np.float64))) % 1
    for source in (outputs, tamed):
        vocab = ASCII[: max(shape[2] - 1, 0)]
        for read in (BeamDecoder(3, 2).decode, ctc_decoder):
            try:
                rows = read(source, vocab)
            except (ValueError, TypeError) as error:
                known_form(error)
                continue
            assert len(rows) == shape[0]


def decoder_seeds():
    patterns = ["[A-Z]{2}[0-9]{3}", "(a|b)*1", r"\d+-\w?", "[^aeiou]{2,}", "(?:ab|1)+", "(|a)(b|)"]
    patterns += ["a{0}|.{1000}", "(a?){9}b", "[]a-]", r"[\]\d]*", "((a{2}){2}){2}", "(.*a.{9})"]
    words = ["one\ntwo\nOne", "a", "straße\nİ\nß", "aa\naaa\naaaa", "x" * 50]
    matrix = np.float32([[0.1, 0.2, 0.7], [0.5, 0.5, 0], [np.nan, np.inf, -1]]).tobytes()
    heads = [b"\1\3\3\0", b"\2\1\2\2", b"\0\3\3\1", b"\1\0\3\0", b"\1\3\1\0"]
    arrays = [head + matrix for head in heads]
    return [
        *(b"P" + text.encode() for text in patterns), *(b"L" + text.encode() for text in words),
        *(b"A" + data for data in arrays),
    ]  # fmt: skip


DECODER_TOKENS = [
    b"(", b")", b"[", b"]", b"|", b"*", b"+", b"?", b"{0}", b"{1000}", b"{2,}", b"{0,9}",
    b"(){1000}", b"((a{0}){1000}){1000}", b"(a*b*){99}", b"[^a]", b"\\d", b"\\", b".", b"-",
    b"\n", b"\0", b"\xff", "ß".encode(), "İ".encode(), b"x" * 3000, b"\x00\x00\xc0\x7f",
    b"(.*a.{14})", b"(.{1000}){9}", b"(?:", b"\x00\x00\x80\x7f", b"\x00\x00\x80\x3f",
]  # fmt: skip


# States of a training -----------------------------------------------------------------------


def run_state(data, folder):
    from mltu.resume import find_state

    (Path(folder) / "state.npz").write_bytes(data)
    state = find_state(folder)
    assert state.position


def state_seeds():
    import mltu.resume  # noqa: F401  # It imports Keras, which would break the limits of an input.

    facts = {"epoch": 1, "step": 2, "num_steps": 3, "finished": False}
    seeds = []
    for save in (np.savez, np.savez_compressed):
        for arrays in ({}, {"a": np.arange(6.0).reshape(2, 3), "b": np.array("text")}):
            file = io.BytesIO()
            save(
                file,
                **{"facts.json": np.frombuffer(json.dumps(facts).encode(), np.uint8)},
                **arrays,
            )
            seeds.append(file.getvalue())
    return seeds


STATE_TOKENS = [
    b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY\x01\x00", b"'<f8'", b"'|O'",
    b"(99999999999,)", b"(2, 3)", b"1e999", b"Infinity", b"[]", b"[" * 1000, b"{",
    b"facts.json.npy",
]  # fmt: skip


# The form of errors ---------------------------------------------------------------------------


class FormError(Exception):
    """An error of the right kind whose message does not help."""


def known_form(error):
    """Look whether an error says what was expected and what was received, in few words."""
    message = str(error)
    is_systems = isinstance(error, OSError) and error.filename is not None
    has_beats = re.search(
        r"must .*(Received|There is no|holds others)|^Invalid pattern .* at position \d+: "
        r"|^The card of .* says .* the model (takes|has) ",
        message,
        re.DOTALL,
    )
    if not is_systems and not has_beats and "cannot be" not in message:
        raise FormError(
            f"{type(error).__name__} without its three beats: {message[:200]}"
        ) from error
    if len(message) > 2000:
        raise FormError(f"{type(error).__name__} of {len(message)} characters") from error


# What cannot be mended here, by the key of the finding.
KNOWN = [
    # LMDB maps the file into memory and trusts the page numbers and sizes that it reads there.
    r"^(crash|hang) SIG\w+ .*datasets/_lmdb\.py",
    # A model is a program, and may ask for any amount of memory and time when it runs.
    r"^onnx: memory",
    r"^hang SIGPROF .*inference/_recognizer\.py",
]

TARGETS = {
    "image": Target(run_image, image_seeds, IMAGE_TOKENS, calls=4),
    "onnx": Target(run_onnx, onnx_seeds, ONNX_TOKENS, change_model, calls=3),
    "card": Target(run_card, card_seeds, CARD_TOKENS),
    "yaml": Target(run_yaml, yaml_seeds, YAML_TOKENS, calls=3),
    "labels": Target(run_labels, label_seeds, LABEL_TOKENS, calls=5),
    "lmdb": Target(run_lmdb, lmdb_seeds, LMDB_TOKENS, calls=2),
    "decoders": Target(run_decoders, decoder_seeds, DECODER_TOKENS),
    "state": Target(run_state, state_seeds, STATE_TOKENS),
}
