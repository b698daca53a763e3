"""What was written for mltu 0.1.3 of 2022 and for 1.2.5 works: scripts, settings, checkpoints.

`data/keras2_reader.h5` was saved by tf-keras 2.21, the Keras of those years, from a small network
of the tutorial's own parts: Lambda, residual blocks with LeakyReLU, a bidirectional LSTM, softmax.
"""

import csv
import re
import runpy
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from conftest import ROOT
from keras import Model, layers

from mltu.audio import AudioReader, SpectrogramPadding
from mltu.augmentors import (
    RandomBrightness,
    RandomErodeDilate,
    RandomGaussianBlur,
    RandomRotate,
    RandomSharpen,
)
from mltu.callbacks import Model2onnx, TrainLogger
from mltu.configs import BaseModelConfigs
from mltu.dataProvider import DataProvider
from mltu.inferenceModel import OnnxInferenceModel
from mltu.metrics import CERMetric, CWERMetric, WERMetric
from mltu.model_utils import residual_block
from mltu.models import warm_start
from mltu.onnx_export import export_onnx
from mltu.preprocessors import ImageReader
from mltu.synthetic import render_word, shipped_fonts, write_mjsynth
from mltu.transformers import ImageResizer, LabelPadding
from mltu.utils.text_utils import ctc_decoder, get_cer, get_wer

pytestmark = pytest.mark.backend

OLD_READER = ROOT / "Tests" / "data" / "keras2_reader.h5"

# yaml.dump of 2022: keys in the order of the alphabet.
OLD_CONFIGS = """\
batch_size: 1024
height: 32
learning_rate: 0.0001
max_text_length: 23
model_path: Models/1_image_to_word/202211270035
train_epochs: 100
train_workers: 20
vocab: 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz
width: 128
"""

# The start of the published scripts, of all years.
IMPORTS = """
import os
import tensorflow as tf
from keras import layers
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau, TensorBoard
from keras.models import Model
from mltu.augmentors import RandomBrightness, RandomErodeDilate, RandomRotate, RandomSharpen
from mltu.callbacks import Model2onnx, TrainLogger
from mltu.configs import BaseModelConfigs
from mltu.dataProvider import DataProvider
from mltu.losses import CTCloss
from mltu.metrics import CERMetric, CWERMetric, WERMetric
from mltu.model_utils import residual_block
from mltu.preprocessors import ImageReader
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding
"""

# The calls of the published script with their arguments; only `workers` has moved.
SCRIPT = """
class Settings(BaseModelConfigs):
    def __init__(self):
        super().__init__()
        self.model_path = os.path.join("Models/1_image_to_word", "202211270035")
        self.vocab = ""
        self.height, self.width, self.max_text_length = 32, 128, 23
        self.batch_size, self.learning_rate, self.train_epochs, self.train_workers = 16, 1e-4, 2, 20

def listed(name):
    with open("Datasets/90kDICT32px/" + name, "r") as file:
        paths = [line.split()[0] for line in file]
    return [["Datasets/90kDICT32px" + path[1:], path.split("_")[1]] for path in paths]

def provider(samples, **options):
    return DataProvider(
        dataset=samples,
        skip_validation=True,
        batch_size=configs.batch_size,
        data_preprocessors=[ImageReader()],
        transformers=[
            ImageResizer(configs.width, configs.height),
            LabelIndexer(configs.vocab),
            LabelPadding(
                max_word_length=configs.max_text_length, padding_value=len(configs.vocab)
            ),
        ],
        **options,
    )

configs = Settings()
training, validation = listed("annotation_train.txt"), listed("annotation_val.txt")
configs.vocab = "".join(sorted({char for _, label in training + validation for char in label}))
configs.max_text_length = max(len(label) for _, label in training + validation)
configs.save()
train_data_provider = provider(training, workers=configs.train_workers)
val_data_provider = provider(validation)

inputs = layers.Input(shape=(configs.height, configs.width, 3), name="input")
x = layers.Lambda(lambda image: image / 255)(inputs)
for filters, skip_conv, strides in ((4, True, 2), (8, True, 2), (8, False, 1)):
    x = residual_block(
        x, filters, activation="leaky_relu", skip_conv=skip_conv, strides=strides, dropout=0.2
    )
x = layers.Reshape((x.shape[-3] * x.shape[-2], x.shape[-1]))(x)
x = layers.Bidirectional(layers.LSTM(8, return_sequences=True))(x)
output = layers.Dense(len(configs.vocab) + 1, activation="softmax", name="output")(x)
model = Model(inputs=inputs, outputs=output)
model.compile(
    optimizer=tf.keras.optimizers.Adam(learning_rate=configs.learning_rate),
    loss=CTCloss(),
    metrics=[CWERMetric()],
    run_eagerly=False,
)
early_stopping = EarlyStopping(monitor="val_CER", patience=10, verbose=1)
"""

