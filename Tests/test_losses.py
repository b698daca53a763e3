"""CTCLoss against the enumeration of every path."""

import re

import keras
import numpy as np
import pytest
from conftest import ON_TENSORFLOW, run_python
from gradients import value_and_gradient
from keras import ops
from oracles import (
    ctc_log_probability,
    ctc_loss_and_gradient,
    finite_differences,
    softmax,
)

from mltu import _ctc_kernels
from mltu.callbacks import ConvergenceWatch
from mltu.losses import CTCLoss, CTCloss, ctc_batch_loss, label_lengths, required_steps
from mltu.metrics import CWERMetric

pytestmark = pytest.mark.backend

KERNELS = sorted({"scan", _ctc_kernels.kernel_name()})


# Of the logits, and the relative rounding of that type.
KINDS = {"float32": 0, "bfloat16": 2**-8, "float16": 2**-11}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_labels_are_not_rounded(dtype):
    """Keras casts labels to the type of the loss: 2001 and 2003 became the same character."""
    with pytest.raises(ValueError, match=f"`dtype` must be 'float32' or 'float64'.* '{dtype}'"):
        CTCLoss(dtype=dtype)
    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        assert CTCLoss().dtype == "float32"
    finally:
        keras.config.set_floatx(before)


@pytest.fixture(params=KERNELS)
def kernel(request, monkeypatch):
    monkeypatch.setattr(_ctc_kernels, "kernel_name", lambda: request.param)
    return request.param


def pad(labels, width, blank):
    return np.array([[*label, *[blank] * (width - len(label))] for label in labels], np.int32)


def expected(logits, labels):
    return np.array(
        [-ctc_log_probability(softmax(x), y) for x, y in zip(logits, labels, strict=True)]
    )


def logits_of(batch, steps, classes, seed=0):
    return np.random.default_rng(seed).normal(0, 1.5, (batch, steps, classes)).astype("float32")


