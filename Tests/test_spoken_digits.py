"""Tutorial 05: its data, its stand-in, and its commands as the README has them, but small."""

import functools
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import soundfile
from conftest import ROOT, load_tutorial, run_tutorial

from mltu.configs import BaseModelConfigs
from mltu.datasets import Samples, read_csv

FOLDER = "05_spoken_digits"
TUTORIAL = ROOT / "Tutorials" / FOLDER
DATA, VOICES = load_tutorial(FOLDER, "data"), load_tutorial(FOLDER, "voices")


run_script = functools.partial(run_tutorial, TUTORIAL.name)


def write_recordings(folder, speakers=("ann", "bob", "cid"), takes=2, slow=()):
    """Write tones of 0.1 seconds, digit * 100 + 200 Hz, in the layout of the data set.

    Those of `slow` speakers last 1.2 seconds.
    """
    place = folder / "recordings"
    place.mkdir(parents=True)
    for speaker in speakers:
        time = np.arange(9_600 if speaker in slow else 800) / 8_000
        for digit in range(10):
            for take in range(takes):
                tone = 0.5 * np.sin(2 * np.pi * (digit * 100 + 200) * time)
                soundfile.write(place / f"{digit}_{speaker}_{take}.wav", tone, 8_000)
    (place / "notes.txt").touch()
    return folder


def test_recordings_are_found_in_the_layout_of_the_data_set(tmp_path):
    root = write_recordings(tmp_path / "set é", takes=3)
    found = DATA.read_recordings(root)
    assert len(found) == 3 * 10 * 3
    assert DATA.read_recordings(root / "recordings") == found
    assert found[0][1:] == ("0", "ann", 0)
    limited = DATA.read_recordings(root, 2)
    assert {recording.take for recording in limited} == {0, 1}
    assert len(limited) == 60
    assert DATA.Recording.of("x/7_jackson_32.wav") == ("x/7_jackson_32.wav", "7", "jackson", 32)
    # Left out without a word.
    assert DATA.Recording.of("7_Anna_B_1.WAV") == ("7_Anna_B_1.WAV", "7", "Anna_B", 1)
    assert DATA.Recording.of("readme.wav") is None


def test_speakers_are_held_out_whole(tmp_path):
    recordings = DATA.read_recordings(write_recordings(tmp_path / "set"))
    training, held, names = DATA.divide(recordings, [])
    assert names == ["ann"]
    assert {r.speaker for r in training} == {"bob", "cid"}
    assert len(training) + len(held) == len(recordings)
    assert {r.speaker for r in DATA.divide(recordings, ["cid", "bob"])[0]} == {"ann"}
    with pytest.raises(ValueError, match=r"Received \['eve'\]"):
        DATA.divide(recordings, ["eve"])
    with pytest.raises(ValueError, match="must leave a speaker"):
        DATA.divide(recordings, ["ann", "bob", "cid"])


