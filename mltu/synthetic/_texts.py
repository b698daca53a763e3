"""Texts to draw: words and codes for MJSynth's layout, and all that stands on signs and paper."""
# ruff: noqa: RUF001

from __future__ import annotations

import re
import string
import zipfile
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from mltu.utils.files import StrPath

WORD_FILE = Path(__file__).parent / "data" / "words.txt"
FORM_FILE = Path(__file__).parent / "data" / "forms.txt"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

_SIGNS = "€£¥¢§°–—‘’“”„…•·«»¡¿©®™×±µ½¼¾¹²³ªº†"
_LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØŒÙÚÛÜÝŸ"
# Printable ASCII, signs of print, and the letters of the West European languages, in NFC.
LATIN = "".join(map(chr, range(32, 127))) + _SIGNS + _LETTERS + _LETTERS.lower() + "ß"
_KNOWN = frozenset(LATIN)

CODE_SHARE = 0.08
_MAX_DRAWS = 100_000
_ENGLISH_SHARE = 0.65  # of the texts, where there are several languages
_MAX_LINE = 90  # characters of a line of prose

T = TypeVar("T")
Rng = np.random.Generator


@lru_cache(maxsize=1)
def load_words() -> tuple[str, ...]:
    """Read the shipped English word list: lower case, sorted, 2 to 15 ASCII letters each.

    Source: SCOWL, "american-english-small" (see `data/README.md` for the licence).
    """
    return tuple(WORD_FILE.read_text(encoding="ascii").split())


