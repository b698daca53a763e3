"""Texts to draw: words and codes for MJSynth's layout, and all that stands on signs and paper."""
# ruff: noqa: E501, RUF001

from __future__ import annotations

import string
import zipfile
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Self, TypeVar

import numpy as np

from mltu.utils.files import StrPath

WORD_FILE = Path(__file__).parent / "data" / "words.txt"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

_SIGNS = "€£¥¢§°–—‘’“”„…•·«»¡¿©®™×±µ½¼¾¹²³ªº†"
_LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØŒÙÚÛÜÝŸ"
# Printable ASCII, signs of print, and the letters of the West European languages, in NFC.
LATIN = "".join(map(chr, range(32, 127))) + _SIGNS + _LETTERS + _LETTERS.lower() + "ß"

_KNOWN = frozenset(LATIN)

CODE_SHARE = 0.08
_MAX_DRAWS = 100_000
_ENGLISH_SHARE = 0.55  # of the texts, where there are several languages
_QUOTES = ("“”", "„“", "«»", '""', "''", "‘’", "()", "[]", "()", "()")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

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
        raise ValueError("`words` is empty. `load_words()` has a list.")
    if rng.random() >= CODE_SHARE:
        word = words[int(rng.integers(len(words)))]
        return (word.lower(), word.capitalize(), word.upper())[int(rng.integers(3))]
    for _ in range(_MAX_DRAWS):
        kind = rng.random()
        if kind < 0.25:
            code = str(rng.integers(1800, 2100))
        else:
            characters, most = (string.digits, 6) if kind < 0.5 else (ALPHABET, 8)
            size = int(rng.integers(1 if kind < 0.5 else 2, most + 1))
            code = "".join(characters[i] for i in rng.integers(len(characters), size=size))
        if accept is None or accept(code):
            return code
    raise ValueError(
        f"`accept` refused {_MAX_DRAWS} codes of 1 to 8 characters in turn. Loosen the rule."
    )


def _pick(rng: Rng, items: Sequence[T]) -> T:
    return items[int(rng.random() * len(items))]


def _between(rng: Rng, low: int, high: int) -> int:
    """Draw a whole number, both ends included."""
    return low + int(rng.random() * (high - low + 1))


class Words:
    """The words and the running text of one language."""

    def __init__(self, words: Sequence[str], counts: Sequence[int], prose: Sequence[str]) -> None:
        self.words, self.prose = words, prose
        # A power tempers the frequencies, so that "the" is not every twentieth word.
        self._ends = np.cumsum((np.asarray(counts, np.float64) + 1) ** 0.6)
        self.short = [word for word in words if len(word) <= 4]

    def frequent(self, rng: Rng) -> str:
        """Draw a word as often as it is written, or nearly so."""
        return self.words[int(np.searchsorted(self._ends, rng.random() * self._ends[-1], "right"))]

    def any(self, rng: Rng) -> str:
        """Draw a word, half of the time regardless of its frequency."""
        return _pick(rng, self.words) if rng.random() < 0.5 else self.frequent(rng)


Form = Callable[[Rng, Words], str]


