"""The export: by its numbers, by its faults, from each backend, and int8 beside fp32."""

import json
import os
import re
import shutil
from contextlib import nullcontext
from pathlib import Path

import cv2
import keras
import numpy as np
import onnx
import pytest
from conftest import ON_TENSORFLOW, dtype_policy, refusal, run_mltu, run_python, slow_elsewhere
from keras import layers

from mltu.configs import BaseModelConfigs
from mltu.dataProvider import DataProvider
from mltu.decoders import text_log_probabilities, to_probabilities
from mltu.inferenceModel import OnnxInferenceModel, TextRecognizer
from mltu.losses import CTCLoss
from mltu.models._fused_layers import layers_within
from mltu.onnx_export import _compare, _convert, _export, export_onnx, export_run, quantize_onnx
from mltu.onnx_export._convert import stored_classes, write_metadata
from mltu.preprocessors import ImageReader
from mltu.transformers import ImageNormalizer, ImageResizer, LabelIndexer, LabelPadding
from mltu.utils.child_process import call_in_child
from mltu.utils.text_utils import ctc_decoder, get_cer

pytestmark = pytest.mark.backend

VOCAB = "abcé"


def build(width=32, middle=(), recurrent=False):
    """Read an image of height 16 in width / 4 steps."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, width, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = layers.Conv2D(8, 3, strides=4, padding="same", activation="tanh")(x)
    for layer in middle:
        x = layer(x)
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Reshape((-1 if width is None else width // 4, 32))(x)
    if recurrent:
        x = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(x)
    x = layers.Dense(len(VOCAB) + 1, activation="softmax", kernel_initializer="random_normal")(x)
    model = keras.Model(inputs, x)
    # Sharp outputs: an untrained model would read nothing but one class.
    model.layers[-1].set_weights([w * 100 for w in model.layers[-1].get_weights()])
    return model


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Images of any size as PNG, which is without loss, and their labels."""
    folder = tmp_path_factory.mktemp("words")
    rng = np.random.default_rng(0)
    samples = []
    for i in range(24):
        size = (int(rng.integers(12, 80)), int(rng.integers(8, 40)))
        image = cv2.resize(rng.integers(0, 256, (2, 8, 3), dtype=np.uint8), size)
        path = folder / f"{i}.png"
        cv2.imencode(".png", image)[1].tofile(path)
        samples.append([str(path), "".join(rng.choice(list(VOCAB), 3))])
    return samples


def provider(samples, *steps, resizer=None):
    return DataProvider(
        samples, [ImageReader()], batch_size=10, shuffle=False,
        transformers=[
            resizer or ImageResizer(32, 16), *steps, LabelIndexer(VOCAB),
            LabelPadding(4, len(VOCAB)),
        ],
    )  # fmt: skip


def run_onnx(path, inputs):
    model = OnnxInferenceModel(path, force_cpu=True)
    return model.model.run(None, {model.input_name: np.asarray(inputs, np.float32)})[0]


def operations(path):
    return [node.op_type for node in onnx.load(path).graph.node]


# The child process and what it hands over -----------------------------------------------------


@pytest.fixture(scope="module")
def exported(words, tmp_path_factory):
    """One export by a real child process."""
    path = tmp_path_factory.mktemp("exported") / "new é" / "model.onnx"
    model = build(recurrent=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_export, "run_child", _convert.run_child)
        figures = export_onnx(
            model,
            path,
            metadata={"note": "own", "longest": np.int64(5)},
            validation=provider(words),
        )
    return model, path, figures


def test_the_file_reads_as_the_model_does(exported, words):
    model, path, figures = exported
    images = np.concatenate([batch for batch, _ in provider(words)])
    texts = [label for _, label in words]
    outputs = model.predict(images, verbose=0)
    readings = ctc_decoder(outputs, VOCAB)
    assert np.abs(run_onnx(path, images) - outputs).max() < 1e-4
    assert len(set(readings)) > 5
    assert figures.num_images == 24
    assert figures.difference < 1e-4
    assert figures.cer_keras == figures.cer_onnx == get_cer(readings, texts)
    assert [item.name for item in path.parent.iterdir()] == ["model.onnx"]


