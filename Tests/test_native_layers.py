"""The kernels give what Keras's own layers give, in values, gradients and states."""

from inspect import signature

import keras
import numpy as np
import pytest
from keras import layers, ops

from mltu.model_utils import residual_block
from mltu.models import _fused_layers, use_native_layers
from mltu.utils.gpus import num_gpus

pytestmark = pytest.mark.backend

has_a_kernel = pytest.mark.skipif(keras.backend.backend() == "jax", reason="nothing to do there")
KNOWS_RENORM = pytest.mark.skipif(
    "renorm" not in signature(layers.BatchNormalization).parameters, reason="New in Keras 3.14."
)


def is_alone(options):
    return "return_state" in options or "go_backwards" in options


def build(**options):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((7, 3))
    lstm = layers.LSTM(4, bias_initializer="random_normal", **options)
    if not is_alone(options):
        lstm = layers.Bidirectional(lstm)
    return keras.Model(inputs, lstm(inputs))


def outputs_and_gradients(model, training=False):
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=(5, 7, 3)).astype("float32")
    x = ops.convert_to_tensor(x)

    def losses():
        return [ops.sum(each * each) for each in keras.tree.flatten(model(x, training=training))]

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = losses()
            total = sum(outputs)
        sources = [x, *(variable.value for variable in model.trainable_variables)]
        gradients = tape.gradient(total, sources)
    else:
        model.zero_grad()
        x.requires_grad_()
        outputs = losses()
        sum(outputs).backward()
        gradients = [x.grad, *(variable.value.grad for variable in model.trainable_variables)]
    return [ops.convert_to_numpy(each) for each in [*outputs, *gradients]]