class Texts:
    """Draws texts of several forms; all characters are in `LATIN`.

    Args:
        languages: words and prose by the code of the language; English ones that come with the
            library if None.

    Attributes:
        forms: what `draw` knows: "word", "phrase", "prose", "receipt", "screen", "display", "code".
    """

    def __init__(self, languages: Mapping[str, Words] | None = None) -> None:
        if languages is None:
            words = load_words()
            languages = {"en": Words(words, [1] * len(words), [])}
        self._languages = list(languages.values())
        rest = (1 - _ENGLISH_SHARE) / max(len(languages) - 1, 1)
        shares = [_ENGLISH_SHARE if code == "en" else rest for code in languages]
        self._shares = [end / sum(shares) for end in accumulate(shares)]
        self.forms: dict[str, Form] = {
            "word": _mixture(_WORDS), "phrase": _mixture(_PHRASES), "prose": _mixture(_PROSE),
            "receipt": _mixture(_RECEIPTS), "screen": _mixture(_SCREENS),
            "display": _mixture(_DISPLAYS), "code": _mixture(_CODES),
        }  # fmt: skip

    @classmethod
    def load(cls, path: StrPath) -> Self:
        """Read a zip file with `en.words` ("word, tab, count" a line) and `en.prose`, and so on."""
        languages = {}
        with zipfile.ZipFile(path) as file:
            for name in file.namelist():
                code, _, part = name.partition(".")
                if part == "words":
                    rows = [row.split("\t") for row in file.read(name).decode().split("\n")]
                    prose = file.read(f"{code}.prose").decode().split("\n")
                    words, counts = zip(*rows, strict=True)
                    languages[code] = Words(words, [int(count) for count in counts], prose)
        return cls(languages)

    def draw(self, rng: Rng, form: str, max_length: int = 90) -> str:
        """Draw a text: no space at its ends, no two in a row, none empty.

        Args:
            rng: source of all randomness.
            form: one of `forms`.
            max_length: longer texts are cut, at a space if there is one.
        """
        while True:
            language = self._languages[bisect_right(self._shares, rng.random())]
            text = " ".join(self.forms[form](rng, language).split())
            if len(text) > max_length:
                cut = text.rfind(" ", 0, max_length + 1)
                text = text[: cut if cut > 0 else max_length].rstrip()
            if text and _KNOWN.issuperset(text):  # "µ" has no capital in it
                return text


def _mixture(forms: Mapping[Form, float]) -> Form:
    """Return a form that is one of several, by their weights."""
    ends, choices = list(accumulate(forms.values())), list(forms)
    return lambda rng, words: choices[bisect_right(ends, rng.random() * ends[-1])](rng, words)


def _cased(rng: Rng, word: str, upper: float = 0.45) -> str:
    kind = rng.random()
    if kind < upper and "ß" not in word:
        return word.upper()
    return word.capitalize() if kind < upper + 0.3 else word


def _digits(rng: Rng, least: int, most: int) -> str:
    return "".join(_pick(rng, string.digits) for _ in range(_between(rng, least, most)))


def _characters(rng: Rng, characters: str, least: int, most: int) -> str:
    return "".join(_pick(rng, characters) for _ in range(_between(rng, least, most)))


# Single words and what stands in the place of one. ------------------------------------------


def _word(rng: Rng, words: Words) -> str:
    return _cased(rng, words.any(rng))


def _short_word(rng: Rng, words: Words) -> str:
    return _cased(rng, _pick(rng, words.short or words.words), 0.5)


def _letters(rng: Rng, words: Words) -> str:
    kind = _pick(rng, (string.ascii_uppercase, string.ascii_uppercase, ALPHABET, ALPHABET, LATIN))
    text = _characters(rng, kind, 1, _pick(rng, (1, 1, 2, 3, 4)))
    return text if text.strip() else _pick(rng, ALPHABET)


def _joined(rng: Rng, words: Words) -> str:
    first, second = words.frequent(rng), words.frequent(rng)
    kind = rng.random()
    if kind < 0.4:
        return first.capitalize() + second.capitalize()
    joint = _pick(rng, ("-", "-", "-", "", "&", "/", "'", "."))
    return _cased(rng, first + joint + second, 0.4)


def _marked(rng: Rng, words: Words) -> str:
    word, kind = _cased(rng, words.any(rng)), rng.random()
    if kind < 0.6:
        return word + _pick(rng, (",", ".", ":", "!", "?", ",", ".", ";", "...", "…", "!!", "*", "’s", "'s", "'S", "™", "®", "&", "-"))  # fmt: skip
    if kind < 0.85:
        before, after = _pick(rng, _QUOTES)
        return (before if rng.random() < 0.8 else "") + word + (after if rng.random() < 0.8 else "")
    if kind < 0.95:
        return _pick(rng, ("#", "@", "*", "&", "-", "•", "+", "¡", "¿", "l'", "d'", "L’", "D'", "~", "©")) + word  # fmt: skip
    place = _between(rng, 0, len(word))
    return word[:place] + _pick(rng, LATIN[1:]) + word[place:]


