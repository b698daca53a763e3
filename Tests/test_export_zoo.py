"""Keras models of this field become ONNX files, or are refused by a sentence."""

import keras
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import zoo
from conftest import slow_elsewhere
from keras import layers

from mltu.onnx_export import export_onnx

pytestmark = pytest.mark.backend


def sides(value):
    return [side.dim_value or side.dim_param for side in value.type.tensor_type.shape.dim]


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.HEADS)
def test_a_head_becomes_a_file_whose_axes_are_named(name, tmp_path):
    """`export_onnx` refuses a file whose outputs differ by more than 1e-3."""
    metrics = export_onnx(zoo.build(name), tmp_path / "model.onnx")
    assert metrics.difference < 1e-6
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [(x.name, sides(x)) for x in (*graph.input, *graph.output)] == [
        ("image", ["batch", 16, 32, 1]),
        ("scores", ["batch", 16, 5]),
    ]


@slow_elsewhere
def test_free_axes_have_names(tmp_path):
    inputs = keras.Input((8, None, 1), name="image")
    x = layers.Reshape((-1, 8))(layers.Permute((2, 1, 3))(inputs))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="scores")(x))
    export_onnx(model, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert sides(graph.input[0]) == ["batch", 8, "width", 1]
    assert sides(graph.output[0]) == ["batch", "time", 3]
    images = np.zeros((2, 8, 20, 1), np.float32)
    session = ort.InferenceSession(tmp_path / "model.onnx")
    assert session.run(["scores"], {"image": images})[0].shape == (2, 20, 3)


@slow_elsewhere
def test_constants_of_a_model_are_stored(tmp_path):
    """`Normalization(mean=127., variance=2500.)` became two inputs that nobody could feed."""
    model = keras.Sequential(
        [
            keras.Input((4, 3)),
            layers.Normalization(mean=127.0, variance=2500.0),
            layers.Dense(3, activation=keras.activations.gelu),  # of Erfc, which ONNX lacks
        ]
    )
    assert export_onnx(model, tmp_path / "model.onnx").difference < 1e-5
    assert len(ort.InferenceSession(tmp_path / "model.onnx").get_inputs()) == 1


@slow_elsewhere
def test_the_path_is_no_pattern(tmp_path):
    """TensorFlow reads `[2026]` as one of four digits."""
    model = keras.Sequential([keras.Input((4, 3)), layers.Dense(3)])
    path = tmp_path / "[2026] plates*" / "m{x}.onnx"
    export_onnx(model, path)
    assert [each.name for each in path.parent.iterdir()] == ["m{x}.onnx"]


def two_inputs():
    inputs = [keras.Input((4, 3), name=name) for name in ("image", "mask")]
    return keras.Model(inputs, layers.Dense(3)(layers.Add()(inputs)))


def two_outputs():
    inputs = keras.Input((4, 3), name="image")
    return keras.Model(inputs, [layers.Dense(3, name=name)(inputs) for name in ("text", "kind")])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (two_inputs, r"inputs \['image', 'mask'\]"),
        (two_outputs, r"outputs \['text', 'kind'\]"),
        (lambda: keras.Sequential([layers.Dense(3)]), "built model with known inputs"),
    ],
)
def test_several_inputs_or_outputs_are_refused(build, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        export_onnx(build(), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_old_opset_is_named_as_the_cause(tmp_path):
    with pytest.raises(RuntimeError, match="Use a higher opset than 9: 18, the default"):
        export_onnx(zoo.build("attention"), tmp_path / "model.onnx", opset=9)
