"""Training from a trained reader: what is chosen for the data, and a run that can be resumed."""

import shutil

import cv2
import numpy as np
import pytest

from mltu.configs import ReaderConfigs
from mltu.data_check import check_data
from mltu.datasets import Samples
from mltu.inference import TextRecognizer, find_pretrained
from mltu.models import column_reader, text_reader
from mltu.synthetic import render_word, shipped_fonts
from mltu.training import (
    _choice,
    _reader,
    read_out_of_fold,
    resume_reader,
    save_samples,
    train_reader,
)
from mltu.training._choice import choose_precision, choose_start, fill_in
from mltu.training._data import require_sound_data


def choose(labels, sizes, **options):
    """Return the settings for images of these sizes, and the lines that are printed."""
    configs = ReaderConfigs.from_options(**options)
    configs.vocab = configs.vocab or "".join(sorted(set("".join(labels))))
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (height, width, 3), np.uint8) for width, height in sizes]
    report = check_data(list(zip(images, labels, strict=True)), progress=False)
    start, reason = choose_start(configs)
    return configs, [reason, *fill_in(configs, report, start)]


def test_plates_are_stretched_until_their_letters_have_room():
    configs, lines = choose(["ABC1234"] * 4, [(160, 80)] * 4)
    assert (configs.start_from, configs.model) == ("words", "text")
    assert (configs.height, configs.width, configs.resize) == (64, 128, "stretch")
    assert configs.widen_to == 0.0
    assert configs.batch_size == 16
    assert configs.train_epochs == 100
    assert lines[0].startswith("start from 'words': it knows 7 of 7 characters")
    assert lines[1].startswith("height 64: letters are about 57% as high as the images; width 128")


def test_lines_of_all_lengths_keep_their_shape():
    sizes = [(60, 30), (200, 30), (500, 30), (1000, 30)]
    configs, lines = choose(["a", "b", "c", "d"], sizes)
    assert configs.resize == "fit"
    assert configs.width[0] == 96  # narrow ones are widened to three times their height
    assert configs.widen_to == 3.0
    known = TextRecognizer("words").card.width
    own = list(range(96, 1121, 128))
    assert configs.width == own + [width for width in known if width > own[-1]]
    assert configs.padding_color == [127, 127, 127]
    assert "keep their shape" in lines[1]


def test_images_that_keep_their_shape_are_not_said_to_be_stretched(samples):
    """The widest input is 64 times as wide as high, which no image is."""
    configs = ReaderConfigs(vocab="abc", width=[64, 2048], height=32, max_text_length=3)

    def warnings():
        report = require_sound_data(samples, samples, configs, time_steps=1024, progress=False)
        return {finding.name for finding in report.findings}

    assert "stretched_image" in warnings()
    configs.resize = "fit"
    assert "stretched_image" not in warnings()


def test_a_reader_of_short_words_still_has_room_for_lines():
    known = TextRecognizer("words").card.width
    configs, _ = choose(["a", "b", "c", "d"], [(30, 30), (60, 30), (90, 30), (90, 30)])
    assert configs.height == 32
    assert configs.width == [64, 96, *(width for width in known if width > 96)]
    configs, _ = choose(["a"] * 3, [(30, 30), (60, 30), (90, 30)], height=64)
    assert configs.width[-1] == 2 * known[-1]


