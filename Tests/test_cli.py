"""The command line: the real work of each command, its exit status, and what it refuses."""

import base64
import csv
import io
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ROOT, refusal, run_python
from conftest import run_mltu as run
from fuzz_targets import small_model

from mltu import __version__
from mltu.cli._common import quoted
from mltu.cli.main import Commands, commands
from mltu.configs import ReaderConfigs
from mltu.datasets import (
    Samples,
    open_samples,
    open_validation,
    pack_lmdb,
    read_csv,
    read_mjsynth,
    write_csv,
)
from mltu.inference import Reading, TextRecognizer, find_pretrained
from mltu.synthetic import write_mjsynth
from mltu.training import continue_configs, load_saved_samples, save_samples

NAMES = ["read", "evaluate", "train", "export", "check", "pack", "synth", "info", "bench"]
NAMES += ["doctor"]


def shell(*arguments, **options):
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mltu", *map(str, arguments)],
        capture_output=True, timeout=120, cwd=options.pop("cwd", None),
        env={**os.environ, "PYTHONPATH": str(ROOT), **options},
    )  # fmt: skip


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    root = tmp_path_factory.mktemp("words") / "set"
    return write_mjsynth(root, num_train=16, num_validation=6, workers=0, progress=False)


@pytest.fixture(scope="module")
def images(words):
    return [path for path, _ in read_mjsynth(words, "val")]


@pytest.fixture(scope="module")
def labels(words):
    return [label for _, label in read_mjsynth(words, "val")]


@pytest.fixture
def table(words, tmp_path):
    path = tmp_path / "labels.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *read_mjsynth(words, "val")])
    return path


@pytest.fixture
def strange_model(tmp_path):
    """A model that mltu did not write."""
    path = tmp_path / "strange.onnx"
    path.write_bytes(small_model({"author": "somebody", "loss": "NaN"}))
    return path


# The whole


def test_every_command_has_help_with_an_example():
    listed = run("--help").stdout
    for name in NAMES:
        assert f"\n  {name} " in listed
        text = run(name, "--help").stdout
        assert f"\n  mltu {name} " in text
    assert "\n  mltu synth words " in run("synth", "words", "--help").stdout
    assert "..." not in listed.partition("Commands:")[2]


def test_help_imports_nothing_that_takes_time():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom mltu.cli.main import commands\n"
        f"for name in {NAMES}:\n    CliRunner().invoke(commands, [name, '--help'])\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    heavy = {"numpy", "cv2", "onnxruntime", "keras", "tensorflow", "tqdm", "yaml"}
    assert heavy.isdisjoint(run_python("-c", code).stdout.split())


def test_the_module_and_the_version():
    done = shell("--version")
    assert done.stdout.decode().strip() == f"mltu {__version__}"


def test_usage_errors_end_with_2():
    assert "No such command 'raed'" in run("raed", status=2).stderr
    assert "--formt" in run("read", "--formt", "json", "a.png", status=2).stderr
    assert "IMAGES" in run("read", status=2).stderr
    assert "DATA is required" in run("evaluate", "words", status=2).stderr
    assert "Pass DATA" in run("train", status=2).stderr
    assert "--resume takes all" in run("train", "--resume", "r", "--seed", 1, status=2).stderr
    assert "must be given together" in run("check", "x.csv", "--width", 8, status=2).stderr
    for option in (("--epochs", 3), ("--start-from", "words")):  # They were ignored.
        assert "need --folds or" in run("check", "x.csv", *option, status=2).stderr


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (ValueError("one\n  two"), 1, "Error: one two\n"),
        (FileNotFoundError("gone"), 1, "Error: gone\n"),
        (ImportError("no keras"), 1, "Error: no keras\n"),
        (RuntimeError("the child said:\nx"), 1, "Error: the child said:\nx\n"),
        (KeyboardInterrupt("goes on at epoch 2"), 130, "goes on at epoch 2\n"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (click.exceptions.Exit(7), 7, ""),
        (MemoryError("Unable to allocate 447. GiB"), 1, "Error: Unable to allocate 447. GiB\n"),
    ],
)
def test_what_becomes_of_errors(monkeypatch, error, status, text):
    @click.command()
    def failing():
        raise error

    monkeypatch.setattr(Commands, "get_command", lambda *_: failing)
    assert run("read", status=status).stderr == text


