"""Lines of text: those of IAM, or a stand-in in its layout, rendered from the shipped fonts."""

import cv2
import numpy as np
from configs import IAM, STAND_IN
from tqdm import tqdm

from mltu.augmentors import RandomBrightness, RandomErodeDilate, RandomGaussianBlur
from mltu.dataProvider import DataProvider
from mltu.datasets import IamSplit, read_iam_lines, split_iam
from mltu.preprocessors import ImageReader
from mltu.synthetic import load_words, render_word, shipped_fonts
from mltu.transformers import ExpandDims, ImageResizer, LabelIndexer, LabelPadding
from mltu.utils.files import atomic_folder

NUM_DRAWN = 5_000
LINES_PER_FORM = 10


def read_lines(data, limit, seed):
    """Return the lines to train on, to validate on and to test on.

    Without a folder IAM under Datasets is taken, or the stand-in where there is none. Lines marked
    `err` are taken too: IAM could not cut their words apart, which nobody does here.
    """
    if data is None and IAM.is_dir():
        data = IAM
    if data is None:
        num_lines = max(limit or NUM_DRAWN, 10 * LINES_PER_FORM)
        data = STAND_IN / f"{num_lines}_{seed}"
        print(f"No IAM under {IAM} (the README says where it is to be had): training on "
              f"{num_lines} rendered lines in {data}")  # fmt: skip
        write_stand_in(data, num_lines, seed)
    split = split_iam(read_iam_lines(data, include_err=True), data, seed=seed)
    return IamSplit(*(part[:limit] for part in split))


def make_provider(samples, configs, *, trains):
    """Make batches of images (batch, height, width, 1), one width each, and indexed labels."""
    return DataProvider(
        samples,
        [ImageReader(cv2.IMREAD_GRAYSCALE)],
        batch_size=configs.batch_size,
        augmentors=[
            RandomBrightness(delta=0.3), RandomErodeDilate(probability=0.3), RandomGaussianBlur(),
        ] if trains else [],
        transformers=[
            ImageResizer(
                configs.width, configs.height, keep_aspect_ratio=True,
                padding_color=configs.padding_color,
            ),
            ExpandDims(),
            LabelIndexer(configs.vocab),
            LabelPadding(configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        shuffle=trains,
        short_first=trains,
        seed=configs.seed,
        workers=configs.train_workers,
    )  # fmt: skip


def write_stand_in(folder, num_lines, seed):
    """Write lines.txt and the images below lines/; a folder that is there already is left alone."""
    if folder.is_dir():
        return
    with atomic_folder(folder) as unfinished:
        _write_forms(unfinished, num_lines, seed)


def _write_forms(root, num_lines, seed):
    """Write forms of ten lines, each form in one font."""
    fonts, listing = shipped_fonts(), ["# As lines.txt of IAM; the hands are fonts."]
    for number in tqdm(range(num_lines), "Rendering lines", unit="lines"):
        form, place = divmod(number, LINES_PER_FORM)
        if place == 0:
            font = fonts[np.random.default_rng([seed, form]).integers(len(fonts))]
        rng = np.random.default_rng([seed, form, place])
        words = draw_words(rng)
        image = cv2.cvtColor(render_word(as_printed(words), font, rng), cv2.COLOR_BGR2GRAY)
        name = f"s{form // 100:02}-{form % 100:03}-{place:02}"
        path = root / "lines" / name[:3] / name[:7] / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        height, width = image.shape
        listing.append(f"{name} ok 128 {len(words)} 0 0 {width} {height} {'|'.join(words)}")
    (root / "lines.txt").write_text("\n".join(listing) + "\n", encoding="utf-8")


def draw_words(rng):
    """Draw a piece of a text, one to five words, with marks as words of their own, as in IAM."""
    known, found, begins = load_words(), [], rng.random() < 0.3
    for _ in range(rng.integers(1, 6)):
        word = known[rng.integers(len(known))]
        found.append(word.capitalize() if begins or rng.random() < 0.1 else word)
        mark = rng.random()
        begins = mark < 0.1
        if mark < 0.2:
            found.append("." if begins else ",")
    return found


def as_printed(words):
    """Join words by spaces, but for marks, which follow the word before."""
    text = " ".join(words)
    return text.replace(" .", ".").replace(" ,", ",")
