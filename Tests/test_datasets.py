"""Data sets on disk: every cell comes back as the text it was."""

import os
import pickle
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mltu.datasets import (
    LazyColumn,
    Samples,
    load_samples,
    open_samples,
    read_csv,
    read_folder,
    read_iam_lines,
    read_iam_words,
    read_mjsynth,
    read_table,
    read_tsv,
    split_iam,
    validate_samples,
    write_csv,
)
from mltu.utils.text_columns import TextColumn

TRICKY = ["NULL", "nan", "NA", "None", "007", "1e5", "", " ", "a,b", 'say "x"', "a\nb", "\r", "'"]
cells = st.one_of(st.sampled_from(TRICKY), st.text(st.characters(exclude_categories=["Cs"])))


@given(st.lists(st.tuples(cells, cells)))
@example([("a.png", label) for label in TRICKY])
@example([("", ""), ("\ufeff", "žodis 単語 \U0001f600"), ("a", "\x00\x1a")])
def test_csv_comes_back(samples):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        write_csv(path, samples)
        assert read_csv(path) == samples


def test_csv_is_two_columns_without_an_index(tmp_path):
    write_csv(tmp_path / "new" / "a.csv", [(Path("x") / "b.png", "007"), ("c.png", "a,b")])
    content = (tmp_path / "new" / "a.csv").read_text(encoding="utf-8").splitlines()
    assert content == ["path,label", f"{Path('x') / 'b.png'},007", 'c.png,"a,b"']


@pytest.mark.parametrize("sample", [("a.png", 7), (b"bytes", "x"), ("a.png", None)])
def test_csv_refuses_what_is_no_text_and_leaves_no_file(tmp_path, sample):
    with pytest.raises(TypeError, match="`samples` must be pairs of text"):
        write_csv(tmp_path / "a.csv", [("b.png", "ok"), sample])
    assert list(tmp_path.iterdir()) == []


def written(folder, text, encoding="utf-8"):
    path = folder / "data.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_byte_order_mark_and_blank_lines(tmp_path):
    path = written(tmp_path, "path,label\r\na.png,x\r\n\r\nb.png,\r\n", "utf-8-sig")
    assert read_csv(path) == [("a.png", "x"), ("b.png", "")]


def test_more_columns_in_another_order(tmp_path):
    path = written(tmp_path, "id,label,split,path\n1,x,train,a.png\n2,y,val,b.png\n")
    assert read_csv(str(path)) == [("a.png", "x"), ("b.png", "y")]


