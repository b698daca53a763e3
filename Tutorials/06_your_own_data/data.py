"""A stand-in for your own data: photographed serial numbers."""

import cv2
import numpy as np
from tqdm import tqdm

from mltu.datasets import write_csv
from mltu.synthetic import render_word, shipped_fonts
from mltu.utils.files import atomic_folder

LETTERS, DIGITS = list("ABCDEFGHJKLMNPRSTUVWXYZ"), list("0123456789")
MISTYPED = 50  # Of so many labels one has its first two digits swapped, as by hand.


def draw_serial_numbers(folder, count, seed=0):
    """Write images/00000.png ... and labels.csv, unless the folder exists."""
    if folder.is_dir():
        return
    with atomic_folder(folder) as unfinished:
        _draw(unfinished, count, seed)


def _draw(folder, count, seed):
    rng, fonts = np.random.default_rng(seed), shipped_fonts()
    (folder / "images").mkdir()
    samples = []
    for number in tqdm(range(count), "Drawing serial numbers", unit="images"):
        digits = rng.choice(DIGITS, rng.integers(4, 7))  # Some begin with 0: labels are text.
        letters = "".join(rng.choice(LETTERS, 2))
        font = fonts[rng.integers(len(fonts))]
        image = render_word(letters + "".join(digits), font, rng, height=40)
        name = f"images/{number:05}.png"
        (folder / name).write_bytes(cv2.imencode(".png", image)[1].tobytes())
        if number % MISTYPED == MISTYPED - 1:
            digits[:2] = digits[1::-1]
        samples.append((name, letters + "".join(digits)))
    write_csv(folder / "labels.csv", samples)
