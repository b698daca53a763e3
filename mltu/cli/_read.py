"""mltu read: read the text in images."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mltu.cli._common import (
    Number,
    count_option,
    device_options,
    find_model,
    is_terminal,
    is_watched,
    retry_option,
    to_json,
)

if TYPE_CHECKING:
    from mltu.decoders import BeamDecoder
    from mltu.inference import Reading, TextRecognizer

# The confidence below which a hint says what the reader takes; the latter for an odd shape.
_DOUBTFUL, _ODD_DOUBTFUL = 0.1, 0.5
_LONGEST = 60  # times as wide as high


@click.command("read", short_help="Read the text in images.")
@click.argument("images", nargs=-1, required=True, metavar="IMAGES...")
@click.option(
    "--model", metavar="MODEL", help="ONNX file, run folder, or shipped reader (default: words)."
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "csv"]), default="text",
    show_default=True, help="Output format.",
)  # fmt: skip
@retry_option
@device_options
@click.option(
    "--lexicon", metavar="FILE", help="Restrict readings to the words of a file, one per line."
)
@click.option("--ignore-case", is_flag=True, help="Match the lexicon case-insensitively.")
@click.option(
    "--pattern", metavar="P", help="Restrict readings to a pattern, such as [A-Z]{2}\\d{3}."
)
@count_option(
    "--beam-width",
    help="Beam width (default: 10 with --lexicon or --pattern, else greedy decoding).",
)
@click.option(
    "--min-confidence", type=Number(0, 1), default=0.0, metavar="X",
    help="Omit readings with a lower confidence, and count them.",
)  # fmt: skip
@click.option(
    "--rotate", type=click.Choice(["auto"]),
    help="Read each image in all four directions and keep the most confident reading.",
)  # fmt: skip
def command(
    images: tuple[str, ...],
    model: str | None,
    form: str,
    retry_below: float | None,
    cpu: bool,
    threads: int | None,
    lexicon: str | None,
    ignore_case: bool,
    pattern: str | None,
    beam_width: int | None,
    min_confidence: float,
    rotate: str | None,
) -> None:
    """Read the text in IMAGES: files, folders (searched recursively), or - for stdin.

    Each output line has the path, the text and the confidence. Images that cannot be read are
    reported on stderr; the others are still read, and the exit status is 1.

    Each image must show what the reader was trained on: for the shipped reader, one word or line
    of print in Latin letters, upright and cropped. It does not detect text on a page or in a scene,
    and does not read handwriting. Images that are rotated by 90, 180 or 270 degrees need --rotate
    auto. A blank image gives an empty text.

    \b
    mltu read photos/*.png
    mltu read photos --model run --format json --min-confidence 0.9
    curl -s https://example.org/word.png | mltu read -
    """
    from mltu.inference import TextRecognizer

    reader = TextRecognizer(
        find_model(model),
        retry_below=retry_below,
        decoder=_make_decoder(beam_width, lexicon, ignore_case, pattern),
        num_threads=threads,
        force_cpu=cpu,
    )
    paths, empty_folders = _find(images)
    for folder in empty_folders:
        click.echo(f"{folder}: no images in this folder.", err=True)
    # A progress bar among lines on the same terminal would tear them apart.
    shows_bar = is_watched() and not is_terminal(sys.stdout)
    images_read = (sys.stdin.buffer.read() if path == "-" else path for path in paths)
    if rotate:
        readings = _read_in_all_directions(reader, images_read)
    else:
        readings = reader.predict_stream(images_read, on_error="keep", progress=shows_bar)
    counts = {"failed": len(empty_folders), "omitted": 0}
    doubtful: list[str] = []
    pairs = zip(paths, readings, strict=True)
    for line in _FORMS[form](_choose(pairs, min_confidence, counts, doubtful)):
        click.echo(line)
    if doubtful:
        click.echo(
            f"Doubtful: {len(doubtful)} of {len(paths)} readings, such as that of {doubtful[0]}, "
            "are empty, have next to no confidence, or have low confidence in an image that is "
            "taller than wide or very long. Is each image one word or line, cropped and upright? "
            "--rotate auto tries all four directions.",
            err=True,
        )
    if counts["omitted"]:
        click.echo(f"Omitted, confidence below {min_confidence}: {counts['omitted']}", err=True)
    if counts["failed"]:
        raise click.exceptions.Exit(1)


def _make_decoder(
    width: int | None, lexicon: str | None, ignore_case: bool, pattern: str | None
) -> BeamDecoder | None:
    """Return the decoder that the options select; None for greedy decoding."""
    if lexicon is not None and pattern is not None:
        raise click.UsageError("--lexicon and --pattern cannot be combined.")
    if ignore_case and lexicon is None:
        raise click.UsageError("--ignore-case needs --lexicon.")
    if lexicon is None and pattern is None and width is None:
        return None
    from mltu.decoders import BeamDecoder, Constraint, Lexicon, Pattern

    constraint: Constraint | None = None
    if pattern is not None:
        constraint = Pattern(pattern)
    elif lexicon is not None:
        try:
            lines = Path(lexicon).read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise click.UsageError(f"--lexicon {lexicon!r} is not UTF-8: {error}") from None
        words = [word for line in lines if (word := line.strip())]
        constraint = Lexicon(words, ignore_case=ignore_case)
    return BeamDecoder(width or BeamDecoder.beam_width, constraint=constraint)


def _find(images: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the paths of all images, and the folders that have none."""
    from mltu.datasets import find_images

    paths: list[str] = []
    empty_folders = []
    for name in images:
        if not os.path.isdir(name):  # noqa: PTH112  A Path raises where the name is too long.
            paths.append(name)
        elif found := find_images(name, recursive=True):
            # As it was given: a Path would turn "./photos" into "photos".
            paths += (os.path.join(name, *path.split("/")) for path in found)  # noqa: PTH118
        else:
            empty_folders.append(name)
    return paths, empty_folders


def _read_in_all_directions(
    reader: TextRecognizer, images: Iterable[str | bytes]
) -> Iterator[Reading]:
    """Yield the most confident of the readings of each image upright and rotated."""
    import numpy as np

    from mltu.inference import Reading
    from mltu.preprocessors import ImageReader

    read = ImageReader().read
    for image in images:
        try:
            pixels = read(image)
        except (OSError, ValueError) as error:
            yield Reading("", 0.0, error=str(error))
            continue
        turned = [np.ascontiguousarray(np.rot90(pixels, turns)) for turns in range(4)]
        readings = reader.predict_batch(turned)
        yield max(readings, key=lambda reading: (reading.text != "", reading.confidence))


def _is_doubtful(path: str, reading: Reading) -> bool:
    """Return whether an image was read with next to no confidence, or little where it is odd."""
    from mltu.inference._image import is_blank
    from mltu.preprocessors import ImageReader

    if reading.confidence < _DOUBTFUL:
        return True
    if reading.text and reading.confidence >= _ODD_DOUBTFUL:
        return False
    if path == "-" or not Path(path).is_file():  # A pipe can be read only once.
        return False
    pixels = ImageReader().read(path)
    if not reading.text:
        return not is_blank(pixels)
    height, width = pixels.shape[:2]
    return bool(height > width or width > _LONGEST * height)


def _choose(
    pairs: Iterable[tuple[str, Reading]],
    min_confidence: float,
    counts: dict[str, int],
    doubtful: list[str],
) -> Iterator[tuple[str, Reading]]:
    """Pass on readings of enough confidence and images that could not be read; count the rest.

    Images that are probably no upright word or line are noted in `doubtful`.
    """
    for path, reading in pairs:
        if reading.error is not None:
            counts["failed"] += 1
            click.echo(f"{path[:500]}: {' '.join(reading.error.split())}", err=True)
        elif _is_doubtful(path, reading):
            doubtful.append(path)
        if reading.error is None and reading.confidence < min_confidence:
            counts["omitted"] += 1
        else:
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
    """Yield one object per line, so that a long list is never in memory."""
    yield "["
    line = ""
    for path, reading in pairs:
        if line:
            yield f"{line},"
        line = to_json({"path": path, **reading.to_dict()})
    yield f"{line}]"


_FORMS = {"text": _as_text, "csv": _as_csv, "json": _as_json}