@pytest.mark.parametrize(
    ("text", "columns"),
    [("a.png,x\n", ["a.png", "x"]), ("path,number\n", ["path", "number"]), ("", [])],
)
def test_missing_columns(tmp_path, text, columns):
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match="must have the columns") as caught:
        read_csv(path)
    assert str(caught.value).startswith(
        f"{str(path)!r} must have the columns 'path' and 'label'. Received the columns "
        f"{columns}. Name them in the first line of the file, or say which they are: "
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"a\n.png",x\nb.png\n', r"Received \['b.png'\] in line 4"),
        # It became a shorter label, in silence.
        ('a.png,"a, b"\nb.png,a, b\n', r"' b'\] in line 3\. Put labels with commas in"),
        # The rest of the file became one label.
        ('a.png,"x\nb.png,y\n', "must be a CSV file in UTF-8. Received an error near"),
    ],
)
def test_rows_that_are_not_whole_are_named(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_csv(written(tmp_path, f"path,label\n{text}"))


def test_other_encodings_are_named(tmp_path):
    assert read_csv(written(tmp_path, 'path,label\na.png,5"\n')) == [("a.png", '5"')]
    path = written(tmp_path, "path,label\na.png,žodis\n", "utf-16")
    with pytest.raises(ValueError, match=r"data\.csv' must be a CSV file in UTF-8"):
        read_csv(path)


def test_missing_csv_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent.csv"):
        read_csv(tmp_path / "absent.csv")


def test_missing_annotation_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`root` must be a folder .*train\.txt") as caught:
        read_mjsynth(tmp_path)
    assert repr(str(tmp_path / "annotation_train.txt")) in str(caught.value)


@pytest.mark.parametrize(
    ("line", "path", "label"),
    [
        ("./2425/1/115_Lube_45484.jpg 45484", "2425/1/115_Lube_45484.jpg", "Lube"),
        ("1_a_2.jpg", "1_a_2.jpg", "a"),
        (" \t./././x_y/1_žodis_2.jpg\t7  ", "././x_y/1_žodis_2.jpg", "žodis"),
        ("1__2.jpg 3", "1__2.jpg", ""),
        ("1_A_b_c.jpg 3", "1_A_b_c.jpg", "A"),
        ("/absolute/1_a_2.jpg 2", "/absolute/1_a_2.jpg", "a"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_lines_of_mjsynth(tmp_path, line, path, label, end):
    text = f"{line}{end}./1_x_2.jpg 2"
    (tmp_path / "annotation_val.txt").write_bytes(text.encode())
    expected = [(os.path.join(tmp_path, path), label), (str(tmp_path / "1_x_2.jpg"), "x")]
    for root in (tmp_path, str(tmp_path)):
        assert read_mjsynth(root, "val") == expected


@pytest.mark.parametrize(
    "line",
    [
        "_",
        "a_b 2",
        "./x_y_z/1.jpg 3",
        "./un_der/plain.jpg 3",
        "1_a_2.jpg x",
        "1_a_2.jpg 1 2",
        "a b/1_a_2.jpg 2",
    ],
)
def test_malformed_lines_of_mjsynth(tmp_path, line):
    (tmp_path / "annotation_val.txt").write_text(f"1_a_2.jpg 2\n\n{line}\n")
    with pytest.raises(ValueError, match=f"Received {line!r} in line 3"):
        read_mjsynth(tmp_path, "val")


@pytest.mark.parametrize("content", ["", "\n", " \r\n\t"])
def test_mjsynth_without_lines(tmp_path, content):
    (tmp_path / "annotation_val.txt").write_bytes(content.encode())
    with pytest.raises(ValueError, match="must list at least one image"):
        read_mjsynth(tmp_path, "val")


def test_mjsynth_in_another_encoding_names_the_line(tmp_path):
    content = "./1_a_2.jpg 2\n./1_ž_2.jpg 3\n".encode("cp1257")
    (tmp_path / "annotation_val.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"must be a file in UTF-8\. Received .* in line 2"):
        read_mjsynth(tmp_path, "val")


def test_mjsynth_stores_the_root_once(tmp_path):
    lines = (f"./{i % 4000}/{i % 7}/{i % 500}_Ecclesiastics_{i}.jpg {i}\n" for i in range(1000))
    (tmp_path / "annotation_train.txt").write_text("".join(lines), encoding="utf-8")
    samples = read_mjsynth(tmp_path)
    assert samples.data.prefix == os.path.join(tmp_path, "")
    assert samples.data.texts.nbytes == samples.labels.texts.nbytes == 16 * 1000
    assert samples[999][0] == str(tmp_path / "999" / "5" / "499_Ecclesiastics_999.jpg")


# Samples


class Squares(LazyColumn):
    """A column that computes its entries."""

    def __init__(self, roots):
        self.roots = roots

    def __len__(self):
        return len(self.roots)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Squares(self.roots[index])
        return self.roots[index] ** 2

    def take(self, indices):
        return Squares([self.roots[i] for i in indices])

    def name(self, index):
        return f"square of {self.roots[index]}"


PAIRS = [("a.png", "x"), ("b.png", ""), ("ž.png", "007")]


@pytest.mark.parametrize(
    "pairs",
    [PAIRS, [(b"1", "x"), ("a", "y")], [("a", [1, 2]), ("b", [3])], [("a", "x"), (None, None)], []],
)
def test_pairs_come_back(pairs):
    samples = Samples.from_pairs(pairs)
    assert samples == pairs
    assert samples == [list(pair) for pair in pairs]
    assert list(samples) == [samples[i] for i in range(len(samples))] == pairs
    assert samples[::-1] == pairs[::-1]
    assert samples.take(np.arange(len(pairs))[::-1]) == pairs[::-1]
    assert samples.take([]) == []
    assert pickle.loads(pickle.dumps(samples)) == samples
    assert [samples.source(i) for i in range(len(samples))] == [data for data, _ in pairs]


def test_samples_differ():
    samples = Samples.from_pairs(PAIRS)
    assert samples != PAIRS[:2]
    assert samples != [*PAIRS[:2], ("c", "d")]
    assert samples != ["ab", "cd", "ef"]
    assert samples != "abc"


def test_text_is_kept_in_columns_and_the_rest_in_lists():
    array = np.zeros((2, 2))
    samples = Samples.from_pairs([("a", "x"), (array, "y")])
    assert samples[1][0] is array
    assert isinstance(samples.data, list)
    assert isinstance(samples.labels, TextColumn)
    assert repr(samples) == "Samples(2 pairs in list and TextColumn)"


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match=r"`data` and `labels` .* Received 2 and 1"):
        Samples(["a", "b"], ["x"])


def test_a_lazy_column_is_named_and_not_read():
    samples = Samples(Squares([2, 3]), TextColumn(["four", "nine"]))
    assert samples == [(4, "four"), (9, "nine")]
    assert samples.take([1]).source(0) == samples[1:].source(0) == "square of 3"
    validate_samples(Samples(Squares([None]), ["x"]))  # The square of None cannot be read.


def test_every_form_is_loaded(tmp_path):
    write_csv(tmp_path / "a.csv", PAIRS)
    (tmp_path / "a.TSV").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS), encoding="utf-8")
    frame = pd.DataFrame(PAIRS, columns=["path", "label"])
    samples = Samples.from_pairs(PAIRS)
    forms = [PAIRS, iter(PAIRS), frame, tmp_path / "a.csv", str(tmp_path / "a.TSV"), samples]
    for form in forms:
        loaded = load_samples(form)
        assert isinstance(loaded, Samples)
        assert loaded == PAIRS
    assert load_samples(samples).data is samples.data
    with pytest.raises(ValueError, match=r"the folder .* without 'data.mdb'.* `open_samples`"):
        load_samples(tmp_path)


@pytest.mark.parametrize(
    "entry",
    ["ab", b"ab", ("a",), 5, None, ("a", "b", "c"), {"path": "a", "label": "b"}, {"a", "b"}],
)
def test_an_entry_that_is_no_pair(entry):
    with pytest.raises(TypeError, match=r"pairs of a path and a label. Received .* in row 1"):
        load_samples([("a", "b"), entry])


# Tables without quotes


def test_tsv(tmp_path):
    path = tmp_path / "gt.tsv"
    path.write_bytes('a.png\t"\r\n\nb c.png\tsay "x", y\u2028z\nd.png\t'.encode("utf-8-sig"))
    labels = ['"', 'say "x", y\u2028z', ""]
    names = ["a.png", "b c.png", "d.png"]
    assert read_tsv(path) == list(zip(names, labels, strict=True))
    assert read_tsv(path).with_root(tmp_path).data == [str(tmp_path / name) for name in names]


def test_tsv_with_a_header(tmp_path):
    path = tmp_path / "gt.tsv"
    path.write_text("id\tlabel\tpath\n1\tpath\ta.png\n", encoding="utf-8")
    assert read_tsv(path) == [("a.png", "path")]


@pytest.mark.parametrize("line", ["b.png", "b.png\tx\ty", "b.png x"])
def test_tsv_with_other_cells(tmp_path, line):
    path = tmp_path / "gt.tsv"
    path.write_text(f"a.png\tx\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"must have 2 cells in each line.* in line 2"):
        read_tsv(path)


# Folders


@pytest.fixture
def captchas(tmp_path):
    for name in [
        "b/z_1.jpg",
        "2b827.png",
        "B_2.JPG",
        "a_b_3.png",
        "notes.txt",
        "._x.png",
        "a.b.png",
    ]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_file_names_are_labels(captchas):
    samples = read_folder(captchas)
    names = ["2b827.png", "B_2.JPG", "a.b.png", "a_b_3.png"]
    assert samples.data == [str(captchas / name) for name in names]
    assert samples.labels == ["2b827", "B_2", "a.b", "a_b_3"]
    assert all(os.path.isfile(path) for path in samples.data)


def test_a_separator_ends_the_label(captchas):
    samples = read_folder(captchas, recursive=True, label_pattern="[^_]+")
    assert samples.labels == ["2b827", "B", "a.b", "a", "z"]
    assert samples.data[-1] == str(captchas / "b" / "z_1.jpg")


def test_folders_without_images(captchas):
    (captchas / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="There are no images in the folder"):
        read_folder(captchas / "empty")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        read_folder(captchas / "absent")
    with pytest.raises(ValueError, match="must be a regular expression"):
        read_folder(captchas, label_pattern="(")
    with pytest.raises(ValueError, match=r"does not match the file name 'B_2'"):
        read_folder(captchas, label_pattern=r"\d+")


def test_a_pattern_finds_the_label_in_a_name(tmp_path):
    for name in ("0f3a9c-word.png", "77aa01-other (1).jfif"):
        (tmp_path / name).touch()
    assert read_folder(tmp_path, label_pattern=r".*-([a-z]+)").labels == ["word", "other"]


def test_files_that_are_left_out_are_counted(captchas, caplog):
    """A folder left out GIF and JFIF images, which `mltu read` reads, without a word."""
    (captchas / "moving.gif").touch()
    (captchas / "gt").touch()
    assert "moving" in read_folder(captchas).labels
    assert caplog.messages == [
        f"Files in '{captchas}' that are not images are left out (.txt: 1, without a suffix: 1)."
    ]


TABLES = {
    "semicolon.csv": "path;label\na.png;x,y\n",
    "tab.csv": 'path\tlabel\na.png\t"x,y"\n',
    "hint.csv": "sep=;\r\npath;label\r\na.png;x,y\r\n",
    "other_names.tsv": "filename\twords\na.png\tx,y\n",
    "own_names.tsv": "bild\twort\na.png\tx,y\n",
    "own_names.txt": "\nbild\twort\r\na.png\tx,y\r\n",
    "own_names_spaced.txt": "bild wort\na.png x,y\n",
    "own_names_quoted.txt": 'bild, wort\na.png, "x,y"\n',
    "sound.tsv": "ton\ttext\na.png\tx,y\nb.wav\tz\n",
    "easyocr.csv": 'filename,words\na.png,"x,y"\n',
    "capitals.csv": 'Path,Label\na.png,"x,y"\n',
    "blank_lines.csv": '\n\npath,label\na.png,"x,y"\n',
    "mltu_1.csv": '0,1\na.png,"x,y"\n',
    "comma.tsv": 'path,label\na.png,"x,y"\n',
    "paddle.txt": "a.png\tx,y\n",
    "trdg.txt": "a.png x,y\n",
    "icdar.txt": 'a.png, "x,y"\n',
    "icdar_quotes.txt": 'a.png, "x,y"\nb.png, "\\"z\\""\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_other_programs_are_read(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(TABLES[name].encode())
    assert read_table(path)[0] == ("a.png", "x,y")
    if name == "icdar_quotes.txt":
        assert read_table(path)[1] == ("b.png", '"z"')


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("first_is_bad.tsv", "a\tx\nb\ty\n"),  # Names without a suffix: nothing is certain.
        ("exists.tsv", "there\tx\nb.png\ty\n"),
        ("folder.tsv", "words/a\tx\nb.png\ty\n"),
        ("alone.tsv", "bild\twort\n"),
        ("first.tsv", "a.png\tx\nb.png\ty\n"),
        ("first.txt", "a.png x\nb.png y\n"),
    ],
)
def test_a_first_line_that_may_be_a_sample_is_one(tmp_path, name, content):
    (tmp_path / "there").touch()
    (tmp_path / name).write_text(content, encoding="utf-8")
    pairs = [tuple(line.split()) for line in content.splitlines()]
    assert read_table(tmp_path / name) == pairs


def test_a_header_of_own_words_beyond_two_columns_is_asked_for(tmp_path):
    path = tmp_path / "wide.tsv"
    path.write_text("bild\twort\tseite\na.png\tx\t1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="Name the columns in the first line"):
        read_table(path)
    assert read_table(path, path_column="bild", label_column="wort") == [("a.png", "x")]
    path = tmp_path / "text.txt"
    path.write_text("A list\nof no files\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"Received 'A list' in line 1"):
        read_table(path)
    path.write_text(" a.png x\nb.png y\n", encoding="utf-8")  # No header: it names a file.
    with pytest.raises(ValueError, match=r"Received ' a.png x' in line 1"):
        read_table(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_tables_of_excel_are_read_or_refused_with_a_fix(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("path\tlabel\r\na.png\tžodis\r\n".encode(encoding))
    assert read_table(tmp_path / "a.txt") == [("a.png", "žodis")]
    (tmp_path / "b.csv").write_bytes("path;label\r\na.png;naïve\r\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"in UTF-8.* Save it again, in Excel as 'CSV UTF-8'"):
        read_table(tmp_path / "b.csv")
    (tmp_path / "c.tsv").write_bytes("path\tlabel\r\na.png\tnaïve\r\n".encode("cp1252"))
    for read in (read_table, read_tsv):
        with pytest.raises(ValueError, match=r"c.tsv' must .* line 2: .* Save it again as UTF-8"):
            read(tmp_path / "c.tsv")


def test_columns_are_chosen_by_name(tmp_path):
    path = written(tmp_path, "path,label,scan;plate\na.png,x,b.png;y\n")
    assert read_table(path) == [("a.png", "x")]
    path = written(tmp_path, "label,scan,plate\nx,b.png,y\n")
    assert read_table(path, path_column="scan", label_column="plate") == [("b.png", "y")]
    with pytest.raises(ValueError, match="--path-column and --label-column"):
        read_table(path)
    with pytest.raises(ValueError, match="must have the columns 'scan' and 'number'"):
        read_table(path, path_column="scan", label_column="number")
    (tmp_path / "list.tsv").write_text("a.png\tx\n", encoding="utf-8")
    with pytest.raises(ValueError, match="must have the columns 'path' and 'plate'"):
        read_table(tmp_path / "list.tsv", label_column="plate")  # It was not looked for.


def test_paths_of_windows_and_tables_in_folders_are_found(tmp_path, monkeypatch):
    (tmp_path / "data" / "images").mkdir(parents=True)
    image = tmp_path / "data" / "images" / "7.png"
    image.touch()
    (tmp_path / "data" / "labels.tsv").write_text("images\\7.png\tx\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    expected = [(str(image), "x")]
    assert open_samples("data") == open_samples("data/labels.tsv") == expected
    assert load_samples("data/labels.tsv") == [(os.path.join("data", "images/7.png"), "x")]
    assert open_samples("data", label_pattern=".*") == [(str(image), "7")]


# IAM


IAM = """#--- words.txt ---
#
a01-000u-00-00 ok 154 408 768 27 51 AT A
a01-003-02-05 err 177 1636 1246 97 70 NPT Mr.

a01-003-03-00 ok 176 316 1454 187 57 NP$ two words #
"""


def test_iam(tmp_path):
    (tmp_path / "words.txt").write_bytes(IAM.replace("\n", "\r\n").encode())
    words = tmp_path / "words" / "a01"
    expected = [
        (str(words / "a01-000u" / "a01-000u-00-00.png"), "A"),
        (str(words / "a01-003" / "a01-003-02-05.png"), "Mr."),
        (str(words / "a01-003" / "a01-003-03-00.png"), "two words #"),
    ]
    assert read_iam_words(tmp_path) == [expected[0], expected[2]]
    assert read_iam_words(str(tmp_path), include_err=True) == expected
    with pytest.raises(FileNotFoundError, match="no images"):  # A folder, until it looks like IAM.
        open_samples(tmp_path)
    words.mkdir(parents=True)
    assert open_samples(tmp_path) == [expected[0], expected[2]]


@pytest.mark.parametrize(
    "line",
    [
        "a01-000u-00-00 ok 154 408 768 27 51 AT",
        "a01-000u-00-00 ok 154 408 768 27 51 AT ",
        "a01-000u-00 ok 154 408 768 27 51 AT A",
        "a01-000u-00-00 prt 154 408 768 27 51 AT A",
        "nonsense",
    ],
)
def test_malformed_lines_of_iam(tmp_path, line):
    (tmp_path / "words.txt").write_text(f"{IAM}{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"must have lines like 'a01.* in line 7"):
        read_iam_words(tmp_path)


def test_iam_without_words(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`root` must be a folder .*words\.txt"):
        read_iam_words(tmp_path)
    (tmp_path / "words.txt").write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(ValueError, match="must list at least one word"):
        read_iam_words(tmp_path)
    (tmp_path / "words.txt").write_bytes(IAM.replace("Mr", "ž").encode("cp1257"))
    with pytest.raises(ValueError, match="must be a file in UTF-8"):
        read_iam_words(tmp_path)


IAM_LINES = """#--- lines.txt ---
a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop|Mr.|Gaitskell|from
a01-000u-02 err 160 16 412 1122 1683 87 made|at|a|meeting|.
"""


def test_lines_of_iam(tmp_path):
    (tmp_path / "lines.txt").write_bytes(IAM_LINES.replace("\n", "\r\n").encode())
    folder = tmp_path / "lines" / "a01" / "a01-000u"
    expected = [
        (str(folder / "a01-000u-00.png"), "A MOVE to stop Mr. Gaitskell from"),
        (str(folder / "a01-000u-02.png"), "made at a meeting ."),
    ]
    assert read_iam_lines(tmp_path) == expected[:1]
    assert read_iam_lines(tmp_path, include_err=True) == expected
    folder.mkdir(parents=True)
    assert open_samples(tmp_path) == expected[:1]
    with open(tmp_path / "lines.txt", "a", encoding="utf-8") as file:
        file.write("a01-000u-00-00 ok 154 408 768 27 51 AT A\n")
    with pytest.raises(ValueError, match=r"must have lines like 'a01-000u-00 ok.* in line 4"):
        read_iam_lines(tmp_path)
    (tmp_path / "lines.txt").write_text("#\n", encoding="utf-8")
    with pytest.raises(ValueError, match="must list at least one line"):
        read_iam_lines(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"with the file lines\.txt"):
        read_iam_lines(tmp_path / "lines")


def iam_samples(num_forms, num_lines=3):
    names = [f"a01-{form:03}u-{line:02}" for form in range(num_forms) for line in range(num_lines)]
    pairs = [(f"x/{name}-{word:02}.png", "w") for name in names for word in range(2)]
    return Samples.from_pairs(pairs)


def forms_of(samples):
    return {Path(path).stem[:8] for path in samples.data}


@pytest.mark.parametrize("num_forms", [3, 10, 40])
def test_no_form_of_iam_stands_on_two_sides(num_forms):
    samples = iam_samples(num_forms)
    split = split_iam(samples, seed=1)
    held = max(1, num_forms // 10)
    assert [len(forms_of(part)) for part in split] == [num_forms - 2 * held, held, held]
    assert sum(map(len, split)) == len(samples)
    assert len(set.union(*map(forms_of, split))) == num_forms
    assert split == split_iam(samples, seed=1)


def test_the_seed_of_the_split():
    samples = iam_samples(40)
    assert forms_of(split_iam(samples).test) != forms_of(split_iam(samples, seed=1).test)


def test_the_official_lists_of_iam_decide(tmp_path):
    samples = iam_samples(6, 2)
    assert len(split_iam(samples, tmp_path).test) == 4  # No list: a form by chance.
    lists = {
        "trainset": ["a01-000u-00", "a01-000u-01"],
        "validationset1": ["a01-001u-00"],
        "validationset2": ["a01-002u-01"],
        "testset": ["a01-003u-00", "z99-000-00"],
    }
    for name, lines in lists.items():
        with pytest.raises(FileNotFoundError) if name != "trainset" else nullcontext():
            split_iam(samples, tmp_path)
        (tmp_path / f"{name}.txt").write_text("\r\n".join(lines) + "\n", encoding="utf-8")
    training, validation, test = split_iam(samples, tmp_path)
    assert list(training.data) == [
        f"x/a01-000u-{a}-{b}.png" for a in ("00", "01") for b in ("00", "01")
    ]
    assert {Path(path).stem[:11] for path in validation.data} == {"a01-001u-00", "a01-002u-01"}
    assert list(test.data) == ["x/a01-003u-00-00.png", "x/a01-003u-00-01.png"]
    (tmp_path / "testset.txt").write_text("z99-000-00\n", encoding="utf-8")
    with pytest.raises(ValueError, match="of 12 lines, which leave test empty"):
        split_iam(samples, tmp_path)


def test_what_cannot_be_split_by_forms():
    with pytest.raises(ValueError, match="of 2 forms, which leave training empty"):
        split_iam(iam_samples(2))
    with pytest.raises(ValueError, match=r"must have paths like .* 'x/cat\.png'"):
        split_iam(Samples.from_pairs([("x/cat.png", "cat")]))


def test_samples_of_paths_are_joined_as_text():
    first, second = Samples.from_pairs([("a", "1"), ("b", "2")]), Samples.from_pairs([("c", "3")])
    joined = first + second
    assert joined == [("a", "1"), ("b", "2"), ("c", "3")]
    assert isinstance(joined.data, TextColumn)
    with pytest.raises(TypeError):
        first + ["c"]  # noqa: RUF005


def test_samples_of_several_kinds_are_joined_and_stay_unread():
    class Never(LazyColumn):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            raise AssertionError("read")

        def take(self, indices):
            raise AssertionError("taken")

        def name(self, index):
            return f"never {index}"

    joined = Samples(Never(), ["x", "y"]) + Samples.from_pairs([("c", "3"), ("d", "4")])
    part = joined.take([3, 1, 2])
    assert [part.source(i) for i in range(3)] == ["d", "never 1", "c"]
    assert list(part.labels) == ["4", "y", "3"]
    assert joined[2:][1] == ("d", "4")
    assert part.pick([0, 2]) == (["d", "c"], ["4", "3"])
    with pytest.raises(AssertionError, match="read"):
        joined[0]


def test_a_byte_order_mark_is_no_part_of_a_path(tmp_path):
    (tmp_path / "annotation_val.txt").write_text("./1_a_2.jpg 2\n", encoding="utf-8-sig")
    assert read_mjsynth(tmp_path, "val") == [(str(tmp_path / "1_a_2.jpg"), "a")]
    (tmp_path / "words.txt").write_text("a01-000u-00-00 ok 1 2 3 4 5 AT A\n", encoding="utf-8-sig")
    assert read_iam_words(tmp_path)[0][1] == "A"


def test_hidden_folders_are_left_alone_and_closed_ones_are_not_forgotten(tmp_path, monkeypatch):
    for name in ("a", ".hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").touch()
    assert [label for _, label in read_folder(tmp_path, recursive=True)] == ["x"]
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("a"):
            raise PermissionError("closed")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="closed"):
        read_folder(tmp_path, recursive=True)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_linked_folders_are_looked_into_once(tmp_path):
    """What lay behind a link was left out in silence; a link upwards is no loop."""
    for name in ("real", "set/own"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / f"{Path(name).name}.png").touch()
    for name in ("real", "up"):
        (tmp_path / "set" / name).symlink_to(tmp_path / ("real" if name == "real" else "set"))
    assert list(read_folder(tmp_path / "set", recursive=True).labels) == ["own", "real"]


def test_an_absolute_path_does_not_lead_the_others_astray(tmp_path, monkeypatch):
    for name in ("beside.png", "absolute.png"):
        (tmp_path / name).touch()
    absolute = tmp_path / "absolute.png"
    table = written(tmp_path, f"path,label\n{absolute},a\nbeside.png,b\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert list(open_samples(table).data) == [str(absolute), str(tmp_path / "beside.png")]
