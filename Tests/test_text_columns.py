"""Text columns: every text comes back, and what is counted in bytes agrees with Python's count."""

import pickle

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mltu.utils import text_columns
from mltu.utils.text_columns import (
    TextColumn,
    TextColumnBuilder,
    as_indices,
    distinct_characters,
    text_lengths,
)

TRICKY = ["", "\x00", "a\nb", "\r", "žodis", "単語", "\U0001f600", "\ud800", "\udfff\ud800", "é"]
texts = st.lists(st.one_of(st.sampled_from(TRICKY), st.text(st.characters())))


@given(texts, st.sampled_from(["", "folder/", "ž"]))
@example(TRICKY, "")
@example(["\ud83d", "\ude00"], "")
@example([], "folder/")
def test_texts_come_back(strings, prefix):
    column = TextColumn.from_strings(strings, prefix)
    expected = [prefix + string for string in strings]
    assert list(column) == expected
    assert [column[i] for i in range(len(column))] == expected
    assert column == expected
    assert pickle.loads(pickle.dumps(column)) == expected
    assert distinct_characters(column) == set("".join(expected)) == distinct_characters(expected)
    assert text_lengths(column).tolist() == [len(text) for text in expected]
    assert text_lengths(expected).tolist() == text_lengths(column).tolist()
    assert text_lengths(column).dtype == np.int64


@given(texts, st.data())
def test_parts_share_the_bytes(strings, data):
    column = TextColumn.from_strings(strings)
    bounds = st.one_of(st.none(), st.integers(-12, 12))
    chosen = slice(data.draw(bounds), data.draw(bounds), data.draw(st.sampled_from([None, 2, -1])))
    part = column[chosen]
    assert list(part) == strings[chosen]
    assert part.text is column.text
    indices = data.draw(st.lists(st.integers(-len(strings), len(strings) - 1))) if strings else []
    assert list(column.take(indices)) == [strings[i] for i in indices]
    assert text_lengths(part).tolist() == [len(text) for text in strings[chosen]]
    assert distinct_characters(part) == set("".join(strings[chosen]))


def test_many_chunks(monkeypatch):
    monkeypatch.setattr(text_columns, "_ROWS", 3)
    strings = ["ab", "", "ž", "\U0001f600x", "", "", "", "cd"]
    column = TextColumn.from_strings(strings)
    assert list(column) == strings
    assert text_lengths(column).tolist() == [2, 0, 1, 2, 0, 0, 0, 2]
    assert distinct_characters(column) == set("abcdxž\U0001f600")


def test_one_entry():
    column = TextColumn(b"one two", [0, 4], np.array([3, 7]), "x/")
    assert (column[0], column[-1], column[np.int64(1)]) == ("x/one", "x/two", "x/two")
    assert column.starts.dtype == np.uint32
    assert repr(column) == "TextColumn(2 texts: ['x/one', 'x/two'])"
    assert "x/one" in column
    for index in (2, -3):
        with pytest.raises(IndexError):
            column[index]


def test_long_texts_are_shortened_in_the_repr():
    shown = repr(TextColumn.from_strings(["a" * 1000] * 9))
    assert shown.startswith("TextColumn(9 texts: ['aaaa")
    assert len(shown) < 200


def test_equality():
    column = TextColumn.from_strings("abc")
    assert column == ("a", "b", "c")
    assert column == TextColumn(b"c,b,a", [4, 2, 0], [5, 3, 1])
    assert column != ["a", "b"]
    assert column != ["a", "b", "d"]
    assert column != "abc"


@pytest.mark.parametrize(
    ("starts", "ends", "message"),
    [
        ([0], [1, 2], r"one shape \(texts,\). Received \(1,\) and \(2,\)"),
        ([[0]], [[1]], "one shape"),
        ([0], [4], "parts of the 3 bytes"),
        ([-1], [2], "parts of the 3 bytes"),
        ([2], [1], "parts of the 3 bytes"),
    ],
)
def test_bounds_are_checked(starts, ends, message):
    with pytest.raises(ValueError, match=message):
        TextColumn(b"abc", starts, ends)


@pytest.mark.parametrize("indices", [[0.5], [True, False], [[0]], 1, ["a"]])
def test_indices_are_integers(indices):
    with pytest.raises(IndexError, match="`indices` must be integers"):
        as_indices(indices)
    assert as_indices([]).dtype.kind == "i"
    with pytest.raises(IndexError):
        TextColumn.from_strings("ab").take([2])


def test_a_builder_goes_on_after_it_has_built():
    builder = TextColumnBuilder()
    builder.append("a")
    first = builder.build("x/")
    builder.append("b")
    assert (list(first), list(builder.build()), len(builder)) == (["x/a"], ["a", "b"], 2)