def test_the_graph_has_real_lstm_nodes_and_a_free_batch(exported):
    _, path, _ = exported
    assert "LSTM" in operations(path)
    assert "Loop" not in operations(path)
    assert [run_onnx(path, np.zeros((n, 16, 32, 3))).shape[0] for n in (1, 3)] == [1, 3]


def test_the_file_explains_itself(exported):
    model, path, figures = exported
    stored = OnnxInferenceModel(path, force_cpu=True).metadata
    versions = stored.pop("versions")
    assert stored == {
        "format": 1, "vocab": VOCAB, "blank": 4, "layout": "NHWC", "color": "BGR", "height": 16,
        "width": 32, "channels": 3, "resize": "stretch", "scaling": "in_model",
        "outputs": "probabilities", "decoder": "ctc greedy", "rows": 1, "note": "own", "longest": 5,
        "num_parameters": model.count_params(),
        "metrics": figures.to_dict(), "temperature": figures.temperature,
    }  # fmt: skip
    assert versions["keras"] == keras.__version__


ALONE = """
import json, sys
for name in ("keras", "tensorflow", "torch", "jax", "onnx", "tf2onnx", "pandas"):
    sys.modules[name] = None
from mltu.inferenceModel import TextRecognizer
reader = TextRecognizer(sys.argv[1])
readings = [reader.predict(path) for path in json.loads(sys.argv[2])]
print(json.dumps([(reading.text, reading.confidence) for reading in readings]))
"""


def read_alone(path, images):
    """Read with only the .onnx in a new folder, where no framework can be imported."""
    done = run_python("-c", ALONE, path.name, json.dumps(images), cwd=path.parent)
    return json.loads(done.stdout)


def test_the_file_alone_gives_the_same_readings(exported, words, tmp_path):
    model, path, figures = exported
    copied = Path(shutil.copy(path, tmp_path / "elsewhere.onnx"))
    outputs = model.predict(np.concatenate([batch for batch, _ in provider(words)]), verbose=0)
    texts, probabilities = zip(*read_alone(copied, [path for path, _ in words]), strict=True)
    assert list(texts) == ctc_decoder(outputs, VOCAB)
    classes = [[VOCAB.index(char) for char in text] for text in texts]
    calibrated = to_probabilities(outputs, "probabilities", figures.temperature)
    logs = text_log_probabilities(calibrated, classes)
    np.testing.assert_allclose(probabilities, np.exp(logs), rtol=1e-3)


def test_fitting_gray_scaled_logits_survive_the_file(words, tmp_path):
    """The other half of the card's words: fit, padding, grey, 1/255 and logits."""
    inputs = keras.Input((16, 32, 1))
    x = layers.Conv2D(8, 3, strides=4, padding="same")(inputs)
    x = layers.Reshape((8, 32))(layers.Permute((2, 1, 3))(x))
    model = keras.Model(inputs, layers.Dense(5)(x))
    reader = ImageReader(cv2.IMREAD_GRAYSCALE)
    steps = [ImageResizer(32, 16, keep_aspect_ratio=True, padding_color=77), ImageNormalizer()]
    batches = [np.stack([run_steps([reader, *steps], path)[:, :, None] for path, _ in words])]

    class Batches(list):
        _data_preprocessors = (reader,)
        transformers = (*steps, LabelIndexer(VOCAB))

    given = Batches([(batches[0], [label for _, label in words])])
    figures = export_onnx(model, tmp_path / "model.onnx", validation=given)
    card = TextRecognizer(tmp_path / "model.onnx").card
    assert (card.color, card.resize, card.padding_color) == ("GRAY", "fit", (77,))
    assert (card.scaling, card.outputs, card.channels) == ("1/255", "logits", 1)
    found = [TextRecognizer(tmp_path).predict(path) for path, _ in words]
    outputs = model.predict(batches[0], verbose=0)
    assert [reading.text for reading in found] == ctc_decoder(outputs, VOCAB)
    assert all(0 < reading.confidence < 1 for reading in found)
    assert figures.cer_keras is not None