def test_a_fault_of_mltu_itself_is_not_hidden(monkeypatch):
    @click.command()
    def failing():
        raise KeyError("a bug")

    monkeypatch.setattr(Commands, "get_command", lambda *_: failing)
    assert isinstance(CliRunner().invoke(commands, ["read"]).exception, KeyError)


def test_output_is_utf_8_whatever_the_system_says(tmp_path, images):
    name = "Wört_字.jpg"
    shutil.copy(images[0], tmp_path / name)
    done = shell("read", tmp_path / name, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert name in done.stdout.decode("utf-8")
    assert not done.stderr  # No progress bar where nobody looks.


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text there")
def test_a_file_name_that_is_no_utf_8_goes_out_as_it_came(tmp_path, images):
    name = os.fsdecode(b"w\xf6rt.jpg")
    shutil.copy(images[0], tmp_path / name)
    assert b"/w\xf6rt.jpg\t" in shell("read", tmp_path).stdout
    (entry,) = json.loads(shell("read", tmp_path, "--format", "json").stdout.decode("utf-8"))
    assert entry["path"] == str(tmp_path / name)


# read


def test_read_gives_json_csv_and_text(images, labels):
    found = json.loads(run("read", *images, "--format", "json").stdout)
    assert [entry["path"] for entry in found] == images
    texts = [entry["text"] for entry in found]
    assert sum(map(str.__eq__, texts, labels)) >= len(labels) - 1
    for entry in found:
        assert set(entry) == {"path", "text", "confidence", "characters", "error"}
        assert "".join(char["text"] for char in entry["characters"]) == entry["text"]
        assert 0 <= entry["confidence"] <= 1
    table = list(csv.DictReader(run("read", *images, "--format", "csv").stdout.splitlines()))
    assert [(row["path"], row["text"]) for row in table] == list(zip(images, texts, strict=True))
    lines = run("read", *images, "--cpu", "--threads", 1).stdout.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [
        [*p] for p in zip(images, texts, strict=True)
    ]


def test_a_line_break_in_a_path_stays_in_its_cell(tmp_path, images):
    """Python before 3.13 puts no quotes around it where lines have no end."""
    name = tmp_path / "a\nb.jpg" if os.name == "posix" else tmp_path / "a,b.jpg"
    shutil.copy(images[0], name)
    _, row = csv.reader(io.StringIO(run("read", tmp_path, "--format", "csv").stdout, newline=""))
    assert row[0] == str(name)


@pytest.mark.skipif(os.name == "nt", reason="streams are closed by a shell here")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_stream_is_no_fault(images, closed):
    command = f"exec {shlex.join([sys.executable, '-m', 'mltu', 'read', images[0]])} {closed}"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert bool(done.stdout) == (not closed.startswith(">"))


def test_read_searches_folders_and_goes_on_behind_faults(tmp_path, images):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    shutil.copy(images[0], tmp_path / "a" / "b" / "deep.jpg")
    (tmp_path / "a" / "torn.png").write_text("no image", encoding="utf-8")
    (tmp_path / "a" / "notes.txt").write_text("left alone", encoding="utf-8")
    gone = tmp_path / "gone.png"
    result = run("read", tmp_path / "a", gone, tmp_path / "empty", status=1)
    (line,) = result.stdout.splitlines()
    assert line.startswith(str(tmp_path / "a" / "b" / "deep.jpg"))
    faults = result.stderr.splitlines()
    assert len(faults) == 3
    for name in ("torn.png", "gone.png", "empty"):
        assert any(name in fault for fault in faults)
    found = json.loads(run("read", tmp_path / "a", "--format", "json", status=1).stdout)
    assert [entry["error"] is None for entry in found] == [True, False]
    assert json.loads(run("read", tmp_path / "empty", "--format", "json", status=1).stdout) == []


def test_read_leaves_out_what_is_unsure(images):
    result = run("read", *images, "--min-confidence", 1, "--format", "json")
    assert json.loads(result.stdout) == []
    assert result.stderr == f"Omitted, confidence below 1.0: {len(images)}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("read", "--min-confidence", "nan"),
        ("read", "--retry-below", "nan"),
        ("doctor", "--timeout", "inf"),
        ("train", "--learning-rate", "inf"),
    ],
)
def test_numbers_are_finite(arguments):
    assert "is not a finite number" in run(*arguments, status=2).stderr


