"""Decoders against enumeration: every path of small outputs is looked at."""

import itertools
import math
import pickle
import re
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import collapse, softmax

from mltu.decoders import (
    BeamDecoder,
    Lexicon,
    Pattern,
    align_texts,
    greedy_path,
    skip_confident_blanks,
    text_log_probabilities,
)
from mltu.decoders import _beam as beam_module
from mltu.utils.text_utils import ctc_decoder

VOCAB = "abA"


def outputs(rng, num_rows=1, num_steps=5, num_classes=4, sharpness=1.5):
    return softmax(rng.normal(0, sharpness, (num_rows, num_steps, num_classes)))


def enumerate_texts(row):
    """Return the probability of each text, and its most probable path, by looking at all paths."""
    num_steps, num_classes = row.shape
    sums, best = {}, {}
    for path in itertools.product(range(num_classes), repeat=num_steps):
        text = "".join(VOCAB[c] for c in collapse(path, num_classes - 1))
        probability = math.prod(row[step, c] for step, c in enumerate(path))
        sums[text] = sums.get(text, 0.0) + probability
        if probability > best.get(text, (0.0, ()))[0]:
            best[text] = (probability, path)
    return sums, best


def classes_of(text):
    return [VOCAB.index(char) for char in text]


def assert_most_probable(hypotheses, probabilities, number):
    """Compare hypotheses with the most probable of the texts whose probabilities are given."""
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])[:number]
    assert [one.text for one in hypotheses] == [text for text, _ in ranked]
    assert all(classes_of(one.text) == list(one.classes) for one in hypotheses)
    found = [math.exp(one.log_probability) for one in hypotheses]
    assert found == pytest.approx([probability for _, probability in ranked])


def test_the_probability_of_a_text_is_the_sum_over_its_paths():
    rng = np.random.default_rng(0)
    for row in outputs(rng, 6):
        sums, _ = enumerate_texts(row)
        texts = [*sums, "aaaa"]  # Four equal characters need seven steps.
        found = text_log_probabilities(
            np.repeat(row[None], len(texts), 0), [classes_of(text) for text in texts]
        )
        assert np.exp(found[:-1]) == pytest.approx(list(sums.values()), rel=1e-12)
        assert found[-1] == -np.inf
        assert np.exp(found).sum() == pytest.approx(1)


def test_long_outputs_do_not_vanish():
    """2,000 steps of an even chance between two classes: one text of no character."""
    row = np.full((1, 2000, 2), 0.5, np.float32)
    assert text_log_probabilities(row, [[]])[0] == pytest.approx(2000 * np.log(0.5))
    tiny = np.full((1, 300, 2), [1e-38, 1.0], np.float32)
    # 291 blanks, of which 8 part the characters.
    expected = np.log(float(math.comb(292, 9))) + 9 * np.log(np.float64(tiny[0, 0, 0]))
    assert text_log_probabilities(tiny, [[0] * 9])[0] == pytest.approx(expected)


def test_a_very_unlikely_text_has_its_probability_too():
    """Beside the alignments of blanks alone it became 0, and the search could not rank it."""
    outputs = np.full((2, 120, 2), (1e-7, 1 - 1e-7))
    (log,) = text_log_probabilities(outputs[:1], [[0] * 40])
    # 80 blanks, of which 39 part the characters, the rest before, between and behind them.
    assert log == pytest.approx(math.log(math.comb(81, 40)) + 40 * math.log(1e-7), rel=1e-5)
    assert text_log_probabilities(outputs, [[0] * 40, [0] * 60])[0] == log
    assert math.isfinite(text_log_probabilities(outputs[:1], [[0] * 60])[0])
    assert text_log_probabilities(outputs[:1], [[0] * 61])[0] == -math.inf
    with pytest.raises(ValueError, match="Received 1 texts and 2 rows"):
        text_log_probabilities(outputs, [[0]])


def test_what_cannot_fit_is_not_searched(monkeypatch):
    """It took seconds a row, the beam being widened in vain."""
    monkeypatch.setattr(beam_module, "_search", None)
    decoder = BeamDecoder(constraint=Lexicon(["ab" * 10]))
    assert decoder.decode(np.full((2, 8, 3), 1 / 3), "ab") == [[], []]