def sample_word(
    rng: Rng, words: Sequence[str], *, accept: Callable[[str], bool] | None = None
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
        raise ValueError("`words` is empty. Use `load_words()`.")
    if rng.random() >= CODE_SHARE:
        word = words[int(rng.integers(len(words)))]
        return (word.lower(), word.capitalize(), word.upper())[int(rng.integers(3))]
    for _ in range(_MAX_DRAWS):
        kind = rng.random()
        if kind < 0.25:
            code = str(rng.integers(1800, 2100))
        else:
            characters, least, most = (string.digits, 1, 6) if kind < 0.5 else (ALPHABET, 2, 8)
            size = int(rng.integers(least, most + 1))
            code = "".join(characters[i] for i in rng.integers(len(characters), size=size))
        if accept is None or accept(code):
            return code
    raise ValueError(
        f"`accept` refused {_MAX_DRAWS} codes of 1 to 8 characters in a row. Loosen the rule."
    )


def _pick(rng: Rng, items: Sequence[T]) -> T:
    return items[int(rng.random() * len(items))]


def _between(rng: Rng, low: int, high: int) -> int:
    """Draw a whole number, both ends included."""
    return low + int(rng.random() * (high - low + 1))


def _characters(rng: Rng, characters: str, least: int, most: int) -> str:
    return "".join(_pick(rng, characters) for _ in range(_between(rng, least, most)))


class Words:
    """The words and the running text of one language.

    Args:
        words: at least one.
        counts: how often each is written; half of the draws go by them, half do not.
        prose: paragraphs, may be none.

    Raises:
        ValueError: there is no word, or not one count for each.
    """

    def __init__(self, words: Sequence[str], counts: Sequence[int], prose: Sequence[str]) -> None:
        if not words or len(counts) != len(words):
            raise ValueError(
                "`words` must not be empty, and `counts` must have one number for each. Received "
                f"{len(words)} words and {len(counts)} counts."
            )
        self.words, self.prose = words, prose
        self.short = [word for word in words if len(word) <= 4] or words
        # A power tempers the frequencies, so that "the" is not every twentieth word.
        self._ends = np.cumsum((np.asarray(counts, np.float64) + 1) ** 0.6)

    def frequent(self, rng: Rng) -> str:
        """Sample a word by how often it is written."""
        return self.words[int(np.searchsorted(self._ends, rng.random() * self._ends[-1], "right"))]

    def any(self, rng: Rng) -> str:
        """Sample a word, half of the time regardless of its frequency."""
        return _pick(rng, self.words) if rng.random() < 0.5 else self.frequent(rng)


Form = Callable[[Rng, Words], str]


class Texts:
    """Draws texts of many forms; all characters are in `LATIN`.

    Args:
        languages: words and prose by the code of the language; English ones that come with the
            library if None. English is drawn for 65 % of the texts, the others share the rest.

    Raises:
        ValueError: there is no language.

    Attributes:
        forms: what `draw` knows, from `data/forms.txt`; "word", "phrase", "prose", "receipt",
            "screen", "display" and "code" are those of the kinds of pictures.
    """

    def __init__(self, languages: Mapping[str, Words] | None = None) -> None:
        if languages is None:
            words = load_words()
            languages = {"en": Words(words, [1] * len(words), [])}
        if not languages:
            raise ValueError("`languages` must not be empty.")
        self._languages, self._words = languages, list(languages.values())
        rest = (1 - _ENGLISH_SHARE) / max(len(languages) - 1, 1)
        shares = [_ENGLISH_SHARE if code == "en" else rest for code in languages]
        self._ends = [end / sum(shares) for end in accumulate(shares)]
        self.forms = _load_forms()

    @classmethod
    def load(cls, path: StrPath) -> Self:
        """Read a zip file with `en.words` ("word, tab, count" a line), `en.prose` and so on."""
        languages = {}
        with zipfile.ZipFile(path) as file:
            for code in [name[:-6] for name in file.namelist() if name.endswith(".words")]:
                lines, prose = (
                    list(filter(None, file.read(f"{code}.{part}").decode().split("\n")))
                    for part in ("words", "prose")
                )
                words, counts = zip(*(line.split("\t") for line in lines), strict=True)
                languages[code] = Words(words, list(map(int, counts)), prose)
        return cls(languages)

    def __reduce__(self) -> Any:
        return type(self), (self._languages,)

    def draw(self, rng: Rng, form: str, max_length: int = _MAX_LINE) -> str:
        """Sample a text: no space at its ends, no two in a row, not empty.

        Args:
            rng: source of all randomness.
            form: one of `forms`.
            max_length: longer texts are cut, at a space if there is one.

        Raises:
            ValueError: there is no such form, or the words of the languages have characters
                outside `LATIN`.
        """
        if form not in self.forms:
            raise ValueError(f"`form` must be one of {', '.join(self.forms)}. Received {form!r}.")
        for _ in range(_MAX_DRAWS):
            words = self._words[bisect_right(self._ends, rng.random())]
            text = " ".join(self.forms[form](rng, words).split())
            if len(text) > max_length:
                cut = text.rfind(" ", 0, max_length + 1)
                text = text[: cut if cut > 0 else max_length].rstrip()
            if text and _KNOWN.issuperset(text):  # "µ" has no capital in it
                return text
        raise ValueError(
            f"`languages` must have words of the characters of `LATIN`. {_MAX_DRAWS} texts of the "
            f"form {form!r} in a row have others, the last {text!r}."
        )


def _load_forms() -> dict[str, Form]:
    """Read the forms: templates by their names, see the head of `data/forms.txt`."""
    forms: dict[str, Form] = {
        "words": lambda rng, words: words.any(rng),
        "often": lambda rng, words: words.frequent(rng),
        "short": lambda rng, words: _pick(rng, words.short),
        "ascii": _ascii,
        "mixed": _mixed,
        "sentence": lambda rng, words: _sentence(rng, words, forms["insertion"]),
        "prose_line": lambda rng, words: (
            _prose(rng, words) if words.prose else forms["sentence"](rng, words)
        ),
    }
    content = re.sub(r"^#.*\n", "", FORM_FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for entry in re.split(r"\n(?=\w+ =)", content.strip()):
        name, _, body = entry.partition(" = ")
        weights, choices = [], []
        for template in re.split(r"\s*\|\s*|\s*\n\s+", body.strip()):
            match = re.match(r"(\d+)\* ", template)
            weights.append(int(match[1]) if match else 1)
            rest = template[match.end() :] if match else template
            choices.append(_compile(rest, forms))
        forms[name] = partial(_choose, list(accumulate(weights)), choices)
    return forms


def _choose(ends: list[int], choices: list[list[str | Form]], rng: Rng, words: Words) -> str:
    parts = choices[bisect_right(ends, rng.random() * ends[-1])]
    return "".join(part if isinstance(part, str) else part(rng, words) for part in parts)


def _compile(template: str, forms: dict[str, Form]) -> list[str | Form]:
    """Split a template into its literal parts and its fields."""
    parts: list[str | Form] = []
    for number, part in enumerate(re.split(r"\{([^}]*)\}", template)):
        parts.append(
            _field(part, forms) if number % 2 else part.replace("␣", " ").replace("¦", "|")
        )
    return [part for part in parts if part]


_SETS = {
    "9": string.digits,
    "A": string.ascii_uppercase,
    "X": string.digits + string.ascii_uppercase,
    "a": string.ascii_lowercase,
    "x": ALPHABET,
    "?": LATIN[1:],
}


def _field(field: str, forms: dict[str, Form]) -> Form:
    if match := re.fullmatch(r"([9AXax?])(?:(\d+)(?:-(\d+))?)?", field):
        least = int(match[2] or 1)
        characters, most = _SETS[match[1]], int(match[3] or least)
        return lambda rng, _words: _characters(rng, characters, least, most)
    if match := re.fullmatch(r"(\d+)\.\.(\d+)", field):  # as many digits as the larger one has
        low, high, width = int(match[1]), int(match[2]), len(match[1])
        return lambda rng, _words: f"{_between(rng, low, high):0{width}}"
    name, _, change = field.partition(":")
    # Forms are looked up when they are drawn, so they may come in any order.
    if not change:
        return lambda rng, words: forms[name](rng, words)
    return lambda rng, words: _changed(rng, forms[name](rng, words), change)


def _changed(rng: Rng, text: str, change: str) -> str:
    """Write a text in capitals (upper), with one (first), one for each word (title), or at random.

    "ß" has no capital, so it stays in small letters.
    """
    kind = rng.random()
    if change == "sign":  # as on signs: 45 % capitals, 30 % capitalised, 25 % as it is
        change = "upper" if kind < 0.45 else "first" if kind < 0.75 else ""
    elif change == "print":
        change = "upper" if kind < 0.55 else "title" if kind < 0.9 else ""
    elif change == "half":
        change = "upper" if kind < 0.5 else ""
    if change == "upper" and "ß" not in text:
        return text.upper()
    if change == "title":
        return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))
    return text[:1].upper() + text[1:] if change == "first" else text