def test_strings_are_of_one_speaker_and_say_their_label(tmp_path):
    recordings = DATA.read_recordings(write_recordings(tmp_path / "set"))
    strings = DATA.DigitStrings(recordings, 8_000, 6)
    lengths, speakers = set(), set()
    for seed in range(60):
        samples, digits, speaker = strings.draw(np.random.default_rng(seed))
        lengths.add(len(digits))
        speakers.add(speaker)
        assert len(digits) * 800 <= len(samples) <= strings.longest()
        assert np.abs(samples).max() == pytest.approx(0.5, abs=0.01)
        # Without the pauses, 0.1 seconds of each digit's tone follow one another.
        spoken = samples[np.convolve(np.abs(samples), np.ones(9), "same") > 0]
        for digit, piece in zip(digits, np.array_split(spoken, len(digits)), strict=True):
            heard = np.abs(np.fft.rfft(piece, 8_000)).argmax()
            assert heard == pytest.approx(int(digit) * 100 + 200, abs=15)
    assert lengths == {2, 3, 4, 5, 6}
    assert speakers == {"ann", "bob", "cid"}
    first, again = (strings(None, "", np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    with pytest.raises(ValueError, match=r"at least 2 digits\. Received 1"):  # was "low >= high"
        DATA.DigitStrings(recordings, 8_000, 1)


def test_fixed_strings_are_files_that_say_their_digits(tmp_path):
    recordings = DATA.read_recordings(write_recordings(tmp_path / "set"))
    strings = DATA.DigitStrings(recordings, 8_000, 6)
    made = DATA.write_strings(tmp_path / "val", strings, 5, seed=3)
    assert made == DATA.write_strings(tmp_path / "val", strings, 5, seed=3)
    for path, digits in made:
        assert path.endswith(f"_{digits}.wav")
        assert soundfile.info(path).duration > 0.1 * len(digits)


def test_the_stand_in_speaks_each_digit_in_each_voice(tmp_path):
    pytest.importorskip("espeakng_loader")
    folder = VOICES.write_stand_in(tmp_path, 1)
    found = DATA.read_recordings(folder)
    assert len(found) == 10 * len(VOICES.VOICES) == 300
    sounds = {soundfile.read(recording.path)[0].tobytes() for recording in found}
    assert len(sounds) == 300
    for recording in found[::7]:
        info = soundfile.info(recording.path)
        assert info.samplerate == 8_000
        assert 0.1 < info.duration < 1.5
    before = Path(found[0].path).stat().st_mtime_ns
    assert VOICES.write_stand_in(tmp_path, 1) == folder
    assert Path(found[0].path).stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_tones_stand_in_where_there_is_no_voice(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    monkeypatch.setattr(VOICES, "find_library", lambda name: None)
    folder = VOICES.write_stand_in(tmp_path, 1)
    assert folder.name == "tones_1_takes_seed_0"
    assert len(DATA.read_recordings(folder)) == 300
    assert capsys.readouterr().out.count("\n") == 1


def test_a_stand_in_that_was_stopped_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(VOICES, "_write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        VOICES.write_stand_in(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["soundfile", "soxr"])
def test_a_missing_package_gets_its_pip_line(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    failed = run_script("train.py", "--help", check=False)
    assert failed.returncode == 1
    assert 'pip install "mltu[audio]"' in failed.stderr


def test_faults_of_the_data_are_one_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "set.zip").touch()
    broken = write_recordings(tmp_path / "broken")
    (broken / "recordings" / "3_bob_0.wav").write_bytes(b"no sound")
    one = write_recordings(tmp_path / "one", speakers=["ann"])
    for data, message in [
        ("none", "not there"),
        ("set.zip", "unpack it"),
        ("empty", "with 0 recordings of 0 speakers"),
        (one, "with 20 recordings of 1 speakers"),
        (broken, "3_bob_0.wav"),
    ]:
        run = tmp_path / "run"
        failed = run_script("train.py", f"data={tmp_path / data}", f"model_path={run}", check=False)
        assert message in failed.stderr.splitlines()[-1]
        assert not run.exists()


@pytest.mark.slow
def test_a_run_trains_goes_on_and_reads(tmp_path, monkeypatch):
    # A speaker held out may be slower than all others: the training died at its first validation.
    run, root = tmp_path / "run", write_recordings(tmp_path / "set é", slow=["ann"])
    counts = ("strings_per_epoch=64", "num_validation=48", "batch_size=32", "train_epochs=1")
    small = (f"data={root}", f"model_path={run}", *counts)
    printed = run_script("train.py", *small).stdout
    assert "held out: ann" in printed
    assert re.search(r"48 strings: CER \d+\.\d\d%", printed)
    files = {path.name for path in run.iterdir()}
    wanted = {"configs.yaml", "model.keras", "model.onnx", "logs.log", "state", "val", "val.csv"}
    assert wanted <= files
    for picture in ("curves.png", "readings.png"):
        assert cv2.imread(str(run / picture)).std() > 1
    assert all("_ann_" in path for path in read_csv(run / "val.csv").data)
    model = onnx.load(str(run / "model.onnx"))
    sides = [
        side.dim_param or side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim
    ]
    assert sides[2] == 40
    assert all(isinstance(side, str) for side in sides[:2])
    refused = run_script("train.py", *small, check=False)
    assert "must be more than the 1 of the finished" in refused.stderr
    longer = run_script("train.py", f"model_path={run}", "train_epochs=2").stdout
    assert "Epoch 2/2" in longer
    assert BaseModelConfigs.load(run / "configs.yaml").train_epochs == 2
    # The file alone is enough.
    alone = tmp_path / "alone.onnx"
    alone.write_bytes((run / "model.onnx").read_bytes())
    reader = load_tutorial(FOLDER, "inferenceModel").SpokenDigits(alone)
    path, _ = read_csv(run / "val.csv")[0]
    digits, confidence = reader.predict(path)
    assert set(digits) <= set("0123456789")
    assert 0 <= confidence <= 1
    assert reader.predict(soundfile.read(path, dtype="float32")[0]) == (digits, confidence)
    read = run_script("inferenceModel.py", run, path).stdout
    assert re.search(rf"\.wav: {digits} \(\d+%\)", read)
    assert "48 strings: CER" in run_script("inferenceModel.py", run).stdout
    missing = run_script("inferenceModel.py", run, "none.wav", check=False)
    assert "none.wav" in missing.stderr
    assert missing.stderr.count("\n") == 1
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for arguments in ((run,), (run, path)):
        failed = run_script("inferenceModel.py", *arguments, check=False)
        assert failed.stderr.endswith('pip install "mltu[audio]"\n')


def test_a_broken_recording_counts_as_an_empty_reading(tmp_path, capsys):
    module = load_tutorial(FOLDER, "inferenceModel")
    features = np.zeros((16, 40), np.float32)

    class Reader:
        model_path = str(tmp_path / "model.onnx")

        def features(self, path):
            if path == "gone.wav":
                raise FileNotFoundError(path)
            return features

        def read(self, features):
            return "12", 0.9

    module.evaluate(Reader(), Samples(["a.wav", "gone.wav"], ["12", "34"]))
    assert "2 strings: CER 50.00%" in capsys.readouterr().out


def test_a_model_of_images_is_refused():
    reader = load_tutorial(FOLDER, "inferenceModel").SpokenDigits
    from mltu.inference import find_pretrained, pretrained_names

    with pytest.raises(ValueError, match="must be a model of spoken digits"):
        reader(find_pretrained(pretrained_names()[0]))
