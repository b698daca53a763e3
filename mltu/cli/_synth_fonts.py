"""mltu synth fonts: which fonts are fit to draw words, and an atlas of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from mltu.cli._common import is_watched
from mltu.synthetic.atlas import FontAtlas, check_place
from mltu.synthetic.font_check import CAPITALS, FontReport, check_fonts, find_fonts
from mltu.synthetic.font_sheet import num_cores
from mltu.synthetic.fonts import shipped_fonts
from mltu.synthetic.sheets import font_sheet, write_png
from mltu.synthetic.words import ALPHABET, MARKS
from mltu.utils.files import atomic_path

MOST_FONTS = 200  # on a sheet
_FONTS_PER_PROCESS = 64  # starting one for fewer takes longer than it saves


def run_fonts(
    folders: Sequence[Path],
    *,
    shipped: bool,
    atlas: Path | None,
    capitals: Path | None,
    marks: bool,
    sheet: Path | None,
    json_path: Path | None,
    workers: int | None,
    verbose: bool,
) -> None:
    """Check fonts, and write what was asked for of those that are fit.

    Raises:
        OSError: a folder is none, or a file cannot be written.
        ValueError: an argument is unfit, or no font is fit.
    """
    if atlas and atlas == capitals:
        raise ValueError(f"--atlas and --capitals must be two folders. Received '{atlas}'.")
    for folder in filter(None, (atlas, capitals)):
        check_place(folder, replace=True)  # before minutes of work
    paths = shipped_fonts() if shipped else find_fonts(folders or None)
    if not paths:
        raise ValueError(
            "FOLDER must hold font files (.ttf, .otf, .ttc, .pfb). Received "
            f"{', '.join(map(repr, map(str, folders))) or 'the system fonts'}, which have "
            "none. Name other folders, or use --shipped."
        )
    most = -(-len(paths) // _FONTS_PER_PROCESS) if len(paths) > _FONTS_PER_PROCESS else 0
    num_workers = min(num_cores(), most) if workers is None else workers
    characters = ALPHABET + MARKS if marks else ALPHABET
    reports = check_fonts(paths, characters, workers=num_workers, progress=is_watched())
    fit = [report.path for report in reports if not report.reason]
    _print_reports(reports, verbose=verbose)
    if json_path:
        _write_reports(json_path, reports)
    if not fit and (atlas or sheet or not capitals):
        raise ValueError(
            f"At least one font must be fit to draw words. Received {len(reports)} that are not. "
            "Use --verbose to see why, or --shipped."
        )
    if atlas:
        drawn = _write_atlas(atlas, fit, characters, num_workers)
    elif sheet:
        drawn = FontAtlas.build([fit[place] for place in _some(len(fit))], progress=is_watched())
    if sheet:
        write_png(sheet, font_sheet(drawn, _some(len(drawn))))
        click.echo(f"{sheet}: {min(len(drawn), MOST_FONTS)} fonts")
    if capitals:
        found = [report.path for report in reports if report.reason == CAPITALS]
        if not found:
            raise ValueError(
                "--capitals needs at least one font that draws capitals for small letters. "
                f"Received {len(reports)} of which none does. Leave the option out."
            )
        _write_atlas(capitals, found, characters, num_workers)


def _write_atlas(folder: Path, fonts: Sequence[str], characters: str, workers: int) -> FontAtlas:
    atlas = FontAtlas.build(fonts, characters, workers=workers, progress=is_watched())
    equal = len(fonts) - len(atlas)
    click.echo(f"{atlas.save(folder, replace=True)}: an atlas of {len(atlas)} fonts")
    if equal:
        click.echo(f"{equal:7} fonts draw the same as another and were left out of it")
    return atlas


def _print_reports(reports: Sequence[FontReport], *, verbose: bool) -> None:
    if verbose:
        for report in reports:
            if report.reason:
                click.echo(f"{report.path}: {report.reason}".encode(errors="replace").decode())
    counts = Counter(report.kind for report in reports)
    fit = counts.pop("fit", 0)
    for kind, count in counts.most_common():
        click.echo(f"{count:7} {kind}")
    click.echo(f"{fit:7} of {len(reports)} fonts are fit to draw words")


def _write_reports(path: Path, reports: Sequence[FontReport]) -> None:
    content = {
        "fit": [report.path for report in reports if not report.reason],
        "unfit": {report.path: report.reason for report in reports if report.reason},
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _some(number: int) -> list[int]:
    """Return the places of at most so many items as fit on a sheet, evenly from all."""
    places = np.linspace(0, number - 1, min(number, MOST_FONTS))
    return [int(place) for place in places]
