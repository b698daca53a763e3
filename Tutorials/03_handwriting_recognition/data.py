"""Handwritten words: those of IAM, or a stand-in in its layout, drawn with handwriting fonts."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from mltu.augmentors import (
    RandomBrightness,
    RandomElastic,
    RandomErodeDilate,
    RandomGaussianBlur,
    RandomPerspective,
    RandomRotate,
)
from mltu.datasets import read_iam_words, split_iam
from mltu.synthetic import load_words, shipped_fonts
from mltu.utils.files import atomic_folder

WORDS_PER_FORM = 25
EM = 56  # pixels
HANDS = ("ComicNeue", "DancingScript", "LobsterTwo")  # of the fonts that come with the library
FONTS = Path(__file__).parent / "fonts"


AUGMENTORS = [
    RandomBrightness(delta=0.3),
    RandomRotate(angle=4),
    RandomPerspective(shift=0.15),  # slant and width of the letters
    RandomElastic(),  # bent strokes
    RandomErodeDilate(),  # pens
    RandomGaussianBlur(),
]


def read_samples(configs):
    """Return the words for training, validation and testing; draw them if there are none."""
    if not configs.data:
        configs.data = f"Datasets/handwriting_stand_in/{configs.num_drawn}_{configs.seed}"
        write_stand_in(Path(configs.data), configs.num_drawn, configs.seed)
    configs.data = str(Path(configs.data).resolve())
    return split_iam(read_iam_words(configs.data), configs.data, seed=configs.seed)


class Writer(NamedTuple):
    """A hand: one for each form of the stand-in."""

    font: ImageFont.FreeTypeFont
    slant: float  # pixels to the right for each pixel up
    stroke: int  # pixels by which strokes are thicker, or thinner if negative
    width: float  # of the letters, against the font's
    spacing: float  # pixels between letters
    jitter: float  # of the baseline, in pixels
    wobble: float  # of the strokes, in pixels
    ink: float  # grey level
    paper: float


def write_stand_in(folder, num_words, seed):
    """Write words.txt and the images below words/, unless the folder exists."""
    if folder.is_dir():
        return
    with atomic_folder(folder) as unfinished:
        _write_forms(unfinished, num_words, seed)


def _write_forms(root, num_words, seed):
    fonts = [path for path in shipped_fonts() if path.name.startswith(HANDS)]
    fonts += sorted(FONTS.glob("*.ttf"))
    lines = ["# As words.txt of IAM; the hands are fonts."]
    for number in tqdm(range(num_words), "Drawing words", unit="words"):
        form, place = divmod(number, WORDS_PER_FORM)
        if place == 0:
            writer = _draw_writer(np.random.default_rng([seed, form]), fonts)
        rng = np.random.default_rng([seed, form, place])
        text = _draw_text(rng)
        image = draw_word(text, writer, rng)
        name = f"s{form // 100:02}-{form % 100:03}-{place // 5:02}-{place % 5:02}"
        path = root / "words" / name[:3] / name[:7] / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        height, width = image.shape
        lines.append(f"{name} ok {round(writer.ink)} 0 0 {width} {height} XX {text}")
    (root / "words.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _draw_writer(rng, fonts):
    font = fonts[rng.integers(len(fonts))]
    is_bold = "Bold" in font.name
    return Writer(
        font=ImageFont.truetype(str(font), EM, layout_engine=ImageFont.Layout.BASIC),
        slant=rng.uniform(-0.15, 0.4),
        stroke=rng.integers(-2, 1) if is_bold else rng.integers(0, 3),
        width=rng.uniform(0.8, 1.25),
        spacing=rng.uniform(-1, 3),
        jitter=rng.uniform(0, 2),
        wobble=rng.uniform(0.5, 2.5),
        ink=rng.uniform(20, 120),
        paper=rng.uniform(225, 255),
    )


def _draw_text(rng):
    """Sample a word in small letters, with a capital or in capitals, a number, or a mark alone."""
    words, kind = load_words(), rng.random()
    if kind < 0.05:
        return ",.\"'!?;:-"[rng.integers(9)]
    if kind < 0.1:
        return str(rng.integers(10 ** rng.integers(1, 5)))
    word = words[rng.integers(len(words))]
    if kind < 0.35:
        return word.capitalize()
    return word.upper() if kind < 0.4 else word


def draw_word(text, writer, rng):
    """Draw a word in a hand; return a grey image, shape (height, width)."""
    pen = [EM + sum(map(writer.font.getlength, text[:i])) + i * writer.spacing
           for i in range(len(text) + 1)]  # fmt: skip
    canvas = Image.new("L", (round(pen[-1]) + EM, 3 * EM))
    for x, char in zip(pen, text, strict=False):
        at = (x + rng.normal(0, 1), 2 * EM + rng.normal(0, writer.jitter))
        ImageDraw.Draw(canvas).text(at, char, 255, writer.font, anchor="ls")
    ink = _warp(np.asarray(canvas), writer, rng)
    if writer.stroke:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (abs(writer.stroke) + 1,) * 2)
        ink = (cv2.dilate if writer.stroke > 0 else cv2.erode)(ink, kernel)
    left, top, width, height = cv2.boundingRect(ink)
    ink = cv2.copyMakeBorder(
        ink[top : top + height, left : left + width], *rng.integers(1, 6, 4).tolist(),
        cv2.BORDER_CONSTANT, value=0,
    )  # fmt: skip
    image = writer.paper + ink / 255 * (writer.ink - writer.paper) + rng.normal(0, 3, ink.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def _warp(ink, writer, rng):
    """Slant the letters, set them on a slope, and move their strokes by smooth noise."""
    rows, columns = ink.shape
    wide = round(columns * writer.width) + rows
    nodes = (4, max(4, wide // 24))
    x, y = np.meshgrid(np.arange(wide, dtype=np.float32), np.arange(rows, dtype=np.float32))
    y = y + (x - wide / 2) * rng.normal(0, 0.02)
    x = (x - rows / 2 + (y - 2 * EM) * writer.slant) / writer.width
    for grid in (x, y):
        noise = rng.normal(0, writer.wobble, nodes).astype(np.float32)
        grid += cv2.resize(noise, (wide, rows), interpolation=cv2.INTER_CUBIC)
    return cv2.remap(ink, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