def _address(rng: Rng, words: Words) -> str:
    domain = f"{_ascii(rng, words)}.{_pick(rng, ('com', 'com', 'org', 'net', 'de', 'fr', 'es', 'it', 'pt', 'co.uk', 'eu', 'ch', 'at', 'info'))}"
    kind = rng.random()
    if kind < 0.35:
        text = f"www.{domain}"
    elif kind < 0.6:
        text = f"{_ascii(rng, words)}{_pick(rng, ('', '', '.', '_', '-'))}{_pick(rng, ('', 'info', _digits(rng, 1, 3)))}@{domain}"
        text = text.replace(".@", "@")
    elif kind < 0.75:
        text = f"http{_pick(rng, ('', 's'))}://{domain}/{_pick(rng, ('', _ascii(rng, words)))}"
    else:
        text = domain
    return text.upper() if rng.random() < 0.15 else text


def _ascii(rng: Rng, words: Words) -> str:
    for _ in range(20):
        word = words.any(rng).lower()
        if word.isascii() and word.isalpha():
            return word
    return "mail"


# Numbers. -----------------------------------------------------------------------------------


def _whole(rng: Rng, words: Words) -> str:
    return _digits(rng, 1, _pick(rng, (1, 2, 3, 4, 6)))


def _year(rng: Rng, words: Words) -> str:
    year = str(_between(rng, 1800, 2040))
    return _pick(
        rng,
        (year, year, f"{year}-{_between(rng, 1, 99):02}", f"'{year[2:]}", f"({year})", f"{year}s"),
    )


def _amount(rng: Rng, most: int = 4) -> str:
    """Draw a decimal number as one of the ways of writing has it."""
    value = _between(rng, 0, 10 ** _between(rng, 1, most) - 1)
    cents = _pick(rng, ("00", "50", "99", "95", "90", _digits(rng, 2, 2), _digits(rng, 2, 2)))
    style = rng.random()
    if style < 0.6:
        return f"{value:,}.{cents}" if style < 0.3 else f"{value}.{cents}"
    whole = f"{value:,}".replace(",", _pick(rng, (".", " ", "", "")))
    return f"{whole},{cents}"


def _price(rng: Rng, words: Words) -> str:
    amount, kind = _amount(rng), rng.random()
    if kind < 0.3:
        return amount
    if kind < 0.7:
        return (
            _pick(
                rng, ("$", "$", "€", "£", "€ ", "$ ", "¥", "RM", "RM ", "EUR ", "US$", "S$", "R$ ")
            )
            + amount
        )
    if kind < 0.9:
        return amount + _pick(
            rng, ("€", " €", " EUR", "¢", " CHF", "£", " $", ".-", "*", " A", " B", " SR", " T")
        )
    return "-" + amount


def _measure(rng: Rng, words: Words) -> str:
    number = _pick(
        rng,
        (
            _digits(rng, 1, 3),
            f"{_digits(rng, 1, 2)}.{_digits(rng, 1, 2)}",
            f"{_digits(rng, 1, 2)},{_digits(rng, 1, 2)}",
        ),
    )
    unit = _pick(
        rng,
        (
            "%",
            "%",
            "%",
            "°C",
            "°F",
            "°",
            "kg",
            "g",
            "km",
            "km/h",
            "m",
            "cm",
            "mm",
            "ml",
            "l",
            "L",
            "kW",
            "V",
            "Hz",
            "MB",
            "GB",
            "m²",
            "m³",
            "µm",
            "mg",
            "kcal",
            "oz",
            "lb",
            "ft",
            "mph",
            "st",
            "nd",
            "th",
            "x",
            "pcs",
            "ª",
            "º",
            "½",
        ),
    )
    sign = _pick(rng, ("", "", "", "", "-", "+", "±", "~", "<", ">"))
    return f"{sign}{number}{_pick(rng, ('', '', ' '))}{unit}"


def _date(rng: Rng, words: Words) -> str:
    day, month, year = _between(rng, 1, 31), _between(rng, 1, 12), _between(rng, 1950, 2035)
    joint, kind = _pick(rng, ("/", "-", ".", ".")), rng.random()
    short = f"{year}" if rng.random() < 0.6 else f"{year % 100:02}"
    if kind < 0.5:
        return f"{day:02}{joint}{month:02}{joint}{short}"
    if kind < 0.6:
        return f"{day}{joint}{month}{joint}{short}"
    if kind < 0.75:
        return f"{year}-{month:02}-{day:02}"
    name = _MONTHS[month - 1]
    text = _pick(
        rng,
        (
            f"{day} {name} {year}",
            f"{name} {day}, {year}",
            f"{day:02}-{name}-{short}",
            f"{day}. {name} {year}",
            f"{name} {year}",
        ),
    )
    return text.upper() if rng.random() < 0.3 else text


