"""mltu read: the words in images."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mltu.cli._common import (
    count_option,
    device_options,
    find_model,
    is_terminal,
    is_watched,
    to_json,
)

if TYPE_CHECKING:
    from mltu.inference import Reading


@click.command("read", short_help="Read the words in images.")
@click.argument("images", nargs=-1, required=True, metavar="IMAGES...")
@click.option("--model", metavar="MODEL", help="ONNX file, run folder, or a shipped reader.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "csv"]), default="text",
    show_default=True, help="How to print the readings.",
)  # fmt: skip
@device_options
@click.option("--lexicon", metavar="FILE", help="Read only words of this file, one on each line.")
@click.option("--ignore-case", is_flag=True, help="Capitals of the lexicon mean nothing.")
@click.option(
    "--pattern", metavar="P", help="Read only texts of this form, such as [A-Z]{2}\\d{3}."
)
@click.option(
    "--decoder",
    type=click.Choice(["greedy", "beam"]),
    help="How to search the text; beam where one of the above or below is given, or else greedy.",
)
@count_option("--beam-width", help="Texts kept while searching.")
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), default=0.0, metavar="X",
    help="Leave out readings that are less sure, and say how many.",
)  # fmt: skip
def command(
    images: tuple[str, ...],
    model: str | None,
    form: str,
    cpu: bool,
    threads: int | None,
    lexicon: str | None,
    ignore_case: bool,
    pattern: str | None,
    decoder: str | None,
    beam_width: int | None,
    min_confidence: float,
) -> None:
    """Read the words in IMAGES: files, and folders that are searched through.

    Each line of text is a path, what stands there, and how sure that is. Images that cannot be
    read are named on stderr, the others are read all the same, and the exit status is 1.

    \b
    mltu read photos/*.png
    mltu read photos --model run --format json --min-confidence 0.9
    """
    from mltu.inference import TextRecognizer

    steps = _decoder(decoder, beam_width, lexicon, ignore_case, pattern)
    reader = TextRecognizer(find_model(model), decoder=steps, num_threads=threads, force_cpu=cpu)
    paths, faults = _find(images)
    # A bar among lines on the same terminal would tear them apart.
    shows_bar = is_watched() and not is_terminal(sys.stdout)
    found = reader.predict_stream(paths, on_error="keep", progress=shows_bar)
    counts = {"failed": len(faults), "unsure": 0}
    for fault in faults:
        click.echo(fault, err=True)
    sure = _chosen(zip(paths, found, strict=True), min_confidence, counts)
    for line in _FORMS[form](sure):
        click.echo(line)
    if counts["unsure"]:
        click.echo(f"Left out, less sure than {min_confidence}: {counts['unsure']}", err=True)
    if counts["failed"]:
        raise click.exceptions.Exit(1)


def _decoder(
    name: str | None, width: int | None, lexicon: str | None, ignore_case: bool, pattern: str | None
) -> Any:
    """Make the decoder of the options; None for the best path."""
    if lexicon is not None and pattern is not None:
        raise click.UsageError("Only one of --lexicon and --pattern can be given.")
    if ignore_case and lexicon is None:
        raise click.UsageError("--ignore-case goes with --lexicon.")
    is_free = lexicon is None and pattern is None
    if name == "greedy" and not (is_free and width is None):
        raise click.UsageError("--lexicon, --pattern and --beam-width need --decoder beam.")
    if name != "beam" and is_free and width is None:
        return None
    from mltu.decoders import BeamDecoder, Lexicon, Pattern

    limits: dict[str, Any] = {} if width is None else {"beam_width": width}
    if pattern is not None:
        limits["constraint"] = Pattern(pattern)
    elif lexicon is not None:
        try:
            lines = Path(lexicon).read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise click.UsageError(
                f"--lexicon must be a file in UTF-8. Received {lexicon!r}: {error}"
            ) from None
        words = [word for line in lines if (word := line.strip())]
        limits["constraint"] = Lexicon(words, ignore_case=ignore_case)
    return BeamDecoder(**limits)


def _find(images: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the paths of all images, and what is wrong with folders that have none."""
    from mltu.datasets import find_images

    paths: list[str] = []
    faults = []
    for name in images:
        if not os.path.isdir(name):
            paths.append(name)
        elif found := find_images(name, recursive=True):
            paths += (os.path.join(name, *path.split("/")) for path in found)
        else:
            faults.append(f"{name}: there are no images in this folder.")
    return paths, faults


def _chosen(
    pairs: Iterable[tuple[str, Reading]], least: float, counts: dict[str, int]
) -> Iterator[tuple[str, Reading]]:
    """Pass on what was read surely enough and what could not be read; count the rest."""
    for path, reading in pairs:
        if reading.error is not None:
            counts["failed"] += 1
            click.echo(f"{path}: {' '.join(reading.error.split())}", err=True)
        elif reading.confidence < least:
            counts["unsure"] += 1
            continue
        yield path, reading


def _as_text(pairs: Iterable[tuple[str, Reading]]) -> Iterator[str]:
    for path, reading in pairs:
        if reading.error is None:
            yield f"{path}\t{reading.text}\t{reading.confidence:.1%}"


def _as_csv(pairs: Iterable[tuple[str, Reading]]) -> Iterator[str]:
    def line(*cells: object) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)  # Without one, Python 3.11 and 3.12
        return text.getvalue()[:-1]  # put no quotes around cells with line breaks.

    yield line("path", "text", "confidence", "error")
    for path, reading in pairs:
        yield line(path, reading.text, round(reading.confidence, 6), reading.error or "")


def _as_json(pairs: Iterable[tuple[str, Reading]]) -> Iterator[str]:
    """Give one object on each line, so that a long list is not held in memory."""
    yield "["
    line = ""
    for path, reading in pairs:
        if line:
            yield f"{line},"
        line = to_json({"path": path, **reading.to_dict()})
    yield f"{line}]"


_FORMS = {"text": _as_text, "csv": _as_csv, "json": _as_json}
