"""What was written for mltu 0.1.3, in 2022, works: its scripts, its settings, its checkpoints.

`data/keras2_reader.h5` was saved by tf-keras 2.21, the Keras of those years, from a small network
of the tutorial's own parts: Lambda, residual blocks with LeakyReLU, a bidirectional LSTM, softmax.
"""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import Model, layers

from mltu.configs import BaseModelConfigs
from mltu.inferenceModel import OnnxInferenceModel
from mltu.model_utils import residual_block
from mltu.models import warm_start
from mltu.onnx_export import export_onnx
from mltu.synthetic import write_mjsynth
from mltu.utils.text_utils import ctc_decoder

pytestmark = pytest.mark.backend

ROOT = Path(__file__).resolve().parents[1]
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

# The calls of the published script with their arguments; only `workers` has moved.
SCRIPT = """
import os
import tensorflow as tf
from keras import layers
from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau, TensorBoard
from keras.models import Model
from mltu.callbacks import Model2onnx, TrainLogger
from mltu.configs import BaseModelConfigs
from mltu.dataProvider import DataProvider
from mltu.losses import CTCloss
from mltu.metrics import CWERMetric
from mltu.model_utils import residual_block
from mltu.preprocessors import ImageReader
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

class Settings(BaseModelConfigs):
    def __init__(self):
        super().__init__()
        self.model_path = os.path.join("Models/1_image_to_word", "202211270035")
        self.vocab = ""
        self.height, self.width, self.max_text_length = 32, 128, 23
        self.batch_size, self.learning_rate, self.train_workers = 16, 1e-4, 20

def listed(name):
    with open("Datasets/90kDICT32px/" + name, "r") as file:
        paths = [line.split()[0] for line in file]
    return [["Datasets/90kDICT32px" + path[1:], path.split("_")[1]] for path in paths]

def provider(samples, **options):
    return DataProvider(
        dataset=samples,
        skip_validation=True,
        batch_size=settings.batch_size,
        data_preprocessors=[ImageReader()],
        transformers=[
            ImageResizer(settings.width, settings.height),
            LabelIndexer(settings.vocab),
            LabelPadding(
                max_word_length=settings.max_text_length, padding_value=len(settings.vocab)
            ),
        ],
        **options,
    )

settings = Settings()
training, validation = listed("annotation_train.txt"), listed("annotation_val.txt")
settings.vocab = "".join(sorted({char for _, label in training + validation for char in label}))
settings.max_text_length = max(len(label) for _, label in training + validation)
settings.save()
train_data_provider = provider(training, workers=settings.train_workers)
val_data_provider = provider(validation)

inputs = layers.Input(shape=(settings.height, settings.width, 3), name="input")
x = layers.Lambda(lambda image: image / 255)(inputs)
for filters, skip_conv, strides in ((4, True, 2), (8, True, 2), (8, False, 1)):
    x = residual_block(
        x, filters, activation="leaky_relu", skip_conv=skip_conv, strides=strides, dropout=0.2
    )
x = layers.Reshape((x.shape[-3] * x.shape[-2], x.shape[-1]))(x)
x = layers.Bidirectional(layers.LSTM(8, return_sequences=True))(x)
output = layers.Dense(len(settings.vocab) + 1, activation="softmax", name="output")(x)
model = Model(inputs=inputs, outputs=output)
model.compile(
    optimizer=tf.keras.optimizers.Adam(learning_rate=settings.learning_rate),
    loss=CTCloss(),
    metrics=[CWERMetric(settings.vocab)],
    run_eagerly=False,
)
path = settings.model_path
callbacks = [
    EarlyStopping(monitor="val_CER", patience=10, verbose=1),
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
model.fit(train_data_provider, validation_data=val_data_provider, epochs=2, callbacks=callbacks)
train_data_provider.to_csv(os.path.join(path, "train.csv"))
val_data_provider.to_csv(os.path.join(path, "val.csv"))
"""


class OldReader(OnnxInferenceModel):
    """The reader of the published script: the vocabulary is an argument."""

    def __init__(self, char_list, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.char_list = char_list

    def predict(self, image):
        import cv2

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
def test_the_script_of_2022_trains_exports_and_reads(tmp_path):
    words = tmp_path / "Datasets" / "90kDICT32px"
    write_mjsynth(words, num_train=48, num_validation=16, workers=0, progress=False)
    script = tmp_path / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env={**environment, "PYTHONUTF8": "1"},
        capture_output=True, encoding="utf-8", timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    run = tmp_path / "Models" / "1_image_to_word" / "202211270035"
    names = {path.name for path in run.iterdir()}
    assert {"configs.yaml", "logs", "logs.log", "model.h5", "model.onnx", "train.csv"} <= names
    assert len((run / "val.csv").read_text(encoding="utf-8").splitlines()) == 17

    import cv2

    configs = BaseModelConfigs.load(run / "configs.yaml")
    reader = OldReader(configs.vocab, run)
    image = cv2.imread(str(next(words.rglob("*.jpg"))))
    assert set(reader(image)) <= set(configs.vocab)
    assert reader.input_shape == [32, 128, 3]


def test_workers_in_fit_are_named():
    """The first error that an old script meets; the page on moving leads with it."""
    model = keras.Sequential([layers.Input((1,)), layers.Dense(1)])
    model.compile(loss="mse")
    with pytest.raises(TypeError, match="unexpected keyword argument 'workers'"):
        model.fit(np.zeros((1, 1)), np.zeros((1, 1)), workers=20)