def _time(rng: Rng, words: Words) -> str:
    hour, minute = _between(rng, 0, 23), _between(rng, 0, 59)
    clock = f"{hour:02}:{minute:02}" if rng.random() < 0.7 else f"{hour}:{minute:02}"
    return _pick(
        rng,
        (
            clock,
            clock,
            f"{clock}:{_between(rng, 0, 59):02}",
            f"{hour % 12 + 1}:{minute:02} {_pick(rng, ('AM', 'PM', 'am', 'pm', 'a.m.'))}",
            f"{hour % 12 + 1}{_pick(rng, ('am', 'pm', 'PM', ' Uhr', 'h', 'h30'))}",
            f"{hour}.{minute:02}",
        ),
    )


def _phone(rng: Rng, words: Words) -> str:
    parts = [_digits(rng, 2, 4) for _ in range(_between(rng, 2, 4))]
    text = _pick(rng, ("-", " ", " ", ".", "")).join(parts)
    return (
        _pick(
            rng,
            (
                "",
                "",
                "",
                "+49 ",
                "+1-",
                "0",
                "(0)",
                f"({_digits(rng, 2, 4)}) ",
                "Tel. ",
                "TEL: ",
                "Tel: 03- ",
                "Fax: ",
            ),
        )
        + text
    )


def _code(rng: Rng, words: Words) -> str:
    kind = rng.random()
    if kind < 0.3:
        return _characters(rng, string.digits + string.ascii_uppercase, 2, 9)
    if kind < 0.45:
        return _characters(rng, ALPHABET, 2, 8)
    if kind < 0.7:
        return f"{_characters(rng, string.ascii_uppercase, 1, 4)}{_pick(rng, ('', '-', '-', ' ', '_', '/', '.', ':'))}{_digits(rng, 1, 7)}"
    if kind < 0.85:
        return _digits(rng, 5, 14)
    joint = _pick(rng, ("-", "/", ".", " ", "_", ":"))
    return joint.join(
        _characters(rng, _pick(rng, (string.digits, string.digits, string.ascii_uppercase)), 1, 5)
        for _ in range(_between(rng, 2, 4))
    )


def _plate(rng: Rng, words: Words) -> str:
    parts = [
        _characters(rng, kind, 1, 3) for kind in (string.ascii_uppercase, string.ascii_uppercase)
    ]
    return _pick(
        rng,
        (
            f"{parts[0]}-{parts[1]} {_digits(rng, 1, 4)}",
            f"{parts[0]} {_digits(rng, 2, 4)} {parts[1]}",
            f"{_digits(rng, 3, 4)} {parts[0]}",
            f"{parts[0]}{_digits(rng, 3, 4)}{parts[1]}",
            f"{_characters(rng, string.ascii_uppercase, 3, 3)}-{_digits(rng, 3, 4)}",
        ),
    )


# Phrases of signs. --------------------------------------------------------------------------


def _phrase(rng: Rng, words: Words) -> str:
    found = [
        words.frequent(rng) if rng.random() < 0.7 else words.any(rng)
        for _ in range(_pick(rng, (2, 2, 2, 3, 3, 4, 5, 6)))
    ]
    style = rng.random()
    if style < 0.4 and not any("ß" in word for word in found):
        text = " ".join(found).upper()
    elif style < 0.75:
        text = " ".join(word.capitalize() for word in found)
    else:
        text = " ".join([found[0].capitalize(), *found[1:]])
    kind = rng.random()
    if kind < 0.1:
        text = text.replace(
            " ", _pick(rng, (" & ", " - ", " – ", ", ", " + ", " / ", ": ", " • ", " · ", " | ")), 1
        )
    elif kind < 0.25:
        text += _pick(rng, ("!", ".", "?", "...", ":", "…", "!!", " *", "®", "™"))
    elif kind < 0.3:
        before, after = _pick(rng, _QUOTES)
        text = before + text + after
    return text