def test_read_says_what_the_reader_is_not_made_for(tmp_path, images, labels):
    """A page, a turned word and a blank image gave nonsense with no word about it."""
    word = cv2.imread(str(images[0]))
    noise = np.random.default_rng(0).integers(0, 256, (400, 300, 3), np.uint8)
    blank = np.full((40, 160, 3), 250, np.uint8)
    for name, image in (("page", noise), ("blank", blank), ("turned", np.rot90(word, 2))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    done = run("read", tmp_path / "page.png", tmp_path / "blank.png")
    assert "Doubtful: 1 of 2 readings, such as that of " in done.stderr
    assert "page.png, are empty, have next to no confidence" in done.stderr
    assert "Is each image one word or line, cropped and upright?" in done.stderr
    assert done.stdout.splitlines()[1] == f"{tmp_path / 'blank.png'}\t\t100.0%"
    turned = run("read", tmp_path / "turned.png", "--rotate", "auto").stdout
    assert turned.split("\t")[1] == labels[0]


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_an_image_from_a_pipe_is_read_once(images):
    """`mltu read <(curl ...)` of a blank image ended with an error, and the others were unread."""
    reading, writing = os.pipe()
    _, content = cv2.imencode(".png", np.full((40, 160, 3), 250, np.uint8))
    os.write(writing, content.tobytes())
    os.close(writing)
    done = run("read", f"/dev/fd/{reading}", images[0])
    os.close(reading)
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("confidence", "shape", "named"),
    [
        (0.4, (64, 32), True),
        (0.4, (8, 650), True),
        (0.4, (32, 128), False),
        (0.6, (64, 32), False),
    ],
)
def test_read_hints_at_an_odd_shape(confidence, shape, named, tmp_path, monkeypatch):
    """Of low confidence: the letter I is taller than wide, too."""
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros(shape, np.uint8))
    reading = Reading("abc", confidence)
    monkeypatch.setattr(TextRecognizer, "predict_stream", lambda *_, **__: iter([reading]))
    said = run("read", tmp_path / "image.png").stderr
    assert ("image.png, are empty, have next to no confidence, or" in said) == named


def test_read_names_base64(images):
    content = base64.b64encode(Path(images[0]).read_bytes()).decode()
    assert "If it is base64, decode it" in refusal("read", content)


def test_read_takes_stdin(images, labels):
    result = run("read", "-", input=Path(images[0]).read_bytes())
    assert result.stdout.split("\t")[:2] == ["-", labels[0]]


def test_read_within_a_lexicon_or_a_pattern(tmp_path, images, labels):
    lexicon = tmp_path / "words.txt"
    lexicon.write_text("\n".join(label.swapcase() for label in labels[:3]) + "\n", encoding="utf-8")

    def texts(*options):
        found = run("read", *images, "--format", "json", *options).stdout
        return [entry["text"] for entry in json.loads(found)]

    free = texts("--beam-width", 4)
    assert sum(map(str.__eq__, free, labels)) >= len(labels) - 1
    assert set(texts("--lexicon", lexicon)) <= {label.swapcase() for label in labels[:3]}
    folded = [text.lower() for text in texts("--lexicon", lexicon, "--ignore-case")]
    assert folded[:3] == [label.lower() for label in labels[:3]]
    assert all(text.isdigit() and len(text) == 2 for text in texts("--pattern", "[0-9]{2}"))
    for options in (
        ("--lexicon", lexicon, "--pattern", "a"),
        ("--ignore-case",),
    ):
        run("read", *images, *options, status=2)
    assert "Invalid pattern '[a' at position 2" in refusal("read", *images, "--pattern", "[a")
    assert "none.txt" in refusal("read", *images, "--lexicon", tmp_path / "none.txt")


@pytest.mark.parametrize("command", ["read", "evaluate", "info", "bench"])
def test_models_that_are_none_are_refused(command, tmp_path, images, words):
    def line(model):
        if command == "read":
            return refusal("read", images[0], "--model", model)
        return refusal(command, model, *([words] if command == "evaluate" else []))

    text = tmp_path / "text.onnx"
    text.write_text("no model", encoding="utf-8")
    assert "can load. Received" in line(text)
    assert "There is no 'gone'. MODEL must be an ONNX file, a run folder" in line("gone")