def _ascii(rng: Rng, words: Words) -> str:
    for _ in range(20):
        word = words.any(rng).lower()
        if word.isascii() and word.isalpha():
            return word
    return "mail"


def _mixed(rng: Rng, words: Words) -> str:
    """Put some character into a word."""
    word = words.any(rng)
    place = _between(rng, 0, len(word))
    return word[:place] + _pick(rng, LATIN[1:]) + word[place:]


def _prose(rng: Rng, words: Words) -> str:
    """Cut a line out of a paragraph; it may begin and end within a word as lines of a column do."""
    text, length, begin = _pick(rng, words.prose), _between(rng, 15, _MAX_LINE), 0
    if len(text) > length and rng.random() < 0.8:
        begin = int(rng.random() * (len(text) - length))
        if rng.random() < 0.85:
            begin = text.find(" ", begin) + 1
    text = text[begin:]
    if len(text) > length:
        cut = text.find(" ", length)
        text = text[: cut if cut > 0 else length]
        if rng.random() < 0.2 and text[-3:].isalpha():
            text = text[: -_between(rng, 1, 3)].rstrip("-' ") + "-"
    if rng.random() < 0.5:
        return text
    # The quotes and dashes of print in the place of a typewriter's.
    before, after = _pick(rng, (("“", "”"), ("“", "”"), ("„", "“"), ("«", "»")))
    text = text.replace("--", _pick(rng, "–—")).replace("'", "’")
    return re.sub(r'(^|[ (])"', rf"\1{before}", text).replace('"', after)


def _sentence(rng: Rng, words: Words, insertion: Form) -> str:
    """Draw words one by one, with the marks of a sentence."""
    found = []
    for place in range(_between(rng, 3, 14)):
        kind, word = rng.random(), words.frequent(rng)
        if kind < 0.1:
            word = insertion(rng, words)
        if (place == 0 and rng.random() < 0.5) or kind > 0.97:
            word = word[:1].upper() + word[1:]
        if rng.random() < 0.1:
            word += _pick(rng, (",", ",", ",", ".", ".", ";", ":", " –", "—", " -"))
        found.append(word)
    return " ".join(found) + _pick(rng, (".", ".", "", "", "", "", ",", "-", "?", "!", ":"))
