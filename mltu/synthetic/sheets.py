"""Contact sheets of fonts and words as PNG files, drawn by OpenCV."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mltu.utils.files import atomic_path

from .atlas import FontAtlas

Picture = npt.NDArray[np.uint8]  # (height, width, 3), blue-green-red

SAMPLE = "Hamburg379"

_PAPER, _INK = 255, (90, 60, 0)
_GAP = 6  # pixels between cells
_FONT_CELL, _WORD_CELL = (30, 190), (32, 180)  # height and width of the images in the cells
_CAPTION = 14  # pixels


def font_sheet(atlas: FontAtlas, fonts: Sequence[int], *, num_columns: int = 5) -> Picture:
    """Show a sample text in each of some fonts, with the name of the file over it.

    Args:
        atlas: the fonts.
        fonts: their numbers, at least one.
        num_columns: cells in a row.

    Returns:
        (height, width, 3) uint8.
    """
    text = "".join(char for char in SAMPLE if char in atlas.characters) or atlas.characters[:10]
    images = [np.bitwise_not(atlas.draw(font, text)) for font in fonts]
    return _grid(images, _FONT_CELL, num_columns, [atlas.names[font] for font in fonts])


def word_sheet(words: Sequence[Picture], *, num_columns: int = 4, heading: str = "") -> Picture:
    """Show words side by side, in their own size where it fits.

    Args:
        words: at least one image, uint8, (height, width) or (height, width, 3).
        num_columns: cells in a row.
        heading: of the sheet; none if empty.

    Returns:
        (height, width, 3) uint8.
    """
    sheet = _grid(words, _WORD_CELL, num_columns)
    if not heading:
        return sheet
    top = _paper(28, sheet.shape[1])
    _write(top, heading, (_GAP, 20), 0.6)
    return np.concatenate([top, sheet])


def side_by_side(left: Picture, right: Picture) -> Picture:
    """Put two sheets beside each other, with a line between them."""
    height = max(left.shape[0], right.shape[0])
    line = _paper(height, 3 * _GAP)
    line[:, _GAP + 2 : _GAP + 4] = _INK
    left, right = (
        np.concatenate([sheet, _paper(height - sheet.shape[0], sheet.shape[1])])
        for sheet in (left, right)
    )
    return np.concatenate([left, line, right], axis=1)


def write_png(path: str | os.PathLike[str], picture: Picture) -> None:
    """Write a PNG file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    content = cv2.imencode(".png", picture)[1]
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.tobytes())


def _grid(
    images: Sequence[Picture],
    cell: tuple[int, int],
    num_columns: int,
    captions: Sequence[str] = (),
) -> Picture:
    """Lay images out in rows; those larger than a cell are shrunk, none is enlarged."""
    top = _CAPTION if captions else 0
    pitch = (cell[0] + top + _GAP, cell[1] + _GAP)
    num_columns = min(num_columns, len(images))
    num_rows = -(-len(images) // num_columns)
    sheet = _paper(num_rows * pitch[0] + _GAP, num_columns * pitch[1] + _GAP)
    for number, image in enumerate(images):
        y, x = (_GAP + place * step for place, step in zip(divmod(number, num_columns), pitch,
                                                           strict=True))  # fmt: skip
        if captions:
            _write(
                sheet[y : y + _CAPTION, x : x + cell[1]], captions[number], (0, _CAPTION - 4), 0.35
            )
        small = _fitted(image, cell)
        sheet[y + top : y + top + small.shape[0], x : x + small.shape[1]] = small
    return sheet


def _fitted(image: Picture, cell: tuple[int, int]) -> Picture:
    scale = min(1.0, cell[0] / image.shape[0], cell[1] / image.shape[1])
    size = (max(int(image.shape[1] * scale), 1), max(int(image.shape[0] * scale), 1))
    if scale < 1:
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


def _paper(height: int, width: int) -> Picture:
    return np.full((height, width, 3), _PAPER, np.uint8)


def _write(picture: Any, text: str, place: tuple[int, int], size: float) -> None:
    """Write; OpenCV's own letters are ASCII only."""
    ascii_text = text.encode("ascii", "replace").decode()
    cut = np.ascontiguousarray(picture)
    cv2.putText(cut, ascii_text, place, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)
    picture[:] = cut
