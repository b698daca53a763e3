"""Data sets on disk: every cell comes back as the text it was."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mltu.datasets import read_csv, read_mjsynth, write_csv

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
    [("a.png,x\n", ["a.png", "x"]), ("path,word\n", ["path", "word"]), ("", [])],
)
def test_missing_columns(tmp_path, text, columns):
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match="`dataset`") as caught:
        read_csv(path)
    assert str(caught.value) == (
        f"`dataset` {str(path)!r} must have the columns 'path' and 'label'. Received the columns "
        f"{columns}. Name them in the first line of the file."
    )


def test_short_row_is_named_with_its_line(tmp_path):
    path = written(tmp_path, 'path,label\n"a\n.png",x\nb.png\n')
    with pytest.raises(ValueError, match=r"Received \['b.png'\] in line 4"):
        read_csv(path)


def test_open_quote_does_not_swallow_the_rest(tmp_path):
    """The rest of the file became one label, without a word."""
    path = written(tmp_path, 'path,label\na.png,"x\nb.png,y\nc.png,z\n')
    with pytest.raises(ValueError, match=r"must be a CSV file in UTF-8. Received an error near"):
        read_csv(path)
    assert read_csv(written(tmp_path, 'path,label\na.png,5"\n')) == [("a.png", '5"')]


def test_other_encodings_are_named(tmp_path):
    path = written(tmp_path, "path,label\na.png,žodis\n", "utf-16")
    with pytest.raises(ValueError, match=r"data\.csv' must be a CSV file in UTF-8"):
        read_csv(path)


def test_missing_csv_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent.csv"):
        read_csv(tmp_path / "absent.csv")


def test_mjsynth(tmp_path):
    (tmp_path / "annotation_val.txt").write_text(
        "./2425/1/115_Lube_45484.jpg 45484\n\n./1/2/7_A_b_c_3.jpg 3\n8_x_9.jpg\n", encoding="utf-8"
    )
    root = str(tmp_path)
    assert read_mjsynth(root, "val") == [
        (str(tmp_path / "2425" / "1" / "115_Lube_45484.jpg"), "Lube"),
        (str(tmp_path / "1" / "2" / "7_A_b_c_3.jpg"), "A"),
        (str(tmp_path / "8_x_9.jpg"), "x"),
    ]
    assert read_mjsynth(tmp_path, "val") == read_mjsynth(root, "val")


def test_missing_annotation_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`root` must be a folder .*train\.txt") as caught:
        read_mjsynth(tmp_path)
    assert repr(str(tmp_path / "annotation_train.txt")) in str(caught.value)


def test_malformed_line_is_quoted_with_its_number(tmp_path):
    (tmp_path / "annotation_test.txt").write_text("./1/1_a_2.jpg 2\n./un_der/plain.jpg 3\n")
    with pytest.raises(ValueError, match=r"Received './un_der/plain\.jpg 3' in line 2"):
        read_mjsynth(tmp_path, "test")
