"""The examination of a data set: planted faults are counted, clean data is left in peace."""

import json
import math
import re
import string
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltu.data._bad_samples import BadSamples
from mltu.data_check import DataReport, Example, Finding, check_data, write_sheet
from mltu.data_check import _report as report_module
from mltu.data_check._findings import CHECKS
from mltu.datasets import LazyColumn, Samples, read_folder, write_csv
from mltu.decoders import required_steps
from mltu.synthetic import load_words, render_word, shipped_fonts

MODEL = {"max_word_length": 20, "time_steps": 32, "image_size": (128, 32)}
NUM_EACH = 10
MORE = "label_in_file_name"
FIVES = sorted({word for word in load_words() if re.fullmatch("[g-z]{5}", word)})[:60]


def check(samples, **options):
    return check_data(samples, progress=False, **options)


def counts(report):
    return {finding.name: finding.count for finding in report.findings}


def named(report, name):
    return next(finding for finding in report.findings if finding.name == name)


def picture(seed=0, width=100, height=31):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def pictures(labels):
    """Samples in memory, all with different images."""
    return [(picture(seed), label) for seed, label in enumerate(labels)]


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """500 training and 100 validation words of 5 to 9 letters as JPEG files, all different."""
    folder = tmp_path_factory.mktemp("clean")
    words = [word for word in load_words() if 5 <= len(word) <= 9 and word.isascii()]
    words = sorted({word.lower() for word in words if word.isalpha()})[::17][:600]
    assert len(words) == 600
    fonts, samples = shipped_fonts(), []
    for number, word in enumerate(words):
        image = render_word(word, fonts[number % len(fonts)], np.random.default_rng(number))
        path = folder / f"{number}.jpg"
        cv2.imwrite(str(path), cv2.resize(image, (100 + number % 40, 31)))
        samples.append((str(path), word))
    return samples[:500], samples[500:]


def test_clean_data_is_left_in_peace(clean):
    report = check(clean[0], validation=clean[1], vocab=string.ascii_lowercase, **MODEL)
    assert report.ok
    assert set(counts(report)) <= {"rare_character"}
    assert (report.num_samples, report.num_validation, report.num_examined) == (500, 100, 600)
    assert "Errors: 0, warnings: 0, infos: " in report.to_text()


