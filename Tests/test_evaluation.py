"""Figures of readings, by hand and against other ways to compute them, and their intervals."""

import numpy as np
import pytest

from mltu.evaluation import evaluate_readings
from mltu.utils.text_utils import get_cer, get_wer

TRUTHS = ["Cat", "dogs", "a", "It's"]
READINGS = ["cat", "dug", "a", "its"]


def test_figures_by_hand():
    found = evaluate_readings(READINGS, TRUTHS)
    assert found.num_samples == 4
    assert found.cer.value == pytest.approx(5 / 12)
    assert found.mean_cer.value == pytest.approx((1 / 3 + 2 / 4 + 0 + 2 / 4) / 4)
    assert found.wer.value == 3 / 4
    assert found.cer_ignoring_case.value == pytest.approx(3 / 12)
    assert found.mean_cer_ignoring_case.value == pytest.approx((2 / 4 + 1 / 4) / 4)
    assert found.accuracy_ignoring_case.value == 3 / 4  # the apostrophe does not count
    assert found.cer.value == pytest.approx(get_cer(READINGS, TRUTHS))
    assert found.wer.value == pytest.approx(get_wer(READINGS, TRUTHS))


def test_the_interval_is_that_of_a_share():
    """Of 400 words a tenth is wrong: the normal approximation has 7.06 % to 12.94 %."""
    truths = ["word"] * 400
    readings = ["ward" if i % 10 == 0 else "word" for i in range(400)]
    wer = evaluate_readings(readings, truths).wer
    assert wer.value == pytest.approx(0.1)
    half = 1.96 * np.sqrt(0.1 * 0.9 / 400)
    assert wer.low == pytest.approx(0.1 - half, abs=0.004)
    assert wer.high == pytest.approx(0.1 + half, abs=0.004)
    assert str(wer).startswith("10.00% (7.")


def test_the_same_seed_gives_the_same_interval():
    assert evaluate_readings(READINGS, TRUTHS) == evaluate_readings(READINGS, TRUTHS)
    other = evaluate_readings(READINGS * 9, TRUTHS * 9, seed=1)
    assert other.cer != evaluate_readings(READINGS * 9, TRUTHS * 9).cer


def test_an_empty_text_keeps_the_figures_finite():
    readings, truths = ["ab", ""], ["", ""]
    found = evaluate_readings(readings, truths)
    assert found.cer.value == get_cer(readings, truths) == 2.0
    assert found.wer.value == get_wer(readings, truths) == 1.0
    assert found.mean_cer.value == 1.0


def test_lines_have_a_word_error_rate():
    readings, truths = ["the cut sat", "on a mat"], ["the cat sat", "on the mat"]
    assert evaluate_readings(readings, truths).wer.value == get_wer(readings, truths) == 2 / 6


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(ValueError, match="at least one text"):
        evaluate_readings([], [])
    with pytest.raises(ValueError, match=r"same length\. Received 1 readings and 2"):
        evaluate_readings(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="`num_resamples` must be an integer of at least 1"):
        evaluate_readings(["a"], ["a"], num_resamples=0)
    with pytest.raises(TypeError, match="an entry 7 of type int"):
        evaluate_readings([7], ["7"])
