"""Shared by the commands: options, finding a model, and printing JSON."""

from __future__ import annotations

import json
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from mltu.utils.files import StrPath

if TYPE_CHECKING:
    from mltu.datasets import Samples


class Number(click.FloatRange):
    """A range of floats without NaN, which click lets through, and without infinity."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


WHERE = ("path_column", "label_column", "label_pattern")  # the arguments of `data_options`
Function = TypeVar("Function", bound=Callable[..., Any])

text_or_json = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Output format.",
)  # fmt: skip
part_option = click.option(
    "--part", type=click.Choice(["train", "val", "test"]),
    help="List to use of a data set in the MJSynth layout.",
)  # fmt: skip

retry_option = click.option(
    "--retry-below", type=Number(0, 1), metavar="X",
    help="Confidence below which an image is read again in other views (tightly cropped, turned "
    "level ...); the most confident reading counts (default: as the model card says).",
)  # fmt: skip


def data_options(function: Function) -> Function:
    """Add the options that say where DATA has its paths and labels."""
    pattern = "Regular expression that finds the label in names, such as '[^_]+'."
    function = click.option("--label-pattern", metavar="REGEX", help=pattern)(function)
    for kind in ("label", "path"):
        meaning = f"Column of the {kind}s in a table."
        function = click.option(f"--{kind}-column", metavar="NAME", help=meaning)(function)
    return function


def open_data(
    data: str, validation: str | None, where: Mapping[str, str | None]
) -> tuple[Samples, Samples | None]:
    """Open a data set and its validation data, which the layout of MJSynth has in itself."""
    from mltu.datasets import open_samples, open_validation

    samples, own = open_samples(data, **where), open_validation(validation or data)
    if own is None and validation is not None:
        own = open_samples(validation, **where)
    return samples, own


def count_option(
    *names: str, help: str, default: int | None = None, least: int = 1
) -> Callable[[Function], Function]:
    """Return an option that takes an integer of at least `least`."""
    return click.option(
        *names, type=click.IntRange(least), metavar="N", default=default,
        show_default=default is not None, help=help,
    )  # fmt: skip


def device_options(function: Function) -> Function:
    """Add the options `--cpu` and `--threads`."""
    cpu = click.option("--cpu", is_flag=True, help="Use the CPU even if a GPU is available.")
    threads = count_option("--threads", help="Threads of the model (default: one per core).")
    return cpu(threads(function))


def find_model(name: str | None) -> Path:
    """Return the ONNX file or the run folder of a name.

    Args:
        name: an ONNX file, a folder with `model.onnx`, the name of a shipped reader, or None for
            the default reader.

    Raises:
        FileNotFoundError: it is something else.
        ValueError: it names both a shipped reader and a folder with a model.
    """
    # Here, so that `mltu --help` does not wait for onnxruntime.
    from mltu.inference import pretrained_names, resolve_model

    path = resolve_model(name)
    if path.exists():
        return path
    raise FileNotFoundError(
        f"There is no {name!r}. MODEL must be an ONNX file, a run folder with model.onnx, or the "
        f"name of a shipped reader ({', '.join(pretrained_names())})."
    )


def to_json(content: object, indent: int | None = None) -> str:
    """Return a value as JSON without escaping the characters of other languages."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    # Bytes of file names that are not UTF-8 become escapes of JSON.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def print_json(content: object) -> None:
    """Print a value as JSON."""
    click.echo(to_json(content, indent=2))


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream, which may be closed, is a terminal."""
    return stream is not None and stream.isatty()


def is_watched() -> bool:
    """Return whether a progress bar would be seen: whether stderr is a terminal."""
    return is_terminal(sys.stderr)


def quoted(path: StrPath) -> str:
    """Return a path as a command that is copied into a shell needs it, such as 'my run'."""
    text = os.fspath(path)
    return subprocess.list2cmdline([text]) if os.name == "nt" else shlex.quote(text)
