"""A font sheet: the glyphs of one font, drawn once, with their kerning."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from .fonts import Glyph, Mask, glyph_of, load_font, missing_characters

EM = 48  # pixels per em: capitals are about 34 pixels high, twice what a word of 32 pixels needs

_MAX_SIDE = 4 * EM  # a glyph that is larger belongs to no font for words


class FontSheet(NamedTuple):
    """The glyphs of one font.

    `pixels` are those of all glyphs, one behind the other, uint8; `boxes` (characters, 5) int16
    holds rows, columns, left, top and advance of each (left and top from the pen on the base
    line); `kerning` (characters, characters) int8 moves the second of two characters. All in pixels
    at 48 pixels per em.
    """

    pixels: Mask
    boxes: npt.NDArray[np.int16]
    kerning: npt.NDArray[np.int8]


def draw_glyphs(path: str, characters: str) -> list[Glyph]:
    """Draw characters one by one with a font.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no font, or has no glyph for a character, or an empty or a huge one.
    """
    if missing := missing_characters(characters, path):
        raise ValueError(
            f"`fonts` must draw all of {characters!r}. Received {path!r}, which has no glyph for "
            f"{missing!r}. Leave this font out."
        )
    glyphs = [glyph_of(char, path, EM) for char in characters]
    unfit = [
        char
        for char, glyph in zip(characters, glyphs, strict=True)
        if not glyph.mask.any() or max(*glyph.mask.shape, abs(glyph.advance)) > _MAX_SIDE
    ]
    if unfit:
        raise ValueError(
            f"`fonts` must draw all characters within {_MAX_SIDE // EM} ems. Received {path!r}, "
            f"which does not for {''.join(unfit)!r}. Leave this font out."
        )
    return glyphs


def draw_sheet(path: str, characters: str) -> FontSheet:
    """Draw the characters with one font, and measure its kerning; see `draw_glyphs`."""
    glyphs = draw_glyphs(path, characters)
    boxes = [(*glyph.mask.shape, glyph.left, glyph.top, glyph.advance) for glyph in glyphs]
    font, advances = load_font(path, EM), [glyph.advance for glyph in glyphs]
    kerning = [
        [font.getlength(first + second) - advance - after
         for second, after in zip(characters, advances, strict=True)]
        for first, advance in zip(characters, advances, strict=True)
    ]  # fmt: skip
    return FontSheet(
        np.concatenate([glyph.mask.ravel() for glyph in glyphs]),
        np.array(boxes, np.int16),
        np.clip(np.rint(kerning), -127, 127).astype(np.int8),
    )


def num_cores() -> int:
    """Return how many processes are worth starting; Windows waits for 61 at most."""
    return min(os.cpu_count() or 1, 61)


def in_processes(work: Any, items: Sequence[Any], workers: int) -> Iterator[Any]:
    """Map over items, in processes if there are to be any; the answers come in order."""
    if workers == 0:
        yield from map(work, items)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, cv2.setNumThreads, (1,)) as pool:
        try:
            yield from pool.map(work, items, chunksize=16)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