# evaluate


def test_evaluate_gives_metrics_with_intervals(words, table):
    printed = run("evaluate", "words", words).stdout
    assert ": 6 images; 95% intervals in brackets" in printed
    found = json.loads(run("evaluate", "words", table, "--format", "json").stdout)
    assert (found["num_samples"], found["num_unread"]) == (6, 0)
    cer = found["cer"]
    assert 0 <= cer["low"] <= cer["value"] <= cer["high"] < 0.3
    assert f"{cer['value']:.2%}" in printed
    assert f"exact match              {found['exact']['value']:.2%}" in printed
    assert ": 2 images" in run("evaluate", "words", table, "--limit", 2).stdout
    assert ": 16 images" in run("evaluate", "words", words, "--part", "train").stdout


@pytest.mark.parametrize("command", ["read", "evaluate"])
def test_doubtful_images_are_read_again_if_that_is_wanted(command, words, table, monkeypatch):
    """The option reaches the reader; what it does there is tested with the reader."""
    limits = []
    read_all = TextRecognizer._read_all

    def note(reader, *args):
        limits.append(reader.retry_below)
        return read_all(reader, *args)

    monkeypatch.setattr(TextRecognizer, "_read_all", note)
    data = ["words", table] if command == "evaluate" else [read_csv(table)[0][0]]
    assert run(command, *data, "--retry-below", 0.7).stdout
    assert set(limits) == {0.7}


def test_evaluate_of_another_script_has_no_scene_text_accuracy(table, tmp_path):
    (tmp_path / "other.csv").write_text(f"path,label\n{read_csv(table)[0][0]},слово\n", "utf-8")
    options = ("--report", tmp_path / "report.html")
    assert "scene text" not in run("evaluate", "words", tmp_path / "other.csv", *options).stdout
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Scene text accuracy" not in page
    found = json.loads(run("evaluate", "words", tmp_path / "other.csv", "--format", "json").stdout)
    assert found["accuracy_ignoring_case"] is None


def test_evaluate_writes_a_report_and_counts_what_cannot_be_read(table, tmp_path):
    with table.open("a", encoding="utf-8") as file:
        file.write(f"{tmp_path / 'gone.png'},abc\n")
    page, packed = tmp_path / "report.html", tmp_path / "packed.html"
    result = run("evaluate", "words", table, "--report", page)
    assert ": 7 images, 1 of them unreadable; " in result.stdout
    assert "gone.png" in result.stderr
    text = page.read_text(encoding="utf-8")
    assert f"words on {table}" in text
    assert "gone.png" in text
    assert re.search(r"CER +(\d+\.\d\d)%", result.stdout)[1] in text
    (tmp_path / "wrong.csv").write_text(f"path,label\n{read_csv(table)[0][0]},wrong\n")
    run("pack", tmp_path / "wrong.csv", tmp_path / "lmdb")
    assert ": 1 images" in run("evaluate", "words", tmp_path / "lmdb", "--report", packed).stdout
    assert "data:image" in packed.read_text(encoding="utf-8")


def special_file(kind, path):
    """Make what is no regular file; return what tells whether it is still there."""
    if kind == "link":
        path.symlink_to(path.with_name("target.html"))
        return path.is_symlink
    if kind == "fifo":
        os.mkfifo(path)
        return path.is_fifo
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        path.write_bytes(b"")
    except OSError:
        pytest.skip("devices cannot be made or opened here")
    return path.is_char_device


@pytest.mark.skipif(os.name != "posix", reason="POSIX has devices and FIFOs.")
def test_check_says_that_there_is_no_sheet(tmp_path):
    """It named a contact sheet of 0 images, which it had not written."""
    (tmp_path / "labels.csv").write_text("path,label\ngone.png,a\n", "utf-8")
    done = run("check", tmp_path / "labels.csv", "--sheet", tmp_path / "sheet.png", status=1)
    assert done.stdout.endswith("No contact sheet: no image to show.\n")