@has_a_kernel
@pytest.mark.parametrize(
    "options",
    [
        {"return_sequences": True},
        {},
        {"use_bias": False, "return_sequences": True},
        {"go_backwards": True, "return_sequences": True},
        {"return_state": True},
        {"dropout": 0.5, "return_sequences": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("training", [False, True])
def test_same_values_and_gradients(options, training):
    plain, native = build(**options), build(**options)
    assert use_native_layers(native) == (1 if is_alone(options) else 2)
    native.set_weights(plain.get_weights())
    for generator, other in zip(_seeds(plain), _seeds(native), strict=True):
        other.assign(generator)
    for ours, theirs in zip(
        outputs_and_gradients(native, training), outputs_and_gradients(plain, training), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def _seeds(model):
    return [v for v in model.non_trainable_variables if "seed" in v.path]


@has_a_kernel
@pytest.mark.parametrize("options", [{"activation": "relu"}, {"recurrent_dropout": 0.3}], ids=str)
def test_what_it_cannot_do_works_as_before(options):
    plain, native = build(**options), build(**options)
    use_native_layers(native)
    native.set_weights(plain.get_weights())
    for ours, theirs in zip(*map(outputs_and_gradients, (native, plain)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@has_a_kernel
def test_the_saved_file_holds_plain_layers(tmp_path):
    model = build(return_sequences=True)
    use_native_layers(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.ones((2, 7, 3), "float32")
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(x)), ops.convert_to_numpy(again(x)), atol=1e-6
    )


def count_calls(kernels, monkeypatch):
    """Return a list that grows with each call of this backend's kernel."""
    calls, backend = [], keras.backend.backend()
    kernel = kernels[backend]
    monkeypatch.setitem(kernels, backend, lambda *args: calls.append(args) or kernel(*args))
    return calls


@has_a_kernel
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_a_recurrent_layer_in_mixed_precision(precision):
    plain, native = (build(return_sequences=True, dtype=precision) for _ in range(2))
    use_native_layers(native)
    native.set_weights(plain.get_weights())
    x = np.random.default_rng(0).normal(size=(5, 7, 3)).astype("float32")
    ours, theirs = native(x, training=True), plain(x, training=True)
    assert ours.dtype == theirs.dtype
    ours, theirs = (ops.convert_to_numpy(ops.cast(each, "float32")) for each in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, atol=2e-2)


@has_a_kernel
@pytest.mark.skipif(num_gpus(keras.backend.backend()) > 0, reason="There Keras takes cuDNN's.")
def test_the_loop_is_taken_only_where_it_suits(monkeypatch):
    """On TensorFlow it trains; what is read, exported or compiled by XLA are Keras's operations."""
    calls, backend = count_calls(_fused_layers._LSTMS, monkeypatch), keras.backend.backend()
    model = build(return_sequences=True)
    use_native_layers(model)
    x = np.ones((2, 7, 3), "float32")
    model(x)
    assert len(calls) == (2 if backend == "torch" else 0)
    model(x, training=True)
    assert len(calls) == (4 if backend == "torch" else 2)
    if backend == "tensorflow":
        import tensorflow as tf

        tf.function(lambda x: model(x, training=True), jit_compile=True)(x)
        assert len(calls) == 2


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="nothing to do there")
def test_no_lstm_is_changed_on_jax():
    assert use_native_layers(build()) == 0


def train_normalized(native, shape=(6, 5, 3), dtype="float32", **options):
    """Take some steps with a normalization, so that gradients and statistics show in variables."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape)
    dense = layers.Dense(4, dtype=dtype)(inputs)
    norm = layers.BatchNormalization(dtype=dtype, **options)
    model = keras.Model(inputs, layers.Dense(2)(norm(dense)))
    if native:
        use_native_layers(model)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    rng = np.random.default_rng(1)
    for _ in range(3):
        x = rng.normal(1, 2, (4, *shape)).astype("float32")
        model.train_on_batch(x, x[..., :2])
    return model, x


@has_a_kernel
@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({}, 1e-5),
        ({"momentum": 0.5, "epsilon": 0.1}, 1e-5),
        ({"dtype": "mixed_bfloat16"}, 1e-2),
        ({"dtype": "mixed_float16"}, 1e-3),
        ({"dtype": "float64"}, 1e-5),
        ({"trainable": False}, 1e-5),
        ({"center": False}, 1e-5),
        ({"scale": False}, 1e-5),
        ({"axis": 1}, 1e-5),
        pytest.param({"renorm": True}, 1e-5, marks=KNOWS_RENORM),
        ({"shape": (7, 3)}, 1e-5),
        ({"shape": (3,)}, 1e-5),
    ],
    ids=str,
)
def test_a_normalization_learns_the_same(options, tolerance):
    (plain, x), (native, _) = (train_normalized(kind, **options) for kind in (False, True))
    for ours, theirs in zip(native.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(native.predict(x), plain.predict(x), rtol=tolerance, atol=tolerance)


@has_a_kernel
@pytest.mark.parametrize(
    ("options", "is_taken"),
    [({}, True), pytest.param({"renorm": True}, False, marks=KNOWS_RENORM)],
    ids=str,
)
def test_the_kernel_is_taken_where_it_suits(options, is_taken, monkeypatch):
    calls = count_calls(_fused_layers._BATCH_NORMS, monkeypatch)
    train_normalized(True, **options)
    assert bool(calls) == is_taken


@has_a_kernel
def test_a_model_with_native_layers_can_be_a_part_of_another():
    model, x = train_normalized(True)
    inputs = keras.Input(x.shape[1:])
    outer = keras.Model(inputs, layers.Dense(2)(model(inputs, training=True)))
    outer.compile(keras.optimizers.SGD(0.1), "mse")
    before = model.get_weights()
    outer.train_on_batch(x, x[..., :2])
    assert not np.allclose(before[2], model.get_weights()[2])  # gamma


def test_the_layers_of_the_tutorial_are_changed_once():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, residual_block(inputs, 4, activation="relu"))
    # Two normalizations, and on PyTorch the convolutions, of which the shortcut has one.
    expected = {"tensorflow": 2, "jax": 0, "torch": 5}[keras.backend.backend()]
    assert use_native_layers(model) == use_native_layers(model) == expected


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's own convolution")
@pytest.mark.parametrize("size", [(7, 10), (8, 9)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strides": 2},
        {"strides": (2, 1), "kernel_size": (2, 5)},
        {"padding": "valid", "activation": "relu"},
        {"dilation_rate": 2, "use_bias": False},
        {"groups": 2},
        {"depthwise": 1, "strides": 2},
        {"depthwise": 2, "kernel_size": (5, 3)},
        {"dtype": "mixed_bfloat16"},
    ],
    ids=str,
)
def test_a_convolution_learns_the_same(options, size):
    options = {"kernel_size": 3, "padding": "same", "bias_initializer": "normal", **options}
    build = layers.Conv2D
    if multiplier := options.pop("depthwise", None):
        build, options["depth_multiplier"] = layers.DepthwiseConv2D, multiplier
    else:
        options["filters"] = 6
    images = np.random.default_rng(0).normal(size=(2, *size, 4)).astype("float32")
    found = []
    for change in (lambda layer: None, use_native_layers):
        keras.utils.set_random_seed(0)
        layer = build(**options)
        layer.build((None, None, None, 4))
        change(layer)
        x = ops.convert_to_tensor(images).requires_grad_()
        outputs = layer(x)
        ops.sum(ops.square(ops.cast(outputs, "float32"))).backward()
        weights = [variable.value.grad for variable in layer.trainable_variables]
        found.append((outputs, x.grad, *weights))
    for ours, theirs in zip(*found[::-1], strict=True):
        assert ours.dtype == theirs.dtype
        ours, theirs = (ops.convert_to_numpy(ops.cast(each, "float32")) for each in (ours, theirs))
        tolerance = 0.02 if "dtype" in options else 1e-5
        np.testing.assert_allclose(ours, theirs, tolerance, tolerance * np.abs(theirs).max())


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's own convolution")
def test_a_convolution_copies_no_features(monkeypatch):
    """What Keras does otherwise: if it stops, `_convolve` can go."""
    import torch

    x, copies = ops.ones((2, 8, 8, 4)), []
    contiguous = torch.Tensor.contiguous

    def watch(self, *args, **kwargs):
        result = contiguous(self, *args, **kwargs)
        if self.shape[0] == len(x) and result.data_ptr() != self.data_ptr():
            copies.append(self.shape)
        return result

    layer = layers.Conv2D(3, 3, padding="same")
    layer.build(x.shape)
    monkeypatch.setattr(torch.Tensor, "contiguous", watch)
    layer(x)
    assert copies
    copies.clear()
    use_native_layers(layer)
    layer(x)
    assert not copies