def run_steps(steps, data):
    for step in steps:
        data, _ = step(data, None)
    return data


def test_no_cudnn_kernel_is_traced(monkeypatch):
    """A GPU would bring CudnnRNNV3 into the graph, also in a layer's own attribute."""
    lstm, gru = layers.LSTM(2), layers.GRU(2)

    class Holder(layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = {"inner": [gru]}

        def call(self, x):
            return gru(x)

    inputs = keras.Input((4, 3))
    model = keras.Model(inputs, [layers.Bidirectional(lstm)(inputs), Holder()(inputs)])
    within = [layer for layer in layers_within(model) if hasattr(layer, "use_cudnn")]
    assert len(within) == 3
    with _convert.on_the_cpu(model):
        assert {layer.use_cudnn for layer in within} == {False}
    assert {layer.use_cudnn for layer in within} == {"auto"}


@pytest.mark.parametrize("opset", [pytest.param(13, marks=slow_elsewhere), 17])
def test_opset_is_chosen(tmp_path, opset):
    export_onnx(build(), tmp_path / "model.onnx", opset=opset)
    versions = {
        entry.domain: entry.version for entry in onnx.load(tmp_path / "model.onnx").opset_import
    }
    assert versions[""] == opset


def test_width_is_free_where_the_model_leaves_it_free(tmp_path):
    export_onnx(build(width=None), tmp_path / "model.onnx")
    assert run_onnx(tmp_path / "model.onnx", np.zeros((2, 16, 80, 3))).shape == (2, 20, 5)


def test_mixed_precision_is_written_in_float32(tmp_path):
    with dtype_policy("mixed_bfloat16"):
        model = build(recurrent=True)
    policies = {layer.name: layer.dtype_policy.name for layer in model.layers}
    assert export_onnx(model, tmp_path / "model.onnx").difference < 1e-5
    assert {layer.name: layer.dtype_policy.name for layer in model.layers} == policies
    types = {tensor.data_type for tensor in onnx.load(tmp_path / "model.onnx").graph.initializer}
    assert onnx.TensorProto.FLOAT in types
    assert onnx.TensorProto.BFLOAT16 not in types


# Comparison -----------------------------------------------------------------------------------


def test_without_labels_or_images_there_is_no_cer(words, tmp_path):
    images = np.concatenate([batch for batch, _ in provider(words)])
    figures = export_onnx(build(), tmp_path / "model.onnx", validation=images, num_images=7)
    assert (figures.num_images, figures.cer_keras) == (7, None)
    assert "on random values" in _compare.ExportMetrics(1e-6, 0).to_text()


def test_a_different_cer_is_refused(words, tmp_path, monkeypatch):
    rates = iter([0.25, 0.26])
    monkeypatch.setattr(_compare, "get_cer", lambda *_: next(rates))
    with pytest.raises(
        RuntimeError, match=r"difference of the CER is 0\.01, .* the file was discarded"
    ):
        export_onnx(build(), tmp_path / "model.onnx", validation=provider(words))
    assert list(tmp_path.iterdir()) == []


def test_labels_become_texts():
    images = np.zeros((3, 2, 2, 3))
    for labels in (["a", "", "éa"], np.array([[0, 4, 4], [4, 4, 4], [3, 0, -1]])):
        assert _compare.gather((images, labels), VOCAB).texts == ["a", "", "éa"]
    assert _compare.gather((images, np.zeros((3, 2), int))).texts is None


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (5, TypeError, "`validation` must be a DataProvider.*Received int"),
        (np.zeros((0, 2, 2, 3)), ValueError, "at least one image"),
        ((np.zeros((3, 2, 2, 3)), ["a"]), ValueError, "Received 3 images and 1 labels"),
        ((np.zeros((1, 2, 2, 3)), ["a", "b"]), ValueError, "Received 1 images and 2 labels"),
    ],
)
def test_validation_of_another_kind_is_refused(given, error, text):
    with pytest.raises(error, match=text):
        _compare.gather(given, VOCAB)


