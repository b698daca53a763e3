"""mltu synth: words drawn from fonts, to train on without a data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mltu.cli._common import count_option

Function = TypeVar("Function", bound=Callable[..., Any])

_PLACE = click.Path(path_type=Path)


def _path_option(name: str, metavar: str, text: str) -> Callable[[Function], Function]:
    return click.option(name, type=_PLACE, metavar=metavar, help=text)


_seed_option = count_option("--seed", help="Of all chance.", default=0, least=0)
_workers_option = count_option("--workers", help="Processes; 0 for none but this one.", least=0)


@click.group("synth", short_help="Draw words from fonts to train on.")
def command() -> None:
    """Draw words from fonts: check the fonts, write a data set, look at it.

    \b
    mltu synth words Datasets/words --num-train 20000 --num-validation 1000
    """


@command.command("fonts", short_help="Check fonts, and build an atlas of them.")
@click.argument("folders", nargs=-1, type=_PLACE)
@click.option("--shipped", is_flag=True, help="The fonts that come with mltu.")
@_path_option("--atlas", "FOLDER", "Write the fit fonts here.")
@_path_option("--capitals", "FOLDER", "Write fonts that have capitals alone here.")
@click.option("--marks", is_flag=True, help="Fonts must draw punctuation too.")
@_path_option("--sheet", "PNG", "Show at most 200 of the fonts.")
@click.option(
    "--json", "json_path", type=_PLACE, metavar="FILE", help="Write fit and unfit, with reasons."
)
@_workers_option
@click.option("--verbose", is_flag=True, help="List unfit fonts with the reason.")
def fonts(folders: tuple[Path, ...], **options: Any) -> None:
    """Find and check the fonts in FOLDERS, or of the system, and build an atlas of them.

    \b
    mltu synth fonts /usr/share/fonts --atlas Datasets/atlas --sheet fonts.png
    """
    from mltu.cli._synth_fonts import run_fonts

    run_fonts(folders, **options)


@command.command("words", short_help="Write a data set.")
@click.argument("folder", type=_PLACE)
@click.option("--num-train", type=int, required=True, metavar="N", help="Images to train on.")
@click.option("--num-validation", type=int, required=True, metavar="M", help="To validate on.")
@_seed_option
@_path_option("--atlas", "FOLDER", "Draw as MJSynth does, with these fonts.")
@click.option("--scene", is_flag=True, help="The same with the shipped fonts.")
@_workers_option
@click.option("--lmdb", is_flag=True, help="Pack train.lmdb and val.lmdb too.")
def words(folder: Path, **options: Any) -> None:
    """Write a data set in the layout of MJSynth to FOLDER.

    \b
    mltu synth words Datasets/words --num-train 20000 --num-validation 1000 --scene
    """
    from mltu.cli._synth_words import run_words

    run_words(folder, **options)


@command.command("sheet", short_help="Show generated words, perhaps beside real ones.")
@click.argument("png", type=_PLACE)
@_path_option("--atlas", "FOLDER", "Draw with these fonts; the shipped ones if left out.")
@_path_option("--real", "FOLDER", "Show the words of this data set, as MJSynth lays it out, too.")
@count_option("--count", help="Words, of each kind.", default=80)
@_seed_option
def sheet(png: Path, **options: Any) -> None:
    """Show generated words in a PNG, perhaps beside real ones.

    \b
    mltu synth sheet words.png --real Datasets/90kDICT32px
    """
    from mltu.cli._synth_words import run_sheet

    run_sheet(png, **options)