@pytest.mark.parametrize("constraint", [Lexicon(["Ab", "c"], ignore_case=True), Pattern("[a-c]+")])
def test_constraints_travel_to_other_processes(constraint):
    twin = pickle.loads(pickle.dumps(constraint))
    assert repr(twin) == repr(constraint)
    outputs = np.random.default_rng(0).dirichlet(np.ones(5), (2, 6))
    ours, theirs = (BeamDecoder(constraint=c).decode(outputs, "Abcd") for c in (constraint, twin))
    assert ours == theirs


def test_letters_are_folded_each_for_itself():
    """A sigma at the end of a word became one that no vocabulary of capitals folds to."""
    menu = Lexicon(["ΟΔΟΣ"], ignore_case=True)
    assert "οδοσ" in menu
    outputs = np.eye(4)[[0, 1, 0, 2]][None]
    assert BeamDecoder(constraint=menu).decode(outputs, "ΟΔΣ")[0][0].text == "ΟΔΟΣ"
    assert all(word in menu for word in ("ΟΔΟΣ", "οδος", "Οδοσ"))
    for word in ("ΟΔΟΣ", "οδος"):
        menu = Lexicon([word], ignore_case=True)
        assert BeamDecoder(constraint=menu).decode(outputs, "οδς")[0][0].text == "οδος"
        assert BeamDecoder(constraint=menu).decode(outputs, "ΟΔΣ")[0][0].text == "ΟΔΟΣ"


def test_a_capital_whose_small_letter_is_two_characters_keeps_its_word():
    assert "İ".lower() == "i\u0307"
    menu = Lexicon(["İz"], ignore_case=True)
    outputs = np.eye(4)[[0, 1]][None]
    assert BeamDecoder(constraint=menu).decode(outputs, "İzm")[0][0].text == "İz"


def test_a_row_alone_has_the_probability_that_it_has_in_a_batch():
    batch = outputs(np.random.default_rng(11), 6, num_steps=40)
    texts = [[], [0], [0, 0, 2], [1, 2, 1, 0], [2] * 19, [0] * 21]
    together = text_log_probabilities(batch, texts)
    alone = [
        text_log_probabilities(row[None], [text]) for row, text in zip(batch, texts, strict=True)
    ]
    assert together == pytest.approx(np.concatenate(alone), rel=1e-12)
    assert together[-1] == -np.inf  # 21 equal characters need 41 steps.


def test_confident_blanks_can_be_left_out():
    """Runs of confident blanks of several lengths, in one batch: texts keep their probability."""
    blank = np.array([5e-6, 5e-6, 5e-6, 1 - 15e-6])
    emitted = outputs(np.random.default_rng(10), 3, 4)
    rows = [
        np.concatenate(
            [
                np.tile(blank, (a, 1)),
                one[:2],
                np.tile(blank, (b, 1)),
                one[2:],
                np.tile(blank, (12 - a - b, 1)),
            ]
        )
        for one, (a, b) in zip(emitted, [(0, 1), (3, 9), (6, 0)], strict=True)
    ]
    batch, texts = np.stack(rows), [[0], [1, 0], [2, 2]]
    shorter = skip_confident_blanks(batch)
    assert shorter.shape == (3, 6, 4)  # Each keeps its 4, and one blank of each of two runs.
    exact = text_log_probabilities(batch, texts)
    assert text_log_probabilities(shorter, texts) == pytest.approx(exact, abs=1e-3)
    assert skip_confident_blanks(emitted).shape == emitted.shape
    assert skip_confident_blanks(np.array([[blank] * 5])).shape == (1, 1, 4)


