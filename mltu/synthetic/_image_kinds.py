"""The kinds of pictures: signs, scans, receipts, screens and displays, each one function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from mltu.synthetic import _draw as d
from mltu.synthetic._fonts import EM, FontAtlas
from mltu.synthetic._textures import Banks

Array = npt.NDArray[Any]
Rng = np.random.Generator


class Task(NamedTuple):
    """A text to draw.

    Attributes:
        text: what the picture says.
        others: draws a text for a neighbouring word or line that the font has.
        font: its number in the atlas.
        height: of the picture, in pixels.
        max_width: of the picture, in pixels.
    """

    text: str
    others: Callable[[], str]
    font: int
    height: int
    max_width: int


# Blue, green, red.
_LAMPS = np.array(
    [(40, 40, 255), (30, 30, 230), (60, 255, 60), (90, 240, 120), (20, 160, 255), (40, 200, 255),
     (255, 180, 60), (255, 120, 40), (245, 245, 245), (255, 240, 200), (60, 90, 250)], np.float32,
)  # fmt: skip

Painter = Callable[[Rng, FontAtlas, Banks, Task], tuple[Array, Array]]


class Kind(NamedTuple):
    """A kind of picture.

    Attributes:
        weight: its share of the mixture.
        form: of its texts; see `Texts`.
        max_length: of its texts.
        paint: draws a picture (height, width, 3) uint8 of any height, and returns with it where
            each character starts and ends, (characters, 2), in parts of the width.
        mono: share of the pictures with a font of one width.
        plain: share of the pictures with a font of running text.
    """

    weight: float
    form: str
    max_length: int
    paint: Painter
    mono: float = 0.0
    plain: float = 0.0


# Signs and covers: photographs. -------------------------------------------------------------


def scene(rng: Rng, atlas: FontAtlas, banks: Banks, task: Task) -> tuple[Array, Array]:
    """Photograph a word or a line on a sign."""
    picture, spans = _sign(rng, atlas, banks, task)
    return _photograph(rng, banks, picture, 0.25), spans


def plain(rng: Rng, atlas: FontAtlas, banks: Banks, task: Task) -> tuple[Array, Array]:
    """Draw a word that is easy to read: of strong contrast, straight or nearly so, in focus."""
    setting = d.set_text(rng, atlas, task.font, task.text)
    layers, style = [setting.mask], rng.random()
    if style < 0.24:
        layers.insert(0, (d.border if style < 0.12 else d.shadow)(rng, setting.mask))
    left, top, right, bottom = setting.box
    limit = min(0.05, 0.35 * (bottom - top) / (right - left))
    corners = d.distorted(rng, rng.uniform(-limit, limit), 0.06, rng.normal(0, 0.08))
    place = d.find_place(
        setting.box, task.height, task.max_width, stretch=rng.uniform(0.85, 1.2),
        corners=corners, margins=rng.uniform(0.05, 0.16, 4).tolist(),
    )  # fmt: skip
    contrast = rng.uniform(60, 200)
    dark = rng.uniform(0, 255 - contrast)
    levels = (dark, dark + contrast) if rng.random() < 0.5 else (dark + contrast, dark)
    ground, ink = (d.tinted(rng, level, rng.uniform(0, 60)) for level in levels)
    picture = d.solid(ground, place.size)
    light = d.piece(rng, banks.lights, place.size)
    picture += (light - np.float32(0.5)) * np.float32(rng.uniform(0, 0.3) * contrast)
    *edges, letters = d.put(place, layers)
    for edge in edges:
        d.blend(picture, _edge_colour(rng, ground, ink, contrast), edge)
    d.blend(picture, ink, letters)
    image = cv2.merge(list(picture))
    if rng.random() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.9) * task.height / 32)
    return _noise(rng, banks, image, 0.6, 3.0), d.find_spans(place, setting)


def distant(rng: Rng, atlas: FontAtlas, banks: Banks, task: Task) -> tuple[Array, Array]:
    """Photograph a sign from afar: few pixels, out of focus, moved."""
    picture, spans = _sign(rng, atlas, banks, task, far=True)
    return _photograph(rng, banks, picture, 0.8), spans


def _sign(
    rng: Rng, atlas: FontAtlas, banks: Banks, task: Task, far: bool = False
) -> tuple[Array, Array]:
    setting = _set(rng, atlas, task)
    mask, style = setting.mask, rng.random()
    if rng.random() < 0.36:
        mask = d.change_weight(rng, mask)
    layers, paint = _style(rng, style, mask)
    place = _sign_place(rng, setting, task, far)
    layers = d.put(place, layers)
    picture = _colour(rng, banks, layers, paint, place, setting)
    return picture, d.find_spans(place, setting)


def _set(rng: Rng, atlas: FontAtlas, task: Task) -> d.Setting:
    spacing, kind = 0.0, rng.random()
    if kind < 0.28:
        spacing = rng.normal(0.05, 0.08) * EM if kind < 0.25 else rng.uniform(0.2, 0.8) * EM
    neighbours = rng.random()
    beside = around = ("", "")
    if neighbours < 0.22:
        both = rng.random(2) < 0.6
        beside = (task.others() if both[0] else "", task.others() if both[1] else "")
    if 0.12 < neighbours < 0.36:
        both = rng.random(2) < 0.6
        around = (task.others() if both[0] else "", task.others() if both[1] else "")
    capitals = task.text.isupper() and " " not in task.text and beside == ("", "")
    setting = d.set_text(
        rng, atlas, task.font, task.text, spacing=spacing, uneven=rng.random() < 0.05,
        small_caps=rng.uniform(0.65, 0.85) if capitals and rng.random() < 0.08 else 1.0,
        beside=beside, around=around,
    )  # fmt: skip
    extra = rng.random()
    if extra < 0.04:
        d.underline(rng, setting)
    elif extra < 0.1:
        d.frame(rng, setting)
    return setting


def _style(rng: Rng, style: float, mask: Array) -> tuple[list[Array], str]:
    """Return the layers of a style, the letters last, and how they are coloured."""
    if style < 0.5:
        return [mask], "plain"
    if style < 0.61:
        return [d.border(rng, mask), mask], "edged"
    if style < 0.75:
        return [d.shadow(rng, mask), mask], "edged"
    if style < 0.81:
        return [d.extrusion(rng, mask), mask], "edged"
    if style < 0.86:
        return [d.shadow(rng, mask), d.border(rng, mask), mask], "edged"
    if style < 0.9:
        return [d.outline(rng, mask)], "plain"
    if style < 0.97:
        light, dark = d.relief(rng, mask)
        return [light, dark, mask], "relief"
    thin = d.outline(rng, mask) if rng.random() < 0.4 else mask
    return [cv2.GaussianBlur(thin, (0, 0), float(rng.uniform(3, 6))), thin], "neon"


def _sign_place(rng: Rng, setting: d.Setting, task: Task, far: bool) -> d.Place:
    left, top, right, bottom = setting.box
    stretch = min(max(rng.lognormal(-0.1, 0.17), 0.6), 1.7)
    aspect = (right - left) / (bottom - top) * stretch
    turn = bend = slant = view = 0.0
    kind = rng.random()
    # A long text on a slope would leave its letters few pixels of height.
    if kind < 0.12:
        limit = min(0.6, 1.3 / aspect)
        turn = rng.uniform(-limit, limit)
    elif kind < 0.75:
        limit = min(0.14, 0.5 / aspect)
        turn = min(max(rng.normal(0.0, limit / 2), -limit), limit)
    if rng.random() < 0.45:
        slant = min(max(rng.normal(0.0, 0.17), -0.45), 0.45)
    if rng.random() < 0.45:
        view = 0.16 if rng.random() < 0.8 else 0.26
    if rng.random() < 0.16 and aspect > 1.5:
        limit = min(0.16 * aspect, 0.9)
        bend = float(np.clip(rng.normal(0.0, limit / 2), -limit, limit))
    margins = _margins(rng, far)
    return d.find_place(
        setting.box, task.height, task.max_width, stretch=stretch,
        corners=d.distorted(rng, turn, view, slant), bend=bend, margins=margins,
    )  # fmt: skip


def _margins(rng: Rng, far: bool) -> list[float]:
    """Return the margins of a box that a person or a detector drew, in parts of the height."""
    kind = rng.random()
    if kind < 0.3:  # tight
        margins = rng.uniform(-0.03, 0.06, 4)
    elif kind < 0.9:
        high = 0.2 if far else 0.17
        margins = rng.uniform(-0.025, (0.2, 0.2, high, high))
    else:
        margins = rng.uniform(0.0, 0.3, 4)
    return list(margins.tolist())


def _colour(
    rng: Rng, banks: Banks, layers: list[Array], paint: str, place: d.Place, setting: d.Setting
) -> Array:
    ground, ink, contrast = d.palette(rng)
    size = place.size
    if paint == "neon":
        ground = d.tinted(rng, rng.uniform(5, 70), 40)
        ink = d.tinted(rng, rng.uniform(150, 250), 100)
    elif paint == "relief":
        depth = rng.uniform(0, 25)
        ink = ground + np.float32(rng.uniform(-depth, depth))
        contrast = 80.0
    picture = d.solid(ground, size)
    _texture(rng, banks.grounds, picture, contrast, 0.5)
    if paint == "neon":
        glow = ink * np.float32(rng.uniform(0.4, 1.0))
        picture += glow[:, None, None] * layers[0]
    elif paint == "relief":
        light, dark = rng.uniform(70, 190, 2).astype(np.float32)
        d.blend(picture, ink, layers[2])
        picture += light * layers[0] - dark * layers[1]
        return picture
    else:
        for number, edge in enumerate(layers[:-1]):
            colour = _edge_colour(rng, ground, ink, contrast)
            strength = rng.uniform(0.45, 1.0) if number == 0 else 1.0
            d.blend(picture, colour, edge * np.float32(strength))
    d.blend(picture, _fill(rng, banks, ink, contrast, place, setting), layers[-1])
    return picture


def _texture(rng: Rng, bank: Array, picture: Array, contrast: float, share: float) -> None:
    """Add a piece of a ground; most pieces keep away from the letters by half the contrast."""
    kind = rng.random()
    if kind > share:
        return
    size = (picture.shape[2], picture.shape[1])
    depth = contrast * (0.7 if rng.random() < 0.8 else 1.4) * rng.random() ** 1.3
    pattern = d.piece(rng, bank, size, rng.uniform(0.5, 2.0)) * np.float32(depth)
    if kind < share * 0.4:
        tone = (1 + rng.uniform(-0.6, 0.6, 3)).astype(np.float32)
        picture += tone[:, None, None] * pattern
    else:
        picture += pattern


def _edge_colour(rng: Rng, ground: Array, ink: Array, contrast: float) -> Array:
    kind = rng.random()
    if kind < 0.25:
        return d.tinted(rng, 8.0 if rng.random() < 0.5 else 247.0, 0)
    colour = d.tinted(rng, rng.uniform(0, 255), rng.uniform(0, 90))
    if abs(float((colour - ink) @ d.LUMA)) < contrast / 2:  # it would swallow the letters
        return (ground + ink) / 2
    return colour


def _fill(
    rng: Rng, banks: Banks, ink: Array, contrast: float, place: d.Place, setting: d.Setting
) -> Array:
    """Return the colour of the letters: one, a gradient, one for each part, or a pattern."""
    kind, size = rng.random(), place.size
    if kind < 0.62:
        return ink
    planes = d.solid(ink, size)
    if kind < 0.78:
        other = ink + (d.tinted(rng, float(np.clip(ink @ d.LUMA, 0, 255)), 120) - ink)
        other += np.float32(rng.normal(0, contrast / 6))
        if kind < 0.7:  # from the top to the bottom, or sudden
            ramp = np.linspace(-1, 1, size[1], dtype=np.float32) * np.float32(rng.uniform(0.5, 8))
            share = (np.clip(ramp + np.float32(rng.uniform(-0.5, 0.5)), -1, 1) + 1)[:, None] / 2
            share = np.broadcast_to(share, (size[1], size[0]))
        else:  # from some letter on
            share = np.zeros((size[1], size[0]), np.float32)
            cut = int(rng.uniform(0.15, 0.85) * size[0])
            if len(setting.cuts) and place.grids is None:
                column = setting.cuts[int(rng.random() * len(setting.cuts))] / place.shrink
                middle = (setting.box[1] + setting.box[3]) / 2 / place.shrink
                x, _, w = place.matrix @ (column, middle, 1.0)
                cut = int(min(max(x / w, 0), size[0]))
            share[:, cut:] = 1
        d.blend(planes, other, share)
        return planes
    _texture(rng, banks.grounds, planes, 0.5 * contrast, 1.0)
    return planes


def _photograph(rng: Rng, banks: Banks, picture: Array, poor: float) -> Array:
    """Take the picture: light, focus, movement, few pixels, noise, JPEG."""
    height, width = picture.shape[1:]
    kind = rng.random()
    if kind < 0.35:
        light = d.piece(rng, banks.lights, (width, height), rng.uniform(0.5, 2))
        if kind < 0.25:
            picture *= 1 + (light - np.float32(0.5)) * np.float32(rng.uniform(0.1, 1.1))
        else:
            white = d.tinted(rng, 240, 15)
            d.blend(picture, white, light * np.float32(rng.uniform(0.2, 0.75)))
    elif kind < 0.45:  # too little or too much light
        middle = np.float32(rng.uniform(0, 255))
        picture -= middle
        picture *= np.float32(rng.uniform(0.25, 1.3))
        picture += middle
    image = d.to_bytes(picture)
    low = min(1.0, rng.lognormal(-0.36 if poor > 0.5 else 0.35, 0.33))
    if rng.random() < poor:
        if rng.random() < 0.7:
            image = cv2.GaussianBlur(
                image, (0, 0), 0.3 + min(rng.gamma(2.0, 0.24), 1.4) * height / 32
            )
        else:
            image = d.motion_blur(rng, image, (2 + min(rng.gamma(2.0, 0.8), 4)) * height / 32)
    small = (max(round(width * low), 4), max(round(height * low), 6))
    image = d.resize(image, small)
    image = _noise(rng, banks, image, 0.5, 3.0 if poor < 0.5 else 4.5)
    if rng.random() < 0.45:
        image = d.store(rng, image, (25, 95))
    if low < 1:
        how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_CUBIC)[int(rng.random() * 3)]
        image = d.resize(image, (width, height), how)
        if rng.random() < 0.12:  # sharpened by the camera
            soft = cv2.GaussianBlur(image, (0, 0), 1.2)
            image = cv2.addWeighted(image, 1.8, soft, -0.8, 0)
    return image


def _noise(rng: Rng, banks: Banks, image: Array, share: float, mean: float) -> Array:
    """Add noise to a share of the pictures, and round them to uint8."""
    if rng.random() >= share:
        return image if image.dtype == np.uint8 else cv2.convertScaleAbs(np.maximum(image, 0))
    noise = d.piece(rng, banks.noise, image.shape[1::-1])
    return d.add_noise(image, noise, rng.exponential(mean))


# Scans of print. ----------------------------------------------------------------------------


def scan(rng: Rng, atlas: FontAtlas, banks: Banks, task: Task) -> tuple[Array, Array]:
    """Scan a line of a page: black and white, or in grey."""
    gap = (0, 0, 0, 4, 12, 30)[int(6 * rng.random())] + 2 * rng.random()
    spacing = 0.0 if rng.random() < 0.75 else rng.uniform(-1, 3)
    around = ("", "")
    if rng.random() < 0.15:
        around = (task.others(), task.others())
    setting = d.set_text(rng, atlas, task.font, task.text, spacing=spacing, gap=gap, around=around)
    extra = rng.random()
    if extra < 0.02:
        d.underline(rng, setting)
    elif extra < 0.1 and " " in task.text:
        d.emphasise(rng, setting, task.text)
    binary = rng.random() < 0.5
    height = int(rng.integers(26 if binary else 18, 56) * task.height / 32)
    place = _paper_place(rng, setting, task, height, 0.07)
    (ink,) = d.put(place, [setting.mask])
    page = (_threshold if binary else _grey_scan)(rng, banks, ink)
    size = (max(round(page.shape[1] * task.height / height), 4), task.height)
    page = d.resize(page, size, cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC)
    page = cv2.merge([page, page, page]) if page.ndim == 2 else page
    return page, d.find_spans(place, setting)


def _paper_place(
    rng: Rng, setting: d.Setting, task: Task, height: int, spread: float, mean: float = 0.0
) -> d.Place:
    """Place a line of print: nearly straight, from tight to loose."""
    turn = 0.0
    if rng.random() < 0.4:
        aspect = (setting.box[2] - setting.box[0]) / (setting.box[3] - setting.box[1])
        turn = rng.normal(0, min(0.008, 0.12 / aspect))
    margins = rng.uniform(-0.02, 0.16, 4).tolist()
    margins[:2] = (rng.uniform(0.0, 0.3, 2) ** (1 if rng.random() < 0.5 else 2)).tolist()
    return d.find_place(
        setting.box, height, task.max_width * height // task.height,
        stretch=rng.lognormal(mean, spread), corners=d.distorted(rng, turn, 0.0, 0.0),
        margins=margins,
    )  # fmt: skip


def _threshold(rng: Rng, banks: Banks, ink: Array) -> Array:
    """Make black and white of it, with ragged edges, thin or bled strokes, breaks and specks."""
    height, width = ink.shape
    ink = cv2.GaussianBlur(ink, (0, 0), 0.4 + 0.8 * rng.random() * height / 40)
    ink = ink + d.piece(rng, banks.noise, (width, height))[..., 0] * np.float32(
        rng.uniform(0, 0.12)
    )
    if rng.random() < 0.6:
        ink = ink + d.piece(rng, banks.spots, (width, height)) * np.float32(rng.uniform(0, 0.13))
    level = np.clip(rng.normal(0.45, 0.1), 0.22, 0.66) * min(float(ink.max()), 1.0)
    page = np.where(ink > np.float32(level), np.uint8(0), np.uint8(255))
    if rng.random() < 0.25:
        specks = d.piece(rng, banks.spots, (width, height), 1.0) > rng.uniform(2.6, 3.6)
        page = np.where(specks, np.uint8(0 if rng.random() < 0.7 else 255), page)
    if rng.random() < 0.5:
        page = cv2.GaussianBlur(page, (0, 0), float(rng.uniform(0.3, 0.7)))
    return page


def _grey_scan(rng: Rng, banks: Banks, ink: Array) -> Array:
    """Keep the grey of paper and ink."""
    height, width = ink.shape
    paper, dark = rng.uniform(170, 255), rng.uniform(0, 110)
    if rng.random() < 0.4:
        ink = ink * (
            1 + d.piece(rng, banks.spots, (width, height)) * np.float32(rng.uniform(0, 0.25))
        )
    page: Array = np.float32(paper) + ink * np.float32(dark - paper)
    if rng.random() < 0.4:
        light = d.piece(rng, banks.lights, (width, height), rng.uniform(1, 3))
        page = page * (1 + (light - np.float32(0.5)) * np.float32(rng.uniform(0, 0.35)))
    if rng.random() < 0.15:
        page = page + d.piece(rng, banks.grounds, (width, height)) * np.float32(rng.uniform(5, 40))
    if rng.random() < 0.5:
        page = cv2.GaussianBlur(page, (0, 0), float(rng.uniform(0.3, 0.9)) * height / 36)
    page = _noise(rng, banks, page, 0.5, 3.0)
    if rng.random() < 0.4:
        page = d.store(rng, page, (25, 90))
    if rng.random() < 0.2:  # coloured paper and ink
        tint = (d.tinted(rng, 128, 14) / 128).tolist()
        page = cv2.merge([cv2.convertScaleAbs(page, alpha=share) for share in tint])
    return page


# Receipts. ----------------------------------------------------------------------------------


def receipt(rng: Rng, atlas: FontAtlas, banks: Banks, task: Task) -> tuple[Array, Array]:
    """Print a line of a receipt, by heat or needles, and scan or photograph it."""
    gap = (0, 0, 0, 8, 20)[int(5 * rng.random())] * rng.random()
    around = (task.others(), task.others()) if rng.random() < 0.25 else ("", "")
    setting = d.set_text(
        rng, atlas, task.font, task.text, gap=gap, around=around,
        spacing=0.0 if rng.random() < 0.7 else rng.uniform(-2, 8),
    )  # fmt: skip
    mask, kind = setting.mask, rng.random()
    if rng.random() < 0.05:
        d.underline(rng, setting)
    if kind < 0.4:
        mask = d.pixels(rng, mask, rng.uniform(13, 26))
    elif kind < 0.5:
        mask = d.dots(rng, mask, int(rng.integers(11, 16)), rng.uniform(0.45, 0.6))
    elif kind < 0.65:
        mask = d.change_weight(rng, mask)
    height = int(rng.integers(16, 52) * task.height / 32)
    place = _paper_place(rng, setting, task, height, 0.27, -0.14)
    (ink,) = d.put(place, [mask])
    width = ink.shape[1]
    if rng.random() < 0.5:
        ink = cv2.GaussianBlur(ink, (0, 0), float(rng.uniform(0.3, 0.9)) * height / 30)
    if rng.random() < 0.25:
        page = _threshold(rng, banks, ink)
    else:
        ink = _faded(rng, banks, ink)
        paper = rng.uniform(225, 255) if rng.random() < 0.82 else rng.uniform(130, 225)
        dark = paper * rng.beta(1.0, 2.8)
        page = np.float32(paper) + ink * np.float32(dark - paper)
        if rng.random() < 0.3:
            light = d.piece(rng, banks.lights, (width, height), rng.uniform(0.5, 3))
            page *= 1 + (light - np.float32(0.5)) * np.float32(rng.uniform(0, 0.5))
        page = _noise(rng, banks, page, 0.4, 3.5)
        if rng.random() < 0.7:
            page = d.store(rng, page, (20, 85))
    if page.ndim == 2:
        page = _coloured(rng, page) if rng.random() < 0.25 else cv2.merge([page, page, page])
    size = (max(round(page.shape[1] * task.height / height), 4), task.height)
    page = d.resize(page, size, cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC)
    return page, d.find_spans(place, setting)


def _faded(rng: Rng, banks: Banks, ink: Array) -> Array:
    """Let the print fade: in blotches, in lines of the print head, or along the line."""
    kind, (height, width) = rng.random(), ink.shape
    if kind < 0.2:
        blotches = d.piece(rng, banks.spots, (width, height), rng.uniform(0.3, 1))
        return ink * np.clip(1 - np.float32(rng.uniform(0, 0.35)) * blotches, 0.3, 1)
    if kind < 0.3:
        rows = np.ones((height, 1), np.float32)
        rows[rng.integers(0, height, int(rng.integers(1, 3)))] = rng.uniform(0.1, 0.7)
        return ink * rows
    if kind < 0.45:
        light = d.piece(rng, banks.lights, (width, height), rng.uniform(1, 4))
        return ink * (1 - light * np.float32(rng.uniform(0.2, 0.6)))
    return ink


def _coloured(rng: Rng, page: Array) -> Array:
    """Give paper and ink a colour each: blue and violet ink, yellowed paper."""
    ink, paper = d.tinted(rng, 110, 100), d.tinted(rng, 245, 10)
    share = np.arange(256, dtype=np.float32)[:, None] / 255
    table = ink * (1 - share) + paper * share
    low = int(page.min())
    table = table - (table[low] - low * np.float32(0.8)) * (1 - share)
    return cv2.LUT(cv2.merge([page, page, page]), np.clip(table, 0, 255).astype(np.uint8)[None])


# Screens and displays. ----------------------------------------------------------------------


def screen(rng: Rng, atlas: FontAtlas, banks: Banks, task: Task) -> tuple[Array, Array]:
    """Copy a text from a screen: few pixels, with and without smoothing."""
    setting = d.set_text(rng, atlas, task.font, task.text)
    height = int(min(11 + rng.gamma(2.0, 6.0), 64) * task.height / 32)
    margins = rng.uniform(-0.02, 0.35, 4).tolist()
    place = d.find_place(
        setting.box, height, task.max_width * height // task.height,
        stretch=rng.lognormal(0, 0.05), margins=margins,
    )  # fmt: skip
    ground, ink, contrast = d.palette(rng)
    if rng.random() < 0.4:  # black on white, or white on black
        ground, ink = np.full(3, 255, np.float32), np.full(3, rng.uniform(0, 110), np.float32)
        ground, ink = (ground, ink) if rng.random() < 0.7 else (ink / 2, ground)
    (share,) = d.put(place, [setting.mask])
    kind = rng.random()
    if kind < 0.3 and height >= 0.45 * task.height:
        share = (share > np.float32(rng.uniform(0.28, 0.42))).astype(np.float32)
    elif kind < 0.6:  # screens are sharper than a scaled glyph
        share = np.clip(
            (share - np.float32(0.5)) * np.float32(rng.uniform(1, 2)) + np.float32(0.5), 0, 1
        )
    picture = d.solid(ground, place.size)
    if kind > 0.85 and share.shape[1] > 6:  # the thirds of a pixel are lit one by one
        planes = [np.roll(share, 1, axis=1), share, np.roll(share, -1, axis=1)]
        mixed = [share * np.float32(0.55) + plane * np.float32(0.45) for plane in planes]
        for plane, part, colour, base in zip(picture, mixed, ink, ground, strict=True):
            plane += (colour - base) * part
    else:
        if rng.random() < 0.1:
            _texture(rng, banks.grounds, picture, contrast, 1.0)
        d.blend(picture, ink, share)
    image = d.to_bytes(picture)
    if rng.random() < 0.35:
        image = d.store(rng, image, (30, 95))
    size = (max(round(image.shape[1] * task.height / height), 4), task.height)
    how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_NEAREST)[
        int(rng.random() * 4)
    ]
    return d.resize(image, size, how), d.find_spans(place, setting)


def display(rng: Rng, atlas: FontAtlas, banks: Banks, task: Task) -> tuple[Array, Array]:
    """Photograph digits of seven segments, or letters of lamps."""
    text, kind = task.text, rng.random()
    if set(text) <= set(d.SEGMENT_CHARACTERS) and text.strip(".: ") and kind < 0.75:
        setting = d.segments(rng, text)
    else:
        setting = d.set_text(rng, atlas, task.font, text, spacing=float(rng.uniform(0, 6)))
        rows = int(rng.integers(9, 17))
        setting = setting._replace(mask=d.dots(rng, setting.mask, rows, rng.uniform(0.3, 0.52)))
    place = _sign_place(rng, setting, task, False)
    lit = rng.random() < 0.65
    glow = cv2.GaussianBlur(setting.mask, (0, 0), float(rng.uniform(2, 6)))
    share, halo = d.put(place, [setting.mask, glow])
    if lit:
        ground = d.tinted(rng, rng.uniform(0, 60), 25)
        ink = _LAMPS[int(rng.random() * len(_LAMPS))] + rng.normal(0, 15, 3).astype(np.float32)
    else:
        ground, ink, _ = d.palette(rng)
    picture = d.solid(ground, place.size)
    _texture(rng, banks.grounds, picture, 60, 0.3)
    if lit:
        picture += (ink * np.float32(rng.uniform(0, 0.7)))[:, None, None] * halo
    d.blend(picture, ink, share)
    return _photograph(rng, banks, picture, 0.4), d.find_spans(place, setting)


KINDS = {
    "scene_word": Kind(34, "word", 26, scene),
    "distant_word": Kind(15, "word", 26, distant, plain=0.4),
    "plain_word": Kind(2, "word", 26, plain),
    "scene_line": Kind(8, "phrase", 48, scene),
    "distant_line": Kind(3, "phrase", 36, distant, plain=0.4),
    "scan_line": Kind(13, "prose", 90, scan, 0.06, 0.9),
    "scan_word": Kind(3, "word", 26, scan, 0.06, 0.8),
    "receipt_line": Kind(13, "receipt", 48, receipt, 0.45, 0.9),
    "screen_line": Kind(5, "screen", 90, screen, 0.12, 0.85),
    "screen_word": Kind(2, "word", 26, screen, 0.1, 0.7),
    "code": Kind(2, "code", 20, scene, 0.1, 0.5),
    "display": Kind(1, "display", 20, display, 0.2, 0.5),
}
