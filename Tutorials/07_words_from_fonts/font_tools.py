# ruff: noqa: RUF001
"""Find font files, keep the glyphs that people would read as their characters, and pack them.

python font_tools.py FOLDER ... --atlas FOLDER [--pack FILE] [--per-family 8] [--workers 2]
"""

import argparse
import random
import unicodedata
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from mltu.synthetic import ALPHABET, LATIN, shipped_fonts
from mltu.synthetic._atlas import FontAtlas, in_processes
from mltu.synthetic._glyphs import EM, FontSheet, draw_glyph, draw_sheet, family_name

SUFFIXES = {".ttf", ".otf", ".ttc", ".pfb"}
SIDE = 16  # pixels of the square in which shapes are compared
MIN_LEGIBLE = 0.43  # share of letters and digits whose nearest shape is their own
MIN_LIKENESS = 0.4  # correlation of a mark with the nearest glyph of the shipped fonts
MIN_PLAIN = 0.78  # from which on a font is one of running text
TWO_SHAPES = "abdeghnqr"  # letters whose cases have different shapes in nearly every font
SAME_SHAPES = {*"|IlO0o_-–—'`‘’,\"“”„.·•°º"}  # that a good font may draw alike


def find_fonts(folders, per_family):
    """List font files, at most so many of a family, chosen at random but always the same."""
    families = defaultdict(list)
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix.lower() in SUFFIXES:
                families[family_name(path.name)].append(path)
    rng = random.Random(0)
    return sorted(
        path
        for paths in families.values()
        for path in (paths if len(paths) <= per_family else rng.sample(paths, per_family))
    )