@pytest.mark.parametrize("kind", ["device", "fifo", "link"])
@pytest.mark.parametrize("command", ["evaluate", "check"])
def test_a_device_stays_a_device(command, kind, table, tmp_path):
    """`mknod null c 1 3; mltu evaluate words labels.csv --report null` made a file of it."""
    path = tmp_path / "null"
    is_still_there = special_file(kind, path)
    with ThreadPoolExecutor() as pool:
        content = pool.submit(path.read_bytes) if kind == "fifo" else None
        if command == "evaluate":
            run("evaluate", "words", table, "--limit", 1, "--report", path)
        else:
            run("check", table, "--sheet", path)
        assert is_still_there()
        if kind != "device":
            written = content.result() if content else (tmp_path / "target.html").read_bytes()
            assert written.startswith(b"<!" if command == "evaluate" else b"\x89PNG")
    names = {"labels.csv", "null"} | ({"target.html"} if kind == "link" else set())
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_report_that_cannot_be_written_costs_no_metrics(table, tmp_path):
    result = run("evaluate", "words", table, "--report", tmp_path, status=2)
    assert f"'{tmp_path}' is a directory" in result.stderr
    (tmp_path / "file").touch()
    page = tmp_path / "file" / "report.html"
    result = run("evaluate", "words", table, "--report", page, status=1)
    assert "6 images" in result.stdout
    assert str(page.parent) in result.stderr


def test_evaluate_takes_the_list_of_a_run(table, tmp_path):
    shutil.copy(find_pretrained(), tmp_path / "model.onnx")
    shutil.copy(table, tmp_path / "val.csv")
    assert ": 6 images;" in run("evaluate", tmp_path).stdout


def test_evaluate_of_an_empty_table_says_so(tmp_path):
    """The error was about a `target`, which nobody had given."""
    (tmp_path / "labels.csv").write_text("path,label\n")
    assert "DATA must have at least one sample" in refusal(
        "evaluate", "words", tmp_path / "labels.csv"
    )


def test_evaluate_names_labels_outside_the_vocabulary(images, labels, tmp_path):
    write_csv(tmp_path / "a.csv", [(images[0], labels[0]), (images[1], "naïve!")])
    said = run("evaluate", "words_small", tmp_path / "a.csv").stderr
    assert "1 of 2 labels have characters that the reader does not know ('!', 'ï')" in said


def test_columns_and_patterns_of_labels_are_options(images, labels, tmp_path):
    (tmp_path / "a.csv").write_text(f"scan;plate\n{images[0]};{labels[0]}\n", encoding="utf-8")
    names = ("--path-column", "scan", "--label-column", "plate")
    assert "(no interval)" in run("evaluate", "words", tmp_path / "a.csv", *names).stdout
    assert "--path-column and --label-column" in refusal("evaluate", "words", tmp_path / "a.csv")
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(images[0], folder / f"{labels[0]}_0001.jpg")
    said = run("evaluate", "words", folder, "--label-pattern", "[^_]+", "--format", "json").stdout
    assert json.loads(said)["cer"]["value"] == 0
    assert "label_pattern" not in run("check", folder, "--label-pattern", "[^_]+").stdout


def test_data_sets_that_are_none_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    bad = tmp_path / "bad.csv"
    bad.write_text("kind,number\na.png,a\n", encoding="utf-8")
    shutil.make_archive(str(tmp_path / "words"), "zip", tmp_path / "empty")
    shutil.copy(tmp_path / "words.zip", tmp_path / "words.xlsx")  # It is one.
    for name, text in (
        ("gone", "There is no data set at"),
        ("empty", "holds no images"),
        ("bad.csv", "must have the columns 'path' and 'label'"),
        ("words.zip", "an archive. Unpack it"),
        ("words.xlsx", "a spreadsheet. Save it as 'CSV UTF-8'"),
    ):
        place = tmp_path / name
        out = tmp_path / "out"
        for command in (
            ("evaluate", "words", place), ("check", place), ("pack", place, out),
            ("train", place, "--output", out),
        ):  # fmt: skip
            assert text in refusal(*command)
        assert not out.exists()


# info and bench


def test_info_of_a_shipped_model():
    printed = run("info", "words").stdout
    assert "\nnum_parameters 1971296\n" in printed
    assert "\ncolor          BGR\n" in printed
    found = json.loads(run("info", find_pretrained(), "--format", "json").stdout)
    assert found["card"]["vocab"][:3] == ' !"'
    assert found["card"]["metrics"]["cer_onnx"] < 0.1
    assert found["bytes"] == find_pretrained().stat().st_size
    assert found["inputs"][0]["shape"][1:] == [32, "width", 3]


