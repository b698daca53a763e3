"""The HTML report: what it says, and that no label, file or number breaks it."""

import base64
import sys
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltu.evaluation import Sample, evaluate_readings, write_report
from mltu.evaluation._report import (
    _differences,
    _load_template,
    _source_names,
    _thumbnail,
    visible,
)

VOID = {"img", "meta"}


class Page(HTMLParser):
    """Elements, attributes and texts of a page whose tags must be closed in order."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []
        self.texts, self.marked, self.titles = [], [], []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if "mark" in self.open:
            self.marked.append(data)
        if self.open[-1:] == ["h2"]:
            self.titles.append(data)

    @property
    def text(self):
        return "".join(self.texts)

    @property
    def words(self):
        """The text as a browser shows it: any white space is one space."""
        return " ".join(self.text.split())


def image(height=32, width=100):
    return np.full((height, width, 3), 200, np.uint8)


def write(path, samples, **options):
    write_report(path, samples, num_resamples=20, **options)
    return path.read_text(encoding="utf-8")


@pytest.fixture
def samples(tmp_path):
    path = tmp_path / "words" / "cat.png"
    path.parent.mkdir()
    path.write_bytes(cv2.imencode(".png", image())[1].tobytes())
    return [
        Sample(str(path), "cat", "cut", 0.4),
        Sample(path, "dog", "dog", 0.9),
        Sample(path.read_bytes(), "Bird", "bird", 0.8),
        Sample(image(), "mouse", "house it", 0.1),
        Sample(str(path.parent / "gone.png"), "gone", "", None, "There is no file"),
    ]


# The whole page


def test_the_report_by_hand(samples, tmp_path):
    found = write_report(tmp_path / "new" / "report.html", samples, title="Five words")
    texts = [[s.reading for s in samples], [s.truth for s in samples]]
    assert found == evaluate_readings(*texts)
    page = Page((tmp_path / "new" / "report.html").read_text(encoding="utf-8"))
    assert page.titles == [
        "Outcomes",
        "Metrics",
        "Confidence",
        "Characters",
        "Worst samples",
        "Wrong only in case",
        "Unreadable images",
    ]
    assert page.texts.count("Five words") == 2  # Title and heading.
    for text in (
        "1 correct (20.0%)",
        "1 wrong only in case (20.0%)",
        "1 one edit (20.0%)",
        "1 two or more edits (20.0%)",
        "1 unreadable images (20.0%)",
        "5 samples with 19 characters",
        "4 readings have a confidence: 55.0% on average, and 25.0% of them are correct",
        "There is no file",
        "1 of 5 images",
    ):
        assert text in page.words
    assert page.tags.count("img") == 3
    assert page.tags.count("svg") == 7 + 2
    assert page.marked == ["m", "h", " it", "a", "u", "B", "b"]


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(samples, tmp_path):
    source = write(tmp_path / "report.html", samples)
    page = Page(source)
    assert not {"script", "link", "iframe", "object", "a"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in ("href", "xlink:href")
        assert name != "src" or (tag == "img" and value.startswith("data:image/jpeg;base64,"))
    assert "url(" not in source
    assert "http:" not in source
    assert "https:" not in source
    assert ("meta", "charset", "utf-8") in page.attributes
    assert "prefers-color-scheme: dark" in source


def test_equal_samples_give_equal_bytes(samples, tmp_path):
    assert write(tmp_path / "a.html", samples) == write(tmp_path / "b.html", iter(samples))


def test_without_confidences_there_is_no_part_on_them(tmp_path):
    page = Page(write(tmp_path / "r.html", [Sample(None, "a", "b"), Sample(None, "c", "c")]))
    assert "Confidence" not in page.titles
    assert "no image was given" in page.text


def test_a_perfect_reader_has_no_worst_samples(tmp_path):
    page = Page(write(tmp_path / "r.html", [Sample(image(), "a", "a", 1.0)]))
    assert page.titles == ["Outcomes", "Metrics", "Confidence", "Characters"]
    assert "No character was read wrong." in page.text
    assert "img" not in page.tags


def test_the_number_of_images_is_limited(tmp_path):
    wrong = [Sample(image(), "word", "w", 0.5)] * 30
    case = [Sample(image(), "Word", "word", 0.5)] * 30
    for number, expected in ((0, 0), (1, 1), (16, 16), (100, 60)):
        page = Page(write(tmp_path / "r.html", wrong + case, num_images=number))
        assert page.tags.count("img") == page.tags.count("article") == expected
    page = Page(write(tmp_path / "r.html", wrong + case, num_images=16))
    assert "14 of 30, by edits" in page.text
    assert "2 of 30 readings that are correct except for" in page.text


def test_many_errors_are_counted_and_the_first_listed(tmp_path):
    broken = [Sample(f"{i}.png", "word", "", error=f"fault {i}") for i in range(60)]
    page = Page(write(tmp_path / "r.html", broken))
    assert "60 of 60 images; they count as empty readings. The first 50 are listed." in page.words
    assert "fault 49" in page.text
    assert "fault 50" not in page.text
    assert "Worst samples" not in page.titles


def test_a_failure_leaves_the_old_report(samples, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        write_report(path, samples, num_resamples=20)
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir() if item.is_file()] == ["report.html"]


# Hostile labels and files

HOSTILE = [
    "<script>alert('x')</script>",
    "</style></title><img src=x onerror=alert(1)>",
    '" onload="alert(1)',
    "&amp;<!-- &#60;",
    "\N{FAMILY}\N{ZERO WIDTH JOINER}\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5}",
    "\u202eabc\u05e9\u05dc\u05d5\u05dd",
    "e\u0301",
    "\udcff\x00\n\t",
    "",
    " ",
    "a" * 5_000,
]


@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_labels_stay_text(label, tmp_path):
    rows = [
        Sample(None, label, "x", 0.5),
        Sample(label.encode("utf-8", "replace"), "x", label),
        Sample(image(), label, label.upper()),
        Sample(label or "a", label, "", error=label),
    ]
    page = Page(write(tmp_path / "r.html", rows, title=label))
    assert "script" not in page.tags
    assert page.tags.count("img") <= 1
    assert visible(label) in page.text
    assert not any(name.startswith("on") for _, name, _ in page.attributes)


@given(st.text(), st.text())
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_text_can_be_reported(tmp_path, truth, reading):
    rows = [Sample(None, truth, reading), Sample("p.png", truth, "", error=reading)]
    page = Page(write(tmp_path / "r.html", rows))
    assert set(page.tags).isdisjoint({"script", "img"})


@given(st.text(), st.text())
def test_marks_change_no_text(truth, reading):
    first, second = _differences(truth, reading)
    assert "".join(part for part, _ in first) == truth
    assert "".join(part for part, _ in second) == reading
    assert any(differs for _, differs in first + second) == (truth != reading)


def test_characters_that_cannot_be_seen_are_written_out():
    assert visible("a\u202eb\n\x00\udcff\u00a0 é") == r"a\u202eb\n\x00\udcff\xa0 é"


def test_the_marked_texts_are_those_of_the_sample(tmp_path):
    page = Page(write(tmp_path / "r.html", [Sample(None, "a <b>\n c", "\u202ea b c")]))
    assert r"a <b>\n c" in page.text
    assert r"\u202ea b c" in page.text
    assert page.marked == ["<", r">\n", r"\u202e"]


@pytest.mark.parametrize(
    "source",
    [
        "gone.png",
        ".",
        b"",
        b"no image",
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        "a\0b.png",
        7,
    ],
    ids=str,
)
def test_an_image_that_cannot_be_shown_is_named(source, tmp_path):
    page = Page(write(tmp_path / "r.html", [Sample(source, "a", "b"), Sample(image(), "c", "d")]))
    assert "no image: " in page.text
    assert page.tags.count("img") == 1


# Parts


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((32, 100, 3), (32, 100)),
        ((128, 400, 3), (64, 200)),
        ((640, 10, 1), (64, 1)),
        ((100, 20_000, 3), (5, 1024)),
        ((1, 5_000), (1, 1024)),
    ],
)
def test_thumbnails_are_small(shape, expected):
    start, _, content = _thumbnail(np.full(shape, 90, np.uint8)).partition(",")
    assert start == "data:image/jpeg;base64"
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (*expected, 3)
    assert abs(int(decoded.mean()) - 90) <= 2


def test_sources_are_named_without_their_shared_folder(tmp_path):
    def names(*images):
        return _source_names([Sample(item, "a", "a") for item in images])

    assert names("/x/a/1.png", "/x/b/1.png") == ["a/1.png", "b/1.png"]
    assert names("/x/1.png", b"bytes", image()) == ["1.png", "sample 1", "sample 2"]
    assert names("/x/1.png", "y/1.png") == ["/x/1.png", "y/1.png"]
    assert names("1.png") == ["1.png"]
    assert names(tmp_path / "1.png", None) == ["1.png", "sample 1"]
    assert _source_names([]) == []


def test_a_long_curve_is_drawn_by_few_points(tmp_path):
    rows = [Sample(None, "a", "a", confidence) for confidence in np.linspace(0, 1, 10_000)]
    page = Page(write(tmp_path / "r.html", rows))
    points = {name: value for _, name, value in page.attributes}["points"].split()
    assert 150 <= len(points) <= 201
    assert (points[0], points[-1]) == ("0.0,0.0", "286.0,0.0")


def test_samples_are_checked():
    for arguments, message in (
        ((None, 7, "a"), r"`truth` must be a string\. Received 7 of type int"),
        ((None, "a", None), r"`reading` must be a string\. Received None"),
        ((None, "a", "a", "0.5"), "`confidence` must be a number or None"),
        ((None, "a", "", None, OSError("x")), r"`error` must be .* use str\(error\)"),
    ):
        with pytest.raises(TypeError, match=message):
            Sample(*arguments)
    for sure in (-0.1, 1.1, float("nan"), 97):
        with pytest.raises(ValueError, match=r"`confidence` must be a probability in \[0, 1\]"):
            Sample(None, "a", "a", sure)
    with pytest.raises(ValueError, match=r"`reading` must be '' if `error` is given.*'a'"):
        Sample(None, "a", "a", error="broken")


def test_a_confidence_may_exceed_one_by_rounding(tmp_path):
    sample = Sample(None, "a", "b", np.float32(1.0000002))
    assert "confidence\u00a0100.0%" in Page(write(tmp_path / "r.html", [sample])).text


def test_wrong_arguments_are_refused(tmp_path):
    path = tmp_path / "r.html"
    with pytest.raises(ValueError, match="`samples` must contain at least one"):
        write_report(path, [])
    with pytest.raises(TypeError, match=r"`samples` must be a list of mltu\.evaluation\.Sample"):
        write_report(path, [("a.png", "a", "a")])
    with pytest.raises(ValueError, match="`num_images` must be an integer of at least 0"):
        write_report(path, [Sample(None, "a", "a")], num_images=-1)
    assert not path.exists()


def test_a_missing_jinja2_is_named_with_its_pip_line(tmp_path, monkeypatch):
    _load_template.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r'`jinja2`.*pip install "mltu\[report\]"'):
        write_report(tmp_path / "r.html", [Sample(None, "a", "a")])
    assert not (tmp_path / "r.html").exists()