class Planter:
    """Makes a faulty sample of each kind out of a good one and of a good one before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0

    def store(self, content):
        self.number += 1
        path = self.folder / f"{self.number}.jpg"
        path.write_bytes(content)
        return str(path)

    def draw(self, width, height):
        image = picture(self.number, width, height)
        return self.store(cv2.imencode(".png", image)[1].tobytes())

    def plant(self, name, sample, earlier):
        return getattr(self, name)(*sample, *earlier)

    def missing_file(self, path, label, *_):
        return f"{path}.gone", label

    def unreadable_file(self, path, label, *_):
        return self.store(Path(path).read_bytes()[:-20]), label

    def label_not_text(self, path, *_):
        self.number += 1
        return path, [math.nan, None, 7, np.int64(7), 7.5][self.number % 5]

    def unknown_character(self, path, label, *_):
        return path, f"{label}€"

    def label_too_long(self, path, *_):
        return path, "overlong" * 3

    def too_few_time_steps(self, path, *_):
        return path, "m" * 17

    def empty_label(self, path, *_):
        return path, ""

    def surrounding_whitespace(self, path, label, *_):
        return path, f"{label} "

    def invisible_character(self, path, label, *_):
        return path, f"{label}\u200b"

    def file_name_label(self, path, *_):
        self.number += 1
        return path, f"img{self.number}"

    def unnormalized_label(self, path, label, *_):
        return path, f"{label}e\u0301"

    def conflicting_labels(self, path, label, earlier_path, _):
        return self.store(Path(earlier_path).read_bytes()), label

    def duplicate_path(self, path, label, earlier_path, earlier_label):
        return earlier_path, earlier_label

    def duplicate_image(self, path, label, earlier_path, earlier_label):
        return self.store(Path(earlier_path).read_bytes()), earlier_label

    def blank_image(self, path, label, *_):
        self.number += 1
        image = np.full((31, 80 + self.number, 3), (9, 99, 200), np.uint8)
        return self.store(cv2.imencode(".png", image)[1].tobytes()), label

    def unused_bits(self, path, label, *_):
        """12 bits of 16, which arrive as 0..15."""
        self.number += 1
        image = picture(self.number, 100, 31).astype(np.uint16) * 16
        return self.store(cv2.imencode(".png", image)[1].tobytes()), label

    def tiny_image(self, path, label, *_):
        return self.draw(3, 31), label

    def label_too_dense(self, path, label, *_):
        return self.draw(55, 17), "crowdedlabelofmany"[:15] + "words"

    def stretched_image(self, path, *_):
        return self.draw(30, 31), "abc"

    def upscaled_image(self, path, *_):
        return self.draw(56, 14), "abcde"


class LatePlanter(Planter):
    """The faults of validation samples, against the training samples."""

    def validation_path_in_training(self, path, label, earlier_path, earlier_label):
        return earlier_path, earlier_label

    def validation_image_in_training(self, path, label, earlier_path, earlier_label):
        return self.duplicate_image(path, label, earlier_path, earlier_label)

    def unseen_character(self, path, label, *_):
        return path, f"{label}ß"


CHECKS_OF_A_SAMPLE = [name for name in vars(Planter) if name in CHECKS]
CHECKS_OF_VALIDATION = [name for name in vars(LatePlanter) if name in CHECKS]
CHECKS_OF_A_SET = [
    "missing_leading_zeros", "float_label", "dominant_label", "rare_character", "right_to_left",
    "label_in_file_name", "running_number", "no_text",
]  # fmt: skip


@pytest.fixture(scope="module")
def planted(clean, tmp_path_factory):
    """The clean set with 2 % of each fault: training, validation, and the planted positions."""
    training, validation = list(clean[0]), list(clean[1])
    places = {}
    planter = LatePlanter(tmp_path_factory.mktemp("faults"))
    for number, name in enumerate(CHECKS_OF_A_SAMPLE):
        places[name] = range(100 + number * NUM_EACH, 100 + (number + 1) * NUM_EACH)
        for offset, place in enumerate(places[name]):
            training[place] = planter.plant(
                name, training[place], training[10 * number % 90 + offset]
            )
    for number, name in enumerate(CHECKS_OF_VALIDATION):
        places[name] = range(number * NUM_EACH, (number + 1) * NUM_EACH)
        for offset, place in enumerate(places[name]):
            validation[place] = planter.plant(name, validation[place], training[offset])
        places[name] = [500 + place for place in places[name]]
    return training, validation, places


@pytest.fixture(scope="module")
def report(planted):
    training, validation, _ = planted
    vocab = f"{string.ascii_lowercase}{string.digits} \u200b\u0301ß"
    return check(training, validation=validation, vocab=vocab, **MODEL)


def test_every_kind_of_finding_is_planted_somewhere():
    assert {*CHECKS_OF_A_SAMPLE, *CHECKS_OF_VALIDATION, *CHECKS_OF_A_SET} == set(CHECKS)


def test_every_planted_fault_is_counted_and_nothing_else(report, planted):
    training, _, places = planted
    found = counts(report)
    texts = [label for _, label in training if isinstance(label, str)]
    rare = [number for number in Counter("".join(texts)).values() if number < 10]
    assert found.pop("rare_character", 0) == len(rare)
    assert found == dict.fromkeys(places, NUM_EACH)


@pytest.mark.parametrize("name", [*CHECKS_OF_A_SAMPLE, *CHECKS_OF_VALIDATION])
def test_examples_are_the_planted_samples(report, planted, name):
    training, validation, places = planted
    finding = named(report, name)
    assert [example.position for example in finding.examples] == list(places[name])
    paths = [[*training, *validation][place][0] for place in places[name]]
    assert [example.path for example in finding.examples] == paths
    is_late = name in CHECKS_OF_VALIDATION
    assert finding.num_validation == (NUM_EACH if is_late else 0)


def test_severities_and_their_order(report):
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    errors = {finding.name for finding in report.findings if finding.severity == "error"}
    assert not report.ok
    assert errors == {
        "missing_file",
        "unreadable_file",
        "label_not_text",
        "unknown_character",
        "label_too_long",
        "too_few_time_steps",
        "conflicting_labels",
    }


def test_a_label_that_is_an_array_is_reported():
    assert named(check([("7.png", np.array([3, 4]))]), "label_not_text").count == 1
    # After a thousand labels that are the names of their files, it was a TypeError.
    late = [*((f"{i}.png", f"{i}") for i in range(1000)), ("x.png", None)]
    assert named(check(late), "label_not_text").count == 1


def test_names_that_cameras_give_are_no_labels():
    names = ["IMG_0012", "DSCN0007", "Screenshot 2024-05-01", "image1"]
    found = named(
        check(pictures([*names, "Image", "img", "photos", "scan 1a"] * 10)), "file_name_label"
    )
    assert (found.severity, found.count) == ("error", 40)
    few = check(pictures([*names, *(f"w{i}" for i in range(96))]), num_read=2)
    assert named(few, "file_name_label").severity == "warning"  # However many images are read.
    many = check(pictures([*names * 5, *(f"w{i}" for i in range(80))]), num_read=50)
    assert named(many, "file_name_label").severity == "error"


@pytest.mark.parametrize("vocab", [None, "abc"])
@pytest.mark.parametrize("label", ["", " ", "\u3000"])
def test_a_set_without_text_is_an_error(vocab, label):
    """TensorFlow failed in the first batch, after the check had said that training can start."""
    found = named(check(pictures([label] * 12), vocab=vocab), "no_text")
    assert (found.severity, found.count) == ("error", 12)


def test_labels_from_right_to_left_are_named():
    """Arabic and Hebrew stayed at CER 1.0, and the check said that training can start."""
    found = named(check(pictures(["שלום", "سلام", "peace"] * 4)), "right_to_left")
    assert (found.severity, found.count) == ("warning", 8)
    assert "--label-order visual" in found.fix


@pytest.mark.parametrize(
    ("names", "name", "words"),
    [
        ([f"{word}_{i:04}" for i, word in enumerate(FIVES)], MORE, r"(.+?)(?:_\d+)?$"),
        ([f"{i}_{word}_{i * 37}" for i, word in enumerate(FIVES)], MORE, r"(?:\d+_)?"),
        ([f"{word}-{i:04}" for i, word in enumerate(FIVES)], MORE, r"(.+?)(?:[-.# ]"),
        ([f"{i:04}.{word}" for i, word in enumerate(FIVES)], MORE, "]+)?(.+)"),
        ([f"{i:032x}-{word}" for i, word in enumerate(FIVES)], MORE, "[-_])?(.+)"),
        ([f"{word}_{i:032x}" for i, word in enumerate(FIVES)], MORE, "(.+?)(?:[-_]["),
        ([f"captcha-{word}" for word in FIVES], MORE, r"'captcha\-(.+)'"),
        ([*FIVES, f"{FIVES[0]} (1)"], MORE, r"(.+?)(?: \(\d+\))?$"),
        ([*FIVES, f"{FIVES[0]} - Copy", f"{FIVES[1]}(1)"], MORE, "[Cc]opy"),
        (FIVES, None, ""),
        ([f"KA-{i * 37 % 1000:03}" for i in range(60)], None, ""),
        ([f"captcha{i}" for i in range(1, 61)], "running_number", "table of paths"),
        ([str(i) for i in range(1, 61)], "running_number", "table of paths"),
        (["title", *map(str, range(1, 60))], "running_number", "table of paths"),
        ([f"LT{i * 37 % 1000:03}" for i in range(60)], None, ""),
        ([f"{i * 37 % 1000:03}" for i in range(60)], None, ""),
    ],
)  # fmt: skip
def test_file_names_that_hold_more_than_the_label_are_suspected(tmp_path, names, name, words):
    """They were taken for labels, and the check said that training can start."""
    for seed, stem in enumerate(names):
        cv2.imwrite(str(tmp_path / f"{stem}.png"), picture(seed, 40, 16))
    report = check([(str(tmp_path / f"{stem}.png"), stem) for stem in names])
    found = {"label_in_file_name", "running_number", "missing_leading_zeros"} & set(counts(report))
    assert found == ({name} if name else set())
    if name:
        fix = named(report, name).fix
        assert words in fix
    if name == "label_in_file_name":
        pattern = re.search("'(.+)' [(]", fix)[1]
        assert set(read_folder(tmp_path, label_pattern=pattern).labels) == set(FIVES)


def test_json_round_trip(report, tmp_path):
    content = json.loads(report.to_json())
    assert [each["name"] for each in content["findings"]] == [f.name for f in report.findings]
    assert content["findings"][0]["examples"][0] == asdict(report.findings[0].examples[0])
    report.write_json(tmp_path / "new" / "data_check.json")
    text = (tmp_path / "new" / "data_check.json").read_text(encoding="utf-8")
    assert text == report.to_json()
    assert '"ok": false' in text


def test_the_page_is_narrow_and_says_what_to_do(report):
    page = report.to_text()
    assert max(map(len, page.splitlines())) <= 100
    assert "Checked 500 training and 100 validation samples\n" in page
    assert "ERROR unknown_character: 10 in training\n" in page
    assert "not in the vocabulary (as given): '€' (10)." in " ".join(page.split())
    assert "WARNING unseen_character: 10 in validation\n" in page
    assert page.count("  Fix: ") == len(report.findings)
    assert "a truncated JPEG, without its end marker" in page
    assert page.endswith("Fix the errors before training.\n")


def test_page_of_a_report_by_hand():
    """The whole page, as it is read."""
    example = Example(4, 200 * "a" + "/b.png", "")
    finding = Finding("missing_file", "error", 3, 1, "There is no file.", "Drop it.", (example,))
    statistics = {
        "label_length": {"min": 1, "median": 2, "max": 3},
        "num_distinct_labels": 5,
        "character_counts": {"a": 1},
        "image_width": {},
    }
    skipped_checks = tuple((name, "vocab") for name in CHECKS if name != "missing_file")
    report = DataReport(1000, 2, 3, statistics, (finding,), skipped_checks[:1])
    page = report.to_text().splitlines()
    assert page[:9] == [
        "Checked 1,000 training and 2 validation samples",
        "Read 3 images, evenly sampled: only these are compared",
        "Labels   length 1 to 3, median 2; 5 different; characters in training: 1",
        "",
        "ERROR missing_file: 2 in training, 1 in validation",
        "  There is no file.",
        "  Fix: Drop it.",
        "    ..." + 85 * "a" + "/b.png",
        "",
    ]
    assert page[9].startswith("Fine: No label not text, unknown character, ")
    assert page[-2:] == [
        "Skipped: unreadable file (needs vocab).",
        "Errors: 1, warnings: 0, infos: 0. Fix the errors before training.",
    ]


def test_long_paths_and_details_keep_both_ends():
    assert report_module._cut_left("a/long/path.png", 11) == "...path.png"
    assert report_module._cut_middle("'one', as two.png", 13) == "'on...two.png"
    assert report_module._cut_middle("short", 5) == "short"


# Single rules


def test_labels_alone_decide_over_numbers_on_their_way():
    name = "missing_leading_zeros"
    numbers = [str(number) for number in range(1, 1000)]
    report = check(pictures(numbers[:999:9]))
    assert counts(report)[name] == 11  # 1, 10, 19, ... 91
    assert "label.zfill(3)" in named(report, name).fix
    codes = [f"{number:03}" for number in range(1, 999, 9)]
    for labels in (codes, [*numbers[:999:9], "x"], numbers[99:199]):
        assert name not in counts(check(pictures(labels)))

    floats = check(pictures([f"{number}.0" for number in range(100, 160)]))
    assert counts(floats)["float_label"] == 60
    # A cell that was empty is what makes pandas write floats.
    floats = check(pictures([*(f"{number}.0" for number in range(100, 160)), ""]))
    assert counts(floats)["float_label"] == 60
    assert counts(check(pictures([*numbers[:999:9], ""])))[name] == 11
    # One of the two files alone went through a spreadsheet.
    report = check(pictures(codes), validation=pictures(numbers[2:999:9]))
    assert counts(report)[name] == 11
    assert "float_label" not in counts(check(pictures(["7.0", "7.5"])))


def test_a_dominant_label():
    labels = ["same"] * 30 + [f"word{chr(97 + number)}" for number in range(20)]
    finding = named(check(pictures(labels)), "dominant_label")
    assert finding.count == 30
    assert "'same' makes up 60% of the training samples" in finding.meaning
    assert "dominant_label" not in counts(check(pictures(labels[10:])))


def test_validation_characters_that_no_training_label_has():
    report = check(pictures(["ab", "ba"]), validation=[(picture(9), "abc")])
    finding = named(report, "unknown_character")
    assert (finding.count, finding.num_validation, finding.severity) == (1, 1, "error")
    assert finding.examples == (Example(2, "sample 2", "'abc': 'c'"),)


def test_rare_characters_are_counted_rarest_first():
    finding = named(check(pictures(["aab"] * 9 + ["c"])), "rare_character")
    assert finding.count == 2
    assert finding.meaning.endswith("'c' (1), 'b' (9).")
    assert [example.position for example in finding.examples] == [9, 0]


@settings(deadline=None)  # The first example waits for Keras.
@given(st.lists(st.text("ab", max_size=6), min_size=1, max_size=5))
def test_required_steps_are_those_of_the_loss(labels):
    """Which are known by hand."""
    from mltu import losses

    indices = np.full((len(labels), 6), 2, np.int32)
    for row, label in enumerate(labels):
        indices[row, : len(label)] = ["ab".index(char) for char in label]
    lengths = np.array([len(label) for label in labels], np.int32)
    expected = np.asarray(losses.required_steps(indices, lengths))
    assert [required_steps(label) for label in labels] == expected.tolist()


@pytest.mark.parametrize(
    ("num_bad", "size"), [(1, 1), (1, 2), (9, 9), (9, 50), (10, 50), (10, 1000), (11, 1000)]
)
def test_unreadable_files_are_an_error_where_training_would_stop(num_bad, size):
    """The rule is that of BadSamples, which lives on the same floor."""
    good = [(picture(1), "a")] * (size - num_bad)
    report = check([(b"no image", "a")] * num_bad + good)
    bad_samples, stops = BadSamples(size), False
    for index in range(num_bad):
        try:
            bad_samples.add(index, "path", ValueError("no image"))
        except RuntimeError:
            stops = True
    assert named(report, "unreadable_file").severity == ("error" if stops else "warning")


def test_copies_of_arrays_are_told_by_content_and_shape():
    image = np.zeros((31, 62, 3), np.uint8)
    image[0, 0] = 1
    samples = [(image, "a"), (image.copy(), "a"), (image.reshape(62, 31, 3), "a"), (image, "b")]
    report = check(samples)
    assert counts(report)["duplicate_image"] == 1
    contradiction = named(report, "conflicting_labels")
    assert contradiction.examples == (Example(3, "sample 3", "'b', but 'a' at sample 0", 0),)


def test_a_leaked_sample_with_another_label_is_both():
    image = picture()
    report = check([(image, "a")], validation=[(image, "b"), (image, "a")])
    assert counts(report)["validation_image_in_training"] == 2
    assert counts(report)["conflicting_labels"] == 1
    assert "duplicate_image" not in counts(report)


def test_each_file_is_read_once(clean, monkeypatch):
    read = []
    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read.append(str(self)) or original(self))
    samples = clean[0][:20]
    report = check(samples + samples[:5], validation=samples[:3])
    assert sorted(read) == sorted(path for path, _ in samples)
    assert counts(report)["duplicate_path"] == 5
    assert counts(report)["validation_path_in_training"] == 3


def test_images_can_be_drawn_evenly():
    report = check([*pictures(["ab"] * 40), (b"", "")], num_read=10)
    assert report.num_examined == 10
    assert counts(report)["empty_label"] == 1
    assert "Read 10 images, evenly sampled" in report.to_text()


def test_a_csv_file_and_a_lazy_column(clean, tmp_path):
    write_csv(tmp_path / "labels.csv", clean[0][:30])
    assert check(tmp_path / "labels.csv").num_samples == 30

    class Counted(LazyColumn):
        reads = 0

        def __len__(self):
            return 5

        def __getitem__(self, index):
            self.reads += 1
            return b"" if index == 4 else cv2.imencode(".png", picture(index))[1].tobytes()

        def take(self, indices):
            raise NotImplementedError

        def name(self, index):
            return f"record {index}"

    column = Counted()
    finding = named(check(Samples(column, ["ab"] * 5)), "unreadable_file")
    assert column.reads == 5
    assert finding.examples[0].path == "record 4"
    assert finding.examples[0].detail == "an empty file"


def test_paths_that_are_no_paths_do_not_stop_the_examination(tmp_path):
    samples = [(tmp_path, "ab"), (math.nan, "ab"), ("a\0b", "ab"), (tmp_path / "gone", "ab")]
    report = check(samples)
    assert counts(report)["unreadable_file"] == 3
    assert counts(report)["missing_file"] == 1


def test_names_that_are_no_utf8_can_be_printed_and_stored(tmp_path):
    report = check([("caf\udce9.png", "\udce9")])
    assert "    caf\\udce9.png\n" in report.to_text()
    report.to_text().encode()
    report.write_json(tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert json.loads(text)["findings"][0]["examples"][0]["path"] == "caf\udce9.png"
    assert named(report, "missing_file").examples[0].path == "caf\udce9.png"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 0}, "`workers` must be an integer of at least 1. Received 0"),
        ({"num_read": 0}, "`num_read` must be an integer of at least 1"),
        ({"time_steps": 0}, "`time_steps` must be"),
        ({"image_size": (128, 0)}, "`image_size` must be an integer of at least 1. Received 0"),
    ],
)
def test_wrong_numbers_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        check(pictures(["a"]), **options)
    with pytest.raises(ValueError, match="`samples` must contain at least one sample"):
        check([])


# The contact sheet


def test_the_sheet_shows_contradictions_beside_their_twins_first(
    report, planted, tmp_path, monkeypatch
):
    training, validation, places = planted
    shown = []
    draw = report_module.write_contact_sheet
    monkeypatch.setattr(
        report_module,
        "write_contact_sheet",
        lambda path, tiles: shown.extend(tiles) or draw(path, tiles),
    )
    assert write_sheet(tmp_path / "sheet.png", report, training, validation) == 48
    (first, first_caption), (second, second_caption) = shown[:2]
    np.testing.assert_array_equal(first, second)
    place = places["conflicting_labels"][0]
    assert second_caption == f"conflicting labels\n{training[place][1]}"
    assert first_caption != second_caption
    assert cv2.imread(str(tmp_path / "sheet.png")).std() > 1


def test_without_a_readable_image_there_is_no_sheet(tmp_path):
    samples = [("gone.png", "ab")]
    assert write_sheet(tmp_path / "sheet.png", check(samples), samples) == 0
    assert not (tmp_path / "sheet.png").exists()
