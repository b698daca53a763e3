"""mltu synth: a data set of words drawn from fonts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mltu.cli._common import count_option, is_watched

if TYPE_CHECKING:
    from mltu.synthetic import FontAtlas

_PLACE = click.Path(path_type=Path)
# The kinds of `mltu.synthetic` that are single words; written out, since importing it takes time.
_KINDS = ("plain_word", "scene_word", "distant_word", "scan_word", "screen_word")


@click.group("synth", short_help="Draw training words from fonts.")
def command() -> None:
    """Draw training words from fonts.

    \b
    mltu synth words Datasets/words --num-train 20000 --num-validation 1000
    """


@command.command("words", short_help="Write a data set of words.")
@click.argument("folder", type=_PLACE)
@click.option(
    "--num-train", type=int, required=True, metavar="N", help="Number of training images."
)
@click.option(
    "--num-validation", type=int, required=True, metavar="M", help="Number of validation images."
)
@click.option("--kind", type=click.Choice(_KINDS), default=_KINDS[0], help="Kind of images.")
@click.option(
    "--fonts", type=_PLACE, metavar="FOLDER", help="Folder of fonts (default: the shipped ones)."
)
@click.option(
    "--atlas", type=_PLACE, metavar="FOLDER", help="Font atlas to use instead of --fonts."
)
@count_option("--seed", help="Random seed.", default=0, least=0)
@count_option("--workers", help="Worker processes (0: draw in this process).", least=0)
@click.option("--lmdb", is_flag=True, help="Also write train.lmdb and val.lmdb.")
def words(
    folder: Path,
    *,
    num_train: int,
    num_validation: int,
    kind: str,
    fonts: Path | None,
    atlas: Path | None,
    seed: int,
    workers: int | None,
    lmdb: bool,
) -> None:
    """Write a data set in the layout of MJSynth to FOLDER.

    \b
    mltu synth words Datasets/words --num-train 20000 --num-validation 1000 --kind scene_word
    """
    from mltu.datasets import pack_lmdb, read_mjsynth
    from mltu.synthetic import FontAtlas, write_mjsynth

    if fonts is not None and atlas is not None:
        raise click.UsageError("Pass --fonts or --atlas, not both.")
    counts = {"train": num_train, "val": num_validation}
    # Relative and absolute names of one folder must give the same LMDB.
    root = write_mjsynth(
        folder.resolve(),
        num_train=num_train,
        num_validation=num_validation,
        seed=seed,
        workers=workers,
        atlas=_build(fonts) if fonts else FontAtlas.load(atlas) if atlas else None,
        kind=kind,
        progress=is_watched(),
    )
    click.echo(f"{root}: {num_train} images to train, {num_validation} to validate")
    for part in counts if lmdb else ():
        if counts[part]:
            samples, packed = read_mjsynth(root, part), root / f"{part}.lmdb"
            click.echo(f"{pack_lmdb(samples, packed, progress=is_watched())}: {counts[part]}")


def _build(folder: Path) -> FontAtlas:
    """Build an atlas of the fonts of a folder that can draw words; say how many cannot."""
    from mltu.synthetic import ALPHABET, LATIN, FontAtlas

    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".ttf", ".otf"))
    if not paths:
        raise FileNotFoundError(f"--fonts: there are no .ttf or .otf files in '{folder}'.")
    atlas = FontAtlas.build(paths, ALPHABET, optional=LATIN, skip=True, progress=is_watched())
    click.echo(f"{len(atlas)} different fonts of {len(paths)} files draw all of [0-9A-Za-z]")
    return atlas
