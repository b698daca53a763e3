"""What several commands share: options, the model that a user means, and how results are given."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

_AS_JSON = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="How to print the outcome.",
)  # fmt: skip
_CPU = click.option("--cpu", is_flag=True, help="Stay on the CPU where there is a GPU.")
_PART = click.option(
    "--part", type=click.Choice(["train", "val", "test"]),
    help="Which list of a data set in the layout of MJSynth.",
)  # fmt: skip


def count_option(
    *names: str, text: str, default: int | None = None, least: int = 1
) -> Callable[[Function], Function]:
    """Return an option that takes an integer of at least `least`."""
    return click.option(
        *names,
        type=click.IntRange(least),
        metavar="N",
        default=default,
        show_default=default is not None,
        help=text,
    )


_THREADS = count_option(
    "--threads", text="Threads of the model; as many as there are cores if left out."
)


def text_or_json(function: Function) -> Function:
    """Add the option of the form, `form`."""
    return _AS_JSON(function)


def device_options(function: Function) -> Function:
    """Add the options of where a model runs, `cpu` and `threads`."""
    return _CPU(_THREADS(function))


def part_option(function: Function) -> Function:
    """Add the option of the list of MJSynth, `part`."""
    return _PART(function)


def find_model(name: str | None) -> Path:
    """Return the ONNX file or the folder that a user means.

    Args:
        name: an ONNX file, a folder with `model.onnx`, the name of a shipped reader, or None for
            the shipped reader of words.

    Raises:
        FileNotFoundError: it is none of them.
        ValueError: it is the name of a shipped reader, and of a folder with a model here.
    """
    # Here, so that `mltu --help` does not wait for onnxruntime.
    from mltu.inference import pretrained_names, resolve_model

    place = resolve_model(name)
    if place.exists():
        return place
    raise FileNotFoundError(
        "MODEL must be an ONNX file, a run folder with model.onnx, or the name of a shipped "
        f"reader ({', '.join(pretrained_names())}). There is no {name!r}."
    )


def to_json(content: Any, indent: int | None = None) -> str:
    """Write a value as JSON with the characters of all languages as they are."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    # What is no character, in file names that are no UTF-8, becomes an escape of JSON.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def print_json(content: Any) -> None:
    """Print a value as JSON."""
    click.echo(to_json(content, indent=2))


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether a stream, which may be closed, goes to a terminal."""
    return stream is not None and stream.isatty()


def is_watched() -> bool:
    """Say whether somebody looks at a progress bar: stderr is a terminal."""
    return is_terminal(sys.stderr)
