"""Learning curves: nested parts, one held-out part, and a guess that is cautious."""

import json

import pytest
from conftest import run_mltu

from mltu.datasets import Samples
from mltu.evaluation import Estimate
from mltu.inference import Reading
from mltu.training import CurvePoint, LearningCurve, measure_learning_curve
from mltu.training._learning_curve import project


def points(*rates):
    return [
        CurvePoint(20 * 2**i, Estimate(rate, rate / 2, rate * 2), Estimate(1 - rate, 0, 1))
        for i, rate in enumerate(rates)
    ]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((0.08, 0.04 * 2**0.5, 0.04), 0.04 / 2**0.5),
        ((0.8, 0.2, 0.05), 0.025),  # It fell to a quarter twice; half of it is promised.
        ((0.08, 0.04, 0.04), None),
        ((0.08, 0.09, 0.04), None),
        ((0.08, 0.04, 0.0), None),
    ],
)
def test_the_guess_follows_the_power_law_and_promises_no_more_than_half(rates, expected):
    found = project(points(*rates))
    assert found == (None if expected is None else (160, pytest.approx(expected)))


@pytest.fixture
def trainings(monkeypatch):
    """Trainings of which each reads a twentieth of its images right."""
    seen = []

    def train_and_read(training, held_out, **settings):
        seen.append((list(training.data), list(held_out.data), settings))
        num_right = len(training) // 20
        texts = [text if i < num_right else "" for i, text in enumerate(held_out.labels)]
        return [Reading(text, 0.9, (), 1.0) for text in texts]

    monkeypatch.setattr("mltu.training._learning_curve.train_and_read", train_and_read)
    return seen


def test_each_part_contains_the_one_before_and_none_the_held_out(trainings, capsys):
    samples = Samples.from_pairs([(f"{i}.png", "ab"[i % 2]) for i in range(160)])
    curve = measure_learning_curve(samples, epochs=3, progress=False)
    assert [point.num_images for point in curve.points] == [30, 60, 120]
    assert [point.cer.value for point in curve.points] == [39 / 40, 37 / 40, 34 / 40]
    assert curve.num_held_out == 40
    small, middle, large = (set(part) for part, _, _ in trainings)
    assert small < middle < large
    assert all(large.isdisjoint(held_out) for _, held_out, _ in trainings)
    assert {settings["vocab"] for *_, settings in trainings} == {"ab"}
    assert all(settings["epochs"] == 3 for *_, settings in trainings)
    assert "Training 3 of 3: 120 images, read: 40." in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"at least 20 samples. Received 19"):
        measure_learning_curve(samples.take(list(range(19))))


def test_the_curve_is_printed_and_drawn(tmp_path):
    curve = LearningCurve(tuple(points(0.08, 0.06, 0.04)), 40, (160, 0.0288))
    lines = curve.to_text().splitlines()
    assert lines[1].split() == [*("20", "8.00%", "(4.00%", "to", "16.00%)"), *lines[1].split()[5:]]
    assert "With 160 images the CER may be about 2.9%: only a guess." in lines
    curve.plot(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5000
    assert "No guess" in LearningCurve(tuple(points(0.1, 0.1)), 40, None).to_text()


def test_check_draws_a_learning_curve(words, trainings, tmp_path):
    plot = tmp_path / "curve.png"
    arguments = ("check", words, "--learning-curve", plot, "--start-from", "words_small")
    result = run_mltu(*arguments, "--epochs", 1)
    assert "read right" in result.stdout
    assert "Training 1 of 3" in result.stderr
    assert plot.is_file()
    assert trainings[0][2]["start_from"] == "words_small"
    found = json.loads(run_mltu(*arguments, "--json").stdout)
    assert len(found["learning_curve"]["points"]) == 3


def test_the_curve_is_printed_before_it_is_drawn(words, trainings, tmp_path):
    """After hours of training it was lost if the plot could not be written."""
    failed = run_mltu("check", words, "--learning-curve", tmp_path, "--epochs", 1, status=1)
    assert "read right" in failed.stdout
    assert "must be a file" in failed.stderr
