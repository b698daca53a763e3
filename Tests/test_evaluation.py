"""Metrics of readings, by hand and against other ways to compute them, and their intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltu.evaluation import (
    Confusion,
    Coverage,
    calibration_error,
    confusions,
    coverage_curve,
    evaluate_readings,
    reliability_bins,
    widest_coverage,
    worst_samples,
)
from mltu.utils.text_utils import edit_distance, get_cer, get_wer

TRUTHS = ["Cat", "dogs", "a", "It's"]
READINGS = ["cat", "dug", "a", "its"]


def test_rates_by_hand():
    found = evaluate_readings(READINGS, TRUTHS)
    assert found.num_samples == 4
    assert found.cer.value == pytest.approx(5 / 12)
    assert found.mean_cer.value == pytest.approx((1 / 3 + 2 / 4 + 0 + 2 / 4) / 4)
    assert found.wer.value == 3 / 4
    assert found.cer_ignoring_case.value == pytest.approx(3 / 12)
    assert found.mean_cer_ignoring_case.value == pytest.approx((2 / 4 + 1 / 4) / 4)
    assert found.accuracy_ignoring_case.value == 3 / 4  # the apostrophe does not count
    assert found.exact.value == 1 / 4
    assert found.cer.value == pytest.approx(get_cer(READINGS, TRUTHS))
    assert found.wer.value == pytest.approx(get_wer(READINGS, TRUTHS))


def test_lower_case_has_its_own_lengths():
    """The small letter of "İ" is two characters."""
    found = evaluate_readings(["x", "ab"], ["İ", "AB"])
    assert found.cer_ignoring_case.value == pytest.approx(get_cer(["x", "ab"], ["i\u0307", "ab"]))
    assert found.mean_cer_ignoring_case.value == 1 / 2


def test_texts_of_other_scripts_have_no_accuracy_of_scene_text():
    """All of them counted as read right, since nothing of them was left."""
    assert evaluate_readings(["кот"], ["пёс"]).accuracy_ignoring_case is None
    mixed = evaluate_readings(["кот", "a", "c"], ["пёс", "A", "b"])
    assert mixed.accuracy_ignoring_case.value == 1 / 2
    # Resamples without the one text that counts were taken for wrong.
    assert evaluate_readings(["a", "-", "-"], ["A", "-", "-"]).accuracy_ignoring_case == (1, 1, 1)


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


def test_an_empty_text_keeps_the_rates_finite():
    readings, truths = ["ab", ""], ["", ""]
    found = evaluate_readings(readings, truths)
    assert found.cer.value == get_cer(readings, truths) == 2.0
    assert found.wer.value == get_wer(readings, truths) == 1.0
    assert found.mean_cer.value == 1.0


def test_lines_have_a_word_error_rate():
    readings, truths = ["the cut sat", "on a mat"], ["the cat sat", "on the mat"]
    found = evaluate_readings(readings, truths)
    assert found.wer.value == get_wer(readings, truths) == 2 / 6
    assert found.exact.value == 0


def test_white_space_counts_for_exact_and_not_for_words():
    found = evaluate_readings(["a  b", "c"], ["a b", "c"])
    assert found.exact.value == 1 / 2
    assert found.wer.value == 0


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(ValueError, match="at least one text"):
        evaluate_readings([], [])
    with pytest.raises(ValueError, match=r"same length\. Received 1 readings and 2"):
        evaluate_readings(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="`num_resamples` must be an integer of at least 1"):
        evaluate_readings(["a"], ["a"], num_resamples=0)
    with pytest.raises(TypeError, match="an entry 7 of type int"):
        evaluate_readings([7], ["7"])


# Confusions and worst samples

text_pairs = st.lists(st.tuples(st.text("abA \u0301", max_size=8), st.text("abA ", max_size=8)))


def test_confusions_by_hand():
    readings = ["cot", "at", "cats", "cot"]
    truths = ["cat", "cat", "cat", "cut"]
    assert confusions(readings, truths) == [
        Confusion("", "s", 1, 1 / 1),  # The only s that was read stands nowhere.
        Confusion("a", "o", 1, 1 / 3),
        Confusion("c", "", 1, 1 / 4),
        Confusion("u", "o", 1, 1 / 1),
    ]


def test_the_most_frequent_confusion_is_first():
    found = confusions(["l1l", "l"], ["lll", "I"])
    assert found == [Confusion("I", "l", 1, 1.0), Confusion("l", "1", 1, 1 / 3)]
    found = confusions(["l1l", "1"], ["lll", "l"])
    assert found == [Confusion("l", "1", 2, 2 / 4)]


def test_right_readings_have_no_confusions():
    assert confusions(["a", ""], ["a", ""]) == confusions([], []) == []


@given(text_pairs)
def test_confusions_add_up_to_the_edits(pairs):
    preds, target = [a for a, _ in pairs], [b for _, b in pairs]
    found = confusions(preds, target)
    assert sum(item.count for item in found) == sum(map(edit_distance, preds, target))
    assert all(item.truth != item.reading and 0 < item.share <= 1 for item in found)
    assert found == sorted(found, key=lambda item: (-item[2], item[0], item[1]))
    assert found == confusions(preds[::-1], target[::-1])


def test_worst_samples_by_hand():
    preds = ["cat", "hxuse", "xx", "", "d"]
    target = ["cat", "house", "it", "", "e"]
    assert worst_samples(preds, target, 10) == [2, 4, 1]  # 2 edits; 1 of 1; 1 of 5
    assert worst_samples(preds, target, 1) == [2]
    assert worst_samples(preds, target, 0) == []
    assert worst_samples(["a", "b", "c"], ["x", "x", "x"]) == [0, 1, 2]


@given(text_pairs, st.integers(0, 5))
def test_worst_samples_are_those_of_a_plain_sort(pairs, num_samples):
    preds, target = [a for a, _ in pairs], [b for _, b in pairs]
    keys = [
        (-edit_distance(a, b), -get_cer(a, b), index)
        for index, (a, b) in enumerate(pairs)
        if a != b
    ]
    assert worst_samples(preds, target, num_samples) == [k[2] for k in sorted(keys)][:num_samples]


def test_wrong_arguments_of_confusions_and_worst_samples():
    for function in (confusions, worst_samples):
        with pytest.raises(ValueError, match=r"same length\. Received 1 readings and 2"):
            function(["a"], ["a", "b"])
        with pytest.raises(TypeError, match="an entry None of type NoneType"):
            function([None], ["a"])
    with pytest.raises(ValueError, match="`num_samples` must be an integer of at least 0"):
        worst_samples(["a"], ["a"], -1)


# Confidence


def test_reliability_bins_by_hand():
    confidences = [0.0, 0.05, 0.1, 0.95, 1.0]
    first, second, last = reliability_bins(confidences, [False, True, True, True, True])
    assert first[:5] == (0.0, 0.1, 2, 0.025, 0.5)
    assert second[:5] == (0.1, 0.2, 1, 0.1, 1.0)
    assert last[:4] == (0.9, 1.0, 2, pytest.approx(0.975))
    distances = [2 * 0.475, 1 * 0.9, 2 * 0.025]
    assert calibration_error([first, second, last]) == pytest.approx(sum(distances) / 5)


def test_the_interval_of_a_bin_is_that_of_wilson():
    """Of 10 readings 5 are right: 23.66 % to 76.34 %; of 10 all are: 72.25 % to 100 %."""
    half, whole = reliability_bins([0.5] * 10 + [0.9] * 10, [True, False] * 5 + [True] * 10)
    assert half[5:] == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    assert whole[5:] == (pytest.approx(0.7225, abs=1e-4), pytest.approx(1.0))


def test_coverage_by_hand():
    curve = coverage_curve([0.5, 0.9, 0.5, 0.8], [True, True, False, False])
    assert curve == [
        Coverage(0.9, 0.25, 1.0),
        Coverage(0.8, 0.5, 0.5),
        Coverage(0.5, 1.0, 0.5),  # Equal confidences are accepted together.
    ]
    assert widest_coverage(curve, 0.5) == curve[2]
    assert widest_coverage(curve, 0.9) == curve[0]
    assert widest_coverage(curve[1:], 0.9) is None


def test_few_readings_show_no_high_accuracy():
    """A threshold "99.5 % right" was chosen and shown on the same 21 images."""
    for count, share in ((21, 0.8), (21, 0.9), (800, 0.995)):
        curve = coverage_curve([0.9] * count, [True] * count)
        is_shown = widest_coverage(curve, share, count) is not None
        assert is_shown == ((count, share) != (21, 0.9))


def test_one_reading_has_no_interval():
    """It was "100.00% (100.00% to 100.00%)"."""
    assert str(evaluate_readings(["a"], ["b"]).cer) == "100.00% (no interval)"


confident = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1)


@given(confident)
def test_all_readings_are_in_bins_and_under_the_curve(pairs):
    confidences, right = [a for a, _ in pairs], [b for _, b in pairs]
    bins, curve = reliability_bins(confidences, right), coverage_curve(confidences, right)
    assert sum(item.num_readings for item in bins) == len(pairs)
    for item in bins:
        assert item.low - 1e-9 <= item.confidence <= item.high + 1e-9
        assert item.accuracy_low <= item.accuracy + 1e-9
        assert item.accuracy <= item.accuracy_high + 1e-9
    assert curve[-1] == (min(confidences), 1.0, sum(right) / len(right))
    for item in curve:
        taken = [is_right for sure, is_right in pairs if sure >= item.threshold]
        assert item.coverage == len(taken) / len(pairs)
        assert item.accuracy == sum(taken) / len(taken)


def test_wrong_arguments_of_confidence():
    for function in (reliability_bins, coverage_curve):
        with pytest.raises(ValueError, match=r"same length, at least 1\. Received shapes \(1,\)"):
            function([0.5], [True, False])
        with pytest.raises(ValueError, match="at least 1"):
            function([], [])
        with pytest.raises(
            ValueError, match=r"probabilities in \[0, 1\]\. Received nan at index 1"
        ):
            function([0.5, float("nan")], [True, False])
    with pytest.raises(ValueError, match="`num_bins` must be an integer of at least 1"):
        reliability_bins([0.5], [True], num_bins=0)


@pytest.mark.parametrize("wrong", [7, 0.5, float("nan")])
def test_what_is_neither_right_nor_wrong_is_refused(wrong):
    for function in (reliability_bins, coverage_curve):
        with pytest.raises(ValueError, match=f"`correct` must be True or False.*{wrong}"):
            function([0.5, 0.4], [True, wrong])


@pytest.mark.parametrize(
    ("value", "num_bins"), [(0.29, 100), (0.58, 100), (0.8999999999999999, 10)]
)
def test_a_confidence_is_inside_its_bin(value, num_bins):
    (found,) = reliability_bins([value], [True], num_bins=num_bins)
    assert found.low <= value < found.high
