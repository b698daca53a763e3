"""Captchas drawn by the `captcha` package, and what is random about them in training."""

import string

import cv2
import numpy as np
from tqdm import tqdm

from mltu.utils.files import atomic_folder

_LETTERS = string.ascii_letters.translate(dict.fromkeys(map(ord, "IOl")))
# How many captchas are drawn, of which characters, and how many characters each has.
STYLES = {
    "plain": (1_040, "2345678bcdefgmnpwxy", (5, 5)),
    "mixed": (4_000, "23456789" + _LETTERS, (4, 6)),  # Three times the characters need more images.
}


def hold_out(samples, num_folds, fold, seed):
    """Return the samples to train on, and one of `num_folds` equal parts to validate with."""
    if not 0 <= fold < num_folds <= len(samples):
        raise ValueError(
            f"`fold` must be in 0..{num_folds - 1}, and `num_folds` at most the {len(samples)} "
            f"captchas. Received {fold} and {num_folds}."
        )
    order = np.random.default_rng(seed).permutation(len(samples))
    held = order[fold::num_folds]
    return samples.take(np.setdiff1d(order, held)), samples.take(np.sort(held))


def draw_captchas(folder, count, style, seed):
    """Write PNG files named after their texts, unless the folder exists.

    The package turns and warps each character; `mixed` strikes them through with three arcs.
    The texts follow the seed; the package has its own random number generator.
    """
    if folder.is_dir():
        return
    try:
        from captcha.image import ImageCaptcha, random_color
    except ImportError:
        raise SystemExit("Captchas are drawn by a package: pip install captcha") from None
    _, characters, (shortest, longest) = STYLES[style]
    painter = ImageCaptcha(width=200, height=50, font_sizes=(30, 34, 38))
    rng, texts = np.random.default_rng(seed), set()
    while len(texts) < count:
        length = rng.integers(shortest, longest, endpoint=True)
        texts.add("".join(rng.choice(list(characters), length)))
    with atomic_folder(folder) as unfinished:
        for number, text in enumerate(tqdm(sorted(texts), "Drawing captchas", unit="images")):
            color = random_color(10, 200)
            image = painter.create_captcha_image(text, color, random_color(238, 255))
            for _ in range(3 if style == "mixed" else 1):
                painter.create_noise_curve(image, color)
            painter.create_noise_dots(image, color)
            # Numbered, since "aB" and "Ab" are one name to Windows and macOS.
            image.save(unfinished / f"{text}_{number}.png")


def shift_and_shear(image, rng):
    """Move, slant and scale an image a little; what comes in at the edges repeats them."""
    height, width = image.shape[:2]
    slant, scale = rng.uniform(-0.2, 0.2), rng.uniform(0.9, 1.1, 2)
    centre = np.array([width, height]) / 2
    turn = np.array([[scale[0], slant], [0, scale[1]]])
    shift = centre - turn @ centre + rng.uniform(-1, 1, 2) * (0.04 * width, 0.08 * height)
    matrix = np.column_stack([turn, shift])
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
