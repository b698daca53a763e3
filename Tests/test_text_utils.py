"""Error rates against literals and the full table; the decoder against its definition."""

import os
import stat
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import collapse, ctc_log_probability, levenshtein

from mltu.utils.files import atomic_folder, atomic_path
from mltu.utils.text_utils import ctc_decoder, edit_distance, get_cer, get_wer

words = st.text(alphabet="abcä€ ", max_size=8)


def test_oracle_levenshtein_by_hand():
    assert levenshtein("kitten", "sitting") == 3
    assert levenshtein("", "abc") == 3


def test_oracle_ctc_by_hand():
    # Paths that spell "a" in two steps: aa, a-, -a.
    probabilities = [[0.6, 0.4], [0.3, 0.7]]
    expected = np.log(0.6 * 0.3 + 0.6 * 0.7 + 0.4 * 0.3)
    assert ctc_log_probability(probabilities, [0]) == pytest.approx(expected)
    assert ctc_log_probability(probabilities, [0, 0]) == -np.inf


indices = st.lists(st.integers(0, 3), max_size=6)


@given(*[st.one_of(words, indices)] * 2)
def test_edit_distance_equals_the_table(a, b):
    assert edit_distance(a, b) == levenshtein(a, b)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        (np.array([0, -1]), np.array([0, -2]), 1),  # Python's hash of -1 is -2.
        ([-1], [-2], 1),
        (["a"], [97], 1),
        ([1, True, 1.0], [1, 1, 1], 0),
        ("ab", ["a", "b"], 0),
        ([(0, -1)], [(0, -2)], 1),
        ([2**61 - 1], [0], 1),  # of equal hashes
    ],
)
def test_edit_distance_compares_by_equality(a, b, distance):
    assert edit_distance(a, b) == distance


@pytest.mark.parametrize(
    ("rate", "preds", "target", "expected"),
    [
        (get_cer, "cat", "cat", 0.0),
        (get_cer, "cut", "cat", 1 / 3),
        (get_cer, "", "cat", 3 / 3),
        (get_cer, "cats", "cat", 1 / 3),
        (get_cer, "Cat", "cat", 1 / 3),
        (get_cer, "a b", "ab", 1 / 2),
        (get_cer, ["kitten", "dog"], ["sitting", "dog"], 3 / 10),
        (get_cer, ["a", "bcde"], ["b", "bcde"], 1 / 5),
        (get_cer, ("a",), ["a"], 0.0),
        (get_cer, "", "", 0.0),
        (get_cer, [], [], 0.0),
        (get_cer, "ab", "", 2.0),
        (get_cer, ["ab", "c"], ["", "c"], 2 / 1),
        (get_wer, "the cat sat", "the cat sat", 0.0),
        (get_wer, "the cut sat", "the cat sat", 1 / 3),
        (get_wer, "the sat", "the cat sat", 1 / 3),
        (get_wer, "thecat sat", "the cat sat", 2 / 3),
        (get_wer, ["a", "b", "x"], ["a", "b", "c"], 1 / 3),
        (get_wer, ["one two", "x"], ["one", "x y z"], 3 / 4),
        (get_wer, "  the\tcat ", "the cat", 0.0),
        (get_wer, "", "", 0.0),
        (get_wer, "a b", "", 2.0),
    ],
)
def test_rates_as_fractions(rate, preds, target, expected):
    assert rate(preds, target) == pytest.approx(expected, abs=1e-15)


@given(st.lists(st.tuples(words, words), max_size=4))
def test_rates_are_pooled(pairs):
    preds, texts = [p for p, _ in pairs], [t for _, t in pairs]
    edits = sum(levenshtein(p, t) for p, t in pairs)
    word_edits = sum(levenshtein(p.split(), t.split()) for p, t in pairs)
    assert get_cer(preds, texts) == edits / max(1, sum(len(t) for t in texts))
    assert get_wer(preds, texts) == word_edits / max(1, sum(len(t.split()) for t in texts))


@pytest.mark.parametrize("rate", [get_cer, get_wer])
def test_unequal_lists_raise_with_both_counts(rate):
    with pytest.raises(ValueError, match="2 readings and 3 texts"):
        rate(["a", "b"], ["a", "b", "c"])


@pytest.mark.parametrize("rate", [get_cer, get_wer])
@pytest.mark.parametrize("entry", [1, None, b"a", ["a"]])
def test_entries_other_than_strings_raise(rate, entry):
    with pytest.raises(TypeError, match=r"`preds` must be .* type " + type(entry).__name__):
        rate(["a", entry], ["a", "b"])
    with pytest.raises(TypeError, match="`target` must be"):
        rate(["a", "b"], ["a", entry])


