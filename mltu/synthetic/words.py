"""Labels: which word, in which case, or which code of digits and letters, is drawn next."""

import string
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

WORD_FILE = Path(__file__).parent / "data" / "words.txt"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

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
            "`words` must hold at least one word, received none. `load_words()` has a list."
        )
    if rng.random() >= CODE_SHARE:
        return _in_some_case(rng, words[int(rng.integers(len(words)))])
    for _ in range(_MAX_DRAWS):
        code = _draw_code(rng)
        if accept is None or accept(code):
            return code
    raise ValueError(
        f"`accept` must let some code of 1 to 8 characters pass, received a rule that refused "
        f"{_MAX_DRAWS} of them. Loosen the rule."
    )


def in_all_cases(word: str) -> tuple[str, str, str]:
    """Return a word in lower case, capitalised, and in upper case."""
    return word.lower(), word.capitalize(), word.upper()


def _in_some_case(rng: np.random.Generator, word: str) -> str:
    return in_all_cases(word)[int(rng.integers(3))]


def _draw_code(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.25:
        return str(rng.integers(1800, 2100))
    if kind < 0.5:
        num_digits = int(rng.integers(1, 7))
        return "".join(string.digits[i] for i in rng.integers(10, size=num_digits))
    num_characters = int(rng.integers(2, 9))
    return "".join(ALPHABET[i] for i in rng.integers(len(ALPHABET), size=num_characters))
