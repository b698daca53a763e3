"""A font atlas: the glyphs of many fonts in a few arrays, drawn once and never opened again."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mltu.utils.files import refuse_working_folder

from .font_sheet import FontSheet, draw_sheet, in_processes
from .fonts import Mask
from .words import ALPHABET

_GLYPHS, _TABLE = "glyphs.npy", "table.npz"


class FontAtlas:
    """The glyphs of many fonts. `FontAtlas.build` draws them, `FontAtlas.load` maps them from disk.

    A loaded atlas costs no memory of its own: processes share the pages of the file, and it is
    pickled as its folder.

    Attributes:
        names: of the font files.
        characters: that each of the fonts draws.
    """

    def __init__(self, names: Sequence[str], characters: str, sheets: Sequence[FontSheet]) -> None:
        self.names, self.characters = list(names), characters
        self._boxes = np.stack([sheet.boxes for sheet in sheets])
        self._kerning = np.stack([sheet.kerning for sheet in sheets])
        self._pixels = np.concatenate([sheet.pixels for sheet in sheets])
        self._folder: Path | None = None
        self._index()

    @classmethod
    def build(
        cls,
        fonts: Iterable[str | os.PathLike[str]],
        characters: str = ALPHABET,
        *,
        workers: int = 0,
        progress: bool = False,
    ) -> Self:
        """Draw the characters with each font; equal fonts are taken once.

        Args:
            fonts: font files that draw all of `characters`; see `check_font`.
            characters: what texts will be made of.
            workers: processes that draw; 0 for this one.
            progress: show a progress bar.

        Raises:
            FileNotFoundError: a font does not exist.
            ValueError: there is no font, or one cannot be read or lacks a character.
        """
        paths = [os.fspath(path) for path in fonts]
        if not paths:
            raise ValueError("`fonts` must hold at least one font file. Received none.")
        found: dict[bytes, tuple[str, FontSheet]] = {}
        drawn = in_processes(partial(draw_sheet, characters=characters), paths, workers)
        bar = tqdm(drawn, "Drawing fonts", len(paths), unit="font", disable=not progress)
        for path, sheet in zip(paths, bar, strict=True):
            content = hashlib.sha256(sheet.boxes.tobytes() + sheet.pixels.tobytes()).digest()
            found.setdefault(content, (Path(path).name, sheet))
        names, sheets = zip(*found.values(), strict=True)
        return cls(names, characters, sheets)

    def save(self, folder: str | os.PathLike[str], *, replace: bool = False) -> Path:
        """Write the atlas; the folder is there whole or not at all.

        Args:
            folder: to make.
            replace: take away an older atlas or an empty folder that stands there.

        Raises:
            FileExistsError: `folder` exists, or with `replace` holds something else.
            OSError: it cannot be written.
        """
        folder = Path(folder)
        check_place(folder, replace=replace)
        part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
        part.mkdir(parents=True)
        try:
            np.save(part / _GLYPHS, self._pixels)
            np.savez_compressed(
                part / _TABLE, boxes=self._boxes, kerning=self._kerning,
                names=np.array(self.names), characters=np.array(self.characters),
            )  # fmt: skip
            old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
            if folder.exists():
                folder.replace(old)
            try:
                part.replace(folder)
            except OSError:
                if old.exists():
                    old.replace(folder)
                raise
            # Windows keeps files that are mapped.
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Open an atlas that `save` wrote.

        Raises:
            FileNotFoundError: there is none.
            ValueError: the files are no atlas, or not of one another.
        """
        folder, atlas = Path(folder), cls.__new__(cls)
        if not (folder / _TABLE).is_file() or not (folder / _GLYPHS).is_file():
            raise FileNotFoundError(
                f"`folder` must hold {_TABLE} and {_GLYPHS} of a font atlas. Received "
                f"{os.fspath(folder)!r}, which does not. `FontAtlas.save` writes them, and so does "
                "`mltu synth fonts --atlas`."
            )
        try:
            with np.load(folder / _TABLE) as table:
                atlas._boxes, atlas._kerning = table["boxes"], table["kerning"]
                atlas.names, atlas.characters = table["names"].tolist(), table["characters"].item()
            # As a plain array: slices of a memmap cost ten times as much.
            atlas._pixels = np.load(folder / _GLYPHS, mmap_mode="r").view(np.ndarray)
        except (KeyError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"`folder` must hold a font atlas. Received {os.fspath(folder)!r}: {error}"
            ) from error
        atlas._folder = folder.resolve()
        atlas._index()
        if atlas._ends[-1] != len(atlas._pixels):
            raise ValueError(
                f"`folder` must hold the two files of one font atlas. Received "
                f"{os.fspath(folder)!r}, whose {_GLYPHS} has another length."
            )
        return atlas

    def subset(self, fonts: Sequence[int]) -> Self:
        """Return an atlas of some of the fonts, by their numbers."""
        return type(self)(
            [self.names[font] for font in fonts], self.characters, [self.sheet(f) for f in fonts]
        )

    def sheet(self, font: int) -> FontSheet:
        """Return the glyphs of one font."""
        start, end = self._starts[font, 0], self._ends[font]
        return FontSheet(self._pixels[start:end], self._boxes[font], self._kerning[font])

    def digest(self) -> str:
        """Return a SHA-256 of all that is drawn and of the names, in hexadecimal digits."""
        content = hashlib.sha256(_as_bytes("\0".join([self.characters, *self.names])))
        for array in (self._boxes, self._kerning, self._pixels):
            content.update(np.ascontiguousarray(array).data)
        return content.hexdigest()

    def __len__(self) -> int:
        return len(self.names)

    def __reduce__(self) -> Any:
        if self._folder is not None:
            return type(self).load, (self._folder,)
        return type(self), (self.names, self.characters, [self.sheet(i) for i in range(len(self))])

    def draw(
        self,
        font: int,
        text: str,
        *,
        spacing: float = 0.0,
        heights: npt.NDArray[np.integer[Any]] | None = None,
    ) -> Mask:
        """Draw a text in one line with kerning, and crop it to its ink.

        Args:
            font: its number.
            text: at least one of the atlas's characters.
            spacing: pixels added between characters, at 48 pixels per em; may be negative.
            heights: by how many pixels each character stands lower than the base line; (len(text),)

        Returns:
            (height, width) uint8, 0 is paper and 255 is ink.

        Raises:
            ValueError: `text` is empty or has other characters.
        """
        try:
            places = [self._places[char] for char in text]
        except KeyError as error:
            raise ValueError(
                f"`text` must be made of {self.characters!r}. Received {text!r}. Build an atlas "
                "with the characters of your labels."
            ) from error
        if not places:
            raise ValueError("`text` must hold at least one character. Received ''.")
        boxes = self._boxes[font, places].astype(np.int64)
        rows, columns, lefts, tops, advances = boxes.T
        steps = advances[:-1] + self._kerning[font, places[:-1], places[1:]] + spacing
        lefts = lefts + np.rint(np.append(0, np.cumsum(steps))).astype(np.int64)
        if heights is not None:
            tops = tops + heights
        lefts, tops = lefts - lefts.min(), tops - tops.min()
        canvas = np.zeros(((tops + rows).max(), (lefts + columns).max()), np.uint8)
        starts = self._starts[font, places]
        for start, row, column, height, width in zip(
            *(x.tolist() for x in (starts, tops, lefts, rows, columns)), strict=True
        ):
            glyph = self._pixels[start : start + height * width].reshape(height, width)
            spot = canvas[row : row + height, column : column + width]
            np.maximum(spot, glyph, out=spot)
        x, y, width, height = cv2.boundingRect(canvas)
        return canvas[y : y + height, x : x + width]

    def _index(self) -> None:
        """Find where the pixels of each glyph start."""
        sizes = self._boxes[:, :, 0].astype(np.int64) * self._boxes[:, :, 1]
        ends = np.cumsum(sizes).reshape(sizes.shape)
        self._starts, self._ends = ends - sizes, ends[:, -1]
        self._places = {char: place for place, char in enumerate(self.characters)}


def _as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # as names of files may be


def check_place(folder: Path, *, replace: bool) -> None:
    """Look whether an atlas may be written to a folder.

    Raises:
        FileExistsError: it exists and may not be replaced, holds something else, or is the working
            folder.
    """
    refuse_working_folder(folder)
    if not folder.exists():
        return
    if not replace:
        raise FileExistsError(
            f"`folder` must be a new one. Received {os.fspath(folder)!r}, which exists. Choose "
            "another, or say `replace=True`."
        )
    if not folder.is_dir() or not {path.name for path in folder.iterdir()} <= {_GLYPHS, _TABLE}:
        raise FileExistsError(
            f"`folder` must be a new one or hold a font atlas. Received {os.fspath(folder)!r}, "
            "which holds other files. Choose another folder."
        )
