"""The contact sheet of an examination: the samples with faults first, then some as they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from mltu.data_check.findings import Finding
from mltu.data_check.joined import Joined
from mltu.data_check.report import DataReport
from mltu.plots import Image, shrink, write_contact_sheet
from mltu.preprocessors import ImageReader

_NUM_TILES = 48
_NUM_EACH = (2, 6)  # Samples of one finding: at least a pair, at most a row.
_CAPTION = 26  # Characters that fit over an image.


def write_sheet(
    path: str | os.PathLike[str],
    report: DataReport,
    samples: Any,
    validation: Any = None,
) -> int:
    """Write a PNG of up to 48 images with their labels; images that cannot be read are left out.

    Contradicting labels come first, each beside its twin, then the other findings, the most severe
    first, then samples drawn evenly.

    Args:
        path: of the PNG file.
        report: of these samples.
        samples: the training samples, as they were examined.
        validation: the validation samples, as they were examined.

    Returns:
        How many images it shows; where it is none, no file is written.

    Raises:
        TypeError, ValueError, OSError: `samples` or `validation` cannot be loaded.
        ImportError: matplotlib is not installed.
    """
    joined = Joined(samples, validation)
    reader = ImageReader()
    tiles: dict[int, tuple[Image, str]] = {}
    for position, caption in _chosen(report, joined):
        if len(tiles) == _NUM_TILES:
            break
        if position in tiles:
            continue
        try:
            image = shrink(reader.read(joined.data(position)))
        except (OSError, TypeError, ValueError):
            continue  # The report counts it, and there is nothing to show.
        tiles[position] = (image, caption)
    if tiles:
        write_contact_sheet(path, list(tiles.values()))
    return len(tiles)


def _chosen(report: DataReport, joined: Joined) -> Iterator[tuple[int, str]]:
    """Yield positions and captions in the order in which they deserve a look."""
    findings = sorted(report.findings, key=lambda finding: finding.name != "contradicting_label")
    least, most = _NUM_EACH
    num_each = min(max(_NUM_TILES // max(len(findings), 1), least), most)
    for finding in findings:
        for position in list(_of_finding(finding))[:num_each]:
            yield position, _caption(joined.label(position), finding.name)
    for number in range(_NUM_TILES):
        position = number * len(joined) // _NUM_TILES
        yield position, _caption(joined.label(position))


def _of_finding(finding: Finding) -> Iterator[int]:
    for example in finding.examples:
        if example.twin is not None:
            yield example.twin
        yield example.position


def _caption(label: object, name: str = "") -> str:
    is_plain = isinstance(label, str) and label.isprintable() and label == label.strip() != ""
    text = str(label) if is_plain else ascii(label)
    if len(text) > _CAPTION:
        text = text[: _CAPTION - 3] + "..."
    return f"{name.replace('_', ' ')}\n{text}" if name else text