def test_info_of_a_file_without_a_card(strange_model):
    """JSON has no NaN."""
    printed = run("info", strange_model, "--format", "json").stdout
    found = json.loads(printed, parse_constant=pytest.fail)
    assert found["card"] is None
    assert "`format`" in found["no_card"]
    assert found["metadata"] == {"author": "somebody", "loss": "NaN"}
    printed = run("info", strange_model).stdout
    assert "No model card." in printed


def test_bench_measures():
    found = json.loads(run("bench", "words", "--images", 2, "--format", "json").stdout)
    assert found["milliseconds"] > 0
    assert set(found["images_per_second"]) == {"1", "8", "64"}
    assert all(speed > 0 for speed in found["images_per_second"].values())
    assert "batches of  64" in run("bench", "words", "--images", 1, "--threads", 1).stdout


@pytest.mark.slow
def test_bench_tells_what_limits_a_training(table):
    printed = run("bench", "words", "--images", 1, "--data", table).stdout
    assert re.search(r"data, one thread +[\d,]+\n  steps, float32 +[\d,]+\n", printed)
    assert "The network is the bottleneck: one thread prepares" in printed


# check and pack


def test_check_ends_with_1_where_there_are_errors(words, table, tmp_path):
    assert "Training can start." in run("check", table).stdout
    assert "unknown_character" not in run("check", table).stdout
    result = run("check", table, "--vocab", "abc", "--width", 128, "--height", 32, status=1)
    assert "ERROR unknown_character" in result.stdout
    sheet = tmp_path / "sheet.png"
    result = run("check", table, words, "--steps", 2, "--json", "--sheet", sheet, status=1)
    found = json.loads(result.stdout)
    assert not found["ok"]
    assert found["num_validation"] == 6  # of words, its validation list
    assert "too_few_time_steps" in {finding["name"] for finding in found["findings"]}
    assert cv2.imread(str(sheet)) is not None


def test_check_takes_what_a_run_was_trained_with(table, tmp_path):
    from mltu.configs import BaseModelConfigs

    configs = BaseModelConfigs()
    vars(configs).update(
        model_path=str(tmp_path / "run"), vocab="abc", height=32, width=128, max_text_length=3
    )
    configs.save()
    shutil.copy(find_pretrained(), tmp_path / "run" / "model.onnx")
    printed = run("check", table, "--model", tmp_path / "run", status=1).stdout
    assert "ERROR unknown_character" in printed
    assert "label_too_long" in printed
    assert "too few time steps (give" not in printed
    assert "configs.yaml" in refusal("check", table, "--model", tmp_path / "none")

    configs.width = [96, 2048]  # the width is free; images take the smallest that holds them
    configs.save()
    printed = run("check", table, "--model", configs.model_path, status=1).stdout
    assert "ERROR unknown_character" in printed
    assert "WARNING stretched_image" in printed
    configs.resize = "fit"
    configs.save()
    printed = run("check", table, "--model", configs.model_path, status=1).stdout
    assert "WARNING stretched_image" not in printed

    (tmp_path / "run" / "model.onnx").unlink()
    done = run("check", table, "--model", configs.model_path, status=1)
    assert "has no model.onnx to read with, so no labels are reviewed" in done.stderr


def test_pack_writes_an_lmdb_and_goes_on(words, table, tmp_path):
    out = tmp_path / "out.lmdb"
    for options in ((), ("--verify",)):
        assert run("pack", table, out, *options).stdout == f"{out}: 6 images\n"
    assert ": 16 images" in run("pack", words, tmp_path / "train.lmdb", "--part", "train").stdout
    assert "holds others" in refusal("pack", words, out)
    found = json.loads(run("evaluate", "words", out, "--format", "json").stdout)
    assert found["num_samples"] == 6
    assert "`part` is only for data sets in the layout of MJSynth" in refusal(
        "pack", table, out, "--part", "val"
    )


# open_samples


