"""The model card: the metadata of an ONNX file, with which it can be read without its training.

Each entry is a JSON text. Files come from anywhere: an entry is parsed with `json`, checked for its
type and size, and never evaluated.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mltu.utils.checks import shorten
from mltu.utils.text_order import ORDERS
from mltu.utils.widening import MAX_WIDEN_TO

CARD_FORMAT = 1  # Goes up when a reader of an older version would misread a newer file.

_MAX_VOCAB = 1_000_000  # characters
_MAX_TEXT = 100_000  # characters of any other entry
_MAX_SIDE = 1 << 14  # pixels
_MAX_AREA = 1 << 26  # pixels
_MAX_ENTRIES = 100  # of `width`, `metrics` and `versions`
_TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """How to prepare an image for a model and how to read its outputs.

    Attributes:
        format: of the card.
        vocab: the characters in the order of their classes.
        blank: the class of no character, `len(vocab)`.
        layout: of the input, `"NHWC"`: (batch, height, width, channels).
        color: `"BGR"` for three channels, `"GRAY"` for one.
        height: of the input in pixels.
        width: of the input in pixels, or increasing widths of which an image takes the smallest
            that holds it.
        channels: number of channels of the input.
        resize: `"stretch"`, or `"fit"`: scaled until it fits and padded evenly on both sides.
        padding_color: of `"fit"`, one value 0..255 for each channel or for all.
        widen_to: of `"fit"`, width / height up to which narrower images are stretched before, at
            most to twice their width, and as far as `width` has room.
        scaling: `"in_model"`: values 0..255 go in; `"1/255"`: values are divided by 255 before.
        outputs: `"probabilities"` or `"logits"`, of shape (batch, time, classes).
        decoder: `"ctc greedy"`.
        rows: how many times the time steps go over the image, each time from left to right: 1, or
            the rows of a feature map that is read row by row.
        label_order: `"visual"` if the model emits right-to-left text in the order of the image, so
            that it is converted for the reading; else `"logical"`.
        retry_below: confidence below which an image is read again in other views.
        temperature: divisor of the logits before probabilities become a confidence; fitted by
            `mltu.evaluation.fit_temperature`.
        num_parameters: number of parameters of the model; None if the file does not say.
        metrics: measured at the export, such as `"cer_onnx"`.
        versions: of the libraries that wrote the file.
    """

    format: int
    vocab: str
    blank: int
    layout: str
    color: str
    height: int
    width: int | tuple[int, ...]
    channels: int
    resize: str
    padding_color: tuple[int, ...] = (0,)
    widen_to: float = 0.0
    scaling: str
    outputs: str = "probabilities"
    decoder: str
    rows: int = 1
    label_order: str = "logical"
    retry_below: float = 0.0
    temperature: float = 1.0
    num_parameters: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def read_card(entries: Mapping[str, str], source: str = "the file") -> ModelCard:
    """Read the card from the metadata of an ONNX file, which may hold anything.

    Args:
        entries: a JSON text for each key; keys that no card has are ignored.
        source: names the file in errors.

    Raises:
        ValueError: an entry is missing, is not JSON, or has another type, size or value than in a
            card; the key is named.
    """
    old = {new: entries[name] for name, new in _OLD_NAMES.items() if name in entries}
    entries = {**old, **entries}
    for key in _RULES:
        if key not in entries and key not in _OPTIONAL:
            fix = "Export it again with the provider: Model2onnx(..., validation=provider)."
            if "vocab" in entries and "format" not in entries:
                fix += " To a file of mltu 1, docs/howto/migrate.md adds what it lacks in one call."
            if "spectrogram" in entries:
                fix = "It takes recordings, not images: subclass OnnxInferenceModel to run it."
            raise ValueError(
                f"The metadata of {source} must have the key `{key}` for a reader built from the "
                f"file alone. Received the keys {shorten(sorted(entries))}. {fix}"
            )
    values = {key: _parse(key, entries[key], source) for key in _RULES if key in entries}
    card = ModelCard(**check_card_fields(values, source))
    has_one = isinstance(card.width, int)
    widths = card.width if isinstance(card.width, tuple) else (card.width,)
    area, channels = card.height * widths[-1], f"{card.color} for {card.channels}"
    together = [  # What each may be, given the others.
        ("blank", card.blank == len(card.vocab), f"{len(card.vocab)}, behind the last", card.blank),
        ("color", (card.color == "GRAY") == (card.channels == 1), "'GRAY' for 1 channel", channels),
        ("width", area <= _MAX_AREA, f"so that images have at most {_MAX_AREA} pixels", widths),
        ("resize", has_one or card.resize == "fit", "'fit' for a list of widths", card.resize),
        ("widen_to", not card.widen_to or card.resize == "fit", "0 for 'stretch'", card.widen_to),
    ]
    for key, is_right, expected, received in together:
        if not is_right:
            raise _refusal(key, expected, received, source)
    return card


def check_card_fields(fields: Mapping[str, Any], source: str = "the file") -> dict[str, Any]:
    """Check the values that belong to a card; return them in the types of `ModelCard`.

    Args:
        fields: of a card, some or all, as JSON gives them; other keys are left out.
        source: names the file in errors.

    Raises:
        ValueError: a value has another type or size than in a card.
    """
    values = {key: _normalized(key, fields[key]) for key in _RULES if key in fields}
    for key, value in values.items():
        expected, is_right = _RULES[key]
        if not is_right(value):
            raise _refusal(key, expected, value, source)
    return values


def parse_json(text: str) -> Any:
    """Parse JSON; rejects NaN and the infinities, which Python allows.

    Raises:
        ValueError, RecursionError: it is not JSON.
    """
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _parse(key: str, text: object, source: str) -> Any:
    # A character takes at most the 12 of an escaped pair of surrogates, and in a list 4 more.
    limit = 16 * _MAX_VOCAB if key == "vocab" else _MAX_TEXT
    if not isinstance(text, str) or len(text) > limit:
        raise _refusal(key, f"JSON of at most {limit} characters", text, source)
    try:
        return parse_json(text)
    except (ValueError, RecursionError) as error:
        raise _refusal(key, "JSON", text, source) from error


def _refusal(key: str, expected: str, received: Any, source: str) -> ValueError:
    return ValueError(
        f"`{key}` in the metadata of {source} must be {expected}. Received {shorten(received)}. "
        "Correct it and export the model again."
    )


def _normalized(key: str, value: Any) -> Any:
    """Return a value as `ModelCard` has it; one that no card has stays as it is."""
    if key == "vocab" and isinstance(value, list) and len(value) <= _MAX_VOCAB:
        is_text = all(isinstance(char, str) and len(char) == 1 for char in value)
        return "".join(value) if is_text else value
    if key == "padding_color" and not isinstance(value, list | tuple):
        return (value,)
    if key in ("width", "padding_color") and isinstance(value, list):
        return tuple(value)
    if key == "scaling" and value == "inside":  # Its name in files of the first versions.
        return "in_model"
    return value


# The rules --------------------------------------------------------------------------------------

Rule = tuple[str, Callable[[Any], bool]]  # what is expected, in words and as a test


def _integer(low: int, high: int) -> Rule:
    return f"an integer in {low}..{high}", lambda value: _is_integer(value, low, high)


def _is_integer(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high  # True and False are no numbers here.


def _choice(*choices: Any) -> Rule:
    kinds = set(map(type, choices))
    return (
        " or ".join(map(repr, choices)),
        lambda value: type(value) in kinds and value in choices,
    )


def _is_vocab(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= _MAX_VOCAB
        and len(set(value)) == len(value)
        and not any("\ud800" <= char <= "\udfff" for char in value)
    )


def _is_width(value: Any) -> bool:
    sides = value if isinstance(value, tuple) else (value,)
    return (
        0 < len(sides) <= _MAX_ENTRIES
        and all(_is_integer(side, 1, _MAX_SIDE) for side in sides)
        and sorted(set(sides)) == list(sides)
    )


def _is_color(value: Any) -> bool:
    return len(value) in (1, 3) and all(_is_integer(one, 0, 255) for one in value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max  # Not NaN either.


def _by_name(kind: str, is_right: Callable[[Any], bool]) -> Rule:
    return (
        f"at most {_MAX_ENTRIES} {kind} by name",
        lambda value: (
            isinstance(value, dict)
            and len(value) <= _MAX_ENTRIES
            and all(map(is_right, value.values()))
        ),
    )


_RULES: dict[str, Rule] = {
    "format": _choice(CARD_FORMAT),
    "vocab": (f"1 to {_MAX_VOCAB} different characters", _is_vocab),
    "blank": _integer(1, _MAX_VOCAB),
    "layout": _choice("NHWC"),
    "color": _choice("BGR", "GRAY"),
    "height": _integer(1, _MAX_SIDE),
    "width": (f"an integer in 1..{_MAX_SIDE}, or an increasing list of them", _is_width),
    "channels": _choice(1, 3),
    "resize": _choice("stretch", "fit"),
    "padding_color": ("1 or 3 values in 0..255", _is_color),
    "widen_to": (
        f"a number in 0..{MAX_WIDEN_TO}",
        lambda value: _is_number(value) and 0 <= value <= MAX_WIDEN_TO,
    ),
    "scaling": _choice("in_model", "1/255"),
    "outputs": _choice("probabilities", "logits"),
    "decoder": _choice("ctc greedy"),
    "rows": _integer(1, _MAX_SIDE),
    "label_order": _choice(*ORDERS),
    "retry_below": ("a number in 0..1", lambda value: _is_number(value) and 0 <= value <= 1),
    "temperature": (
        "a number in {}..{}".format(*_TEMPERATURES),
        lambda value: _is_number(value) and _TEMPERATURES[0] <= value <= _TEMPERATURES[1],
    ),
    "num_parameters": _integer(0, 1 << 50),
    "metrics": _by_name("finite numbers", lambda value: value is None or _is_number(value)),
    "versions": _by_name("strings", lambda value: isinstance(value, str)),
}
_OPTIONAL = {
    "padding_color", "widen_to", "outputs", "rows", "label_order", "retry_below", "temperature",
    "num_parameters", "metrics", "versions",
}  # fmt: skip
_OLD_NAMES = {"figures": "metrics"}  # of entries in files of the first versions