def test_two_batches_in_a_list_are_no_pair():
    batch = np.zeros((3, 2, 2, 3)), ["a", "", "éa"]
    for count in (1, 2, 3):
        assert _compare.gather([batch] * count, VOCAB).texts == batch[1] * count
    assert _compare.gather(list(batch), VOCAB).texts == batch[1]


@pytest.mark.parametrize("count", [0, -1])
def test_a_number_of_images_below_one_is_refused(count):
    with pytest.raises(ValueError, match=f"`num_images` must be .*Received {count}"):
        _compare.gather(np.zeros((3, 2, 2, 3)), num_images=count)


@pytest.mark.parametrize("shape", [(2, 16, 30, 3), (16, 32, 3), (2, 16, 32)])
def test_images_of_another_size_than_the_model_are_refused(tmp_path, shape):
    with pytest.raises(ValueError, match=r"`validation` must have inputs of shape \(16, 32, 3\)"):
        export_onnx(build(), tmp_path / "m.onnx", validation=np.zeros(shape))
    assert list(tmp_path.iterdir()) == []


def test_another_vocabulary_than_that_of_the_labels_is_refused(words, tmp_path):
    with pytest.raises(ValueError, match="`vocab` must match the provider's LabelIndexer"):
        export_onnx(
            build(), tmp_path / "m.onnx", metadata={"vocab": "abcd"}, validation=provider(words)
        )
    with pytest.raises(ValueError, match=r"`vocab` must have 4 characters.*Received 2"):
        export_onnx(build(), tmp_path / "m.onnx", metadata={"vocab": "ab"})
    with pytest.raises(ValueError, match="`resize` in the metadata of the export must be"):
        export_onnx(build(), tmp_path / "m.onnx", metadata={"resize": "crop"})


def test_steps_without_words_are_named_and_no_reader_is_made(words):
    def invert(image, label):
        return 255 - image, label

    with pytest.warns(UserWarning, match=r"cannot describe the steps.*invert"):
        prepared = _compare.gather(provider(words, invert)).prepared
    assert "resize" not in prepared
    several = provider(words, resizer=ImageResizer((32, 64), 16, keep_aspect_ratio=True))
    assert _compare.gather(several).prepared["width"] == [32, 64]


# Faults: each before epoch 1, with the older file in its place ---------------------------------


def fake_tf2onnx(folder, monkeypatch, code):
    """Put a package tf2onnx in front of the real one, for the child too."""
    (folder / "fakes" / "tf2onnx").mkdir(parents=True)
    (folder / "fakes" / "tf2onnx" / "__init__.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder / "fakes"))


def fails(folder, error, text, model=None, **options):
    """Export over an older file; return what the error says."""
    path = folder / "run" / "model.onnx"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"good")
    with pytest.raises(error, match=text) as caught:
        export_onnx(model or build(), path, **options)
    assert path.read_bytes() == b"good"
    assert list(path.parent.iterdir()) == [path]
    return str(caught.value)


def test_a_converter_that_was_removed_is_named(tmp_path, monkeypatch):
    code = "raise ModuleNotFoundError(\"No module named 'tf2onnx'\", name='tf2onnx')"
    fake_tf2onnx(tmp_path, monkeypatch, code)
    with pytest.raises(ImportError, match=r'package `tf2onnx` here.*pip install "mltu\[tensorflow'):
        _convert.run_child({}, timeout=60)


@pytest.mark.usefixtures("real_child")
def test_a_fault_of_the_child_names_the_model_and_keeps_the_older_file(tmp_path, monkeypatch):
    fake_tf2onnx(tmp_path, monkeypatch, "raise RuntimeError('out of order')")
    text = fails(tmp_path, RuntimeError, r"out of order\nIn the child process:\nTraceback")
    assert text.startswith("`model` 'functional")


def test_the_child_sees_no_gpu_and_the_parent_keeps_its_environment(tmp_path, monkeypatch):
    before = dict(os.environ)
    code = (
        "from os import environ as e\nraise OSError(e['CUDA_VISIBLE_DEVICES'] + e['KERAS_BACKEND'])"
    )
    fake_tf2onnx(tmp_path, monkeypatch, code)
    with pytest.raises(OSError, match="-1tensorflow"):
        _convert.run_child({}, timeout=60)
    assert dict(os.environ) == before


