"""Draw contact sheets: generated images of each kind, or real ones of a folder beside them.

python sheets.py FOLDER [--atlas FOLDER] [--texts FILE] [--seed N] [--real LABELS.TSV ...]
python sheets.py generated.png --page
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from mltu.preprocessors import ImageReader
from mltu.synthetic import KINDS, TextImages

HEIGHT, GAP, WIDTH, MARGIN = 32, 6, 680, 104


def page(images, heading="", num_rows=None):
    """Lay images out in rows, in their own size, beside a heading."""
    rows, left = [[]], MARGIN
    for image in images:
        image = image[:, : WIDTH - MARGIN]
        if left + image.shape[1] > WIDTH and rows[-1]:
            if len(rows) == num_rows:
                break
            rows, left = [*rows, []], MARGIN
        rows[-1].append((left, image))
        left += image.shape[1] + GAP
    sheet = np.full((len(rows) * (HEIGHT + GAP) + GAP, WIDTH, 3), 255, np.uint8)
    for number, row in enumerate(rows):
        top = GAP + number * (HEIGHT + GAP)
        for left, image in row:
            sheet[top : top + HEIGHT, left : left + image.shape[1]] = image
    cv2.putText(
        sheet, heading, (4, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (90, 60, 0), 1, cv2.LINE_AA
    )
    return sheet


def real_images(table, count, rng):
    """Read some of the images of a table "path, tab, text", scaled to our height."""
    lines = table.read_text(encoding="utf-8").splitlines()
    images, reader = [], ImageReader()
    for place in rng.permutation(len(lines))[:count]:
        image = reader.read(table.parent / lines[place].split("\t")[0])
        width = max(round(image.shape[1] * HEIGHT / image.shape[0]), 1)
        images.append(cv2.resize(image, (width, HEIGHT), interpolation=cv2.INTER_AREA))
    return images


def write(path, sheet):
    """Write a PNG file; cv2.imwrite would not say that it could not."""
    content = cv2.imencode(".png", sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    path.write_bytes(content.tobytes())


def main(arguments=None):
    """Write the sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="a folder; with --page one PNG file")
    parser.add_argument("--atlas")
    parser.add_argument("--texts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=80, help="images of a kind")
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="labels.tsv of images")
    parser.add_argument("--page", action="store_true", help="some of each kind on one page")
    args = parser.parse_args(arguments)
    drawn = TextImages(args.atlas, args.texts)

    def some(kind):
        number = list(KINDS).index(kind)
        rngs = (np.random.default_rng([args.seed, number, i]) for i in range(args.count))
        return [drawn.draw(rng, kind=kind)[0] for rng in rngs]

    if args.page:
        sheets = [page(some(kind), kind, 2) for kind in KINDS]
        write(args.output, np.concatenate(sheets))
        return
    args.output.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        write(args.output / f"{kind}.png", page(some(kind), kind))
    for table in args.real:
        images = real_images(table, args.count, np.random.default_rng(args.seed))
        write(args.output / f"real_{table.parent.name}.png", page(images))


if __name__ == "__main__":
    main()