def _with_number(rng: Rng, words: Words) -> str:
    number = _pick(rng, (_whole, _price, _measure, _time, _date, _phone, _code, _year))(rng, words)
    word = _cased(rng, words.frequent(rng))
    joint = _pick(rng, (" ", " ", " ", ": ", " : ", " - ", ", "))
    return _pick(
        rng,
        (
            f"{number} {word}",
            f"{word}{joint}{number}",
            f"{word}{joint}{number} {_cased(rng, words.frequent(rng))}",
            f"{word} {_cased(rng, words.frequent(rng))}{joint}{number}",
        ),
    )


def _street(rng: Rng, words: Words) -> str:
    name = words.any(rng).capitalize()
    number = _digits(rng, 1, 3)
    text = _pick(
        rng,
        (
            f"{number} {name} {_pick(rng, ('Street', 'St.', 'Road', 'Rd', 'Ave', 'Avenue', 'Lane', 'Drive'))}",
            f"{name}{_pick(rng, ('straße', 'str.', 'weg', 'platz'))} {number}",
            f"{number}, {_pick(rng, ('rue', 'avenue', 'place'))} {name}",
            f"{_pick(rng, ('Calle', 'Via', 'Rua', 'Avda.'))} {name}, {number}",
            f"{_digits(rng, 5, 5)} {name}",
            f"{name}, {words.any(rng).capitalize()} {_digits(rng, 4, 5)}",
            f"No. {number}, {name} {_digits(rng, 1, 2)}/{_digits(rng, 1, 2)},",
        ),
    )
    return text.upper() if rng.random() < 0.4 and "ß" not in text else text


# Prose. -------------------------------------------------------------------------------------


def _prose(rng: Rng, words: Words) -> str:
    """Cut a line out of a paragraph, which may begin and end within a word as a column does."""
    if not words.prose:
        return _sentence(rng, words)
    text = _pick(rng, words.prose)
    length = _between(rng, 15, 90)
    begin = 0
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
    return _typeset(rng, text)


def _typeset(rng: Rng, text: str) -> str:
    """Put the quotes and dashes of print in the place of a typewriter's, for half of the texts."""
    if rng.random() < 0.5 and ("'" in text or '"' in text or "--" in text):
        text = text.replace("--", _pick(rng, "–—")).replace("'", "’")
        before, after = _pick(rng, ("“”", "“”", "„“", "«»"))
        for place in (f" {before}", after):
            text = text.replace(' "' if place != after else '"', place)
        if text.startswith(after):
            text = before + text[1:]
    return text


def _sentence(rng: Rng, words: Words) -> str:
    found = []
    for place in range(_between(rng, 3, 14)):
        kind = rng.random()
        word = words.frequent(rng)
        if kind < 0.03:
            word = _pick(rng, (_whole, _measure, _year, _amount_form))(rng, words)
        elif kind < 0.06:
            word = _citation(rng, words)
        elif kind < 0.09:
            before, after = _pick(rng, _QUOTES)
            word = before + word + after
        elif kind < 0.11:
            word = f"{word}-{words.frequent(rng)}"
        elif kind < 0.13:
            word = word.upper() if "ß" not in word else word
        if (place == 0 and rng.random() < 0.5) or rng.random() < 0.03:
            word = word[:1].upper() + word[1:]
        if rng.random() < 0.1:
            word += _pick(rng, (",", ",", ",", ".", ".", ";", ":", " –", "—", " -"))
        found.append(word)
    end = _pick(rng, (".", ".", "", "", "", "", ",", "-", "?", "!", ":"))
    return " ".join(found) + end


def _amount_form(rng: Rng, words: Words) -> str:
    return _amount(rng)


