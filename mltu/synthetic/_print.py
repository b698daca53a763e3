"""Scans of print, receipts, and copies of screens."""

from __future__ import annotations

import cv2
import numpy as np

from mltu.synthetic import _camera as c
from mltu.synthetic import _draw as d
from mltu.synthetic import _textures as t
from mltu.synthetic._atlas import FontAtlas
from mltu.synthetic._place import Place, distorted, find_place, find_spans, put, with_blank_sides
from mltu.synthetic._textures import Array, Banks, Rng

# Scans of print. ----------------------------------------------------------------------------


def scan(rng: Rng, atlas: FontAtlas, banks: Banks, task: d.Task) -> tuple[Array, Array]:
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
    return _scanned(rng, banks, task, setting)


def mixed(rng: Rng, atlas: FontAtlas, banks: Banks, task: d.Task) -> tuple[Array, Array]:
    """Scan a line that is set in two fonts."""
    second = task.fonts(task.text)
    if second is None or " " not in task.text.strip():
        return scan(rng, atlas, banks, task)
    return _scanned(rng, banks, task, d.set_mixed(rng, atlas, (task.font, second), task.text))


def _scanned(rng: Rng, banks: Banks, task: d.Task, setting: d.Setting) -> tuple[Array, Array]:
    binary = rng.random() < 0.5
    height = int(rng.integers(26 if binary else 18, 56) * task.height / 32)
    place = _paper_place(rng, setting, task, height, 0.07)
    (ink,) = put(place, [setting.mask])
    page = (_threshold if binary else _grey_scan)(rng, banks, ink)
    size = (max(round(page.shape[1] * task.height / height), 4), task.height)
    page = c.resize(page, size, cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC)
    page = cv2.merge([page, page, page]) if page.ndim == 2 else page
    return page, find_spans(place, setting)


def _paper_place(
    rng: Rng, setting: d.Setting, task: d.Task, height: int, spread: float, mean: float = 0.0
) -> Place:
    """Place a line of print: nearly straight, from tight to loose."""
    turn = 0.0
    if rng.random() < 0.4:
        aspect = (setting.box[2] - setting.box[0]) / (setting.box[3] - setting.box[1])
        turn = rng.normal(0, min(0.008, 0.12 / aspect))
    margins = rng.uniform(-0.02, 0.16, 4).tolist()
    margins[:2] = (rng.uniform(0.0, 0.3, 2) ** (1 if rng.random() < 0.5 else 2)).tolist()
    return find_place(
        setting.box, height, task.max_width * height // task.height,
        widen_to=task.widen_to,
        stretch=rng.lognormal(mean, spread), corners=distorted(rng, turn, 0.0, 0.0),
        margins=with_blank_sides(rng, margins, setting),
    )  # fmt: skip


def _threshold(rng: Rng, banks: Banks, ink: Array) -> Array:
    """Make black and white of it, with ragged edges, thin or bled strokes, breaks and specks."""
    height, width = ink.shape
    ink = cv2.GaussianBlur(ink, (0, 0), 0.4 + 0.8 * rng.random() * height / 40)
    ink = ink + t.piece(rng, banks.noise, (width, height))[..., 0] * np.float32(
        rng.uniform(0, 0.12)
    )
    if rng.random() < 0.6:
        ink = ink + t.piece(rng, banks.spots, (width, height)) * np.float32(rng.uniform(0, 0.13))
    level = np.clip(rng.normal(0.45, 0.1), 0.22, 0.66) * min(float(ink.max()), 1.0)
    page = np.where(ink > np.float32(level), np.uint8(0), np.uint8(255))
    if rng.random() < 0.25:
        specks = t.piece(rng, banks.spots, (width, height), 1.0) > rng.uniform(2.6, 3.6)
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
            1 + t.piece(rng, banks.spots, (width, height)) * np.float32(rng.uniform(0, 0.25))
        )
    page: Array = np.float32(paper) + ink * np.float32(dark - paper)
    if rng.random() < 0.4:
        light = t.piece(rng, banks.lights, (width, height), rng.uniform(1, 3))
        page = page * (1 + (light - np.float32(0.5)) * np.float32(rng.uniform(0, 0.35)))
    if rng.random() < 0.15:
        page = page + t.piece(rng, banks.grounds, (width, height)) * np.float32(rng.uniform(5, 40))
    if rng.random() < 0.5:
        page = cv2.GaussianBlur(page, (0, 0), float(rng.uniform(0.3, 0.9)) * height / 36)
    page = c.noise(rng, banks, page, 0.5, 3.0)
    if rng.random() < 0.4:
        page = c.store(rng, page, (25, 90))
    if rng.random() < 0.2:  # coloured paper and ink
        tint = (d.tinted(rng, 128, 14) / 128).tolist()
        page = cv2.merge([cv2.convertScaleAbs(page, alpha=share) for share in tint])
    return page