def random_case(kind, seed):
    """Draw logits (8, 32, 5) of a dtype, and labels with many repetitions."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (8, 32, 5)) if kind in KINDS else rng.choice([-1e4, 1e4], (8, 32, 5))
    dtype = kind if kind in KINDS else "float32"
    logits = ops.cast(ops.cast(logits, dtype), "float32")
    labels = [[], *(rng.integers(0, 3, rng.integers(1, 13)).tolist() for _ in range(7))]
    return ops.convert_to_numpy(logits), labels, dtype


CASES = [
    (4, 3, [[], [0], [1], [0, 1], [1, 0, 1], [0, 0], [1, 1], [0, 0, 1]]),
    (5, 4, [[], [2], [0, 1, 2], [0, 0, 0], [1, 1, 2], [2, 1, 0, 2, 1]]),
    (1, 2, [[], [0]]),
    (3, 2, [[0, 0], [0], []]),
]


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(("steps", "classes", "labels"), CASES)
def test_value_equals_the_enumeration(steps, classes, labels):
    logits = logits_of(len(labels), steps, classes)
    targets = pad(labels, 5, classes - 1)
    answer = expected(logits, labels)
    by_logits = CTCLoss(from_logits=True, reduction="none")(targets, logits)
    by_probabilities = CTCLoss(reduction="none")(targets, softmax(logits))
    for values in (by_logits, by_probabilities):
        np.testing.assert_allclose(ops.convert_to_numpy(values), answer, atol=1e-4)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("label", [[], [0], [0, 1], [1, 1], [0, 1, 0]])
def test_gradient_equals_finite_differences(label):
    logits = logits_of(1, 4, 3)
    loss = CTCLoss(from_logits=True)
    _, gradient = value_and_gradient(lambda point: loss(pad([label], 3, 2), point), logits)
    answer = finite_differences(
        lambda x: -ctc_log_probability(softmax(x), label), logits[0].astype("float64")
    )
    np.testing.assert_allclose(gradient[0], answer, atol=1e-4)


@pytest.mark.usefixtures("kernel")
def test_gradient_by_probabilities():
    """The loss normalizes what it is given, so its derivative is that of p / sum(p)."""
    probabilities = softmax(logits_of(1, 3, 3)).astype("float32")
    _, gradient = value_and_gradient(
        lambda point: CTCLoss()(pad([[0, 1]], 3, 2), point), probabilities
    )
    answer = finite_differences(
        lambda p: -ctc_log_probability(p / p.sum(axis=1, keepdims=True), [0, 1]),
        probabilities[0].astype("float64"),
    )
    np.testing.assert_allclose(gradient[0], answer, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("label", [[], [0], [0, 1], [1, 1], [0, 1, 0]])
def test_the_oracle_of_long_sequences_agrees_with_the_enumeration(label):
    logits = logits_of(1, 4, 3)[0].astype("float64")
    value, gradient = ctc_loss_and_gradient(logits, label)
    answer = finite_differences(lambda x: -ctc_log_probability(softmax(x), label), logits)
    assert value == pytest.approx(-ctc_log_probability(softmax(logits), label))
    np.testing.assert_allclose(gradient, answer, atol=1e-8)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("kind", [*KINDS, "1e4"])
@pytest.mark.parametrize("seed", range(2))
def test_value_and_gradient_of_long_sequences(kind, seed):
    logits, labels, dtype = random_case(kind, seed)
    targets = pad(labels, 12, logits.shape[2] - 1)
    loss = CTCLoss(from_logits=True, reduction="none")
    values, gradients = value_and_gradient(
        lambda point: loss(targets, ops.cast(point, dtype)), logits
    )
    answers = [ctc_loss_and_gradient(x, y) for x, y in zip(logits, labels, strict=True)]
    np.testing.assert_allclose(values, [value for value, _ in answers], rtol=1e-5)
    # The gradient comes back in the type of the input.
    np.testing.assert_allclose(
        gradients, [gradient for _, gradient in answers], atol=1e-4, rtol=KINDS.get(kind, 0)
    )


@pytest.mark.usefixtures("kernel")
def test_labels_that_cannot_fit_teach_nothing_and_harm_nobody():
    labels = [[0, 1, 0, 1], [1, 1], [0, 1], [0, 0, 0]]  # Three steps: only the inner ones fit.
    logits = logits_of(4, 3, 3)
    loss = CTCLoss(from_logits=True, reduction="none")
    values, gradient = value_and_gradient(lambda point: loss(pad(labels, 4, 2), point), logits)
    answer = expected(logits, labels)
    assert np.isinf(answer).tolist() == [True, False, False, True]
    np.testing.assert_allclose(values, np.where(np.isinf(answer), 0, answer), atol=1e-4)
    assert (gradient[[0, 3]] == 0).all()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[[1, 2]]).max(axis=(1, 2)).min() > 1e-3


@pytest.mark.usefixtures("kernel")
def test_padding_is_never_a_label():
    labels = [[0, 1], [2], [], [1, 1]]
    logits = logits_of(4, 5, 4)
    loss = CTCLoss(from_logits=True, reduction="none")
    narrow, wide, negative = (
        ops.convert_to_numpy(loss(pad(labels, *padding), logits))
        for padding in ((2, 3), (9, 3), (9, -1))
    )
    np.testing.assert_allclose(wide, narrow, atol=1e-5)
    np.testing.assert_allclose(negative, narrow, atol=1e-5)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("padding", [3, -1, 9, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("low", [0, -200])
def test_anything_outside_the_characters_is_padding(padding, low):
    logits = np.zeros((1, 6, 4), "float32")
    logits[0, 0, 0] = low  # Below -85, TensorFlow takes another kernel.
    loss = CTCLoss(from_logits=True)
    value = float(loss(np.array([[0, 1, padding, padding]], "int32"), logits))
    assert value == pytest.approx(4.06927 if low == 0 else 4.47474, abs=1e-5)


@pytest.mark.usefixtures("kernel")
def test_nan_in_labels_of_floats_is_padding_and_labels_may_have_no_column():
    """On JAX, NaN became the character 0: 3.887 instead of 4.069."""
    loss, logits = CTCLoss(from_logits=True), np.zeros((1, 6, 4), "float32")
    assert float(loss(np.array([[0, 1, np.nan]]), logits)) == pytest.approx(4.06927, abs=1e-5)
    assert float(loss(np.zeros((1, 0)), logits)) == pytest.approx(6 * np.log(4), abs=1e-5)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("label", [[0, 3, 1, 3], [-1, 0, 1, 2], [0, 1, 9, 2]])
def test_a_character_behind_padding_is_refused(label):
    """Alone and in a training, on each backend; the type of a graph's error is the backend's."""
    labels, logits = np.array([[0, 1, 2, 3], label]), np.zeros((2, 6, 4), "float32")
    message = r"characters, which are in 0..2. Received a label in which a character follows the bl"
    with pytest.raises(ValueError, match=message):
        CTCLoss(from_logits=True)(labels, logits)
    model = keras.Sequential([keras.Input((6, 4)), keras.layers.Dense(4)])
    model.compile("sgd", CTCLoss(from_logits=True), jit_compile=False)
    with pytest.raises(Exception, match="in which a character follows the blank, 3"):
        model.fit(logits, labels, verbose=0)


@pytest.mark.usefixtures("kernel")
def test_it_computes_where_floatx_is_float64():
    labels, logits = pad([[0, 1], [2]], 3, 3), logits_of(2, 6, 4)
    logits[0, 0, 0] = -200
    value = CTCLoss(from_logits=True)(labels, logits)
    keras.config.set_floatx("float64")
    try:
        again = CTCLoss(from_logits=True)(labels, logits.astype("float64"))
    finally:
        keras.config.set_floatx("float32")
    assert float(again) == pytest.approx(float(value), rel=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="others compile each width")
@pytest.mark.usefixtures("kernel")
def test_free_label_width_in_a_graph():
    import tensorflow as tf

    labels, logits = pad([[0, 1], []], 3, 2), logits_of(2, 4, 3)
    signature = [tf.TensorSpec((None, None), "int32"), tf.TensorSpec((None, 4, 3), "float32")]
    graph = tf.function(ctc_batch_loss, input_signature=signature)
    np.testing.assert_allclose(graph(labels, logits), ctc_batch_loss(labels, logits), atol=1e-5)


@pytest.mark.usefixtures("kernel")
def test_a_class_can_be_forbidden():
    logits = logits_of(2, 6, 4)
    logits[:, :, 1] = -np.inf
    loss = CTCLoss(from_logits=True, reduction="none")
    values, gradients = value_and_gradient(
        lambda point: loss(pad([[0, 2], [0]], 3, 3), point), logits
    )
    others = logits[:, :, [0, 2, 3]]
    for i, label in enumerate([[0, 1], [0]]):
        value, gradient = ctc_loss_and_gradient(others[i], label)
        assert values[i] == pytest.approx(value, rel=1e-5)
        np.testing.assert_allclose(gradients[i][:, [0, 2, 3]], gradient, atol=1e-5)
        assert (gradients[i][:, 1] == 0).all()


@pytest.mark.usefixtures("kernel")
def test_probability_zero_and_one_stay_finite():
    point = np.eye(3, dtype="float32")[[[0, 0, 0], [2, 2, 2]]]
    value, gradient = value_and_gradient(
        lambda point: CTCLoss()(pad([[1], [0]], 2, 2), point), point
    )
    assert value > 10
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_reductions_and_sample_weight():
    labels, logits = pad([[0], [1, 0], []], 2, 2), logits_of(3, 4, 3)
    each = ops.convert_to_numpy(CTCLoss(reduction="none", from_logits=True)(labels, logits))
    assert each.shape == (3,)
    for reduction, answer in [
        ("sum", each.sum()),
        ("mean", each.mean()),
        ("sum_over_batch_size", each.mean()),
    ]:
        loss = CTCLoss(from_logits=True, reduction=reduction)
        np.testing.assert_allclose(float(loss(labels, logits)), answer, rtol=1e-5)
    weights = np.array([0.0, 2.0, 1.0], "float32")
    weighted = CTCLoss(from_logits=True, reduction="sum")(labels, logits, sample_weight=weights)
    np.testing.assert_allclose(float(weighted), (each * weights).sum(), rtol=1e-5)


def test_lengths_and_steps_by_hand():
    labels = [[0, 0, 1, 3], [1, 1, 1, 1], [3, 3, 3, 3], [2, 1, 2, -1]]
    labels = ops.convert_to_tensor(labels, dtype="int32")
    lengths = label_lengths(labels, 3)
    assert ops.convert_to_numpy(lengths).tolist() == [3, 4, 0, 3]
    assert ops.convert_to_numpy(required_steps(labels, lengths)).tolist() == [4, 7, 0, 3]


def test_the_spelling_of_the_tutorial():
    assert CTCloss is CTCLoss


def test_config_round_trip():
    loss = CTCLoss(name="ctc", from_logits=True, reduction="sum")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(again, CTCLoss)
    assert again.get_config() == loss.get_config()
    assert (again.name, again.from_logits, again.reduction) == ("ctc", True, "sum")


def test_saved_model_loads_without_custom_objects(tmp_path):
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", loss=CTCLoss(), metrics=[CWERMetric("ab")])
    x, y = logits_of(2, 4, 2), pad([[0, 1], [1]], 3, 2)
    before = model.evaluate(x, y, return_dict=True, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.loss, CTCLoss)
    after = again.evaluate(x, y, return_dict=True, verbose=0)
    assert set(after) == {"loss", "CER", "WER"}
    assert after == pytest.approx(before)


def heads(kind):
    """Labels and outputs of a batch of four, 6 time steps and 4 classes, with one fault."""
    labels = pad([[0, 1], [2], [1, 1], [2, 0]], 4, 3)
    outputs = softmax(logits_of(4, 6, 4))
    if kind == "logits":
        outputs = logits_of(4, 6, 4)
    elif kind == "sigmoid":
        outputs = 1 / (1 + np.exp(-logits_of(4, 6, 4)))
    elif kind == "axes":
        outputs = np.swapaxes(softmax(np.swapaxes(logits_of(4, 6, 4), 1, 2)), 1, 2)
    elif kind == "diverged":
        outputs[1] = np.nan
    elif kind == "few":
        labels = pad([[0, 1], [2], [1, 1], [2, 0]], 4, 4)
    elif kind == "long":
        labels = np.array([[0, 1, 2, 0, 1, 2, 0], *pad([[0], [1], [2]], 7, 3)], np.int32)
    return labels, outputs.astype("float32")


@pytest.mark.parametrize(
    ("kind", "from_logits", "words"),
    [
        ("logits", False, "expects probabilities"),
        ("softmax", True, "ends in a softmax"),
        ("sigmoid", False, "a sigmoid does not suit CTC"),
        ("axes", False, r"permute them to \(batch, time, classes\)"),
        ("few", False, r"the index 4, but the model has 4 classes"),
        ("long", False, "1 of 4 labels in a batch need more time steps than the 6"),
        ("softmax", False, None),
        ("logits", True, None),
        ("diverged", False, None),
    ],
)
def test_a_head_that_does_not_suit_the_loss_is_named_once(kind, from_logits, words, caplog):
    labels, outputs = heads(kind)
    inputs = keras.Input(outputs.shape[1:])
    model = keras.Model(inputs, keras.layers.Rescaling(1.0)(inputs))
    loss = CTCLoss(from_logits=from_logits)
    model.compile("sgd", loss, jit_compile=False if ON_TENSORFLOW else "auto")
    model.fit(outputs, labels, batch_size=2, epochs=2, shuffle=False, verbose=0)
    said = [record.getMessage() for record in caplog.records if record.name == "mltu.losses"]
    assert len(said) == (words is not None)
    assert words is None or re.search(words.replace("4 labels", "2 labels"), said[0])


@pytest.mark.parametrize(
    ("kind", "words"), [("logits", "expects probabilities"), ("few", "the index 4, but the model")]
)
def test_the_watch_names_an_unsuited_head_before_the_training(kind, words, caplog):
    """XLA of TensorFlow, which Keras uses on a GPU, calls no Python: the loss can say nothing."""
    labels, outputs = heads(kind)
    inputs = keras.Input(outputs.shape[1:])
    model = keras.Model(inputs, keras.layers.Rescaling(1.0)(inputs))
    model.compile("sgd", CTCLoss())
    watch = ConvergenceWatch((outputs, labels))
    watch.set_model(model)
    watch.on_train_begin()
    said = [record.getMessage() for record in caplog.records if record.name == "mltu.losses"]
    assert len(said) == 1
    assert words in said[0]


@pytest.mark.parametrize("backend_has_gpu", [False, True])
def test_a_graph_that_xla_does_not_compile_names_it_too(backend_has_gpu, caplog, monkeypatch):
    """With a GPU, where the kernel is another one; of TensorFlow, but true of all."""
    if backend_has_gpu:
        monkeypatch.setattr(_ctc_kernels, "num_gpus", lambda backend: 1)
    labels, outputs = heads("sigmoid")
    inputs = keras.Input(outputs.shape[1:])
    model = keras.Model(inputs, keras.layers.Rescaling(1.0)(inputs))
    model.compile("sgd", CTCLoss(), jit_compile=False)
    model.fit(outputs, labels, verbose=0)
    assert [r.getMessage() for r in caplog.records if "a sigmoid does not suit" in r.getMessage()]


def test_too_few_classes_are_named_where_a_character_follows_the_index():
    """In a graph of TensorFlow this text is all that its error says of the cause."""
    labels = np.array([[5, 0]], np.int32)
    with pytest.raises(ValueError, match=r"give the last layer len\(vocab\) \+ 1 units"):
        CTCLoss()(labels, softmax(logits_of(1, 6, 4)).astype("float32"))


@pytest.mark.parametrize(
    ("labels", "outputs", "words"),
    [
        ((2, 3), (2, 4), "return_sequences=True"),
        ((2, 3, 5), (2, 4, 5), r"np.argmax\(labels, axis=-1\)"),
    ],
)
def test_labels_and_outputs_with_other_axes_are_refused(labels, outputs, words):
    with pytest.raises(ValueError, match=words):
        CTCLoss()(np.zeros(labels), np.ones(outputs, "float32"))


@pytest.mark.skipif(not ON_TENSORFLOW, reason="a message of TensorFlow")
def test_tensorflow_prints_nothing_about_the_loss():
    """It printed 27 lines of "Type inference failed" while it optimized the gradient of a cond."""
    code = (
        "import keras, numpy as np\n"
        "from mltu.losses import CTCLoss\n"
        "inputs = keras.Input((8, 4))\n"
        "outputs = keras.layers.Dense(4, activation='softmax')(inputs)\n"
        "model = keras.Model(inputs, outputs)\n"
        "model.compile('sgd', CTCLoss())\n"
        "model.fit(np.ones((7, 8, 4)), np.ones((7, 2)), batch_size=4, verbose=0)\n"
    )
    assert "failed. This" not in run_python("-c", code, TF_CPP_MIN_LOG_LEVEL="0").stderr


@pytest.mark.slow
def test_another_process_loads_a_model_by_one_line(tmp_path):
    """As the docstring of CTCLoss says."""
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", loss=CTCLoss(), metrics=[CWERMetric("ab")])
    model.save(tmp_path / "model.keras")
    script = (
        "import sys, keras; path = sys.argv[1]\n"
        "keras.models.load_model(path, compile=False)\n"
        "assert 'mltu' not in sys.modules\n"
        "import mltu.losses, mltu.metrics; keras.models.load_model(path)\n"
    )
    run_python("-c", script, tmp_path / "model.keras")
    assert "`import mltu.losses, mltu.metrics`" in CTCLoss.__doc__
