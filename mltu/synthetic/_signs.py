"""Photographs of signs, covers and displays."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np

from mltu.synthetic import _camera as c
from mltu.synthetic import _draw as d
from mltu.synthetic import _textures as t
from mltu.synthetic._atlas import FontAtlas
from mltu.synthetic._glyphs import EM
from mltu.synthetic._place import Place, distorted, find_place, find_spans, put, with_blank_sides
from mltu.synthetic._textures import Array, Banks, Rng

# Blue, green, red.
_LAMPS = np.array(
    [(40, 40, 255), (30, 30, 230), (60, 255, 60), (90, 240, 120), (20, 160, 255), (40, 200, 255),
     (255, 180, 60), (255, 120, 40), (245, 245, 245), (255, 240, 200), (60, 90, 250)], np.float32,
)  # fmt: skip


def scene(rng: Rng, atlas: FontAtlas, banks: Banks, task: d.Task) -> tuple[Array, Array]:
    """Photograph a word or a line on a sign."""
    picture, spans = sign(rng, atlas, banks, task)
    return c.photograph(rng, banks, picture, 0.25), spans


def plain(rng: Rng, atlas: FontAtlas, banks: Banks, task: d.Task) -> tuple[Array, Array]:
    """Draw a word that is easy to read: of strong contrast, straight or nearly so, in focus."""
    setting = d.set_text(rng, atlas, task.font, task.text)
    layers, style = [setting.mask], rng.random()
    if style < 0.24:
        layers.insert(0, (d.border if style < 0.12 else d.shadow)(rng, setting.mask))
    left, top, right, bottom = setting.box
    limit = min(0.05, 0.35 * (bottom - top) / (right - left))
    corners = distorted(rng, rng.uniform(-limit, limit), 0.06, rng.normal(0, 0.08))
    place = find_place(
        setting.box, task.height, task.max_width, widen_to=task.widen_to,
        stretch=rng.uniform(0.85, 1.2), corners=corners,
        margins=rng.uniform(0.05, 0.16, 4).tolist(),
    )  # fmt: skip
    contrast = rng.uniform(60, 200)
    dark = rng.uniform(0, 255 - contrast)
    levels = (dark, dark + contrast) if rng.random() < 0.5 else (dark + contrast, dark)
    ground, ink = (d.tinted(rng, level, rng.uniform(0, 60)) for level in levels)
    picture = d.solid(ground, place.size)
    light = t.piece(rng, banks.lights, place.size)
    picture += (light - np.float32(0.5)) * np.float32(rng.uniform(0, 0.3) * contrast)
    *edges, letters = put(place, layers)
    for edge in edges:
        d.blend(picture, _edge_colour(rng, ground, ink, contrast), edge)
    d.blend(picture, ink, letters)
    image = cv2.merge(list(picture))
    if rng.random() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.9) * task.height / 32)
    return c.noise(rng, banks, image, 0.6, 3.0), find_spans(place, setting)


def distant(rng: Rng, atlas: FontAtlas, banks: Banks, task: d.Task) -> tuple[Array, Array]:
    """Photograph a sign from afar: few pixels, out of focus, moved."""
    picture, spans = sign(rng, atlas, banks, task, far=True)
    return c.photograph(rng, banks, picture, 0.8), spans


def sign(
    rng: Rng, atlas: FontAtlas, banks: Banks, task: d.Task, far: bool = False
) -> tuple[Array, Array]:
    setting = _set(rng, atlas, task)
    mask, style = setting.mask, rng.random()
    if rng.random() < 0.36:
        mask = d.change_weight(rng, mask)
    layers, paint = _style(rng, style, mask)
    place = sign_place(rng, setting, task, far)
    has_end = rng.random() < 0.3
    layers = put(place, [*layers, _board(rng, setting)] if has_end else layers)
    board = layers.pop() if has_end else None
    picture = _colour(rng, banks, layers, paint, place, setting)
    if board is not None:
        beyond = d.solid(d.tinted(rng, rng.uniform(0, 255), rng.uniform(0, 90)), place.size)
        t.texture(rng, banks.grounds, beyond, 80.0, 0.8)
        d.blend(picture, beyond, 1 - board)
    return picture, find_spans(place, setting)


def _set(rng: Rng, atlas: FontAtlas, task: d.Task) -> d.Setting:
    spacing, kind = 0.0, rng.random()
    if kind < 0.28:
        spacing = rng.normal(0.05, 0.08) * EM if kind < 0.25 else rng.uniform(0.2, 0.8) * EM
    neighbours = rng.random()
    in_capitals = task.text.isupper() and rng.random() < 0.7
    other = partial(_neighbour, atlas, task, in_capitals)
    beside = around = ("", "")
    if neighbours < 0.26:
        both = rng.random(2) < 0.6
        beside = (other() if both[0] else "", other() if both[1] else "")
    if 0.14 < neighbours < 0.45:
        both = rng.random(2) < 0.6
        around = (other() if both[0] else "", other() if both[1] else "")
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


def _neighbour(atlas: FontAtlas, task: d.Task, in_capitals: bool) -> str:
    """Return another text, in capitals if the font has all of them, or ""."""
    text = task.others()
    if not (in_capitals and text):
        return text
    capitals = text.upper()
    is_known = set(capitals) <= set(atlas.characters)  # The capital of "µ" is Greek.
    return capitals if is_known and atlas.has_text(task.font, capitals) else text


def _board(rng: Rng, setting: d.Setting) -> Array:
    """Return where the sign is: a board around the text, beyond which something else is seen."""
    left, top, right, bottom = setting.box
    left_edge, right_edge = rng.uniform(0.1, 1.5, 2) * (bottom - top)
    top_edge, bottom_edge = rng.uniform(0.08, 0.6, 2) * (bottom - top)
    board = np.zeros_like(setting.mask)
    rows = slice(max(int(top - top_edge), 0), int(bottom + bottom_edge))
    board[rows, max(int(left - left_edge), 0) : int(right + right_edge)] = 255
    return board


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


def sign_place(rng: Rng, setting: d.Setting, task: d.Task, far: bool) -> Place:
    left, top, right, bottom = setting.box
    stretch = min(max(rng.lognormal(-0.1, 0.17), 0.6), 1.7)
    if rng.random() < 0.12:  # condensed letters, of which there are few fonts
        stretch *= rng.uniform(0.5, 0.85)
    aspect = (right - left) / (bottom - top) * stretch
    turn = bend = slant = view = rise = 0.0
    kind = rng.random()
    # A long text on a slope would leave its letters few pixels of height.
    if rng.random() < (0.4 if far else 0.2):  # on a wall along which the camera looks
        squeeze = rng.uniform(0.4 if aspect < 5 else 0.7, 1.0)
        stretch, aspect = stretch * squeeze, aspect * squeeze
        limit = min(0.8, 1.5 / aspect)
        rise, turn, view = rng.uniform(-limit, limit), rng.normal(0.0, 0.03), 0.2
    elif kind < 0.12:
        limit = min(0.6, 1.3 / aspect)
        turn = rng.uniform(-limit, limit)
    elif kind < 0.75:
        limit = min(0.14, 0.5 / aspect)
        turn = min(max(rng.normal(0.0, limit / 2), -limit), limit)
    if rng.random() < 0.45:
        slant = min(max(rng.normal(0.0, 0.17), -0.45), 0.45)
    if not view and rng.random() < 0.45:
        view = 0.16 if rng.random() < 0.8 else 0.26
    if rng.random() < 0.18 and aspect > 1.5:
        limit = min(0.25 * aspect, 1.3)
        bend = float(np.clip(rng.normal(0.0, limit / 2), -limit, limit))
    margins = with_blank_sides(rng, _margins(rng, far), setting)
    return find_place(
        setting.box, task.height, task.max_width, widen_to=task.widen_to, stretch=stretch,
        corners=distorted(rng, turn, view, slant, rise), bend=bend, margins=margins,
    )  # fmt: skip


def _margins(rng: Rng, far: bool) -> list[float]:
    """Return the margins of a box that a person or a detector drew, in parts of the height."""
    kind = rng.random()
    if kind < 0.3:  # tight
        margins = rng.uniform((-0.07, -0.07, -0.03, -0.03), 0.06)
    elif kind < 0.9:
        high = 0.2 if far else 0.17
        margins = rng.uniform(-0.025, (0.2, 0.2, high, high))
    else:
        margins = rng.uniform(0.0, 0.3, 4)
    return list(margins.tolist())


def _colour(
    rng: Rng, banks: Banks, layers: list[Array], paint: str, place: Place, setting: d.Setting
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
    t.texture(rng, banks.grounds, picture, contrast, 0.5)
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


def _edge_colour(rng: Rng, ground: Array, ink: Array, contrast: float) -> Array:
    kind = rng.random()
    if kind < 0.25:
        return d.tinted(rng, 8.0 if rng.random() < 0.5 else 247.0, 0)
    colour = d.tinted(rng, rng.uniform(0, 255), rng.uniform(0, 90))
    if abs(float((colour - ink) @ d.LUMA)) < contrast / 2:  # it would swallow the letters
        return (ground + ink) / 2
    return colour


def _fill(
    rng: Rng, banks: Banks, ink: Array, contrast: float, place: Place, setting: d.Setting
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
    t.texture(rng, banks.grounds, planes, 0.5 * contrast, 1.0)
    return planes


def display(rng: Rng, atlas: FontAtlas, banks: Banks, task: d.Task) -> tuple[Array, Array]:
    """Photograph digits of seven segments, or letters of lamps."""
    text, kind = task.text, rng.random()
    if set(text) <= set(d.SEGMENT_CHARACTERS) and text.strip(".: ") and kind < 0.75:
        setting = d.segments(rng, text)
    else:
        setting = d.set_text(rng, atlas, task.font, text, spacing=float(rng.uniform(0, 6)))
        rows = int(rng.integers(9, 17))
        setting = setting._replace(mask=d.dots(rng, setting.mask, rows, rng.uniform(0.3, 0.52)))
    place = sign_place(rng, setting, task, False)
    lit = rng.random() < 0.65
    glow = cv2.GaussianBlur(setting.mask, (0, 0), float(rng.uniform(2, 6)))
    share, halo = put(place, [setting.mask, glow])
    if lit:
        ground = d.tinted(rng, rng.uniform(0, 60), 25)
        ink = _LAMPS[int(rng.random() * len(_LAMPS))] + rng.normal(0, 15, 3).astype(np.float32)
    else:
        ground, ink, _ = d.palette(rng)
    picture = d.solid(ground, place.size)
    t.texture(rng, banks.grounds, picture, 60, 0.3)
    if lit:
        picture += (ink * np.float32(rng.uniform(0, 0.7)))[:, None, None] * halo
    d.blend(picture, ink, share)
    return c.photograph(rng, banks, picture, 0.4), find_spans(place, setting)
