"""Labels that look wrong: planted ones are found, and their number is estimated."""

import shutil

import cv2
import numpy as np
import pytest
from conftest import run_mltu

from mltu.configs import BaseModelConfigs
from mltu.evaluation import review_labels
from mltu.inference import find_pretrained
from mltu.synthetic import load_words, render_word, shipped_fonts


def test_planted_errors_come_first_and_are_counted():
    """Of 1,000 labels 30 are wrong; the reader errs as often as it says."""
    rng = np.random.default_rng(0)
    truth = [f"{i:04d}" for i in range(1000)]
    confidences = np.clip(1 - rng.exponential(0.03, 1000), 0.3, 0.999)
    readings = [
        text if rng.random() < c else f"{text}x" for text, c in zip(truth, confidences, strict=True)
    ]
    wrong = set(rng.choice(1000, 30, replace=False).tolist())
    labels = [f"{text}y" if i in wrong else text for i, text in enumerate(truth)]
    review = review_labels(readings, confidences, labels)
    assert review.num_read == 1000
    assert 22 <= review.expected <= 38
    found = [each.position for each in review.doubtful[:20]]
    assert len(wrong & set(found)) >= 16
    assert "about" in review.to_text()


def test_a_poor_reader_accuses_nobody():
    review = review_labels(["a"] * 50, [0.3] * 50, ["b"] * 25 + ["a"] * 25)
    assert len(review.doubtful) == 25
    assert review.expected < 25


def test_doubt_remains_where_few_labels_differ():
    """The estimate ended at exactly no wrong label, and each had 0% beside it."""
    readings, confidences = ["a"] * 200, [0.99] * 195 + [0.9, 0.6, 0.5, 0.4, 0.2]
    review = review_labels(readings, confidences, ["a"] * 195 + ["b"] * 5)
    probabilities = [each.probability for each in review.doubtful]
    assert 0.01 < probabilities[0] < 0.1
    assert 0 < probabilities[-1] < probabilities[-2] < probabilities[0]
    assert review.expected < 0.5
    shares = [line.split()[0] for line in review.to_text().splitlines()[1:]]
    assert "0%" not in shares
    assert shares[-1] == "<1%"


def test_readings_and_confidences_belong_together():
    with pytest.raises(ValueError, match=r"`confidences` must have one entry.*Received 2 for 1"):
        review_labels(["a"], [0.5, 0.5], ["a"])
    with pytest.raises(ValueError, match=r"`labels` must have one entry.*Received 2 for 1"):
        review_labels(["a"], [0.5], ["a", "b"])
    for positions in ([5], [5, 6, 7]):
        with pytest.raises(ValueError, match="`positions` must have one entry"):
            review_labels(["a", "b"], [0.5, 0.5], ["b", "a"], positions)
    with pytest.raises(ValueError, match=r"`confidences` must be in 0.*Received nan"):
        review_labels(["a", "b"], [0.5, float("nan")], ["b", "a"])


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run whose reader is a shipped one, and a table of images with one wrong label."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copy(find_pretrained("words"), folder / "model.onnx")
    configs = BaseModelConfigs()
    configs.model_path = str(folder)
    configs.save()
    words = [word for word in load_words() if len(word) == 5][:6]
    rows = ["path,label"]
    for i, word in enumerate(words):
        image = render_word(word, shipped_fonts()[0], np.random.default_rng(i))
        cv2.imwrite(str(folder / f"{i}.png"), image)
        rows.append(f"{folder / f'{i}.png'},{'wrong' if i == 2 else word}")
    (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


def test_check_lists_the_label_with_its_reading(run_folder):
    result = run_mltu("check", run_folder / "labels.csv", "--model", run_folder)
    assert "label 'wrong', read" in result.output
    assert "2.png" in result.output
    # A run on an LMDB has no list; its reader judged the labels that it had learned.
    assert "has no train.csv, so images that it was trained on are not skipped" in result.stderr


def test_images_of_the_training_are_not_read(run_folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    shutil.copy(run_folder / "labels.csv", run / "train.csv")
    result = run_mltu("check", run_folder / "labels.csv", "--model", run, "--json")
    assert "6 images were used to train" in result.stderr
    assert '"num_read": 0' in result.stdout
