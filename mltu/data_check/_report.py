"""DataReport: the result of a data check as text, JSON and a contact sheet."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mltu.data_check._findings import CHECKS, SEVERITIES, AllSamples, Finding
from mltu.plots import Image, shrink, write_contact_sheet
from mltu.preprocessors import ImageReader
from mltu.utils.files import StrPath, atomic_path

_WIDTH = 100  # characters in a line
_PATH_WIDTH = 48  # The end of a path says more than its beginning.
_NUM_SHOWN = 3  # examples of each finding on the page; JSON has up to ten
_INDENT = "    "
_NUM_TILES = 48
_NUM_EACH = (2, 6)  # samples of one finding: at least a pair, at most a row
_CAPTION = 26  # characters that fit over an image


@dataclass(frozen=True)
class DataReport:
    """What was checked and what was found, most severe first.

    `num_examined` counts the samples whose image was read, or would have been if the file existed.
    `statistics` holds only numbers and texts. `skipped_checks` names the checks that were skipped,
    each with the arguments of `check_data` that it needs.
    """

    num_samples: int
    num_validation: int
    num_examined: int
    statistics: Mapping[str, Any]
    findings: tuple[Finding, ...]
    skipped_checks: tuple[tuple[str, str], ...] = ()

    @property
    def ok(self) -> bool:
        """True if there are no errors: training would run, and learn what the labels say."""
        return all(finding.severity != "error" for finding in self.findings)

    def prepared_by(self, resize: str | None, label_order: str | None) -> DataReport:
        """Return the report without findings that do not concern data prepared in this way.

        Args:
            resize: as in `mltu.inference.ModelCard`; None if unknown.
            label_order: likewise.
        """
        harmless = {"stretched_image": resize == "fit", "right_to_left": label_order == "visual"}
        kept = tuple(finding for finding in self.findings if not harmless.get(finding.name))
        return replace(self, findings=kept)

    def to_text(self) -> str:
        """Return a text report: what was checked, findings with their fixes, and what is fine."""
        blocks = [_overview(self), *map(_finding_text, self.findings), _closing(self)]
        page = "\n\n".join(blocks) + "\n"
        # File names that are not UTF-8 have characters that cannot be printed.
        return page.encode("utf-8", "backslashreplace").decode("utf-8")

    def to_json(self) -> str:
        """Return everything as ASCII JSON, which can represent any file name."""
        content = {"ok": self.ok, **asdict(self)}
        return json.dumps(content, indent=2) + "\n"

    def write_json(self, path: StrPath) -> None:
        """Write a JSON file atomically."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.to_json(), encoding="ascii")


def _overview(report: DataReport) -> str:
    statistics = report.statistics
    num_all = report.num_samples + report.num_validation
    lines = [
        f"Checked {report.num_samples:,} training and {report.num_validation:,} validation samples"
    ]
    if report.num_examined < num_all:
        lines.append(
            f"Read {report.num_examined:,} images, evenly sampled: only these are compared"
        )
    if length := statistics["label_length"]:
        lines.append(
            f"Labels   length {_span(length)}; {statistics['num_distinct_labels']:,} different; "
            f"characters in training: {len(statistics['character_counts'])}"
        )
    if width := statistics["image_width"]:
        height = statistics["image_height"]
        lines.append(f"Images   width {_span(width)}; height {_span(height)} pixels")
    return "\n".join(lines)


def _span(quantiles: Mapping[str, int]) -> str:
    low, middle, high = quantiles["min"], quantiles["median"], quantiles["max"]
    return f"{low}" if low == high else f"{low} to {high}, median {middle}"


def _finding_text(finding: Finding) -> str:
    counts = {
        "training": finding.count - finding.num_validation,
        "validation": finding.num_validation,
    }
    count = ", ".join(f"{number:,} in {part}" for part, number in counts.items() if number)
    lines = [f"{finding.severity.upper()} {finding.name}: {count}"]
    lines += _wrap(finding.meaning, "  ")
    lines += _wrap(finding.fix, "  Fix: ")
    for example in finding.examples[:_NUM_SHOWN]:
        room = _WIDTH - len(_INDENT) - 2  # for both, with two spaces between
        path = _cut_left(example.path, _PATH_WIDTH if example.detail else room)
        detail = _cut_middle(example.detail, room - len(path))
        lines.append(f"{_INDENT}{path}  {detail}".rstrip())
    return "\n".join(lines)