@pytest.mark.parametrize(("count", "rate"), [(4, 3e-4), (400, 6e-4), (1200, 1e-3)])
def test_more_images_are_learned_at_a_higher_rate(count, rate):
    configs, _ = choose(["ab"] * count, [(64, 32)] * count)
    assert configs.learning_rate == pytest.approx(rate)
    configs, _ = choose(["ab"] * count, [(64, 32), (256, 32)] * (count // 2))
    assert configs.learning_rate == 3e-4
    configs, _ = choose(["ab"] * 4, [(64, 32)] * 4, learning_rate=1e-5)
    assert configs.learning_rate == 1e-5


def test_what_is_given_stays():
    configs, _ = choose(["ab"] * 4, [(64, 32)] * 4, width=96, epochs=3, batch_size=4)
    assert (configs.width, configs.resize) == (96, "fit")
    assert (configs.train_epochs, configs.batch_size) == (3, 4)
    with pytest.raises(ValueError, match="`height` must be 32"):
        choose(["ab"] * 4, [(64, 32)] * 4, start_from="words_small", height=48)
    with pytest.raises(ValueError, match="`model` must be that of the reader"):
        choose(["ab"] * 4, [(64, 32)] * 4, start_from="words_small", model="text")


def test_a_reader_of_one_size_keeps_it():
    configs, lines = choose(["ab"] * 4, [(64, 32)] * 4, start_from="words_small")
    assert (configs.width, configs.height, configs.color) == (128, 32, "GRAY")
    assert (configs.model, configs.resize) == ("rows", "stretch")
    assert lines[1].startswith("width 128, height 32: those of the reader")


def test_only_the_network_of_words_is_made_higher(tmp_path):
    column_reader((32, None, 3), 2).save(tmp_path / "model.keras")
    saved = ReaderConfigs(model="columns", vocab="ab", model_path=str(tmp_path))
    saved.save()
    low_letters = ["abababa"] * 4, [(160, 80)] * 4
    configs, _ = choose(*low_letters, start_from=tmp_path)
    assert (configs.model, configs.height, configs.width) == ("columns", 32, 128)
    with pytest.raises(ValueError, match=r"`height` must be 32, .* Received 64"):
        choose(*low_letters, start_from=tmp_path, height=64)


def test_captchas_keep_their_shape_and_height():
    configs, _ = choose(["2b827"] * 4, [(200, 50)] * 4)
    assert (configs.height, configs.width, configs.resize) == (32, 128, "stretch")


@pytest.mark.parametrize(
    "case", [{"labels": ["大中"] * 4}, {"start_from": "none"}, {"model": "rows"}, {"height": 40}]
)
def test_from_scratch_where_the_shipped_reader_does_not_fit(case):
    labels = case.pop("labels", ["ab"] * 4)
    configs, lines = choose(labels, [(64, 32)] * 4, **case)
    assert configs.start_from == "none"
    assert configs.learning_rate
    assert configs.train_epochs > 100
    assert lines[0].startswith("start from scratch")


def test_an_own_run_called_words_is_not_in_the_way(tmp_path, monkeypatch):
    """The second training beside `mltu train --output words` was refused as ambiguous."""
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "model.onnx").touch()
    monkeypatch.chdir(tmp_path)
    configs, _ = choose(["ab"] * 4, [(64, 32)] * 4)
    assert configs.start_from == "words"


def test_choosing_where_to_begin_does_not_warn_that_reading_runs_on_the_cpu(monkeypatch, caplog):
    monkeypatch.setattr("mltu.inference._session.shutil.which", lambda _: "/usr/bin/nvidia-smi")
    choose(["大中"] * 4, [(64, 32)] * 4)
    assert not caplog.records


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({}, "mixed_bfloat16"),
        ({"given": "float32"}, "float32"),
        ({"given": "mixed_float16"}, "mixed_float16"),
        ({"model": "strong"}, "float32"),
        ({"backend": "torch"}, "float32"),
        ({"flags": {"avx2"}}, "float32"),
        ({"num_gpus": 1}, "float32"),
    ],
)
def test_bfloat16_is_chosen_only_where_it_was_measured_to_be_faster(case, expected, monkeypatch):
    monkeypatch.setattr(_choice.keras.backend, "backend", lambda: case.get("backend", "tensorflow"))
    monkeypatch.setattr(_choice, "num_gpus", lambda _: case.get("num_gpus", 0))
    monkeypatch.setattr(_choice, "processor_flags", lambda: case.get("flags", {"avx512_bf16"}))
    given = {"precision": case["given"]} if "given" in case else {}
    configs = ReaderConfigs.from_options(model=case.get("model", "text"), **given)
    lines = choose_precision(configs)
    assert configs.precision == expected
    assert len(lines) == (not case)
    assert all("--precision float32 overrides it" in line for line in lines)


