"""Captchas drawn by the `captcha` package, and what is random about them in training."""

import string
import threading
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from mltu.augmentors import Augmentor
from mltu.utils.files import atomic_folder


class Style(NamedTuple):
    """What is drawn: characters of a text, its shortest and longest length, and arcs over it."""

    characters: str
    shortest: int
    longest: int
    num_arcs: int


_LETTERS = string.ascii_letters.translate(dict.fromkeys(map(ord, "IOl")))
STYLES = {
    "plain": Style("2345678bcdefgmnpwxy", 5, 5, 1),
    "mixed": Style("23456789" + _LETTERS, 4, 6, 3),
}


def hold_out(samples, num_folds, fold, seed):
    """Return the training samples, and one of `num_folds` equal parts as validation set."""
    if not 0 <= fold < num_folds <= len(samples):
        raise ValueError(
            f"`fold` must be in 0..{num_folds - 1}, and `num_folds` at most the {len(samples)} "
            f"captchas. Received {fold} and {num_folds}."
        )
    order = np.random.default_rng(seed).permutation(len(samples))
    held = order[fold::num_folds]
    return samples.take(np.setdiff1d(order, held)), samples.take(np.sort(held))


class _Dice(threading.local):
    """Stands in for the module `secrets`, from which the package draws and which has no seed."""

    rng: np.random.Generator

    def randbelow(self, limit):
        return int(self.rng.integers(limit))

    def randbits(self, count):
        return int(self.rng.integers(2**count))

    def choice(self, items):
        return items[self.rng.integers(len(items))]


@cache
def _painter():
    try:
        import captcha.image
    except ImportError:
        raise SystemExit("Captchas are drawn by a package: pip install captcha") from None
    captcha.image.secrets = dice = _Dice()
    return captcha.image.ImageCaptcha(width=200, height=50, font_sizes=(30, 34, 38)), dice


def draw_captcha(text, style, rng):
    """Draw a captcha, (50, 200, 3), blue-green-red: characters rotated and warped, dots, arcs."""
    painter, dice = _painter()
    dice.rng = rng
    color, paper = (tuple(rng.integers(*ends, 3).tolist()) for ends in ((10, 201), (238, 256)))
    image = painter.create_captcha_image(text, color, paper)
    for _ in range(STYLES[style].num_arcs):
        painter.create_noise_curve(image, color)
    painter.create_noise_dots(image, color)
    return np.asarray(image)[..., ::-1]


def draw_text(style, rng):
    """Sample the text of a captcha."""
    characters, shortest, longest, _ = STYLES[style]
    length = rng.integers(shortest, longest, endpoint=True)
    return "".join(rng.choice(list(characters), length))


class DrawCaptcha(Augmentor):
    """Draws a new captcha in the place of a sample, so that none is seen twice."""

    def __init__(self, style):
        super().__init__(probability=1)
        self.style = style

    def __call__(self, data, label, rng):
        text = draw_text(self.style, rng)
        return draw_captcha(text, self.style, rng), text


def draw_captchas(folder, count, style, seed):
    """Write PNG files named after their texts, unless the folder exists."""
    if folder.is_dir():
        return
    rng, texts = np.random.default_rng(seed), set()
    while len(texts) < count:
        texts.add(draw_text(style, rng))
    with atomic_folder(folder) as unfinished:
        for number, text in enumerate(tqdm(sorted(texts), "Drawing captchas", unit="images")):
            image = draw_captcha(text, style, np.random.default_rng([seed, number]))
            # Numbered, since "aB" and "Ab" are one name to Windows and macOS.
            content = cv2.imencode(".png", image)[1].tobytes()
            (unfinished / f"{text}_{number}.png").write_bytes(content)


def shift_and_shear(image, rng):
    """Move, slant and scale an image a little; what comes in at the edges repeats them."""
    height, width = image.shape[:2]
    slant, scale = rng.uniform(-0.2, 0.2), rng.uniform(0.9, 1.1, 2)
    centre = np.array([width, height]) / 2
    turn = np.array([[scale[0], slant], [0, scale[1]]])
    shift = centre - turn @ centre + rng.uniform(-1, 1, 2) * (0.04 * width, 0.08 * height)
    matrix = np.column_stack([turn, shift])
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
