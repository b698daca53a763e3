"""Lines of text: those of IAM, or a stand-in in its layout, drawn with the shipped fonts."""

from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from mltu.augmentors import (
    RandomBrightness,
    RandomErodeDilate,
    RandomGaussianBlur,
    RandomPerspective,
)
from mltu.datasets import read_iam_lines, split_iam
from mltu.synthetic import load_words, render_word, shipped_fonts
from mltu.utils.files import atomic_folder

LINES_PER_FORM = 10


AUGMENTORS = [
    RandomBrightness(delta=0.3),
    RandomPerspective(),
    RandomErodeDilate(probability=0.3),
    RandomGaussianBlur(),
]


def read_samples(configs):
    """Return the lines for training, validation and testing; draw them if there are none."""
    if not configs.data:
        configs.data = f"Datasets/sentence_stand_in/{configs.num_drawn}_{configs.seed}"
        write_stand_in(Path(configs.data), configs.num_drawn, configs.seed)
    configs.data = str(Path(configs.data).resolve())
    # IAM marks lines as `err` whose words could not be segmented, which is not needed here.
    samples = read_iam_lines(configs.data, include_err=True)
    return split_iam(samples, configs.data, seed=configs.seed)


def write_stand_in(folder, num_lines, seed):
    """Write lines.txt and the images below lines/, unless the folder exists."""
    if folder.is_dir():
        return
    with atomic_folder(folder) as unfinished:
        _write_forms(unfinished, num_lines, seed)


def _write_forms(root, num_lines, seed):
    """Write forms of ten lines, each form in one font."""
    fonts, listing = shipped_fonts(), ["# As lines.txt of IAM; the hands are fonts."]
    for number in tqdm(range(num_lines), "Drawing lines", unit="lines"):
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
    """Sample one to five words of a text, with marks as separate words, as in IAM."""
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
    """Join words with spaces, but no space before a mark."""
    text = " ".join(words)
    return text.replace(" .", ".").replace(" ,", ",")
