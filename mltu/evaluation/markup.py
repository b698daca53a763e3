"""HTML that is escaped by construction: what is no Markup yet is taken for plain text."""

from __future__ import annotations

from html import escape

from rapidfuzz.distance import Levenshtein

_VOID = {"img", "meta"}  # elements that have no end tag


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *content: str, **attributes: str | float) -> Markup:
    """Write an element; content that is no Markup and all attributes are escaped.

    Args:
        name: of the element.
        content: what stands in it, one after another.
        attributes: `class_` is written as class, `stroke_width` as stroke-width; floats are
            written with two digits.
    """
    start = "".join(f' {_name(key)}="{_value(value)}"' for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{start}>")
    return Markup(f"<{name}{start}>{joined(*content)}</{name}>")


def joined(*content: str) -> Markup:
    """Put pieces one after another, escaping what is no Markup."""
    return Markup("".join(item if isinstance(item, Markup) else escape(item) for item in content))


def visible(text: str) -> str:
    r"""Write characters that cannot be seen, or that turn the text around, as in `'\u202e'`."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def differences(truth: str, reading: str) -> tuple[Markup, Markup]:
    """Mark in each of two texts the characters that are not in the other at their place.

    Returns:
        `truth` and `reading` as Markup, in optimal alignment, with <mark> around what differs.
    """
    blocks = Levenshtein.opcodes(truth, reading)
    first = [_marked(truth[b.src_start : b.src_end], b.tag) for b in blocks]
    second = [_marked(reading[b.dest_start : b.dest_end], b.tag) for b in blocks]
    return joined(*first), joined(*second)


def _marked(text: str, tag: str) -> str:
    shown = visible(text)
    return element("mark", shown) if text and tag != "equal" else shown


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