@pytest.fixture(scope="module")
def small_start(tmp_path_factory):
    """A run folder to start from: a reader of 16 pixels that knows little."""
    folder = tmp_path_factory.mktemp("start")
    text_reader((16, None, 3), 2).save(folder / "model.keras")
    configs = ReaderConfigs()
    configs.vocab, configs.height, configs.width, configs.model = "ab", 16, [32, 64], "text"
    configs.resize, configs.padding_color = "fit", [127] * 3
    configs.model_path = str(folder)
    configs.save()
    return folder


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    rows = []
    for i in range(12):
        text = ("abc", "cab", "bca")[i % 3]
        path = folder / f"{i}.png"
        cv2.imwrite(str(path), render_word(text, shipped_fonts()[0], np.random.default_rng(i)))
        rows.append((str(path), text))
    return Samples.from_pairs(rows)


@pytest.mark.slow
@pytest.mark.backend
def test_a_run_from_another_run_is_exported_and_resumed(
    small_start, samples, tmp_path, monkeypatch
):
    outcome = train_reader(
        samples, output=tmp_path / "run", start_from=small_start, epochs=1, batch_size=4
    )
    assert outcome.evaluation.num_samples == 1
    assert TextRecognizer(outcome.run).card.vocab == "abc"
    configs = ReaderConfigs.load(outcome.run / "configs.yaml")
    assert configs.start_from == str(small_start)
    assert configs.precision in ("float32", "mixed_bfloat16")
    monkeypatch.setattr(_choice, "processor_flags", set)  # The run keeps its precision elsewhere.
    again = resume_reader(outcome.run, epochs=2, export=False)
    assert len(again.history["val_CER"]) == 2
    assert ReaderConfigs.load(outcome.run / "configs.yaml").precision == configs.precision


def test_a_run_that_starts_from_a_folder_can_be_resumed_elsewhere(
    small_start, samples, tmp_path, monkeypatch
):
    monkeypatch.chdir(small_start.parent)
    monkeypatch.setattr("mltu.training._reader._train", lambda configs, *_, **__: configs)
    for start_from, kept in ((small_start.name, str(small_start)), ("words", "words")):
        configs = train_reader(samples, output=tmp_path / "run", start_from=start_from)
        assert configs.start_from == kept


def test_a_run_whose_checkpoint_was_cut_by_a_kill_can_be_resumed(
    small_start, samples, tmp_path, monkeypatch
):
    """Keras writes model.keras in place. Everything was in the state, but the resume failed."""
    configs = ReaderConfigs(
        model_path=str(tmp_path), start_from=str(small_start), vocab="abc", train_epochs=2
    )
    configs.save()
    (tmp_path / "model.keras").write_bytes((small_start / "model.keras").read_bytes()[:5000])
    save_samples(tmp_path, samples, samples)
    monkeypatch.setattr(_reader, "_train", lambda configs, training, held, start, **_: start)
    assert resume_reader(tmp_path).vocab == "abc"


def test_labels_that_are_numbers_are_named(samples, tmp_path):
    """The error was "sequence item 0: expected str instance, int found"."""
    numbers = [(path, 12) for path in samples.data]
    with pytest.raises(TypeError, match=r"labels of `data` must be text.*leading zeros"):
        train_reader(numbers, output=tmp_path / "run", export=False)


def test_each_image_is_read_by_a_reader_that_did_not_see_it(samples, monkeypatch, capsys):
    seen = []

    def train(data, *, output, **settings):
        seen.append((set(data.data), settings))
        output.mkdir()

    def export(run):
        shutil.copy(find_pretrained("words_small"), run / "model.onnx")

    monkeypatch.setattr("mltu.training._folds.train_reader", train)
    monkeypatch.setattr("mltu.training._folds.export_run", export)
    readings = read_out_of_fold(samples, folds=3, epochs=1, progress=False)
    assert len(readings) == len(samples)
    assert all(reading.error is None for reading in readings)
    assert [len(paths) for paths, _ in seen] == [8, 8, 8]
    assert set.intersection(*(paths for paths, _ in seen)) == set()
    assert {settings["vocab"] for _, settings in seen} == {"abc"}
    assert "Fold 3 of 3: 8 images, read: 4." in capsys.readouterr().out
    with pytest.raises(ValueError, match="at most the number of samples, 12"):
        read_out_of_fold(samples, folds=13)