def test_a_wide_beam_finds_what_enumeration_finds():
    rng = np.random.default_rng(1)
    batch = outputs(rng, 20)
    found = BeamDecoder(beam_width=400, num_best=10).decode(batch, VOCAB)
    for row, hypotheses in zip(batch, found, strict=True):
        assert_most_probable(hypotheses, enumerate_texts(row)[0], 10)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_a_narrow_beam_gives_whole_probabilities_of_different_texts(width):
    rng = np.random.default_rng(width)
    batch = outputs(rng, 30, sharpness=3)
    for row, hypotheses in zip(
        batch, BeamDecoder(width, num_best=width).decode(batch, VOCAB), strict=True
    ):
        sums, _ = enumerate_texts(row)
        assert hypotheses
        assert len({one.text for one in hypotheses}) == len(hypotheses)
        for text, log, _ in hypotheses:
            assert math.exp(log) == pytest.approx(sums[text])
        logs = [one.log_probability for one in hypotheses]
        assert logs == sorted(logs, reverse=True)


def test_a_beam_reads_what_greedy_decoding_misses():
    """Graves' example: the path of blanks is the most probable (0.36), the text "a" has 0.64."""
    row = np.array([[[0.4, 0.0, 0.0, 0.6]] * 2])
    assert ctc_decoder(row, VOCAB) == [""]
    ((text, log, _),) = BeamDecoder(3).decode(row, VOCAB)[0]
    assert text == "a"
    assert math.exp(log) == pytest.approx(0.64)


def test_rows_do_not_depend_on_their_neighbours():
    batch = outputs(np.random.default_rng(2), 130)
    decoder = BeamDecoder(4, num_best=2)
    together = decoder.decode(batch, VOCAB)
    assert together == [decoder.decode(row[None], VOCAB)[0] for row in batch]


CONSTRAINTS = [
    Lexicon(["a", "ab", "ba", "aab", "xyz"]),
    Lexicon(["AB", "ba", "aa"], ignore_case=True),
    Pattern("a{2}|b+A?"),
    Pattern("[ab]A[^A]"),
]


def accepts(constraint, text):
    if isinstance(constraint, Lexicon):
        return text in constraint
    return re.fullmatch(constraint.pattern, text) is not None


@pytest.fixture(params=[True, False], ids=["guided", "free"])
def guided(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr("mltu.decoders._automaton._GUIDED", 0)


@pytest.mark.usefixtures("guided")
@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=repr)
def test_a_constraint_gives_the_most_probable_of_its_texts(constraint):
    batch = outputs(np.random.default_rng(3), 25)
    found = BeamDecoder(300, num_best=3, constraint=constraint).decode(batch, VOCAB)
    for row, hypotheses in zip(batch, found, strict=True):
        sums, _ = enumerate_texts(row)
        assert_most_probable(
            hypotheses, {text: p for text, p in sums.items() if accepts(constraint, text)}, 3
        )


@pytest.mark.usefixtures("guided")
@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=repr)
def test_even_a_beam_of_one_ends_in_a_text_of_the_constraint(constraint):
    batch = outputs(np.random.default_rng(4), 200, num_steps=6, sharpness=4)
    for row in BeamDecoder(1, constraint=constraint).decode(batch, VOCAB):
        assert accepts(constraint, row[0].text)


def test_a_sure_model_is_held_to_the_number_of_characters():
    """A captcha of five: the model sees four and is sure of its blanks."""
    steps = [0, 3, 1, 3, 0, 3, 1, 3, 3, 3]
    row = np.full((1, 10, 4), 1e-6)
    row[0, np.arange(10), steps] = 1 - 3e-6
    row[0, 5] = [1e-6, 1e-6, 0.1, 0.9 - 2e-6]  # The only doubt: an A between.
    assert ctc_decoder(row, VOCAB) == ["abab"]
    for width in (2, 10):
        found = BeamDecoder(width, constraint=Pattern(".{5}")).decode(row, VOCAB)
        assert found[0][0].text == "abaAb"


def test_no_text_fits_into_too_few_steps():
    row = outputs(np.random.default_rng(5), num_steps=3)
    assert BeamDecoder(5, constraint=Pattern("a{4}")).decode(row, VOCAB) == [[]]
    assert BeamDecoder(5, constraint=Pattern("aa")).decode(row[:, :2], VOCAB) == [[]]


