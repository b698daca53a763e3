"""Fonts and words from the command line: python -m mltu.synthetic fonts | words | sheet."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mltu.datasets import pack_lmdb, read_mjsynth
from mltu.utils.checks import check_count
from mltu.utils.files import atomic_path

from .atlas import FontAtlas, check_place
from .families import family_weights
from .font_check import CAPITALS, FontReport, check_fonts, find_fonts
from .fonts import shipped_fonts
from .render import IMAGE_HEIGHT
from .scene import SceneWords
from .sheets import Picture, font_sheet, side_by_side, word_sheet, write_png
from .words import ALPHABET, MARKS, load_words, sample_word
from .writer import write_mjsynth

MOST_FONTS = 200  # on a sheet
_FONTS_PER_PROCESS = 64  # starting one for fewer takes longer than it saves


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = _parser()
    args = parser.parse_args(arguments)
    try:
        args.run(args)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        parser.exit(2, " ".join(f"{error}".split()) + "\n")


def run_fonts(args: argparse.Namespace) -> None:
    """Check fonts, and write what was asked for of those that are fit.

    Raises:
        OSError: a folder is none, or a file cannot be written.
        ValueError: an argument is unfit, or no font is fit.
    """
    if args.workers is not None:
        check_count("--workers", args.workers, 0)
    if args.atlas and args.atlas == args.capitals:
        raise ValueError(f"--atlas and --capitals must be two folders. Received '{args.atlas}'.")
    for folder in filter(None, (args.atlas, args.capitals)):
        check_place(folder, replace=True)  # before minutes of work
    paths = shipped_fonts() if args.shipped else find_fonts(args.folders or None)
    if not paths:
        raise ValueError(
            "FOLDER must hold font files (.ttf, .otf, .ttc, .pfb). Received "
            f"{', '.join(map(repr, map(str, args.folders))) or 'the system fonts'}, which have "
            "none. Name other folders, or use --shipped."
        )
    most = -(-len(paths) // _FONTS_PER_PROCESS) if len(paths) > _FONTS_PER_PROCESS else 0
    workers = min(os.cpu_count() or 1, most) if args.workers is None else args.workers
    characters = ALPHABET + MARKS if args.marks else ALPHABET
    reports = check_fonts(paths, characters, workers=workers, progress=True)
    fit = [report.path for report in reports if not report.reason]
    _print_reports(reports, verbose=args.verbose)
    if args.json:
        _write_reports(args.json, reports)
    if not fit:
        raise ValueError(
            f"At least one font must be fit to draw words. Received {len(reports)} that are not. "
            "Use --verbose to see why, or --shipped."
        )
    if args.atlas:
        atlas = _write_atlas(args.atlas, fit, characters, workers)
    elif args.sheet:
        atlas = FontAtlas.build([fit[place] for place in _some(len(fit))], progress=True)
    if args.sheet:
        write_png(args.sheet, font_sheet(atlas, _some(len(atlas))))
        print(f"{args.sheet}: {min(len(atlas), MOST_FONTS)} fonts")
    if args.capitals:
        capitals = [report.path for report in reports if report.reason == CAPITALS]
        if not capitals:
            raise ValueError(
                "--capitals needs at least one font that draws capitals for small letters. "
                f"Received {len(reports)} of which none does. Leave the option out."
            )
        _write_atlas(args.capitals, capitals, characters, workers)


def _write_atlas(folder: Path, fonts: Sequence[str], characters: str, workers: int) -> FontAtlas:
    atlas = FontAtlas.build(fonts, characters, workers=workers, progress=True)
    equal = len(fonts) - len(atlas)
    print(f"{atlas.save(folder, replace=True)}: an atlas of {len(atlas)} fonts")
    if equal:
        print(f"{equal:7} fonts draw the same as another and were left out of it")
    return atlas


def run_words(args: argparse.Namespace) -> None:
    """Write a data set in the layout of MJSynth, and pack it.

    Raises:
        OSError: the folder holds something else, or cannot be written.
        ValueError: an argument is unfit.
    """
    atlas = _atlas_of(args.atlas) if args.atlas or args.scene else None
    counts = {"train": args.num_train, "val": args.num_validation}
    # Relative and absolute names of one folder must give the same LMDB.
    root = write_mjsynth(
        Path(args.folder).resolve(),
        num_train=args.num_train,
        num_validation=args.num_validation,
        seed=args.seed,
        workers=args.workers,
        atlas=atlas,
    )
    print(f"{root}: {args.num_train} images to train, {args.num_validation} to validate")
    for part in counts if args.lmdb else ():
        if counts[part]:
            print(f"{pack_lmdb(read_mjsynth(root, part), root / f'{part}.lmdb')}: {counts[part]}")


def run_sheet(args: argparse.Namespace) -> None:
    """Write a contact sheet of generated words, perhaps beside real ones.

    Raises:
        OSError: a folder is missing, or the file cannot be written.
        ValueError: an argument is unfit.
    """
    check_count("--count", args.count, 1)
    check_count("--seed", args.seed, 0)
    atlas = _atlas_of(args.atlas)
    scene = SceneWords(atlas, IMAGE_HEIGHT, font_weights=family_weights(atlas.names))
    rng = np.random.default_rng([args.seed, 1])
    if args.real is None:
        labels = [sample_word(rng, load_words()) for _ in range(args.count)]
        sheet = word_sheet(_generated(scene, labels, args.seed), num_columns=8)
    else:
        real = _real_words(args.real, args.count, rng, set(atlas.characters))
        generated = _generated(scene, [label for _, label in real], args.seed)
        sheet = side_by_side(
            word_sheet([image for image, _ in real], heading="real"),
            word_sheet(generated, heading="generated"),
        )
    write_png(args.png, sheet)
    print(f"{args.png}: {args.count} words{'' if args.real is None else ' of each kind'}")


def _print_reports(reports: Sequence[FontReport], *, verbose: bool) -> None:
    if verbose:
        for report in reports:
            if report.reason:
                print(f"{report.path}: {report.reason}".encode(errors="replace").decode())
    counts = Counter(report.kind for report in reports)
    fit = counts.pop("fit", 0)
    for kind, count in counts.most_common():
        print(f"{count:7} {kind}")
    print(f"{fit:7} of {len(reports)} fonts are fit to draw words")


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
    samples, found = read_mjsynth(folder, "val"), []
    for row in rng.permutation(len(samples)).tolist():
        path, label = samples[row]
        image = _read_image(Path(path))
        if image is not None and characters.issuperset(label):
            found.append((image, label))
        if len(found) == count:
            return found
    raise ValueError(
        f"--real must name a folder with at least --count {count} images that can be read and "
        f"whose labels the fonts draw. Received '{folder}' with {len(found)}. Ask for fewer."
    )


def _read_image(path: Path) -> Picture | None:
    content = path.read_bytes() if path.is_file() else b""
    if not content:
        return None
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else np.asarray(image, np.uint8)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mltu.synthetic", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="fonts | words | sheet")

    fonts = commands.add_parser("fonts", help="find and check fonts, and build an atlas of them")
    fonts.set_defaults(run=run_fonts)
    fonts.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="default: system")
    fonts.add_argument("--shipped", action="store_true", help="the fonts that come with mltu")
    fonts.add_argument("--atlas", type=Path, metavar="FOLDER", help="write the fit fonts here")
    fonts.add_argument(
        "--capitals", type=Path, metavar="FOLDER", help="write those of capitals alone here"
    )
    fonts.add_argument("--marks", action="store_true", help=f"fonts must draw {MARKS} too")
    fonts.add_argument("--sheet", type=Path, metavar="PNG", help=f"at most {MOST_FONTS} fonts")
    fonts.add_argument("--json", type=Path, metavar="FILE", help="write fit and unfit with reasons")
    fonts.add_argument("--workers", type=int, metavar="N", help="processes; 0 for this one")
    fonts.add_argument("--verbose", action="store_true", help="list unfit fonts with the reason")

    words = commands.add_parser("words", help="write a data set in the layout of MJSynth")
    words.set_defaults(run=run_words)
    words.add_argument("folder", type=Path, metavar="FOLDER", help="to make")
    words.add_argument("--num-train", type=int, required=True, metavar="N")
    words.add_argument("--num-validation", type=int, required=True, metavar="M")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--atlas", type=Path, metavar="FOLDER", help="draw as MJSynth with these")
    words.add_argument("--scene", action="store_true", help="the same with the shipped fonts")
    words.add_argument("--workers", type=int, metavar="N", help="processes; 0 for this one")
    words.add_argument("--lmdb", action="store_true", help="pack train.lmdb and val.lmdb too")

    sheet = commands.add_parser("sheet", help="show generated words, perhaps beside real ones")
    sheet.set_defaults(run=run_sheet)
    sheet.add_argument("png", type=Path, metavar="PNG", help="to write")
    sheet.add_argument("--atlas", type=Path, metavar="FOLDER", help="default: the shipped fonts")
    sheet.add_argument("--real", type=Path, metavar="FOLDER", help="in the layout of MJSynth")
    sheet.add_argument("--count", type=int, default=80, help="words, of each kind")
    sheet.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