@pytest.mark.parametrize("package", ["tensorflow", "tf2onnx", "onnx"])
def test_a_missing_package_is_named_with_both_ways_on(tmp_path, monkeypatch, package):
    real = _export.find_spec
    monkeypatch.setattr(_export, "find_spec", lambda name: None if name == package else real(name))
    text = fails(tmp_path, ImportError, f"needs the package `{package}` on every backend")
    assert 'pip install "mltu[tensorflow]"' in text
    assert "--no-export" in text
    assert "mltu export <run folder>" in text


@keras.saving.register_keras_serializable(package="tests")
class InverseError(layers.Layer):
    def call(self, x):
        return keras.ops.erfinv(x / 2)


def test_an_unsupported_layer_is_named(tmp_path):
    model = build(middle=[InverseError(name="odd")])
    text = fails(tmp_path, RuntimeError, "could not be exported", model)
    assert re.search(r"no equivalent of Erfinv \(in .*odd", text)


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=r"`path` must be in a writable folder"):
        export_onnx(build(), tmp_path / "file" / "model.onnx")


@pytest.mark.parametrize("size", [0, 1_000])
def test_a_full_disk(tmp_path, size):
    """Files may have `size` bytes, which is less than the graph of the model has."""
    resource = pytest.importorskip("resource")
    model = build()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.onnx").write_bytes(b"good")
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(
            (OSError, RuntimeError), match=r"File too large|file too large|EFBIG"
        ) as caught:
            export_onnx(model, tmp_path / "run" / "model.onnx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "run" / "model.onnx").read_bytes() == b"good"
    assert len(list((tmp_path / "run").iterdir())) == 1
    assert str(tmp_path / "run") in str(caught.value) or "could not be exported" in str(
        caught.value
    )


# The way of the other backends, on TensorFlow too ----------------------------------------------


@pytest.fixture
def as_on_jax(monkeypatch):
    if ON_TENSORFLOW:
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
        # It is TensorFlow that computes, and JAX need not be there.
        monkeypatch.setattr(_compare, "_full_precision", lambda _: nullcontext())


@keras.saving.register_keras_serializable(package="tests")
class Halved(layers.Layer):
    def call(self, x):
        return x / 2


@keras.saving.register_keras_serializable(package="tests")
def halve(x):
    return x / 2


@pytest.mark.usefixtures("as_on_jax")
def test_the_child_rebuilds_a_model_with_a_lambda_and_a_class(tmp_path):
    model = build(middle=[layers.Lambda(lambda x: x * 2), Halved(), layers.Activation(halve)])
    assert export_onnx(model, tmp_path / "model.onnx").difference < 1e-4
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def pale(shape, dtype=None):
    return keras.ops.full(shape, 0.1, dtype)


@pytest.mark.usefixtures("as_on_jax")
def test_a_function_that_is_not_registered_is_found_or_named(tmp_path, monkeypatch):
    """Keras stores nothing but its name; the child did not know where it is from."""
    model = build(middle=[layers.Dense(8, bias_initializer=pale)])
    assert export_onnx(model, tmp_path / "model.onnx").difference < 1e-4
    monkeypatch.setattr(pale, "__module__", "__main__")
    fails(tmp_path, ImportError, "Received pale, defined in", model)
    model = build(middle=[layers.Dense(8, activation=lambda x: x * 2, name="twice")])
    fails(tmp_path, ImportError, "Received a lambda of the layer 'twice', defined in", model)


@pytest.mark.usefixtures("as_on_jax")
@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("__main__", "Received Halved, defined in .* Move them to a separate module"),
        ("no_such_module", "'Halved' of the module 'no_such_module'"),
    ],
)
def test_a_class_that_the_child_does_not_find_is_named(tmp_path, monkeypatch, module, words):
    monkeypatch.setattr(Halved, "__module__", module)
    model = build(middle=[Halved(), layers.Activation(halve)])
    fails(tmp_path, ImportError, f"(?s){words}", model)


