"""The model card: what an ONNX file says of itself, so that it can be read without its training.

Each entry is a JSON text in the metadata of the file. Files come from anywhere: an entry is parsed
with `json`, checked for its type and size, and never evaluated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mltu.utils.checks import shorten

TEMPERATURES = (0.05, 20.0)  # The least and the highest that a card may have.
CARD_FORMAT = 1  # Goes up when a reader of an older version would misread a newer file.

_MAX_VOCAB = 1_000_000  # characters
_MAX_TEXT = 100_000  # characters of any other entry
_MAX_SIDE = 1 << 14  # pixels
_MAX_AREA = 1 << 26  # pixels
_MAX_ENTRIES = 100  # of `figures` and `versions`


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """How to prepare an image for a model and how to read its outputs.

    Attributes:
        format: of the card.
        vocab: the characters in the order of their classes.
        blank: the class that stands for no character, `len(vocab)`.
        layout: of the input, `"NHWC"`: (batch, height, width, channels).
        color: `"BGR"` for three channels, `"GRAY"` for one.
        height: of the input in pixels.
        width: of the input in pixels, or growing widths of which an image takes the smallest that
            holds it.
        channels: of the input.
        resize: `"stretch"`, or `"fit"`: scaled until it fits and padded evenly on both sides.
        padding_color: of `"fit"`, one value 0..255 for each channel or for all.
        scaling: `"inside"`: values 0..255 go in; `"1/255"`: values are divided by 255 before.
        outputs: `"probabilities"` or `"logits"`, of shape (batch, time, classes).
        decoder: `"ctc greedy"`: best path.
        rows: how many times the time steps go over the image, each time from left to right: 1, or
            the rows of a feature map that is read row by row.
        temperature: by which logits are divided before probabilities become a confidence; fitted
            by `mltu.evaluation.fit_temperature`.
        figures: what was measured at the export, such as `"cer_onnx"`.
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
    scaling: str
    outputs: str = "probabilities"
    decoder: str
    rows: int = 1
    temperature: float = 1.0
    figures: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def read_card(entries: Mapping[str, str], source: str = "the file") -> ModelCard:
    """Read the card from the metadata of an ONNX file, which may hold anything.

    Args:
        entries: a JSON text for each key; keys that no card has are ignored.
        source: names the file in errors.

    Raises:
        ValueError: an entry is missing, is no JSON, or has another type, size or value than a card
            has; the key is named.
    """
    optional = {"padding_color", "outputs", "rows", "temperature", "figures", "versions"}
    values: dict[str, Any] = {}
    for key in _CHECKS:
        if key in entries:
            values[key] = _parse(key, entries[key], source)
        elif key not in optional:
            way_out = "Export it again with the provider: Model2onnx(..., validation=provider)."
            if "spectrogram" in entries:
                way_out = "It takes recordings, not images: subclass OnnxInferenceModel to run it."
            raise ValueError(
                f"The metadata of {source} must have the key `{key}` for a reader to be made from "
                f"the file alone. Received the keys {shorten(sorted(entries))}. {way_out}"
            )
    values = check_card_fields(values, source)
    if values["blank"] != len(values["vocab"]):
        raise _refusal(
            "blank", f"the class behind the last character, {len(values['vocab'])}",
            values["blank"], source,
        )  # fmt: skip
    if (values["color"] == "GRAY") != (values["channels"] == 1):
        raise _refusal(
            "color", "'GRAY' for 1 channel and 'BGR' for 3",
            f"{values['color']} for {values['channels']}", source,
        )  # fmt: skip
    widths = values["width"] if isinstance(values["width"], tuple) else (values["width"],)
    if values["height"] * max(widths) > _MAX_AREA:
        raise _refusal(
            "width", f"so small that images have at most {_MAX_AREA} pixels",
            f"{max(widths)} at a height of {values['height']}", source,
        )  # fmt: skip
    if len(widths) > 1 and values["resize"] != "fit":
        raise _refusal("resize", "'fit' for several widths", values["resize"], source)
    return ModelCard(**values)


def check_card_fields(fields: Mapping[str, Any], source: str = "the file") -> dict[str, Any]:
    """Look at those of the values that a card has; return them in the types of `ModelCard`.

    Args:
        fields: of a card, some or all, as JSON gives them; other keys are left out.
        source: names the file in errors.

    Raises:
        ValueError: a value has another type or size than the card has there.
    """
    return {key: check(fields[key], source) for key, check in _CHECKS.items() if key in fields}


def parse_json(text: str) -> Any:
    """Return the value of a JSON text; NaN and the infinities, which Python takes, are none.

    Raises:
        ValueError, RecursionError: it is no JSON.
    """
    return json.loads(text, parse_constant=_refuse_constant)


