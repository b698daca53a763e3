"""Text columns: every text comes back, whatever it holds, and is counted as Python counts."""

import multiprocessing
import pickle

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mltu.utils import text_columns
from mltu.utils.text_columns import (
    ColumnBuilder,
    TextColumn,
    as_column,
    as_indices,
    distinct_characters,
    text_lengths,
)

TRICKY = ["", "\x00", "a\x00", "a\nb", "\r", "žodis", "単語", "\U0001f600", "é", "x" * 20]
texts = st.lists(st.one_of(st.sampled_from(TRICKY), st.text()))


@given(texts, st.sampled_from(["", "folder/", "ž"]))
@example(TRICKY, "")
@example([], "folder/")
def test_texts_come_back(strings, prefix):
    column = TextColumn(as_column(strings).texts, prefix)
    expected = [prefix + string for string in strings]
    assert list(column) == expected
    assert [column[i] for i in range(len(column))] == expected
    assert column == expected
    assert column == TextColumn(strings, prefix)
    assert pickle.loads(pickle.dumps(column)) == expected
    assert distinct_characters(column) == set("".join(expected)) == distinct_characters(expected)
    assert text_lengths(column).tolist() == [len(text) for text in expected]
    assert text_lengths(expected).tolist() == text_lengths(column).tolist()
    assert text_lengths(column).dtype == np.int64


@given(texts, st.data())
def test_parts(strings, data):
    column = as_column(strings)
    bounds = st.one_of(st.none(), st.integers(-12, 12))
    chosen = slice(data.draw(bounds), data.draw(bounds), data.draw(st.sampled_from([None, 2, -1])))
    part = column[chosen]
    assert list(part) == strings[chosen]
    assert not len(part) or np.shares_memory(part.texts, column.texts)
    indices = data.draw(st.lists(st.integers(-len(strings), len(strings) - 1))) if strings else []
    assert list(column.take(indices)) == column.pick(indices) == [strings[i] for i in indices]
    assert text_lengths(part).tolist() == [len(text) for text in strings[chosen]]
    assert distinct_characters(part) == set("".join(strings[chosen]))


@pytest.mark.parametrize("capacity", [0, 3, 8, 100])
def test_many_blocks(monkeypatch, capacity):
    monkeypatch.setattr(text_columns, "_BLOCK", 3)
    strings = ["ab", "", "ž", "\U0001f600x", "", "", "", "cd"]
    builder = ColumnBuilder(capacity)
    for start in range(0, 8, 3):
        builder.extend(strings[start : start + 3])
    for column in (builder.build(), as_column(iter(strings))):
        assert list(column) == strings
        assert text_lengths(column).tolist() == [2, 0, 1, 2, 0, 0, 0, 2]
        assert distinct_characters(column) == set("abcdxž\U0001f600")


@pytest.mark.parametrize("odd", [7, None, b"x", ["x"], "caf\udce9", "\ud800"])
@pytest.mark.parametrize("place", [0, 1, 4])
def test_what_no_array_of_strings_can_hold_becomes_a_list(monkeypatch, odd, place):
    monkeypatch.setattr(text_columns, "_BLOCK", 2)
    entries = ["a", "b", "c", "d", "e"]
    entries[place] = odd
    assert as_column(iter(entries)) == entries
    with pytest.raises(ValueError, match=r"StringDType|surrogates|sequence"):
        TextColumn(entries)


def test_arrays_stay_the_objects_that_they_are():
    images = [np.zeros((2, 2)), np.ones((2, 2))]
    column = as_column(images)
    assert isinstance(column, list)
    assert [a is b for a, b in zip(column, images, strict=True)] == [True, True]


def test_one_entry():
    column = TextColumn(["one", "two"], "x/")
    assert (column[0], column[-1], column[np.int64(1)]) == ("x/one", "x/two", "x/two")
    assert type(column[0]) is type(next(iter(column))) is type(column.pick([0])[0]) is str
    assert repr(column) == "TextColumn(2 texts: ['x/one', 'x/two'])"
    assert "x/one" in column
    for index in (2, -3):
        with pytest.raises(IndexError):
            column[index]


def test_long_texts_are_shortened_in_the_repr():
    shown = repr(TextColumn(["a" * 1000] * 9))
    assert shown.startswith("TextColumn(9 texts: ['aaaa")
    assert len(shown) < 200


def test_equality():
    column = as_column("abc")
    assert column == ("a", "b", "c")
    assert column == as_column("cba")[::-1]
    assert column != ["a", "b"]
    assert column != ["a", "b", "d"]
    assert column != "abc"


@pytest.mark.parametrize("indices", [[0.5], [True, False], [[0]], 1, ["a"]])
def test_indices_are_integers(indices):
    with pytest.raises(IndexError, match="`indices` must be integers"):
        as_indices(indices)
    assert as_indices([]).dtype.kind == "i"
    with pytest.raises(IndexError):
        as_column("ab").take([2])
    with pytest.raises(TypeError):
        as_column("ab")[[0, 1]]  # It was the repr of an array.


def test_another_process_receives_a_column():
    column = TextColumn(["one", "žodis" * 9], "x/")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(list, (column,)) == list(column)