# The end of the published scripts, of all years.
FIT = """
path = configs.model_path
callbacks = [
    early_stopping,
    ModelCheckpoint(
        f"{path}/model.h5", monitor="val_CER", verbose=1, save_best_only=True, mode="min"
    ),
    TrainLogger(path),
    ReduceLROnPlateau(
        monitor="val_CER", factor=0.9, min_delta=1e-10, patience=5, verbose=1, mode="auto"
    ),
    TensorBoard(f"{path}/logs", update_freq=1),
    Model2onnx(f"{path}/model.h5"),
]
model.fit(
    train_data_provider,
    validation_data=val_data_provider,
    epochs=configs.train_epochs,
    callbacks=callbacks,
)
train_data_provider.to_csv(os.path.join(path, "train.csv"))
val_data_provider.to_csv(os.path.join(path, "val.csv"))
"""


class OldReader(OnnxInferenceModel):
    """The reader of the published script: the vocabulary is an argument."""

    def __init__(self, char_list, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.char_list = char_list

    def predict(self, image):
        image = cv2.resize(image, self.input_shape[:2][::-1])
        batch = np.expand_dims(image, axis=0).astype(np.float32)
        outputs = self.model.run(None, {self.input_name: batch})[0]
        return ctc_decoder(outputs, self.char_list)[0]


def small_reader():
    """The network of `keras2_reader.h5` of today's parts: characters "ab" and the blank."""
    inputs = layers.Input((4, 8, 3), name="input")
    x = layers.Rescaling(1 / 255)(inputs)
    for filters, skip_conv in ((2, True), (3, True), (3, False)):
        x = residual_block(x, filters, strides=1, skip_conv=skip_conv, activation="leaky_relu")
    x = layers.Bidirectional(layers.LSTM(2, return_sequences=True))(layers.Reshape((-1, 3))(x))
    return Model(inputs, layers.Dense(3, activation="softmax", name="output")(x))


def test_old_settings_load(tmp_path):
    (tmp_path / "configs.yaml").write_text(OLD_CONFIGS, encoding="utf-8")
    configs = BaseModelConfigs.load(str(tmp_path / "configs.yaml"))
    assert configs.model_path == "Models/1_image_to_word/202211270035"
    assert (len(configs.vocab), configs.vocab[10], configs.vocab[-1]) == (62, "A", "z")
    assert (configs.height, configs.width, configs.max_text_length) == (32, 128, 23)
    assert configs.learning_rate == 1e-4


IMAGE = np.arange(96, dtype="float32").reshape(1, 4, 8, 3) * 2
# What Keras 2 gave for IMAGE at time steps 0, 9 and 31.
OUTPUTS = [
    [0.330987, 0.331081, 0.337933],
    [0.328843, 0.330110, 0.341047],
    [0.329482, 0.331134, 0.339384],
]


def test_an_old_checkpoint_gives_the_outputs_of_keras_2():
    model = small_reader()
    model.load_weights(OLD_READER)
    outputs = keras.ops.convert_to_numpy(model(IMAGE))[0]
    np.testing.assert_allclose(outputs[[0, 9, 31]], OUTPUTS, atol=2e-5)


def test_a_warm_start_takes_all_of_an_old_checkpoint():
    model = small_reader()
    start = warm_start(model, OLD_READER, vocab="ab", old_vocab="ab")
    assert start.skipped == []
    outputs = keras.ops.convert_to_numpy(model(IMAGE))[0]
    np.testing.assert_allclose(outputs[[0, 9, 31]], OUTPUTS, atol=2e-5)


def test_an_old_checkpoint_that_holds_code_is_not_run():
    """Its Lambda layer is code: the network is built anew instead, and takes the weights."""
    with pytest.raises(ValueError, match="Lambda"):
        keras.models.load_model(OLD_READER, compile=False)


@pytest.mark.slow
def test_an_old_checkpoint_becomes_an_onnx_file(tmp_path):
    model = small_reader()
    model.load_weights(OLD_READER)
    export_onnx(model, tmp_path / "model.onnx", metadata={"vocab": "ab"})
    reader = OnnxInferenceModel(tmp_path)
    outputs = reader.model.run(None, {reader.input_name: IMAGE})[0][0]
    np.testing.assert_allclose(outputs[[0, 9, 31]], OUTPUTS, atol=2e-5)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="The script is TensorFlow's.")