@pytest.mark.parametrize("vocab", ["ab", ["a", "b"]])
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("aaa", "a"),
        ("a-a", "aa"),
        ("--a", "a"),
        ("a--", "a"),
        ("-a-b-", "ab"),
        ("aabb", "ab"),
        ("aab-bba", "abba"),
        ("---", ""),
        ("b", "b"),
    ],
)
def test_decoder_merges_repeats_and_drops_blanks(path, text, vocab):
    outputs = np.eye(3)[["ab-".index(character) for character in path]]
    assert ctc_decoder(outputs[None], vocab) == [text]


def test_decoder_keeps_entries_of_several_characters():
    outputs = np.eye(3)[[0, 2, 1]]
    assert ctc_decoder(outputs[None], ["ch", "€"]) == ["ch€"]


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=3))
def test_decoder_equals_the_definition(paths):
    texts = ["".join("xyz"[i] for i in collapse(path, 3)) for path in paths]
    assert ctc_decoder(np.eye(4)[np.array(paths)], "xyz") == texts


def test_decoder_of_an_empty_batch():
    assert ctc_decoder(np.zeros((0, 5, 3)), "ab") == []


@pytest.mark.parametrize("shape", [(1, 4, 2), (1, 4, 4), (4, 3), (3,)])
def test_decoder_refuses_another_number_of_classes(shape):
    with pytest.raises(ValueError, match="3 classes") as caught:
        ctc_decoder(np.zeros(shape), "ab")
    assert str(shape) in str(caught.value)


def test_atomic_path_makes_the_folder_and_replaces(tmp_path):
    target = tmp_path / "new" / "model.weights.h5"
    for content in ("first", "second"):
        with atomic_path(target) as temporary:
            assert temporary.name.endswith(".weights.h5")
            temporary.write_text(content)
        assert target.read_text() == content
    assert list(target.parent.iterdir()) == [target]


def test_atomic_path_follows_links(tmp_path):
    """Also one whose target does not exist yet."""
    target, link = tmp_path / "disk" / "labels.csv", tmp_path / "labels.csv"
    link.symlink_to(target)
    for content in ("first", "second"):
        with atomic_path(link) as temporary:
            temporary.write_text(content)
        assert link.is_symlink()
        assert target.read_text() == content
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="POSIX has FIFOs.")
def test_atomic_path_writes_through_what_is_no_file(tmp_path):
    """Replacing it would put a file in the place of a device: /dev/null, as root."""
    fifo = tmp_path / "pipe.html"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_path(fifo) as temporary:
        assert temporary.suffix == ".html"
        temporary.write_text("report")
    assert os.read(reader, 100) == b"report"
    os.close(reader)
    assert list(tmp_path.iterdir()) == [fifo]
    assert fifo.is_fifo()


@pytest.mark.skipif(os.name != "posix", reason="POSIX has permissions and /dev/fd.")
def test_atomic_path_keeps_permissions_and_open_files(tmp_path):
    """A private file became readable for all, and a redirected stdout lost what came after."""
    target = tmp_path / "private.csv"
    target.touch(0o600)
    with atomic_path(target) as temporary:
        temporary.write_text("a")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with target.open("a") as file:
        with atomic_path(f"/dev/fd/{file.fileno()}") as temporary:
            temporary.write_text("report")
        print("more", file=file)
    assert target.read_text().endswith("more\n")


def test_atomic_folder_follows_links(tmp_path):
    link = tmp_path / "words"
    link.symlink_to(tmp_path / "disk")
    with atomic_folder(link) as unfinished:
        (unfinished / "whole").touch()
    assert link.is_symlink()
    assert (tmp_path / "disk" / "whole").is_file()


def test_atomic_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "words"
    with suppress(KeyError), atomic_folder(target) as unfinished:
        (unfinished / "half").touch()
        raise KeyError
    assert list(target.parent.iterdir()) == []
    target.mkdir()
    with atomic_folder(target) as unfinished:
        (unfinished / "whole").touch()
    assert [path.name for path in target.parent.rglob("*")] == ["words", "whole"]
    with pytest.raises(OSError, match="not empty"), atomic_folder(target):
        pass
    assert (target / "whole").is_file()


def test_atomic_path_keeps_the_old_file_on_an_error(tmp_path):
    target = tmp_path / "model.onnx"
    target.write_text("good")

    def write_half():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_half()
    assert target.read_text() == "good"
    assert list(tmp_path.iterdir()) == [target]