def test_open_samples_knows_each_form(words, images, labels, table, tmp_path):
    expected = list(zip(images, labels, strict=True))
    assert open_samples(words, part="val") == expected
    assert open_samples(words) == read_mjsynth(words, "train")
    assert open_validation(words) == expected
    alone = tmp_path / "alone" / "annotation_val.txt"
    alone.parent.mkdir()
    shutil.copy(words / alone.name, alone)
    assert open_validation(alone.parent) is None
    assert open_samples(table) == expected
    assert open_validation(table) is None
    lines = "".join(f"{path}\t{label}\n" for path, label in expected)
    (tmp_path / "labels.tsv").write_text(lines, encoding="utf-8")
    assert open_samples(tmp_path / "labels.tsv") == expected
    folder = tmp_path / "folder" / "below"
    folder.mkdir(parents=True)
    for path, label in expected[:2]:
        shutil.copy(path, folder / f"{label}_1.jpg")
    found = open_samples(tmp_path / "folder", label_pattern="[^_]+")
    assert sorted(found.labels) == sorted(labels[:2])
    assert all(os.path.isfile(path) for path in found.data)
    packed = open_samples(pack_lmdb(expected, tmp_path / "lmdb", progress=False))
    assert packed[0] == (Path(images[0]).read_bytes(), labels[0])


