"""Heads of CTC models, each with another layer, to be exported to ONNX.

python Tests/tools/zoo.py [OPSET ...]

prints a table of the largest differences between Keras and the file, on the backend that
KERAS_BACKEND names.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
from keras import activations, layers, ops

from mltu.onnx_export import export_onnx

SHAPE, CLASSES = (16, 32, 1), 5  # 16 time steps


def columns(x):
    return layers.Reshape((16, -1))(layers.Permute((2, 1, 3))(x))


def attention(x):
    x = columns(x)
    y = layers.LayerNormalization()(x)
    return layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(2, 8)(y, y)]))


def exact_gelu(x):
    return columns(activations.gelu(x, approximate=False))


HEADS = {
    "LSTM": lambda x: layers.Bidirectional(layers.LSTM(8, return_sequences=True))(columns(x)),
    "GRU": lambda x: layers.Bidirectional(layers.GRU(8, return_sequences=True))(columns(x)),
    "Conv1D": lambda x: layers.Conv1D(8, 3, padding="same", dilation_rate=2)(columns(x)),
    "attention": attention,
    "mean of the height": lambda x: ops.mean(x, axis=1),
    "max of the height": lambda x: ops.max(x, axis=1),
    "pooling": lambda x: layers.Reshape((16, -1))(layers.AveragePooling2D((8, 1))(x)),
    "Normalization": lambda x: columns(layers.Normalization(mean=0.2, variance=0.5)(x)),
    "exact GELU": exact_gelu,
    "approximate GELU": lambda x: columns(activations.gelu(x, approximate=True)),
    "SiLU": lambda x: columns(activations.silu(x)),
    "GroupNormalization": lambda x: columns(layers.GroupNormalization(4)(x)),
    "BatchNormalization": lambda x: columns(layers.BatchNormalization()(x)),
    "SeparableConv2D": lambda x: columns(layers.SeparableConv2D(8, 3, padding="same")(x)),
}


def build(name):
    """Build a model from images, values 0..255, to (batch, 16, 5)."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE, name="image")
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = layers.Dense(CLASSES, activation="softmax", name="scores")(HEADS[name](x))
    return keras.Model(inputs, x, name=name.replace(" ", "_"))


def main(opsets):
    """Print one row for each head."""
    print(f"| {keras.backend.backend()} | {' | '.join(f'opset {o}' for o in opsets)} |")
    print("|---" * (len(opsets) + 1) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for name in HEADS:
            model, cells = build(name), []
            for opset in opsets:
                try:
                    metrics = export_onnx(model, Path(folder) / "model.onnx", opset=opset)
                    cells.append(f"{metrics.difference:.1e}")
                except RuntimeError as error:
                    cells.append(str(error).splitlines()[-1])
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main([int(opset) for opset in sys.argv[1:]] or [18])
