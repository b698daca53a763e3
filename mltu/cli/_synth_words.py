"""mltu synth words and mltu synth sheet: a data set of generated words, and a look at them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click
import numpy as np

from mltu.cli._common import is_watched
from mltu.datasets import pack_lmdb, read_mjsynth
from mltu.preprocessors import ImageReader
from mltu.synthetic.atlas import FontAtlas
from mltu.synthetic.families import family_weights
from mltu.synthetic.fonts import shipped_fonts
from mltu.synthetic.render import IMAGE_HEIGHT
from mltu.synthetic.scene import SceneWords
from mltu.synthetic.sheets import Picture, side_by_side, word_sheet, write_png
from mltu.synthetic.words import load_words, sample_word
from mltu.synthetic.writer import write_mjsynth


def run_words(
    folder: Path,
    *,
    num_train: int,
    num_validation: int,
    seed: int,
    atlas: Path | None,
    scene: bool,
    workers: int | None,
    lmdb: bool,
) -> None:
    """Write a data set in the layout of MJSynth, and pack it.

    Raises:
        OSError: the folder holds something else, or cannot be written.
        ValueError: an argument is unfit.
    """
    fonts = _atlas_of(atlas) if atlas or scene else None
    counts = {"train": num_train, "val": num_validation}
    # Relative and absolute names of one folder must give the same LMDB.
    root = write_mjsynth(
        folder.resolve(),
        num_train=num_train,
        num_validation=num_validation,
        seed=seed,
        workers=workers,
        atlas=fonts,
        progress=is_watched(),
    )
    click.echo(f"{root}: {num_train} images to train, {num_validation} to validate")
    for part in counts if lmdb else ():
        if counts[part]:
            samples, packed = read_mjsynth(root, part), root / f"{part}.lmdb"
            click.echo(f"{pack_lmdb(samples, packed, progress=is_watched())}: {counts[part]}")


def run_sheet(png: Path, *, atlas: Path | None, real: Path | None, count: int, seed: int) -> None:
    """Write a contact sheet of generated words, perhaps beside real ones.

    Raises:
        OSError: a folder is missing, or the file cannot be written.
        ValueError: an argument is unfit.
    """
    fonts = _atlas_of(atlas)
    scene = SceneWords(fonts, IMAGE_HEIGHT, font_weights=family_weights(fonts.names))
    rng = np.random.default_rng([seed, 1])
    if real is None:
        labels = [sample_word(rng, load_words()) for _ in range(count)]
        sheet = word_sheet(_generated(scene, labels, seed), num_columns=8)
    else:
        pairs = _real_words(real, count, rng, set(fonts.characters))
        generated = _generated(scene, [label for _, label in pairs], seed)
        sheet = side_by_side(
            word_sheet([image for image, _ in pairs], heading="real"),
            word_sheet(generated, heading="generated"),
        )
    write_png(png, sheet)
    click.echo(f"{png}: {count} words{'' if real is None else ' of each kind'}")


def _atlas_of(folder: Path | None) -> FontAtlas:
    return FontAtlas.build(shipped_fonts()) if folder is None else FontAtlas.load(folder)


def _generated(scene: SceneWords, labels: Sequence[str], seed: int) -> list[Picture]:
    return [scene.draw(label, np.random.default_rng([seed, i])) for i, label in enumerate(labels)]


def _real_words(
    folder: Path, count: int, rng: np.random.Generator, characters: set[str]
) -> list[tuple[Picture, str]]:
    """Take validation images by chance; broken files and labels of other characters are left out.

    Raises:
        FileNotFoundError: the annotation file is missing.
        ValueError: there are not enough.
    """
    samples, reader, found = read_mjsynth(folder, "val"), ImageReader(), []
    for row in rng.permutation(len(samples)).tolist():
        path, label = samples[row]
        if characters.issuperset(label):
            with suppress(OSError, ValueError):  # A file that is missing, or no image.
                found.append((reader.read(path), label))
        if len(found) == count:
            return found
    raise ValueError(
        f"--real must name a folder with at least --count {count} images that can be read and "
        f"whose labels the fonts draw. Received '{folder}' with {len(found)}. Ask for fewer."
    )