def test_relative_paths_of_a_table_start_where_the_files_are(images, tmp_path, monkeypatch):
    beside = tmp_path / "beside"
    (beside / "images").mkdir(parents=True)
    shutil.copy(images[0], beside / "images" / "a.jpg")
    (beside / "labels.csv").write_text("path,label\nimages/a.jpg,x\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert open_samples("beside/labels.csv") == [(str(beside / "images" / "a.jpg"), "x")]
    (tmp_path / "images").mkdir()
    shutil.copy(images[1], tmp_path / "images" / "a.jpg")  # The working directory goes first.
    assert open_samples("beside/labels.csv") == [(str(tmp_path / "images" / "a.jpg"), "x")]


# train and export


@pytest.fixture
def digits(tmp_path):
    """Images whose label is as many strokes as it has characters; label "1" to "111"."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "digits"
    folder.mkdir()
    rows = [("path", "label")]
    for number in range(24):
        image = rng.integers(150, 256, (8, 32, 3), np.uint8)
        label = "1" * (1 + number % 3) + "2" * (number % 2)
        for place, char in enumerate(label):
            image[:, 4 + 8 * place : 6 + 8 * place] = 0 if char == "1" else (0, 0, 200)
        cv2.imwrite(str(folder / f"{number}.png"), image)
        rows.append((f"digits/{number}.png", label))
    with (tmp_path / "digits.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path / "digits.csv"


SMALL = ("--width", 32, "--height", 8, "--batch-size", 8)
FILES = {
    "configs.yaml", "model.keras", "logs.log", "train.csv", "val.csv", "curves.png",
    "data_check.json", "state",
}  # fmt: skip


@pytest.mark.slow
def test_train_resume_export_evaluate(digits, tmp_path):
    folder = tmp_path / "run"
    printed = run("train", digits, *SMALL, "--epochs", 2, "--output", folder).stdout
    assert "on 2 validation images" in printed
    assert f"Run folder: {folder}" in printed
    assert {path.name for path in folder.iterdir()} >= {*FILES, "model.onnx", "readings.png"}
    assert len(read_csv(folder / "train.csv")) == 22
    assert "2 images;" in run("evaluate", folder).stdout
    assert "which holds a run" in refusal("train", digits, "--output", folder)
    assert "must be more than the 2" in refusal("train", "--resume", folder)
    printed = run("train", "--resume", folder, "--epochs", 3, "--no-export").stdout
    assert printed.endswith(f"mltu export {folder}\n")
    log = (folder / "logs.log").read_text(encoding="utf-8")
    assert all(log.count(f"Epoch {epoch};") == 1 for epoch in (1, 2, 3))
    (folder / "model.onnx").unlink()
    assert run("export", folder).stdout.startswith(f"{folder / 'model.onnx'}: CER")
    assert json.loads(run("info", folder, "--format", "json").stdout)["card"]["vocab"] == "12"


@pytest.mark.slow
def test_train_on_an_lmdb_without_an_export(digits, tmp_path):
    pack_lmdb(open_samples(digits), tmp_path / "lmdb", progress=False)
    folder = tmp_path / "run"
    more = ("--model", "strong", "--epochs", 1, "--no-export", "--no-augment", "--processes", 1)
    run("train", tmp_path / "lmdb", *SMALL, *more, "--output", folder)
    names = {path.name for path in folder.iterdir()}
    assert names >= FILES - {"train.csv", "val.csv"}
    assert names.isdisjoint({"train.csv", "val.csv", "model.onnx"})
    run("train", "--resume", folder, "--epochs", 2, "--no-export")
    assert run("export", folder).stdout.startswith(f"{folder / 'model.onnx'}: largest")
    assert json.loads(run("info", folder, "--format", "json").stdout)["card"]["color"] == "GRAY"


def test_train_stops_at_faults_of_the_data(digits, tmp_path):
    shutil.rmtree(tmp_path / "digits")
    folder = tmp_path / "run"
    result = run("train", digits, *SMALL, "--output", folder, "--no-export", status=1)
    first, last = result.stderr.splitlines()
    assert first.startswith("Error: missing_file: 24 samples, such as ")
    assert last == "Nothing was trained."
    assert not folder.exists()


@pytest.mark.parametrize("name", ["train.csv", "model.h5", "model.onnx"])
def test_a_training_writes_over_nothing(digits, tmp_path, name):
    theirs = tmp_path / "theirs" / name
    theirs.parent.mkdir()
    theirs.write_text("mine", encoding="utf-8")
    assert "`output` must be a new folder" in refusal("train", digits, "--output", theirs.parent)
    assert theirs.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in theirs.parent.iterdir()] == [name]


def test_of_mjsynth_the_validation_list_validates(words, table):
    from mltu.training._data import gather_samples

    assert gather_samples(table, words, 0)[1] == open_validation(words)


def test_what_cannot_be_resumed_is_named(tmp_path):
    assert "which has no configs.yaml" in refusal("train", "--resume", tmp_path / "none")


def test_a_run_cannot_be_shortened(tmp_path):
    """`--resume RUN --epochs 3` ignored the 3 and trained on."""
    configs = ReaderConfigs.from_options(epochs=30)
    configs.model_path = str(tmp_path)
    configs.save()
    with pytest.raises(ValueError, match=r"`epochs` can only be raised.* 30.* Received 3\."):
        continue_configs(tmp_path, ReaderConfigs, 3)


def test_few_images_are_shown_more_often():
    from mltu.training._choice import enough_epochs

    assert [enough_epochs(n, 32) for n in (1, 320, 2_700, 56_000)] == [1000, 500, 59, 10]


def test_the_networks_of_the_option_are_those_of_the_training():
    from mltu.cli._train import command
    from mltu.training._reader import NETWORKS

    (option,) = [option for option in command.params if option.name == "model"]
    assert list(option.type.choices) == list(NETWORKS)


def test_samples_of_paths_are_kept_for_a_resumption(digits, tmp_path):
    pairs = Samples.from_pairs((Path(path), label) for path, label in read_csv(digits))
    save_samples(tmp_path, pairs, pairs)
    assert load_saved_samples(tmp_path) == (read_csv(digits), read_csv(digits))


def test_curves_that_cannot_be_drawn_end_a_training_before_it_begins(tmp_path, monkeypatch):
    from mltu.training import fit_reader

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="matplotlib"):
        fit_reader(None, [], [], tmp_path, epochs=1, learning_rate=1e-3, metadata={})


@pytest.mark.skipif(os.name == "nt", reason="cmd.exe takes other quotes")
def test_a_printed_command_can_be_copied_into_a_shell():
    """A run folder with a space in its name could not be read or resumed as it was said."""
    assert [quoted(path) for path in (Path("my run"), "run{x}", "runs/1")] == [
        "'my run'", "'run{x}'", "runs/1",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent otherwise there")
def test_ctrl_c_stops_a_training_that_goes_on(digits, tmp_path):
    arguments = ["train", digits, *SMALL, "--epochs", 2000, "--output", "run", "--no-export"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mltu", *map(str, arguments)], cwd=tmp_path, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        # Where the tests run in the background, children inherit that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    log = tmp_path / "run" / "logs.log"
    limit = time.monotonic() + 100
    while not (log.is_file() and "Epoch 1;" in log.read_text()) and time.monotonic() < limit:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "Traceback" not in printed
    assert printed.splitlines()[-2] == "Continue with: mltu train --resume run"