def _closing(report: DataReport) -> str:
    names = {finding.name for finding in report.findings}
    needs = dict(report.skipped_checks)
    fine = [name for name in CHECKS if name not in names and name not in needs]
    lines = _wrap("No " + ", ".join(map(_words, fine)) + ".", "Fine: ")
    if needs:
        skipped = [f"{_words(name)} (needs {argument})" for name, argument in needs.items()]
        lines += _wrap(", ".join(skipped) + ".", "Skipped: ")
    counts = Counter(finding.severity for finding in report.findings)
    verdict = "Training can start." if report.ok else "Fix the errors before training."
    totals = ", ".join(f"{name}s: {counts[name]}" for name in SEVERITIES)
    return "\n".join([*lines, f"{totals.capitalize()}. {verdict}"])


def _words(name: str) -> str:
    return name.replace("_", " ")


def _wrap(text: str, first: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent="  ", break_on_hyphens=False
    )


def _cut_left(text: str, size: int) -> str:
    return text if len(text) <= size else "..." + text[len(text) - size + 3 :]


def _cut_middle(text: str, size: int) -> str:
    if len(text) <= size:
        return text
    half = size // 2
    return text[: half - 3] + "..." + text[half - size :]


def write_sheet(
    path: StrPath,
    report: DataReport,
    samples: Any,
    validation: Any = None,
    *,
    first: Sequence[tuple[int, str]] = (),
) -> int:
    """Write a contact sheet (PNG) of up to 48 images with labels; unreadable ones are skipped.

    Conflicting labels come first, each beside the image it is a copy of, then the other findings,
    the most severe first, then samples taken evenly.

    Args:
        path: the PNG file.
        report: the report of these samples.
        samples: the training samples, as they were checked.
        validation: the validation samples, as they were checked.
        first: positions and captions of the images to begin with.

    Returns:
        The number of images shown; if it is 0, no file is written.

    Raises:
        TypeError, ValueError, OSError: `samples` or `validation` cannot be loaded.
        ImportError: matplotlib is not installed.
    """
    both = AllSamples(samples, validation)
    reader = ImageReader()
    tiles: dict[int, tuple[Image, str]] = {}
    for position, caption in [*first, *_tile_order(report, both)]:
        if len(tiles) == _NUM_TILES:
            break
        if position in tiles:
            continue
        try:
            image = shrink(reader.read(both.data[position]))
        except (OSError, TypeError, ValueError):
            continue  # The report counts it, and there is nothing to show.
        tiles[position] = (image, caption)
    if tiles:
        write_contact_sheet(path, list(tiles.values()))
    return len(tiles)


def _tile_order(report: DataReport, samples: AllSamples) -> Iterator[tuple[int, str]]:
    """Yield positions and captions, most important first."""
    findings = sorted(report.findings, key=lambda finding: finding.name != "conflicting_labels")
    least, most = _NUM_EACH
    num_each = min(max(_NUM_TILES // max(len(findings), 1), least), most)
    for finding in findings:
        pairs = [(example.duplicate_of, example.position) for example in finding.examples]
        positions = [position for pair in pairs for position in pair if position is not None]
        for position in positions[:num_each]:
            yield position, _caption(samples.labels[position], finding.name)
    for number in range(_NUM_TILES):
        position = number * len(samples) // _NUM_TILES
        yield position, _caption(samples.labels[position])


def _caption(label: object, name: str = "") -> str:
    is_plain = isinstance(label, str) and label.isprintable() and label == label.strip() != ""
    text = str(label) if is_plain else ascii(label)
    if len(text) > _CAPTION:
        text = text[: _CAPTION - 3] + "..."
    return f"{_words(name)}\n{text}" if name else text