def test_the_script_of_2022_trains_exports_and_reads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_words(tmp_path / "Datasets")
    Path("train.py").write_text(IMPORTS + SCRIPT + FIT, encoding="utf-8")
    runpy.run_path("train.py")
    run = Path("Models/1_image_to_word/202211270035")
    names = {path.name for path in run.iterdir()}
    assert {"configs.yaml", "logs", "logs.log", "model.h5", "model.onnx", "train.csv"} <= names
    assert len((run / "val.csv").read_text(encoding="utf-8").splitlines()) == 9

    configs = BaseModelConfigs.load(run / "configs.yaml")
    reader = OldReader(configs.vocab, run)
    image = cv2.imread(str(next(Path("Datasets").rglob("*.jpg"))))
    assert set(reader(image)) <= set(configs.vocab)
    assert reader.input_shape == [32, 128, 3]


# The scripts of tutorials 01, 02 and 04 as mltu 1.2.5 had them, small, after the migration page:
# `mltu.tensorflow` is gone from the imports, `workers` is the provider's, `CVImage` is not needed,
# and the metrics get the vocabulary. What differs between the three is below.
LATER_SCRIPT = """
class ModelConfigs(BaseModelConfigs):
    def __init__(self):
        super().__init__()
        self.model_path = "Models/run"
        self.vocab, self.height, self.width, self.max_text_length = "", 32, WIDTH, 0
        self.batch_size, self.learning_rate, self.train_epochs, self.train_workers = 8, 1e-3, 1, 2

configs = ModelConfigs()

def provide(dataset):
    return DataProvider(
        dataset=dataset,
        skip_validation=True,
        batch_size=configs.batch_size,
        data_preprocessors=[ImageReader()],
        transformers=[
            ImageResizer(configs.width, configs.height, keep_aspect_ratio=KEEP_ASPECT_RATIO),
            LabelIndexer(configs.vocab),
            LabelPadding(max_word_length=configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        workers=configs.train_workers,
    )

DATA

inputs = layers.Input(shape=(configs.height, configs.width, 3), name="input")
x = layers.Lambda(lambda image: image / 255)(inputs)
for strides in (2, 2):
    x = residual_block(
        x, 4, activation="leaky_relu", skip_conv=True, strides=strides, dropout=0.2
    )
x = layers.Reshape((x.shape[-3] * x.shape[-2], x.shape[-1]))(x)
x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
x = layers.Dense(len(configs.vocab) + 1, activation="softmax", name="output")(x)
model = Model(inputs=inputs, outputs=x)
model.compile(
    optimizer=tf.keras.optimizers.Adam(learning_rate=configs.learning_rate),
    loss=CTCloss(),
    metrics=METRICS,
    run_eagerly=False,
)
model.summary(line_length=110)
os.makedirs(configs.model_path, exist_ok=True)
early_stopping = EarlyStopping(monitor="val_CER", patience=20, verbose=1, mode="min")
"""

