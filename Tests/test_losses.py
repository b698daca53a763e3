"""CTCLoss against the enumeration of every path."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from oracles import ctc_log_probability, finite_differences, softmax

from mltu import losses
from mltu.losses import CTCLoss, CTCloss, ctc_batch_loss, label_lengths, required_steps
from mltu.metrics import CWERMetric

KERNELS = ["ops", "tensorflow"]


@pytest.fixture(params=KERNELS)
def kernel(request, monkeypatch):
    monkeypatch.setattr(losses, "kernel_name", lambda: request.param)
    return request.param


def pad(labels, width, blank):
    return np.array([[*label, *[blank] * (width - len(label))] for label in labels], np.int32)


def expected(logits, labels):
    return np.array(
        [-ctc_log_probability(softmax(x), y) for x, y in zip(logits, labels, strict=True)]
    )


def logits_of(batch, steps, classes, seed=0):
    return np.random.default_rng(seed).normal(0, 1.5, (batch, steps, classes)).astype("float32")


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
    np.testing.assert_allclose(by_logits, answer, atol=1e-4)
    np.testing.assert_allclose(by_probabilities, answer, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_value_of_random_cases(seed, kernel):
    rng = np.random.default_rng(seed)
    steps, classes = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    logits = logits_of(4, steps, classes, seed)
    labels = [rng.integers(0, classes - 1, rng.integers(0, 4)).tolist() for _ in range(4)]
    answer = expected(logits, labels)
    answer[np.isinf(answer)] = 0.0
    values = ctc_batch_loss(pad(labels, 4, classes - 1), logits)
    np.testing.assert_allclose(values, answer, atol=1e-4, err_msg=kernel)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("label", [[], [0], [0, 1], [1, 1], [0, 1, 0]])
def test_gradient_equals_finite_differences(label):
    logits = logits_of(1, 4, 3)
    point = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = CTCLoss(from_logits=True)(pad([label], 3, 2), point)
    answer = finite_differences(
        lambda x: -ctc_log_probability(softmax(x), label), logits[0].astype("float64")
    )
    np.testing.assert_allclose(tape.gradient(value, point)[0], answer, atol=1e-3)


@pytest.mark.usefixtures("kernel")
def test_gradient_by_probabilities():
    """The loss normalizes what it is given, so its derivative is that of p / sum(p)."""
    probabilities = softmax(logits_of(1, 3, 3))
    point = tf.constant(probabilities, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = CTCLoss()(pad([[0, 1]], 3, 2), point)
    answer = finite_differences(
        lambda p: -ctc_log_probability(p / p.sum(axis=1, keepdims=True), [0, 1]), probabilities[0]
    )
    np.testing.assert_allclose(tape.gradient(value, point)[0], answer, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("kernel")
def test_labels_that_cannot_fit_teach_nothing_and_harm_nobody():
    labels = [[0, 1, 0, 1], [1, 1], [0, 1], [0, 0, 0]]  # Three steps: only the third one fits.
    logits = logits_of(4, 3, 3)
    point = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(point)
        values = CTCLoss(from_logits=True, reduction="none")(pad(labels, 4, 2), point)
        total = tf.reduce_sum(values)
    gradient = tape.gradient(total, point).numpy()
    answer = expected(logits, labels)
    assert np.isinf(answer).tolist() == [True, False, False, True]
    np.testing.assert_allclose(values, np.where(np.isinf(answer), 0, answer), atol=1e-4)
    assert (gradient[[0, 3]] == 0).all()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[[1, 2]]).max(axis=(1, 2)).min() > 1e-3


@pytest.mark.usefixtures("kernel")
def test_infeasible_by_repeats_alone():
    point = tf.constant(logits_of(2, 2, 3))
    with tf.GradientTape() as tape:
        tape.watch(point)
        values = CTCLoss(reduction="none")(pad([[1, 1], [0, 1]], 2, 2), tf.nn.softmax(point))
        total = tf.reduce_sum(values)
    gradient = tape.gradient(total, point).numpy()
    assert values[0] == 0
    assert values[1] > 0
    assert (gradient[0] == 0).all()
    assert np.isfinite(gradient).all()


@pytest.mark.usefixtures("kernel")
def test_padding_is_never_a_label():
    labels = [[0, 1], [2], [], [1, 1]]
    logits = logits_of(4, 5, 4)
    narrow = ctc_batch_loss(pad(labels, 2, 3), logits)
    np.testing.assert_allclose(ctc_batch_loss(pad(labels, 9, 3), logits), narrow, atol=1e-5)
    np.testing.assert_allclose(ctc_batch_loss(pad(labels, 9, -1), logits), narrow, atol=1e-5)


@pytest.mark.usefixtures("kernel")
def test_free_label_width_in_a_graph():
    labels, logits = pad([[0, 1], []], 3, 2), logits_of(2, 4, 3)
    signature = [tf.TensorSpec((None, None), "int32"), tf.TensorSpec((None, 4, 3), "float32")]
    graph = tf.function(ctc_batch_loss, input_signature=signature)
    np.testing.assert_allclose(graph(labels, logits), ctc_batch_loss(labels, logits), atol=1e-5)


@pytest.mark.usefixtures("kernel")
def test_extreme_logits_stay_finite():
    rng = np.random.default_rng(0)
    point = tf.constant(rng.choice([-1e4, 1e4], (4, 5, 4)).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = CTCLoss(from_logits=True)(pad([[0, 1], [2, 2], [], [0, 1, 2]], 3, 3), point)
    assert np.isfinite(value)
    assert np.isfinite(tape.gradient(value, point)).all()


@pytest.mark.usefixtures("kernel")
def test_probability_zero_and_one_stay_finite():
    point = tf.constant(np.eye(3, dtype="float32")[[[0, 0, 0], [2, 2, 2]]])
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = CTCLoss()(pad([[1], [0]], 2, 2), point)
    assert value > 10
    assert np.isfinite(value)
    assert np.isfinite(tape.gradient(value, point)).all()


def test_reductions_and_sample_weight():
    labels, logits = pad([[0], [1, 0], []], 2, 2), logits_of(3, 4, 3)
    each = np.array(CTCLoss(reduction="none", from_logits=True)(labels, logits))
    assert each.shape == (3,)
    for reduction, answer in [
        ("sum", each.sum()),
        ("mean", each.mean()),
        ("sum_over_batch_size", each.mean()),
    ]:
        loss = CTCLoss(from_logits=True, reduction=reduction)
        np.testing.assert_allclose(loss(labels, logits), answer, rtol=1e-5)
    weights = np.array([0.0, 2.0, 1.0], "float32")
    weighted = CTCLoss(from_logits=True, reduction="sum")(labels, logits, sample_weight=weights)
    np.testing.assert_allclose(weighted, (each * weights).sum(), rtol=1e-5)


def test_targets_may_arrive_as_floats():
    labels, logits = pad([[0, 1]], 3, 2), logits_of(1, 4, 3)
    loss = CTCLoss(from_logits=True)
    assert float(loss(labels.astype("float32"), logits)) == float(loss(labels, logits))


def test_lengths_and_steps_by_hand():
    labels = np.array([[0, 0, 1, 3], [1, 1, 1, 1], [3, 3, 3, 3], [2, 1, 2, -1]], np.int32)
    lengths = label_lengths(labels, 3)
    assert np.array(lengths).tolist() == [3, 4, 0, 3]
    assert np.array(required_steps(labels, lengths)).tolist() == [4, 7, 0, 3]


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
    model.compile("sgd", loss=CTCLoss(), metrics=[CWERMetric()])
    x, y = logits_of(2, 4, 2), pad([[0, 1], [1]], 3, 2)
    before = model.evaluate(x, y, return_dict=True, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.loss, CTCLoss)
    after = again.evaluate(x, y, return_dict=True, verbose=0)
    assert set(after) == {"loss", "CER", "WER"}
    assert after == pytest.approx(before)