def _citation(rng: Rng, words: Words) -> str:
    name = words.any(rng).capitalize()
    return _pick(
        rng,
        (
            f"[{_digits(rng, 1, 2)}]",
            f"[{_digits(rng, 1, 2)}, {_digits(rng, 1, 2)}]",
            f"({name}, {_between(rng, 1900, 2030)})",
            f"({name} et al., {_between(rng, 1900, 2030)})",
            f"Fig. {_digits(rng, 1, 2)}",
            f"({_digits(rng, 1, 2)})",
            f"(see {name})",
            f"p. {_digits(rng, 1, 3)}",
            f"[{_digits(rng, 1, 2)}-{_digits(rng, 1, 2)}]",
            f"§ {_digits(rng, 1, 3)}",
            f"{name}, {_pick(rng, string.ascii_uppercase)}.",
            f"Table {_digits(rng, 1, 1)}.{_digits(rng, 1, 1)}",
            f"Eq. ({_digits(rng, 1, 2)})",
            f"{_digits(rng, 1, 2)}({_digits(rng, 1, 2)}):{_digits(rng, 1, 3)}–{_digits(rng, 1, 3)}",
            f"{_pick(rng, 'xytnkpR')} = {_digits(rng, 1, 1)}.{_digits(rng, 1, 3)}",
            f"{_pick(rng, 'xyzabn')} {_pick(rng, '<>+=-')} {_pick(rng, 'xyzabn1')}",
            f"{name}†",
            f"{name}{_pick(rng, '¹²³')}",
        ),
    )


def _heading(rng: Rng, words: Words) -> str:
    number = _pick(
        rng,
        (
            "",
            "",
            f"{_digits(rng, 1, 1)} ",
            f"{_digits(rng, 1, 1)}.{_digits(rng, 1, 1)} ",
            f"{_digits(rng, 1, 1)}. ",
            f"{_pick(rng, ('I', 'II', 'III', 'IV', 'V', 'A', 'B'))}. ",
            f"({_pick(rng, 'abcde')}) ",
            "• ",
            "– ",
        ),
    )
    return number + _phrase(rng, words)


# Receipts, screens, displays. ---------------------------------------------------------------


def _item(rng: Rng, words: Words) -> str:
    name = " ".join(words.any(rng) for _ in range(_between(rng, 1, 3)))
    name = name.title() if rng.random() < 0.35 or "ß" in name else name.upper()
    kind = rng.random()
    if kind < 0.3:
        return name
    if kind < 0.5:
        return f"{name} {_measure(rng, words).upper()}"
    if kind < 0.7:
        return f"{name} {_amount(rng, 3)}{_pick(rng, ('', '', ' A', ' B', ' SR', '*'))}"
    if kind < 0.85:
        return f"{_digits(rng, 1, 2)} {_pick(rng, ('', 'x ', 'X ', '* '))}{name}"
    if kind < 0.93:
        return f"{name} {'.' * _between(rng, 3, 12)} {_amount(rng, 3)}"
    return f"{_digits(rng, 4, 13)} {name}"


def _quantity(rng: Rng, words: Words) -> str:
    count, price = _digits(rng, 1, 2), _amount(rng, 3)
    times = _pick(rng, ("x", "X", " x ", " X ", " @ ", "*", " * ", "×", " × "))
    return _pick(
        rng,
        (
            f"{count}{times}{price}",
            f"{count}{times}{price} {_amount(rng, 3)}",
            f"{count}{times}".rstrip(),
            f"{price}{times}{count}",
            f"{count}.00{times}{price}",
            f"{count} PCS",
            f"{count} {price}",
            f"{price} {_amount(rng, 3)}",
        ),
    )


def _total(rng: Rng, words: Words) -> str:
    label = _pick(
        rng,
        (
            "Total",
            "Subtotal",
            "Sub-Total",
            "Grand Total",
            "Total Amount",
            "Amount Due",
            "Cash",
            "Change",
            "Change Due",
            "Tax",
            "VAT",
            "GST 6%",
            "MwSt 19%",
            "TVA 20%",
            "IVA 21%",
            "Summe",
            "Gesamt",
            "Totale",
            "Importe",
            "Net Amt",
            "Rounding",
            "Rounding Adj",
            "Discount",
            "Rabatt",
            "Remise",
            "Balance",
            "Tip",
            "Visa",
            "Card",
            "Kartenzahlung",
            "Rückgeld",
            "Total Qty",
            "Total Sales (Inc. GST)",
            "Taxable Amt",
            "Item(s)",
            "Amt (RM)",
            "Tax (RM)",
            "Zwischensumme",
            "Subtotal (Excl.)",
            "A pagar",
            "Troco",
            "Resto",
            "Espèces",
            "Qty",
            "Price",
            "Description",
            "Item",
            "Bar",
            "Betrag",
        ),
    )
    if rng.random() < 0.55:
        label = label.upper()
    joint = _pick(rng, (" ", " ", ": ", " : ", " = ", ":", " €", " $", " EUR "))
    return _pick(
        rng,
        (
            label,
            f"{label}:",
            f"{label} :",
            f"{label}{joint}{_amount(rng)}",
            f"{label}{joint}{_amount(rng)}",
        ),
    )