def test_stored_classes(tmp_path):
    model = build(middle=[Halved(), layers.Activation("relu"), layers.Activation(halve)])
    model.compile("adam", loss=CTCLoss())
    model.save(tmp_path / "model.keras")
    found = stored_classes(tmp_path / "model.keras", {"tests>halve": halve})
    assert found == [(__name__, "Halved", "tests>Halved"), (__name__, "halve", "tests>halve")]


# Run folders ----------------------------------------------------------------------------------


@pytest.fixture
def run(words, tmp_path):
    folder = tmp_path / "run"
    configs = BaseModelConfigs()
    vars(configs).update(model_path=str(folder), vocab=VOCAB, height=16, width=32)
    configs.save()
    build().save(folder / "model.keras")
    provider(words).to_csv(folder / "val.csv")
    return folder


def test_a_run_folder_is_exported_with_int8(run, words):
    printed = run_mltu("export", run, "--int8").stdout
    assert re.search(r"model.onnx: CER (\d\.\d{4}) in Keras, \1 in ONNX; .* 24 images", printed)
    assert re.search(r"(?m)^fp32 +\d+ +\d\.\d{4} +\d+$", printed)
    assert re.search(r"(?m)^int8 +\d+ +\d\.\d{4} +\d+$", printed)
    reader = TextRecognizer(run)
    texts = [reader.predict(path).text for path, _ in words]
    assert get_cer(texts, [label for _, label in words]) == reader.card.metrics["cer_onnx"]
    assert TextRecognizer(run / "model.int8.onnx").card.metrics["cer_int8"] is not None


def test_a_run_folder_without_its_images_is_compared_on_noise(run):
    (run / "val.csv").write_text("path,label\n/gone.png,ab\n", encoding="utf-8")
    figures, int8 = export_run(run)
    assert (figures.num_images, int8) == (0, None)
    with pytest.raises(ValueError, match="`int8` must be False without validation images"):
        export_run(run, int8=True)