# Receipts. ----------------------------------------------------------------------------------


def receipt(rng: Rng, atlas: FontAtlas, banks: Banks, task: d.Task) -> tuple[Array, Array]:
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
    (ink,) = put(place, [mask])
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
            light = t.piece(rng, banks.lights, (width, height), rng.uniform(0.5, 3))
            page *= 1 + (light - np.float32(0.5)) * np.float32(rng.uniform(0, 0.5))
        page = c.noise(rng, banks, page, 0.4, 3.5)
        if rng.random() < 0.7:
            page = c.store(rng, page, (20, 85))
    if page.ndim == 2:
        page = _coloured(rng, page) if rng.random() < 0.25 else cv2.merge([page, page, page])
    size = (max(round(page.shape[1] * task.height / height), 4), task.height)
    page = c.resize(page, size, cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC)
    return page, find_spans(place, setting)


def _faded(rng: Rng, banks: Banks, ink: Array) -> Array:
    """Let the print fade: in blotches, in lines of the print head, along the line, in strokes."""
    kind, (height, width) = rng.random(), ink.shape
    if kind < 0.2:
        blotches = t.piece(rng, banks.spots, (width, height), rng.uniform(0.3, 1))
        return ink * np.clip(1 - np.float32(rng.uniform(0, 0.35)) * blotches, 0.3, 1)
    if kind < 0.3:
        rows = np.ones((height, 1), np.float32)
        rows[rng.integers(0, height, int(rng.integers(1, 3)))] = rng.uniform(0.1, 0.7)
        return ink * rows
    if kind < 0.45:
        light = t.piece(rng, banks.lights, (width, height), rng.uniform(1, 4))
        return ink * (1 - light * np.float32(rng.uniform(0.2, 0.6)))
    if kind < 0.62:  # of a worn head or ribbon level strokes are the first to go
        level = np.ones((1, max(int(height * rng.uniform(0.12, 0.25)), 2)), np.uint8)
        strokes: Array = cv2.morphologyEx(ink, cv2.MORPH_OPEN, level)
        return ink - strokes * np.float32(rng.uniform(0.4, 1.0))
    return ink


def _coloured(rng: Rng, page: Array) -> Array:
    """Give paper and ink a colour each: blue and violet ink, yellowed paper."""
    ink, paper = d.tinted(rng, 110, 100), d.tinted(rng, 245, 10)
    share = np.arange(256, dtype=np.float32)[:, None] / 255
    table = ink * (1 - share) + paper * share
    low = int(page.min())
    table = table - (table[low] - low * np.float32(0.8)) * (1 - share)
    return cv2.LUT(cv2.merge([page, page, page]), np.clip(table, 0, 255).astype(np.uint8)[None])


# Screens. -----------------------------------------------------------------------------------


def screen(rng: Rng, atlas: FontAtlas, banks: Banks, task: d.Task) -> tuple[Array, Array]:
    """Copy a text from a screen: few pixels, with and without smoothing."""
    setting = d.set_text(rng, atlas, task.font, task.text)
    height = int(min(11 + rng.gamma(2.0, 6.0), 64) * task.height / 32)
    margins = rng.uniform(-0.02, 0.35, 4).tolist()
    place = find_place(
        setting.box, height, task.max_width * height // task.height,
        widen_to=task.widen_to,
        stretch=rng.lognormal(0, 0.05), margins=with_blank_sides(rng, margins, setting),
    )  # fmt: skip
    ground, ink, contrast = d.palette(rng)
    if rng.random() < 0.4:  # black on white, or white on black
        ground, ink = np.full(3, 255, np.float32), np.full(3, rng.uniform(0, 110), np.float32)
        ground, ink = (ground, ink) if rng.random() < 0.7 else (ink / 2, ground)
    (share,) = put(place, [setting.mask])
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
            t.texture(rng, banks.grounds, picture, contrast, 1.0)
        d.blend(picture, ink, share)
    image = c.to_bytes(picture)
    if rng.random() < 0.35:
        image = c.store(rng, image, (30, 95))
    size = (max(round(image.shape[1] * task.height / height), 4), task.height)
    how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_NEAREST)[
        int(rng.random() * 4)
    ]
    return c.resize(image, size, how), find_spans(place, setting)