def test_a_constraint_that_the_vocabulary_cannot_write_is_refused():
    row = outputs(np.random.default_rng(6))
    with pytest.raises(ValueError, match=r"`words` cannot be written with .* Received \['xyz'\]"):
        BeamDecoder(constraint=Lexicon(["xyz"])).decode(row, VOCAB)
    with pytest.raises(ValueError, match="`pattern` cannot be matched by any text"):
        BeamDecoder(constraint=Pattern(r"a\d")).decode(row, VOCAB)


def test_the_greedy_path_is_that_of_the_tutorials_decoder():
    batch = outputs(np.random.default_rng(7), 50, num_steps=12)
    spans = greedy_path(batch)
    texts = ["".join(VOCAB[c] for c in row.classes) for row in spans]
    assert texts == ctc_decoder(batch, VOCAB)
    for row, found in zip(batch.argmax(axis=2), spans, strict=True):
        for c, start, end in zip(*found, strict=True):
            assert (row[start:end] == c).all()
            assert start == 0 or row[start - 1] != c
            assert end == len(row) or row[end] != c


def test_an_alignment_is_the_most_probable_path_of_its_text():
    for row in outputs(np.random.default_rng(8), 5):
        _, best = enumerate_texts(row)
        texts = list(best)
        found = align_texts(
            np.repeat(row[None], len(texts), 0), [classes_of(text) for text in texts]
        )
        for text, spans in zip(texts, found, strict=True):
            path = np.full(len(row), 3)
            for c, start, end in zip(*spans, strict=True):
                path[start:end] = c
            assert tuple(path) == best[text][1]


def test_an_alignment_needs_steps():
    row = outputs(np.random.default_rng(9), num_steps=2)
    with pytest.raises(ValueError, match="2 characters, which needs 3"):
        align_texts(row, [[0, 0]])
    spans = align_texts(np.array([[[1.0, 0.0], [0.0, 1.0]]]), [[0]])  # impossible steps too
    assert spans[0].starts.tolist() == [0]
    assert align_texts(row, [[]])[0].classes.size == 0


WORDS = st.lists(st.text("abcAB", min_size=1, max_size=6), min_size=1, max_size=30)


@settings(deadline=None)
@given(WORDS, st.booleans())
def test_the_automaton_of_a_lexicon_accepts_its_words_alone(words, ignore_case):
    lexicon = Lexicon(words, ignore_case=ignore_case)
    vocab = tuple("abcAB")
    automaton = lexicon.automaton(vocab)
    fold = str.lower if ignore_case else str
    known = {fold(word) for word in words}

    def is_accepted(text):
        state = 0
        for char in text:
            state = automaton.transitions[state, vocab.index(char)]
            if state < 0:
                return False
        return bool(automaton.accepting[state])

    tried = {"", *words, *(word[:-1] for word in words), *(word + "a" for word in words)}
    for text in tried | {word.swapcase().replace("C", "c") for word in words}:
        assert is_accepted(text) == (fold(text) in known) == (text in lexicon)


def test_equal_endings_are_stored_once():
    automaton = Lexicon(["tops", "taps", "stops"]).automaton(tuple("aopst"))
    assert len(automaton.accepting) == 7  # start, s, t after s, t, its vowel, p, and the end
    assert automaton.num_missing.tolist()[0] == 4


