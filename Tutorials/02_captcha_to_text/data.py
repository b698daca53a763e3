"""Captchas: those of a folder, or drawn by the `captcha` package where there are none."""

import string

import cv2
import numpy as np
from configs import CAPTCHAS, ROOT
from tqdm import tqdm

from mltu.augmentors import ImageTransform, RandomBrightness, RandomErodeDilate, RandomRotate
from mltu.dataProvider import DataProvider
from mltu.datasets import open_samples
from mltu.preprocessors import ImageReader
from mltu.transformers import ExpandDims, ImageResizer, LabelIndexer, LabelPadding
from mltu.utils.files import atomic_folder

_LETTERS = string.ascii_letters.translate(dict.fromkeys(map(ord, "IOl")))
# What is drawn: how many captchas, of which characters, and how many of them each has.
STYLES = {
    "plain": (1_040, "2345678bcdefgmnpwxy", (5, 5)),
    "mixed": (4_000, "23456789" + _LETTERS, (4, 6)),  # Thrice the characters take more to learn.
}


def read_captchas(data, style, limit, seed):
    """Return the samples of a folder whose files are named after what they show: text or text_1.

    Without a folder those under Datasets are taken, or drawn ones where there are none.
    """
    if data is None and CAPTCHAS.is_dir() and style == "plain":
        data = CAPTCHAS
    if data is None:
        count = limit or STYLES[style][0]
        data = ROOT / "Datasets" / "captcha_stand_in" / f"{style}_{count}_{seed}"
        print(f"No {CAPTCHAS} (the README says where to get it): {count} are drawn into {data}")
        draw_captchas(data, count, style, seed)
    return open_samples(data, label_pattern="[^_]+")[:limit]


def hold_out(samples, num_folds, fold, seed):
    """Return the samples to train on, and one of `num_folds` equal parts to test with."""
    order = np.random.default_rng(seed).permutation(len(samples))
    held = order[fold::num_folds]
    return samples.take(np.setdiff1d(order, held)), samples.take(np.sort(held))


def draw_captchas(folder, count, style, seed):
    """Write PNG files named after their texts; a folder that is there already is left alone.

    The package turns and warps each character; `mixed` strikes them through with three arcs.
    Texts follow the seed; the package draws them by chance of its own.
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


def make_provider(samples, configs, *, trains):
    """Make batches of grey images (batch, height, width, 1) and labels (batch, max_text_length)."""
    augmentors = [
        RandomBrightness(),
        RandomRotate(angle=5),
        RandomErodeDilate(probability=0.3),
        ImageTransform(shift_and_shear),
    ]
    return DataProvider(
        dataset=samples,
        data_preprocessors=[ImageReader(cv2.IMREAD_GRAYSCALE)],
        batch_size=configs.batch_size,
        augmentors=augmentors if trains else [],
        transformers=[
            ImageResizer(configs.width, configs.height),
            ExpandDims(),
            LabelIndexer(configs.vocab),
            LabelPadding(configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        shuffle=trains,
        seed=configs.seed,
        workers=configs.train_workers,
    )
