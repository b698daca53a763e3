"""What lies over a text: stamps and pens on paper, posts, cables and leaves before signs."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from mltu.synthetic import _camera as c
from mltu.synthetic import _draw as d
from mltu.synthetic import _textures as t
from mltu.synthetic._atlas import FontAtlas
from mltu.synthetic._print import receipt, scan
from mltu.synthetic._signs import sign
from mltu.synthetic._textures import Array, Banks, Rng

_FINE = 4  # bits of a pixel in the coordinates that OpenCV draws


def covered(rng: Rng, atlas: FontAtlas, banks: Banks, task: d.Task) -> tuple[Array, Array]:
    """Photograph a sign that something stands before, but not so much that nobody could read it."""
    picture, spans = sign(rng, atlas, banks, task, far=rng.random() < 0.25)
    for _ in range(1 if rng.random() < 0.7 else 2):
        share = _obstacle(rng, (picture.shape[2], picture.shape[1]))
        colour = d.tinted(rng, rng.uniform(0, 255), 60)
        d.blend(picture, colour, share)
        if rng.random() < 0.5:
            t.texture(rng, banks.grounds, picture, 50, 1.0)
    return c.photograph(rng, banks, picture, 0.35), spans


def stamped(rng: Rng, atlas: FontAtlas, banks: Banks, task: d.Task) -> tuple[Array, Array]:
    """Scan a line of print that was stamped, marked or written over."""
    page, spans = (scan if rng.random() < 0.6 else receipt)(rng, atlas, banks, task)
    height, width = page.shape[:2]
    kind = rng.random()
    if kind < 0.4:
        share, strength = _rings(rng, (width, height)), rng.uniform(0.3, 0.9)
    elif kind < 0.6:
        share, strength = _letters(rng, atlas, task, (width, height)), rng.uniform(0.15, 0.5)
    elif kind < 0.85:
        share, strength = _pen(rng, (width, height)), rng.uniform(0.5, 0.95)
    else:
        share, strength = _marker(rng, (width, height)), rng.uniform(0.3, 0.8)
    if rng.random() < 0.5:  # ink that did not take everywhere
        worn = t.piece(rng, banks.spots, (width, height))
        share = share * np.clip(1 - np.float32(rng.uniform(0, 0.5)) * worn, 0, 1)
    level = rng.uniform(30, 140) if kind < 0.85 else rng.uniform(170, 235)
    ink = d.tinted(rng, level, 120 if rng.random() < 0.8 else 10)
    # Ink lies over print as a filter does: what is black stays black.
    filtered = 1 - share[..., None] * np.float32(strength) * (1 - ink / np.float32(255))
    return np.asarray(np.rint(page * filtered), np.uint8), spans


def _obstacle(rng: Rng, size: tuple[int, int]) -> Array:
    """Return what a cable, a post, a leaf or an edge covers, from 0 to 1."""
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    kind = rng.random()
    if kind < 0.3:  # a cable or a branch, from one side to another
        ends = [(-1.0, rng.uniform(0, height)), (width + 1.0, rng.uniform(0, height))]
        if rng.random() < 0.4:
            ends = [(x + rng.normal(0, height), y) for x, y in zip(
                rng.uniform(0, width, 2).tolist(), (-1.0, height + 1.0), strict=True)]  # fmt: skip
        sag = rng.normal(0, 0.15) * height
        (x0, y0), (x1, y1) = ends
        points = [
            (x0 + (x1 - x0) * u, y0 + (y1 - y0) * u + sag * 4 * u * (1 - u))
            for u in np.linspace(0, 1, 12).tolist()
        ]
        _stroke(mask, points, rng.uniform(0.03, 0.1) * height)
    elif kind < 0.5:  # a post
        x = rng.uniform(0, width)
        lean = rng.normal(0, 0.1) * height
        _stroke(
            mask, [(x - lean, -height), (x + lean, 2 * height)], rng.uniform(0.06, 0.16) * height
        )
    elif kind < 0.8:  # a leaf, a head, a sticker, from above or below
        centre = (
            rng.uniform(0, width),
            height * (rng.uniform(-0.05, 0.2) + 0.85 * (rng.random() < 0.5)),
        )
        axes = rng.uniform(0.1, 0.3, 2) * height
        _ellipse(mask, centre, axes, rng.uniform(0, 180), -1)
    else:  # an edge
        depth = rng.uniform(0.06, 0.2) * height
        y = depth / 2 if rng.random() < 0.4 else height - depth / 2
        tilt = rng.normal(0, 0.05) * height
        _stroke(mask, [(-height, y - tilt), (width + height, y + tilt)], depth)
    if rng.random() < 0.4:
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.4, 1.2))), np.uint8)
    return mask * np.float32(1 / 255)


def _rings(rng: Rng, size: tuple[int, int]) -> Array:
    """Return the edges of a round or square stamp that is larger than the line is high."""
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    centre = rng.uniform(0, width), rng.uniform(-0.5, 1.5) * height
    axes = rng.uniform(0.7, 2.5, 2) * height
    angle, thickness = rng.uniform(-40, 40), rng.uniform(0.03, 0.1) * height
    if rng.random() < 0.6:
        axes[1] = axes[0] if rng.random() < 0.6 else axes[1]
        for part in (1.0, rng.uniform(0.75, 0.92)):
            _ellipse(mask, centre, axes * part, angle, max(round(thickness), 1))
    else:
        corners = cv2.boxPoints((centre, (float(2 * axes[0]), float(axes[1])), angle)).tolist()
        _stroke(mask, [*corners, corners[0]], thickness)
    return mask * np.float32(1 / 255)


def _letters(rng: Rng, atlas: FontAtlas, task: d.Task, size: tuple[int, int]) -> Array:
    """Return a word of large letters, rotated, such as PAID or COPY."""
    width, height = size
    mask = atlas.set_line(task.font, task.others() or task.text).mask
    scale = rng.uniform(0.9, 2.2) * height / len(mask)
    turn = cv2.getRotationMatrix2D((0, 0), rng.uniform(-25, 25), scale)
    middle = turn[:, :2] @ (mask.shape[1] / 2, mask.shape[0] / 2)
    turn[:, 2] = np.array([rng.uniform(0, width), rng.uniform(0, height)]) - middle
    return cv2.warpAffine(mask, turn, size) * np.float32(1 / 255)


def _pen(rng: Rng, size: tuple[int, int]) -> Array:
    """Return strokes of a pen: a signature, a tick, a loop around a word."""
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    thickness = rng.uniform(0.03, 0.08) * height
    if rng.random() < 0.3:
        centre = rng.uniform(0, width), rng.uniform(0.3, 0.7) * height
        axes = np.array([rng.uniform(0.6, 2.5), rng.uniform(0.45, 0.7)]) * height
        _ellipse(mask, centre, axes, rng.uniform(-6, 6), max(round(thickness), 1))
        return mask * np.float32(1 / 255)
    length = int(rng.integers(5, 14))
    start = np.array([rng.uniform(-0.5 * height, width), rng.uniform(-0.2, 1.0) * height])
    steps = rng.normal((0.28, 0.0), (0.3, 0.5), (length, 2)) * height
    corners = start + np.cumsum(steps, axis=0)
    times = np.linspace(0, length - 1, 8 * length)
    points = np.stack([np.interp(times, np.arange(length), axis) for axis in corners.T], axis=1)
    smooth = cv2.blur(points, (1, 9))
    _stroke(mask, smooth.tolist(), thickness)
    return mask * np.float32(1 / 255)


def _marker(rng: Rng, size: tuple[int, int]) -> Array:
    """Return the stripe of a highlighter."""
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    left, right = np.sort(rng.uniform(-0.2, 1.2, 2)) * width
    y, tilt = rng.uniform(0.4, 0.6) * height, rng.normal(0, 0.04) * height
    _stroke(mask, [(left, y - tilt), (right, y + tilt)], rng.uniform(0.5, 0.95) * height)
    return mask * np.float32(1 / 255)


def _stroke(mask: Array, points: list[Any], thickness: float) -> None:
    fine = np.rint(np.asarray(points) * (1 << _FINE)).astype(np.int32)
    cv2.polylines(mask, [fine], False, 255, max(round(thickness), 1), cv2.LINE_AA, _FINE)


def _ellipse(mask: Array, centre: Any, axes: Any, angle: float, thickness: int) -> None:
    middle, sides = (
        np.rint(np.asarray(x) * (1 << _FINE)).astype(int).tolist() for x in (centre, axes)
    )
    cv2.ellipse(mask, middle, sides, angle, 0, 360, 255, thickness, cv2.LINE_AA, _FINE)