def test_what_a_run_folder_lacks_is_named(run):
    (run / "configs.yaml").write_text("vocab: ab\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"must have a configs.yaml with `height`"):
        export_run(run)
    (run / "configs.yaml").write_text("vocab: 1234\nheight: 16\nwidth: 32\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"`vocab` in .* of configs.yaml must be .*Received 1234"):
        export_run(run)
    (run / "model.keras").write_bytes(b"PK")
    (run / "configs.yaml").unlink()
    assert "has no configs.yaml" in refusal("export", run)


def test_a_lambda_of_a_stranger_does_not_run(run, tmp_path):
    trace = str(tmp_path / "trace")
    lambda_layer = layers.Lambda(lambda x: os.makedirs(trace, exist_ok=True) or x)
    build(middle=[lambda_layer]).save(run / "model.keras")
    os.rmdir(trace)
    with pytest.raises(ValueError, match=r"(?s)Keras cannot load the model of `run`.*--trust"):
        export_run(run)
    assert not os.path.exists(trace)
    keras.models.load_model(run / "model.keras", compile=False, safe_mode=False)
    assert os.path.exists(trace)  # So it runs where it is let.


# int8 -----------------------------------------------------------------------------------------


def test_int8_computes_in_int8_and_leaves_the_lstm_in_float(exported, words, tmp_path):
    _, path, figures = exported
    before = path.read_bytes()
    report = quantize_onnx(path, provider(words), output=tmp_path / "small.onnx")
    kinds = operations(tmp_path / "small.onnx")
    assert "QuantizeLinear" in kinds
    assert "LSTM" in kinds
    assert path.read_bytes() == before
    assert report.fp32.cer == figures.cer_onnx
    assert report.num_images == 24
    assert report.int8.num_bytes != report.fp32.num_bytes == path.stat().st_size
    difference = run_onnx(tmp_path / "small.onnx", np.full((1, 16, 32, 3), 99.0))
    assert np.abs(difference - run_onnx(path, np.full((1, 16, 32, 3), 99.0))).max() < 0.3
    card = TextRecognizer(tmp_path / "small.onnx").card
    assert card.metrics["cer_int8"] == report.int8.cer
    assert [item.name for item in tmp_path.iterdir()] == ["small.onnx"]


def test_int8_of_a_file_whose_metrics_are_something_else(exported, words, tmp_path):
    path = shutil.copy(exported[1], tmp_path / "m.onnx")
    write_metadata(path, {"metrics": None})
    report = quantize_onnx(path, provider(words))
    card = TextRecognizer(tmp_path / "m.int8.onnx").card
    assert card.metrics == {"cer_int8": report.int8.cer}


def test_int8_of_no_model_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"that onnxruntime .* can load"):
        quantize_onnx(tmp_path / "m.onnx", np.zeros((1, 2, 2, 3)))


# On each backend, by a real child process ------------------------------------------------------


def operations_of_an_export(path):
    export_onnx(build(recurrent=True), path)
    return operations(path)


@pytest.mark.skipif(ON_TENSORFLOW, reason="which the others are compared with")
def test_every_backend_gives_the_same_graph(exported, tmp_path):
    on_tensorflow = call_in_child(
        "test_onnx_export:operations_of_an_export", str(tmp_path / "model.onnx"),
        timeout=300, environment={"KERAS_BACKEND": "tensorflow"},
    )  # fmt: skip
    assert operations(exported[1]) == on_tensorflow


@pytest.mark.usefixtures("real_child")
def test_every_backend_exports_code_of_the_user(words, tmp_path):
    model = build(middle=[layers.Lambda(lambda x: x * 2), Halved()], recurrent=True)
    metrics = export_onnx(model, tmp_path / "model.onnx", validation=provider(words))
    assert metrics.difference < 1e-4
    assert metrics.cer_keras == metrics.cer_onnx
    assert operations(tmp_path / "model.onnx").count("LSTM") == 1


@pytest.mark.skipif(not ON_TENSORFLOW, reason="the class is named: above")
@pytest.mark.usefixtures("real_child")
def test_a_class_of_the_training_script_is_traced(tmp_path, monkeypatch):
    monkeypatch.setattr(Halved, "__module__", "__main__")
    export_onnx(build(middle=[Halved()], recurrent=True), tmp_path / "model.onnx")
    assert "LSTM" in operations(tmp_path / "model.onnx")


@pytest.fixture
def compare_outputs(monkeypatch, tmp_path):
    """Return what compares given outputs of Keras and of the file, for one image of an "a"."""

    def compare_them(ours, theirs):
        class Session:
            input_name = "x"

            def __init__(self, *args, **kwargs):
                self.model = self

            def run(self, names, feed):
                return [theirs]

        monkeypatch.setattr(_compare, "OnnxInferenceModel", Session)
        monkeypatch.setattr(_compare, "keras_outputs", lambda *_: iter([ours]))
        return _compare.compare(None, tmp_path, [np.zeros((1, 2, 2, 1))], ["a"], "ab")

    return compare_them


def test_a_reading_may_differ_where_two_classes_are_level(compare_outputs):
    """Keras reads "a" by a hair and the file "b"."""
    theirs = np.array([[[0.4, 0.4 + 1e-7, 0.2]]], np.float32)
    found = compare_outputs(theirs[:, :, [1, 0, 2]], theirs)
    assert (found.cer_keras, found.cer_onnx) == (0.0, 1.0)


def test_rounding_is_no_difference(compare_outputs):
    """After 24 epochs one image of 803 differed by 1.2e-4, and there was no file."""
    ours = np.array([[[0.5, 0.3, 0.2]]], np.float32)
    assert compare_outputs(ours, ours + np.float32(5e-4)).difference == pytest.approx(
        5e-4, rel=0.01
    )
    with pytest.raises(
        RuntimeError, match=r"difference of the outputs is 0\.005, more than 0\.001"
    ):
        compare_outputs(ours, ours + np.float32(5e-3))


@pytest.mark.skipif(not ON_TENSORFLOW, reason="a warning of TensorFlow")
def test_comparing_models_warns_of_no_retracing(caplog):
    """From the fifth export on TensorFlow advised against what our own comparison did."""
    for _ in range(6):
        model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
        list(_compare.keras_outputs(model, [np.zeros((2, 4, 4, 1))]))
    assert not [text for text in caplog.messages if "retracing" in text]
