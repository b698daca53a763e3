"""Labels: which word, in which case, or which code of digits and letters, is drawn next."""

import string
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

WORD_FILE = Path(__file__).parent / "data" / "words.txt"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

MARKS = "!?.,:;'\"-&/()$"  # which stand beside words and are not read

CODE_SHARE = 0.08
_MAX_DRAWS = 100_000


@lru_cache(maxsize=1)
def load_words() -> tuple[str, ...]:
    """Read the shipped English word list: lower case, sorted, 2 to 15 ASCII letters each.

    Source: SCOWL, "american-english-small" (see `data/README.md` for the licence).
    """
    return tuple(WORD_FILE.read_text(encoding="ascii").split())


def sample_word(
    rng: np.random.Generator,
    words: Sequence[str],
    *,
    accept: Callable[[str], bool] | None = None,
) -> str:
    """Draw a label: a word in one of MJSynth's three cases, or (8 %) a code.

    Codes are years, whole numbers and mixes of letters and digits; the mixes draw evenly from
    [0-9A-Za-z], so that rare letters occur too.

    Args:
        rng: source of all randomness.
        words: the words to draw from, evenly.
        accept: codes it refuses are drawn again; words are taken as they are.

    Raises:
        ValueError: `words` is empty, or `accept` refuses every code.
    """
    if not words:
        raise ValueError(
            "`words` must hold at least one word. Received none. `load_words()` has a list."
        )
    if rng.random() >= CODE_SHARE:
        return _in_some_case(rng, _choose(rng, words))
    for _ in range(_MAX_DRAWS):
        code = _draw_code(rng)
        if accept is None or accept(code):
            return code
    raise ValueError(
        f"`accept` must let some code of 1 to 8 characters pass. Received a rule that refused "
        f"{_MAX_DRAWS} of them. Loosen the rule."
    )


def sample_scene_text(
    rng: np.random.Generator, words: Sequence[str], short_words: Sequence[str]
) -> str:
    """Draw a text as signs and covers have them: shorter and more mixed than `sample_word`'s.

    74 % words in one of three cases, 8 % short words, half of them in capitals, 6 % one to four
    letters, 7 % years and numbers, 3 % codes, 2 % two words written as one.

    Args:
        rng: source of all randomness.
        words: lower-case words.
        short_words: those of at most four letters; `words` themselves if there are none.
    """
    kind = rng.random()
    if kind < 0.74:
        return _in_some_case(rng, _choose(rng, words))
    if kind < 0.82:
        word = _choose(rng, short_words or words)
        return word.upper() if rng.random() < 0.25 else _in_some_case(rng, word)
    if kind < 0.88:
        letters = (string.ascii_uppercase, string.ascii_lowercase, ALPHABET)
        return _draw_characters(rng, letters[min(int(rng.integers(4)), 2)], 1, 4)
    if kind < 0.95:
        is_year = rng.random() < 0.3
        return str(rng.integers(1800, 2100)) if is_year else _draw_number(rng, 7)
    if kind < 0.98:
        return _draw_characters(rng, ALPHABET, 2, 8)
    pair = [_choose(rng, words) for _ in range(2)]
    return "".join(map(str.capitalize, pair) if rng.random() < 0.5 else pair)


def add_marks(rng: np.random.Generator, text: str, marks: str) -> str:
    """Write one or two of the marks before, behind, around or within a text."""
    place, mark = rng.random(), marks[int(rng.integers(len(marks)))]
    if place < 0.5:
        return text + mark
    if place < 0.65:
        return mark + text
    if place < 0.75:
        return mark + text + mark
    cut = int(rng.integers(len(text) + 1))
    return text[:cut] + mark + text[cut:]


def in_all_cases(word: str) -> tuple[str, str, str]:
    """Return a word in lower case, capitalised, and in upper case."""
    return word.lower(), word.capitalize(), word.upper()


def _in_some_case(rng: np.random.Generator, word: str) -> str:
    return in_all_cases(word)[int(rng.integers(3))]


def _choose(rng: np.random.Generator, words: Sequence[str]) -> str:
    return words[int(rng.integers(len(words)))]


def _draw_code(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.25:
        return str(rng.integers(1800, 2100))
    return _draw_number(rng, 6) if kind < 0.5 else _draw_characters(rng, ALPHABET, 2, 8)


def _draw_number(rng: np.random.Generator, most: int) -> str:
    return _draw_characters(rng, string.digits, 1, most)


def _draw_characters(rng: np.random.Generator, characters: str, least: int, most: int) -> str:
    size = int(rng.integers(least, most + 1))
    return "".join(characters[i] for i in rng.integers(len(characters), size=size))