def shape_of(mask):
    """Return the ink in a square of 16 pixels as a vector of length 1 around zero: (256,)."""
    x, y, width, height = cv2.boundingRect(mask)
    ink = mask[y : y + height, x : x + width]
    square = cv2.resize(ink, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    vector = (square - square.mean()).ravel()
    # A full square, as of a dash, has no shape but itself.
    return vector / norm if (norm := np.linalg.norm(vector)) > 1 else np.ones(SIDE**2) / SIDE


@cache
def templates():
    """Return for each character the shapes and the extents it has in the shipped fonts."""
    found = {}
    for char in LATIN[1:]:
        glyphs = [draw_glyph(char, str(path)) for path in shipped_fonts()]
        glyphs = [glyph for glyph in glyphs if glyph is not None]
        found[char] = (
            np.stack([shape_of(glyph.mask) for glyph in glyphs]),
            np.array([extent(glyph.top, *glyph.mask.shape) for glyph in glyphs]),
        )
    return found


def extent(top, rows, columns):
    """Return top, bottom and width in ems."""
    return top / EM, (top + rows) / EM, columns / EM


def check_sheet(path):
    """Draw a font; return the sheet with the glyphs that can be used, or why it cannot be."""
    try:
        sheet = draw_sheet(str(path), LATIN)
    except (OSError, ValueError) as error:
        return f"cannot be read: {type(error).__name__}"
    boxes, ends = sheet.boxes.copy(), 0
    masks = {}
    for char, (rows, columns, *_) in zip(LATIN, boxes.tolist(), strict=True):
        if rows > 0:
            masks[char] = sheet.pixels[ends : ends + rows * columns].reshape(rows, columns)
            ends += rows * columns
    capitals = [char for char in ALPHABET if not char.islower()]
    if sum(char in masks for char in capitals) < 0.95 * len(capitals):
        return "lacks capitals or digits"
    shapes = {char: shape_of(mask) for char, mask in masks.items()}
    known = [char for char in ALPHABET if char in shapes]
    if len({shapes[char].tobytes() for char in known}) < len(known) / 2:
        return "draws different characters alike"
    if legibility(shapes, known) < MIN_LEGIBLE:
        return "draws shapes that are not read as these characters"
    bad = {char for char in LATIN[1:] if char not in masks}
    bad |= {char for char in ALPHABET if char in shapes and nearness(char, shapes[char]) < 0.1}
    both = [char for char in TWO_SHAPES if char in shapes and char.upper() in shapes]
    alike = [char for char in both if is_alike(char, shapes)]
    capitals = [c for c in both if nearness(c.upper(), shapes[c]) > nearness(c, shapes[c])]
    if len(capitals) > len(both) / 2:  # small capitals
        bad |= {char for char in LATIN if char.islower()}
    elif len(alike) > len(both) / 3:
        return "draws small letters and capitals alike"
    pixels = defaultdict(list)
    for char, mask in masks.items():
        pixels[mask.shape, mask.tobytes()].append(char)
    for same in pixels.values():
        if len(same) > 1:  # a stand-in for glyphs that are not there, or accents left out
            bad |= {char for char in same if char not in SAME_SHAPES and char not in ALPHABET}
    for place, char in enumerate(LATIN):
        if char in masks and char not in ALPHABET and char not in bad:
            rows, columns, _, top, _ = boxes[place].tolist()
            if unlike(char, shapes[char], extent(top, rows, columns)):
                bad.add(char)
    bad |= {char for char in LATIN if unicodedata.normalize("NFD", char)[0] in bad}
    kept = [mask.ravel() for char, mask in masks.items() if char not in bad]
    boxes[[char in bad for char in LATIN]] = -1
    return FontSheet(np.concatenate(kept), boxes, sheet.kerning)


def nearness(char, shape):
    """Return the largest correlation with the character in the shipped fonts."""
    return float((templates()[char][0] @ shape).max())


def legibility(shapes, known):
    """Return the share of characters whose nearest shape in the shipped fonts is their own."""
    owners = [char for char in ALPHABET for _ in templates()[char][0]]
    every = np.concatenate([templates()[char][0] for char in ALPHABET])
    nearest = np.argmax(np.stack([shapes[char] for char in known]) @ every.T, axis=1)
    return np.mean([owners[i].lower() == c.lower() for i, c in zip(nearest, known, strict=True)])


def is_alike(char, shapes):
    """Tell whether a letter looks more like the capital of its font than like any small letter."""
    likeness = float(shapes[char] @ shapes[char.upper()])
    return likeness > max(0.5, nearness(char, shapes[char]) - 1e-3)


def unlike(char, shape, here):
    """Tell whether a mark has another shape, size or height than in each of the shipped fonts."""
    shapes, extents = templates()[char]
    apart = np.abs(extents - here)
    fits = (apart[:, 0] < 0.35) & (apart[:, 1] < 0.35) & (apart[:, 2] < 0.35)
    return not (fits & (shapes @ shape > (-1 if char in "-_–—|" else MIN_LIKENESS))).any()


def plainness(sheet):
    """Return how near the letters are to those of plain fonts: the mean of their correlations."""
    found, end = [], 0
    for char, (rows, columns, *_) in zip(LATIN, sheet.boxes.tolist(), strict=True):
        if rows > 0:
            start, end = end, end + rows * columns
            if char in ALPHABET:
                shape = shape_of(sheet.pixels[start:end].reshape(rows, columns))
                found.append(nearness(char, shape))
    return np.mean(found)


def main(arguments=None):
    """Check the fonts of some folders and write an atlas of what can be used."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--atlas", type=Path, required=True)
    parser.add_argument("--pack", type=Path, help="a small file for another machine")
    parser.add_argument("--per-family", type=int, default=8)
    parser.add_argument("--workers", type=int, default=0)
    args = parser.parse_args(arguments)
    paths = find_fonts(args.folders, args.per_family)
    results = in_processes(check_sheet, paths, args.workers, chunksize=16)
    found, reasons = {}, Counter()
    for path, sheet in zip(paths, tqdm(results, total=len(paths), unit="font"), strict=True):
        if isinstance(sheet, str):
            reasons[sheet] += 1
        else:
            found.setdefault(sheet.pixels.tobytes(), (path.name, sheet))
    if not found:
        raise SystemExit(f"None of {len(paths)} fonts can be used: {dict(reasons)}")
    names, sheets = zip(*found.values(), strict=True)
    atlas = FontAtlas(names, LATIN, sheets)
    atlas.plain = np.array([plainness(sheet) >= MIN_PLAIN for sheet in sheets])
    atlas.save(args.atlas, replace=True)
    counts = dict(zip(LATIN, atlas.has.sum(axis=0).tolist(), strict=True))
    print(f"{len(atlas)} fonts of {len(paths)}; unfit: {dict(reasons)}")
    print(f"fonts for each character: {counts}")
    if args.pack:
        print(f"{atlas.pack(args.pack)}: {args.pack.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