def _notice(rng: Rng, words: Words) -> str:
    text = _pick(
        rng,
        (
            "Thank you",
            "Thank you for your visit",
            "Please come again",
            "Tax Invoice",
            "Invoice No",
            "Receipt",
            "Cash Bill",
            "Customer copy",
            "Goods sold are not returnable",
            "Vielen Dank für Ihren Einkauf",
            "Merci de votre visite",
            "Gracias por su compra",
            "Grazie e arrivederci",
            "Obrigado pela preferência",
            "Approved",
            "Have a nice day",
            "Keep this receipt",
            "Cashier",
            "Table",
            "Server",
            "Member",
            "Bon",
            "Ticket",
            "Rechnung",
            "Factura simplificada",
            "Scontrino",
            "Fatura",
            "Order",
            "Terminal",
            "Welcome to",
            "Guest",
            "Doc No.",
            "Ref No",
            "Auth code",
            "GST Reg No",
            "USt-IdNr.",
            "SIRET",
            "NIF",
            "P.IVA",
            "Bill No",
        ),
    )
    text = text.upper() if rng.random() < 0.55 and "ß" not in text else text
    return _pick(
        rng,
        (
            text,
            f"{text}!",
            f"*** {text} ***",
            f"* {text} *",
            f"-- {text} --",
            f"{text}: {_code(rng, words)}",
            f"{text} : {_digits(rng, 1, 8)}",
            f"{text} #{_digits(rng, 2, 9)}",
            f"{text} {words.any(rng).upper()}",
            f"({_digits(rng, 4, 8)}-{_pick(rng, string.ascii_uppercase)})",
            f": {_code(rng, words)}",
        ),
    )


def _stamp(rng: Rng, words: Words) -> str:
    label = _pick(rng, ("", "", "Date: ", "DATE : ", "Time: ", "Datum: ", ": ", "Printed "))
    return label + _pick(
        rng, (f"{_date(rng, words)} {_time(rng, words)}", _date(rng, words), _time(rng, words))
    )


def _company(rng: Rng, words: Words) -> str:
    name = " ".join(words.any(rng) for _ in range(_between(rng, 1, 3)))
    name = name.title() if rng.random() < 0.4 or "ß" in name else name.upper()
    return f"{name} {_pick(rng, ('GmbH', 'GMBH & CO. KG', 'Ltd.', 'LTD', 'S.A.', 'SARL', 'S.L.', 'S.p.A.', 'Lda', 'INC.', 'SDN BHD', 'SDN. BHD.', '& Sons', 'Store', 'MARKET', 'Restaurant', 'CAFÉ', '(M)', 'ENTERPRISE'))}"


def _program(rng: Rng, words: Words) -> str:
    names = [_ascii(rng, words) for _ in range(3)]
    return _pick(
        rng,
        (
            f"{names[0]} = {names[1]}({names[2]}, {_digits(rng, 1, 2)})",
            f"for {names[0][0]} in {names[1]}:",
            f"if ({names[0]} == {_digits(rng, 1, 2)}) {{",
            f"{names[0]}.{names[1]}();",
            f"{names[0]}_{names[1]} += {_digits(rng, 1, 3)}",
            f"# {names[0]} {names[1]}",
            f'<{names[0]} {names[1]}="{names[2]}">',
            f"$ {names[0]} --{names[1]} {names[2]}",
            f'"{names[0]}": {_digits(rng, 1, 4)},',
            f"C:\\{names[0].title()}\\{names[1]}.{_pick(rng, ('txt', 'exe', 'pdf', 'docx', 'py'))}",
            f"/{names[0]}/{names[1]}/{names[2]}",
            f"return {names[0]}[{names[1][0]}] ^ {_digits(rng, 1, 2)};",
            f"{names[0]}@{names[1]}:~$",
            f"`{names[0]}` | {names[1]}",
        ),
    )