DATA_OF_01 = """
def read_annotation_file(annotation_path):
    dataset, vocab, max_len = [], set(), 0
    with open(annotation_path, "r") as file:
        for line in file:
            line = line.split()
            label = line[0].split("_")[1]
            dataset.append(["Datasets/90kDICT32px" + line[0][1:], label])
            vocab.update(list(label))
            max_len = max(max_len, len(label))
    return dataset, sorted(vocab), max_len

train_dataset, train_vocab, train_len = read_annotation_file(
    "Datasets/90kDICT32px/annotation_train.txt"
)
val_dataset, val_vocab, val_len = read_annotation_file("Datasets/90kDICT32px/annotation_val.txt")
configs.vocab = "".join(sorted({*train_vocab, *val_vocab}))  # was that of the training
configs.max_text_length = max(train_len, val_len)
configs.save()
train_data_provider, val_data_provider = provide(train_dataset), provide(val_dataset)
"""

DATA_OF_02 = """
dataset, vocab, max_len = [], set(), 0
for file in os.listdir("Datasets/captcha_images_v2"):
    label = os.path.splitext(file)[0]
    dataset.append([os.path.join("Datasets/captcha_images_v2", file), label])
    vocab.update(list(label))
    max_len = max(max_len, len(label))
configs.vocab, configs.max_text_length = "".join(vocab), max_len
configs.save()
train_data_provider, val_data_provider = provide(dataset).split(split=0.9)
train_data_provider.augmentors = [RandomBrightness(), RandomRotate(), RandomErodeDilate()]
"""

DATA_OF_04 = """
dataset, vocab, max_len = [], set(), 0
for line in open("Datasets/IAM_Sentences/ascii/sentences.txt", "r").readlines():
    if line.startswith("#"):
        continue
    line_split = line.split(" ")
    if line_split[2] == "err":
        continue
    name = line_split[0]
    label = line_split[-1].rstrip("\\n").replace("|", " ")
    folders = os.path.join(name[:3], "-".join(name.split("-")[:2]))
    path = os.path.join("Datasets/IAM_Sentences/sentences", folders, name + ".png")
    if not os.path.exists(path):
        continue
    dataset.append([path, label])
    vocab.update(list(label))
    max_len = max(max_len, len(label))
configs.vocab, configs.max_text_length = "".join(vocab), max_len
configs.save()
train_data_provider, val_data_provider = provide(dataset).split(split=0.9)
train_data_provider.augmentors = [RandomBrightness(), RandomErodeDilate(), RandomSharpen()]
"""
METRICS_OF_04 = "[CERMetric(configs.vocab), WERMetric(configs.vocab)]"


