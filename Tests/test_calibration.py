"""Calibration: a temperature that is known by construction is found again."""

import numpy as np
import pytest

from mltu.decoders import greedy_path, to_probabilities
from mltu.evaluation import fit_temperature

VOCAB = "abc"


def draw_texts(rng, probabilities):
    """Draw a text for each row by the probabilities: a path, then its text."""
    paths = (probabilities.cumsum(axis=2) < rng.random(probabilities.shape[:2])[..., None]).sum(2)
    paths = np.eye(4)[np.minimum(paths, 3)]
    return ["".join(VOCAB[c] for c in spans.classes) for spans in greedy_path(paths)]


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 2.0])
def test_a_known_temperature_is_found(true_temperature):
    """Texts are drawn by the probabilities at that temperature: those are true, and it is found."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2.5, (6000, 4, 4))
    truths = draw_texts(rng, to_probabilities(logits, "logits", true_temperature))
    outputs = to_probabilities(logits, "logits")
    found = fit_temperature([outputs[:2500], outputs[2500:]], truths, VOCAB)
    assert found.temperature == pytest.approx(true_temperature, rel=0.1)
    assert found.num_samples == 6000
    assert found.error_after < 0.02
    if true_temperature != 1:
        assert found.error_before > 3 * found.error_after


def test_a_model_without_errors_stays_finite():
    outputs = to_probabilities(np.random.default_rng(1).normal(0, 3, (50, 4, 4)), "logits")
    truths = ["".join(VOCAB[c] for c in spans.classes) for spans in greedy_path(outputs)]
    assert 0.25 <= fit_temperature([outputs], truths, VOCAB).temperature < 1
    wrong = ["x"] * 50
    assert 1 < fit_temperature([outputs], wrong, VOCAB).temperature <= 4


def test_a_text_is_needed_for_each_row():
    outputs = np.full((2, 3, 4), 0.25)
    with pytest.raises(ValueError, match="Received 1 texts and 2 rows"):
        fit_temperature([outputs], ["a"], VOCAB)
    with pytest.raises(ValueError, match="at least one"):
        fit_temperature([], [], VOCAB)
    with pytest.raises(ValueError, match=r"3 classes: the 2 entries .* shape \(2, 3, 4\)"):
        fit_temperature([outputs], ["a", "b"], "ab")  # An IndexError, if the text had the third.


def test_to_probabilities_is_a_softmax_at_a_temperature():
    logits = np.array([[1.0, 3.0]])
    expected = np.exp([0.5, 1.5]) / np.exp([0.5, 1.5]).sum()
    outputs = to_probabilities(logits, "logits")
    np.testing.assert_allclose(to_probabilities(logits, "logits", 2.0)[0], expected)
    np.testing.assert_allclose(to_probabilities(outputs, "probabilities", 2.0)[0], expected)
    assert to_probabilities(outputs, "probabilities") is outputs