PATTERNS = st.recursive(
    st.sampled_from(["a", "b", "A", ".", "[ab]", "[^a]", "[a-b]", r"\w", r"\D", r"\.", "", "[]a]"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["?", "*", "+", "{2}", "{1,}", "{0,2}"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PATTERNS)
def test_a_pattern_means_what_it_means_in_re(pattern):
    vocab = ("a", "b", "A", ".")
    texts = ["".join(t) for n in range(5) for t in itertools.product(vocab, repeat=n)]
    expected = {text for text in texts if re.fullmatch(pattern, text)}
    automaton = None
    with suppress(ValueError):  # That no text matches; longer ones than these may.
        automaton = Pattern(pattern).automaton(vocab)
    if automaton is None:
        assert not expected
        return
    found = set()
    for text in texts:
        state = 0
        for char in text:
            state = automaton.transitions[state, vocab.index(char)] if state >= 0 else -1
        if state >= 0 and automaton.accepting[state]:
            found.add(text)
    assert found == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a(b", "3: unbalanced brackets"),
        ("a)b", "1: unbalanced brackets"),
        ("[ab", "3: unbalanced brackets"),
        ("*a", "0: nothing to repeat before '\\*'"),
        ("a**", "2: two counts in a row"),
        ("a{,3}", "2: a count must look like"),
        ("a{3,2}", "2: the count 3,2 is reversed"),
        ("a{20000}", "2: a count must look like"),
        ("^a$", "0: no anchor '\\^' needed"),
        ("(?=a)", "2: .* is supported"),
        (r"(a)\1", r"5: \\1 is not supported"),
        ("a\\", "2: trailing backslash"),
        ("[b-a]", "4: the range b-a is reversed"),
        ("(" * 80 + ")" * 80, "51: groups are nested"),
    ],
)
def test_a_wrong_pattern_is_refused(pattern, expected):
    with pytest.raises(ValueError, match=f"Invalid pattern .* at position {expected}"):
        Pattern(pattern)


@pytest.mark.parametrize(
    ("words", "error", "expected"),
    [
        ([], ValueError, "at least one word"),
        ([""], ValueError, "at least one character"),
        ("word", TypeError, "list of words"),
        ([7], TypeError, "must be strings"),
    ],
)
def test_a_wrong_lexicon_is_refused(words, error, expected):
    with pytest.raises(error, match=expected):
        Lexicon(words)


def test_what_is_no_output_is_refused():
    decoder = BeamDecoder()
    with pytest.raises(ValueError, match="with 4 classes"):
        decoder.decode(np.ones((1, 2, 3)), VOCAB)
    with pytest.raises(ValueError, match="`num_best` must be at most"):
        BeamDecoder(2, num_best=3)
    for wrong in ("[A-Z]+", ["cat"], Pattern):
        with pytest.raises(TypeError, match="`constraint` must be a Lexicon, a Pattern or None"):
            BeamDecoder(constraint=wrong)
    with pytest.raises(ValueError, match="`beam_width`"):
        BeamDecoder(0)
    assert decoder.decode(np.empty((0, 4, 4)), VOCAB) == []


def test_texts_of_probability_0_are_none():
    """With one time step there are two texts over one character, and four were returned."""
    outputs = np.array([[[0.7, 0.0, 0.3]]])
    (found,) = BeamDecoder(num_best=4).decode(outputs, "ab")
    assert [text for text, *_ in found] == ["a", ""]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_no_text(value):
    """It was read as the first character of the vocabulary."""
    with pytest.raises(ValueError, match="Received NaN or infinity"):
        ctc_decoder(np.full((1, 3, 3), value), "ab")


def test_the_confidence_of_an_image_does_not_depend_on_its_neighbours():
    """It was 0.96692 alone and 0.96561 among others: idle blanks padded the row."""
    rng = np.random.default_rng(0)
    busy = softmax(rng.normal(0, 1, (1, 200, 5)))
    idle = np.full((1, 200, 5), 2e-5)
    idle[:, :, 4] = 1 - 8e-5
    idle[:, 90] = [0.97, 0.01, 0.01, 0.005, 0.005]
    alone = text_log_probabilities(skip_confident_blanks(idle), [[0]])
    together = skip_confident_blanks(np.concatenate([busy, idle]))
    assert text_log_probabilities(together, [[1, 2], [0]])[1] == pytest.approx(alone[0], abs=1e-12)


def test_words_outside_the_vocabulary_are_named(caplog):
    """They vanished in silence: "cafe" with a combining accent is another word than "café"."""
    lexicon = Lexicon(["cafe\u0301", "tea", "Ω"])
    lexicon.automaton(tuple("acefté"))
    (said,) = caplog.messages
    assert said.startswith("2 of 3 words of the lexicon can never be read")
    assert said.endswith(r"'cafe\u0301', '\u03a9'. unicodedata.normalize('NFC', word) helps.")