def draw(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = render_word(text, shipped_fonts()[0], np.random.default_rng(0))
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def draw_words(folder):
    write_mjsynth(folder / "90kDICT32px", num_train=24, num_validation=8, workers=0, progress=False)


def draw_captchas(folder):
    for number in range(24):
        draw(folder / "captcha_images_v2" / f"{number % 8 + 2}b{number:02}m.png", f"{number:02}bm")


def draw_sentences(folder):
    lines = ["#--- sentences.txt ---", "a01-000u-s00-09 0 err 154 19 0 0 1 1 not|this"]
    for number in range(24):
        name = f"a01-000u-s00-{number + 10}"
        lines.append(f"{name} 0 ok 154 19 408 746 1661 89 {number}|small|words")
        path = folder / "IAM_Sentences" / "sentences" / "a01" / "a01-000u" / f"{name}.png"
        draw(path, f"{number} small words")
    (folder / "IAM_Sentences" / "ascii").mkdir()
    listing = folder / "IAM_Sentences" / "ascii" / "sentences.txt"
    listing.write_text("\n".join(lines) + "\n", encoding="utf-8")


class LaterReader(OnnxInferenceModel):
    """The reader of 1.2.5: names of inputs and outputs are lists; 04 keeps the aspect ratio."""

    def __init__(self, char_list, keep_aspect_ratio, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.char_list, self.keep_aspect_ratio = char_list, keep_aspect_ratio

    def predict(self, image):
        size = self.input_shapes[0][1:3][::-1]
        if self.keep_aspect_ratio:  # was ImageResizer.resize_maintaining_aspect_ratio(image, *size)
            image = ImageResizer(*size, keep_aspect_ratio=True)(image, None)[0]
        else:
            image = cv2.resize(image, size)
        batch = np.expand_dims(image, axis=0).astype(np.float32)
        outputs = self.model.run(self.output_names, {self.input_names[0]: batch})[0]
        return ctc_decoder(outputs, self.char_list)[0]


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="The scripts are TensorFlow's.")
@pytest.mark.parametrize(
    ("prepare", "data", "metrics", "width", "keep_aspect_ratio"),
    [
        (draw_words, DATA_OF_01, "[CWERMetric(configs.vocab)]", 64, False),
        (draw_captchas, DATA_OF_02, "[CWERMetric(configs.vocab)]", 64, False),
        (draw_sentences, DATA_OF_04, METRICS_OF_04, 128, True),
    ],
    ids=["01", "02", "04"],
)
def test_scripts_of_1_2_5_train_export_and_read(
    tmp_path, monkeypatch, prepare, data, metrics, width, keep_aspect_ratio
):
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path / "Datasets")
    text = LATER_SCRIPT.replace("WIDTH", str(width)).replace("METRICS", metrics)
    text = text.replace("KEEP_ASPECT_RATIO", str(keep_aspect_ratio)).replace("DATA\n", data)
    Path("train.py").write_text(IMPORTS + text + FIT, encoding="utf-8")
    runpy.run_path("train.py")

    run = Path("Models/run")
    names = {path.name for path in run.iterdir()}
    assert {"configs.yaml", "logs", "logs.log", "model.h5", "model.onnx", "train.csv"} <= names
    log = (run / "logs.log").read_text(encoding="utf-8")
    assert re.search(r"val_CER: \d", log)
    assert re.search(r"val_WER: \d", log)
    configs = BaseModelConfigs.load(run / "configs.yaml")
    reader = LaterReader(configs.vocab, keep_aspect_ratio, model_path=configs.model_path)
    assert reader.input_shapes[0][1:] == [32, width, 3]
    rows = list(csv.reader((run / "val.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["path", "label"]
    for path, label in rows[1:4]:
        prediction = reader.predict(cv2.imread(path))
        assert get_cer(prediction, label) >= 0
        assert get_wer(prediction, label) >= 0


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (RandomBrightness, "random_chance augment_annotation log_level"),
        (RandomRotate, "random_chance borderValue"),
        (RandomErodeDilate, "random_chance"),
        (RandomGaussianBlur, "random_chance"),
        (RandomSharpen, "alpha lightness_range kernel kernel_anchor"),
        (ImageReader, "image_class log_level"),
        (AudioReader, "log_level"),
        (LabelPadding, "use_on_batch"),
        (SpectrogramPadding, "max_spectrogram_length use_on_batch"),
        (DataProvider, "batch_postprocessors use_cache log_level numpy"),
        (Model2onnx, "save_on_epoch_end"),
        (TrainLogger, "console_output"),
        (CWERMetric, "padding_token"),
        (CERMetric, "vocabulary"),
        (WERMetric, "vocabulary"),
    ],
)
def test_an_argument_of_mltu_1_that_is_gone_says_what_to_write(cls, names):
    page = (ROOT / "docs" / "howto" / "migrate.md").read_text(encoding="utf-8")
    for name in names.split():
        with pytest.raises(TypeError, match="unexpected keyword argument") as caught:
            cls(**{name: 1})
        (note,) = caught.value.__notes__
        assert re.fullmatch(r"This was mltu 1\. (Write|Leave|Put|Pass) .* More: \S+", note)
        assert name in page or name == "image_class"  # The page has it by position.


def test_other_errors_of_arguments_say_no_more_than_python():
    class Mine(RandomBrightness):
        def __init__(self, kernel, **options):
            super().__init__(**options)

    assert Mine(kernel=3).probability == 0.5
    with pytest.raises(TypeError) as caught:
        Mine(kernel=3, chance=1)
    assert not hasattr(caught.value, "__notes__")
    with pytest.raises(TypeError) as caught:
        Mine(kernel=3, random_chance=1)
    assert len(caught.value.__notes__) == 1


def test_workers_in_fit_are_named():
    """The first error that an old script meets; the page on moving leads with it."""
    model = keras.Sequential([layers.Input((1,)), layers.Dense(1)])
    model.compile(loss="mse")
    with pytest.raises(TypeError, match="unexpected keyword argument 'workers'"):
        model.fit(np.zeros((1, 1)), np.zeros((1, 1)), workers=20)