def _menu(rng: Rng, words: Words) -> str:
    return _pick(
        rng,
        (
            "File",
            "Edit",
            "View",
            "Save as...",
            "Open…",
            "Cancel",
            "OK",
            "Help",
            "Settings",
            "Log in",
            "Sign up",
            "Search",
            "Next >",
            "< Back",
            "Datei",
            "Bearbeiten",
            "Abbrechen",
            "Fichier",
            "Annuler",
            "Archivo",
            "Aceptar",
            "Impostazioni",
            "Ajuda",
            f"Ctrl+{_pick(rng, string.ascii_uppercase)}",
            f"{_digits(rng, 1, 3)}%",
            f"{_digits(rng, 1, 2)} of {_digits(rng, 2, 3)}",
            f"{_ascii(rng, words)}_{_digits(rng, 1, 4)}.{_pick(rng, ('pdf', 'jpg', 'png', 'xlsx', 'csv'))}",
            f"{words.any(rng).capitalize()}:",
            f"{words.any(rng).capitalize()} ({_digits(rng, 1, 3)})",
            f"[{_pick(rng, ('x', ' ', 'OK'))}] {words.any(rng)}",
            f"@{_ascii(rng, words)}",
            f"#{_ascii(rng, words)}",
            f"v{_digits(rng, 1, 1)}.{_digits(rng, 1, 2)}.{_digits(rng, 1, 1)}",
            f"© {_between(rng, 1990, 2030)} {words.any(rng).capitalize()}",
        ),
    )


def _reading(rng: Rng, words: Words) -> str:
    value = _digits(rng, 1, 3)
    return _pick(
        rng,
        (
            f"{_between(rng, 0, 23):02}:{_between(rng, 0, 59):02}",
            f"{value}.{_digits(rng, 1, 2)}",
            value,
            f"-{value}",
            f"{value}°C",
            f"{value}°",
            _digits(rng, 4, 8),
            f"{_between(rng, 0, 23)}:{_between(rng, 0, 59):02}:{_between(rng, 0, 59):02}",
        ),
    )


def _upper_phrase(rng: Rng, words: Words) -> str:
    text = _phrase(rng, words)
    return text if "ß" in text else text.upper()


_NUMBERS: dict[Form, float] = {_whole: 3, _year: 1, _price: 3, _measure: 2, _date: 1, _time: 1,
                               _phone: 0.7, _code: 1.5, _plate: 0.5}  # fmt: skip
_number = _mixture(_NUMBERS)
_CODES: dict[Form, float] = {_code: 3, _plate: 2, _whole: 1, _phone: 1, _date: 1}
_WORDS: dict[Form, float] = {_word: 58, _short_word: 9, _letters: 6, _joined: 4, _marked: 8,
                             _address: 3, _number: 12}  # fmt: skip
_PHRASES: dict[Form, float] = {_phrase: 6, _with_number: 2, _street: 1, _number: 0.7, _marked: 0.3,
                               _company: 0.7, _sentence: 0.5, _address: 0.4}  # fmt: skip
_PROSE: dict[Form, float] = {_prose: 65, _sentence: 20, _heading: 5, _citation: 2, _number: 3,
                             _word: 3, _marked: 2}  # fmt: skip
_RECEIPTS: dict[Form, float] = {_item: 5, _quantity: 2, _total: 4, _notice: 3, _stamp: 2,
                                _company: 1, _street: 1, _price: 4, _phone: 0.7, _number: 2,
                                _code: 1.5, _sentence: 0.6, _word: 1.5, _address: 0.4,
                                _upper_phrase: 1, _with_number: 1}  # fmt: skip
_SCREENS: dict[Form, float] = {_menu: 3, _phrase: 2, _sentence: 2, _prose: 2, _program: 2,
                               _address: 1, _number: 2, _word: 2}  # fmt: skip
_DISPLAYS: dict[Form, float] = {_reading: 3, _number: 2, _upper_phrase: 1, _word: 1.5}