def _parse(key: str, text: object, source: str) -> Any:
    # A character takes at most the 12 of an escaped pair of surrogates, and in a list 4 more.
    limit = 16 * _MAX_VOCAB if key == "vocab" else _MAX_TEXT
    if not isinstance(text, str) or len(text) > limit:
        raise _refusal(key, f"JSON of at most {limit} characters", text, source)
    try:
        return parse_json(text)
    except (ValueError, RecursionError) as error:
        raise _refusal(key, "JSON", text, source) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON.")


def _check_vocab(value: Any, source: str) -> str:
    is_list = isinstance(value, list) and len(value) <= _MAX_VOCAB
    if is_list and all(isinstance(char, str) and len(char) == 1 for char in value):
        value = "".join(value)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_VOCAB:
        raise _refusal("vocab", f"1 to {_MAX_VOCAB} characters", value, source)
    if len(set(value)) < len(value) or any("\ud800" <= char <= "\udfff" for char in value):
        raise _refusal("vocab", "whole characters, each of them once", value, source)
    return value


def _check_width(value: Any, source: str) -> int | tuple[int, ...]:
    if not isinstance(value, list | tuple):
        return _check_side("width")(value, source)
    if not 0 < len(value) <= _MAX_ENTRIES or any(not _is_side(side) for side in value):
        raise _refusal("width", f"a side of 1..{_MAX_SIDE} pixels or a list", value, source)
    if sorted(set(value)) != list(value):
        raise _refusal("width", "growing widths", value, source)
    return tuple(value)


def _check_side(key: str) -> Callable[[Any, str], int]:
    def check(value: Any, source: str) -> int:
        if not _is_side(value):
            raise _refusal(key, f"a whole number in 1..{_MAX_SIDE}", value, source)
        return int(value)

    return check


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= _MAX_SIDE


def _check_choice(key: str, *choices: Any) -> Callable[[Any, str], Any]:
    def check(value: Any, source: str) -> Any:
        if type(value) not in map(type, choices) or value not in choices:
            raise _refusal(key, " or ".join(map(repr, choices)), value, source)
        return value

    return check


def _check_padding(value: Any, source: str) -> tuple[int, ...]:
    colors = value if isinstance(value, list | tuple) else [value]
    if len(colors) not in (1, 3) or any(
        type(color) is not int or not 0 <= color <= 255 for color in colors
    ):
        raise _refusal("padding_color", "1 or 3 values in 0..255", value, source)
    return tuple(colors)


def _check_temperature(value: Any, source: str) -> float:
    low, high = TEMPERATURES
    if type(value) not in (int, float) or not low <= value <= high:
        raise _refusal("temperature", f"a number in {low}..{high}", value, source)
    return float(value)


def _check_figures(value: Any, source: str) -> dict[str, Any]:
    if (
        not isinstance(value, dict)
        or len(value) > _MAX_ENTRIES
        or not all(map(_is_figure, value.values()))
    ):
        raise _refusal("figures", f"at most {_MAX_ENTRIES} finite numbers by name", value, source)
    return value


def _is_figure(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and math.isfinite(value))


def _check_versions(value: Any, source: str) -> dict[str, str]:
    if (
        not isinstance(value, dict)
        or len(value) > _MAX_ENTRIES
        or any(not isinstance(text, str) for text in value.values())
    ):
        raise _refusal("versions", f"at most {_MAX_ENTRIES} texts by name", value, source)
    return value


def _check_blank(value: Any, source: str) -> int:
    if type(value) is not int or not 0 < value <= _MAX_VOCAB:
        raise _refusal("blank", f"a whole number in 1..{_MAX_VOCAB}", value, source)
    return value


def _refusal(key: str, expected: str, received: Any, source: str) -> ValueError:
    return ValueError(
        f"`{key}` in the metadata of {source} must be {expected}. Received {shorten(received)}. "
        "Take the file from its training once more, or export it again."
    )


_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "format": _check_choice("format", CARD_FORMAT),
    "vocab": _check_vocab,
    "blank": _check_blank,
    "layout": _check_choice("layout", "NHWC"),
    "color": _check_choice("color", "BGR", "GRAY"),
    "height": _check_side("height"),
    "width": _check_width,
    "channels": _check_choice("channels", 1, 3),
    "resize": _check_choice("resize", "stretch", "fit"),
    "padding_color": _check_padding,
    "scaling": _check_choice("scaling", "inside", "1/255"),
    "outputs": _check_choice("outputs", "probabilities", "logits"),
    "decoder": _check_choice("decoder", "ctc greedy"),
    "rows": _check_side("rows"),
    "temperature": _check_temperature,
    "figures": _check_figures,
    "versions": _check_versions,
}
