"""An atlas of the glyphs of many fonts, from which lines of text are set."""

from __future__ import annotations

import hashlib
import lzma
import multiprocessing
import os
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache, partial
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, NamedTuple, Self

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mltu.synthetic._glyphs import (
    EM,
    KERNED,
    FontSheet,
    Mask,
    draw_sheet,
    family_weights,
    shipped_fonts,
    try_sheet,
)
from mltu.synthetic._texts import ALPHABET, LATIN
from mltu.utils.files import StrPath, atomic_folder, atomic_path

_FILES = ("glyphs.npy", "boxes.npy", "kerning.npy", "plain.npy", "names.txt", "characters.txt")
_MAX_SPACE = 0.75 * EM
_PACK_LEVELS = 5  # of grey in a packed atlas


class Line(NamedTuple):
    """A line of text: its ink, the row of the base line, and the columns where each glyph is."""

    mask: Mask
    baseline: int
    lefts: npt.NDArray[np.int64]
    rights: npt.NDArray[np.int64]


@lru_cache(maxsize=1)
def shipped_atlas() -> FontAtlas:
    """Draw the fonts that come with the library, once per process."""
    return FontAtlas.build(shipped_fonts(), ALPHABET, optional=LATIN)


def num_cores() -> int:
    """Return how many processes are worth starting; Windows waits for 61 at most."""
    return min(os.cpu_count() or 1, 61)


def in_processes(
    work: Callable[..., Any], items: Sequence[Any], workers: int, *shared: Any, chunksize: int = 1
) -> Iterator[Any]:
    """Yield `work(item, *shared)` of each item in order, from processes if there are to be any.

    Raises:
        BrokenProcessPool: a process died.
    """
    if workers == 0:
        yield from (work(item, *shared) for item in items)
        return
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        # In a file: Python waits forever for a process that ends before it has read long arguments,
        # as those of a script do that lacks `if __name__ == "__main__":`.
        path = Path(folder, "shared")
        path.write_bytes(ForkingPickler.dumps(shared))
        with ProcessPoolExecutor(workers, context, _start_worker, (path,)) as pool:
            try:
                yield from pool.map(partial(_work_in_worker, work), items, chunksize=chunksize)
            except BrokenProcessPool as error:
                error.add_note(
                    'A script that starts processes needs `if __name__ == "__main__":`. '
                    "`workers=0` starts none."
                )
                raise
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


_shared: tuple[Any, ...] = ()  # of a process that `in_processes` started


def _start_worker(path: Path) -> None:
    global _shared
    cv2.setNumThreads(1)
    _shared = ForkingPickler.loads(path.read_bytes())


def _work_in_worker(work: Callable[..., Any], item: Any) -> Any:
    return work(item, *_shared)


class FontAtlas:
    """The glyphs of many fonts. `FontAtlas.build` draws them, `FontAtlas.load` maps them from disk.

    A loaded atlas costs no memory of its own: processes share the pages of the file, and it is
    pickled as its folder.

    Attributes:
        names: of the font files.
        characters: that each or some of the fonts draw.
        has: (fonts, characters) bool, whether a font draws a character.
        plain: (fonts,) bool, whether a font is one of running text, which print and screens are
            set in; all are, unless the maker of the atlas knows better.
        weights: (fonts,) how often a font should be drawn, so that families of many files do not
            drown the rest: `family_size ** -0.75`; the family is the file name without style words.
    """

    def __init__(self, names: Sequence[str], characters: str, sheets: Sequence[FontSheet]) -> None:
        pixels, boxes, kerning = zip(*sheets, strict=True)
        self._folder: Path | None = None
        arrays = np.concatenate(pixels), np.stack(boxes), np.stack(kerning)
        self._set_up(names, characters, *arrays, np.ones(len(names), np.bool_))

    @classmethod
    def build(
        cls,
        fonts: Iterable[StrPath],
        characters: str = ALPHABET,
        *,
        optional: str = "",
        skip: bool = False,
        workers: int = 0,
        progress: bool = False,
    ) -> Self:
        """Draw the characters with each font; equal fonts are taken once.

        Args:
            fonts: font files.
            characters: that each font must have.
            optional: further characters, drawn with the fonts that have them.
            skip: leave out the fonts that cannot be read or lack a character.
            workers: processes that draw; 0 for this one.
            progress: show a progress bar.

        Raises:
            FileNotFoundError: a font does not exist.
            ValueError: there is no font, or one cannot be read or lacks a character.
        """
        paths = [os.fspath(path) for path in fonts]
        if not paths:
            raise ValueError("`fonts` must name at least one font file. Received none.")
        found: dict[bytes, tuple[str, FontSheet]] = {}
        every = "".join(dict.fromkeys(characters + optional))
        draw = partial(try_sheet if skip else draw_sheet, characters=every, required=characters)
        sheets = in_processes(draw, paths, workers, chunksize=16)
        bar = tqdm(sheets, "Drawing fonts", len(paths), unit="font", disable=not progress)
        for path, sheet in zip(paths, bar, strict=True):
            if sheet is not None:
                content = hashlib.sha256(sheet.boxes.tobytes() + sheet.pixels.tobytes()).digest()
                found.setdefault(content, (Path(path).name, sheet))
        if not found:
            raise ValueError(f"None of the {len(paths)} `fonts` has all of {characters!r}.")
        names, drawn = zip(*found.values(), strict=True)
        return cls(names, every, drawn)

    def save(self, folder: StrPath, *, replace: bool = False) -> Path:
        """Write the atlas; the folder is there whole or not at all.

        Args:
            folder: to make.
            replace: an older atlas or an empty folder at this path.

        Raises:
            FileExistsError: `folder` exists, or with `replace` has other files in it.
            OSError: it cannot be written.
        """
        folder = Path(folder)
        if folder.exists() and not replace:
            raise FileExistsError(
                f"`folder` {os.fspath(folder)!r} exists. Choose another, or pass `replace=True`."
            )
        if folder.exists() and not (
            folder.is_dir() and {path.name for path in folder.iterdir()} <= {*_FILES}
        ):
            raise FileExistsError(f"`folder` {os.fspath(folder)!r} has other files in it.")
        with atomic_folder(folder, replace=replace) as part:
            arrays: list[npt.NDArray[Any]] = [self._pixels, self._boxes, self._kerning, self.plain]
            for name, array in zip(_FILES[:4], arrays, strict=True):
                np.save(part / name, array)
            text = "\n".join(self.names)
            (part / _FILES[4]).write_bytes(text.encode("utf-8", "surrogateescape"))
            (part / _FILES[5]).write_text(self.characters, "utf-8", newline="")
        return folder

    @classmethod
    def load(cls, folder: StrPath) -> Self:
        """Open an atlas that `save` wrote.

        Raises:
            FileNotFoundError: there is none.
            ValueError: the files are no atlas, or do not belong together.
        """
        folder, atlas = Path(folder), cls.__new__(cls)
        if missing := [name for name in _FILES if not (folder / name).is_file()]:
            raise FileNotFoundError(
                f"'{folder}' is not a font atlas: {', '.join(missing)} not found. `FontAtlas.save` "
                "writes one."
            )
        try:
            # As plain arrays: slices of a memmap cost ten times as much.
            arrays = [np.load(folder / n, mmap_mode="r").view(np.ndarray) for n in _FILES[:4]]
            names = (folder / _FILES[4]).read_bytes().decode("utf-8", "surrogateescape")
            with (folder / _FILES[5]).open(encoding="utf-8", newline="") as file:
                characters = file.read()
            atlas._folder = folder.resolve()
            atlas._set_up(names.split("\n"), characters, *arrays)
        except (EOFError, ValueError, IndexError) as error:
            raise ValueError(f"'{folder}' is not a complete font atlas: {error}") from error
        return atlas

    def pack(self, path: StrPath) -> Path:
        """Write the atlas to one small file, with five levels of grey, for `unpack`."""
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as file:
            levels = (self._pixels.astype(np.uint16) * (_PACK_LEVELS - 1) + 127) // 255
            kerning = np.flatnonzero(self._kerning)
            values = self._kerning.ravel()[kerning]
            gaps = np.diff(kerning, prepend=0).astype(np.uint32)
            contents: dict[str, npt.NDArray[Any]] = {
                "pixels": levels.astype(np.uint8), "gaps": gaps, "values": values,
                "boxes": np.ascontiguousarray(self._boxes.reshape(-1, 5).T), "plain": self.plain,
            }  # fmt: skip
            for name, array in contents.items():
                file.writestr(name, lzma.compress(array.tobytes(), preset=6))
            text = "\n".join([self.characters, *self.names])
            file.writestr("names", lzma.compress(text.encode("utf-8", "surrogateescape")))
        return Path(path)

    @classmethod
    def unpack(cls, path: StrPath, folder: StrPath) -> Self:
        """Write an atlas that `pack` made to a folder, and open it there."""
        with zipfile.ZipFile(path) as file:
            found = {name: lzma.decompress(file.read(name)) for name in file.namelist()}
        characters, *names = found["names"].decode("utf-8", "surrogateescape").split("\n")
        grey = np.linspace(0, 255, _PACK_LEVELS).astype(np.uint8)
        pixels = grey[np.frombuffer(found["pixels"], np.uint8)]
        boxes = np.frombuffer(found["boxes"], np.int16).reshape(5, len(names), len(characters))
        kerning = np.zeros((len(names), len(KERNED), len(KERNED)), np.int8)
        places = np.cumsum(np.frombuffer(found["gaps"], np.uint32), dtype=np.int64)
        kerning.ravel()[places] = np.frombuffer(found["values"], np.int8)
        atlas = cls.__new__(cls)
        atlas._folder = None
        plain = np.frombuffer(found["plain"], np.bool_)
        atlas._set_up(names, characters, pixels, boxes.transpose(1, 2, 0), kerning, plain)
        return cls.load(atlas.save(folder))

    def subset(self, fonts: Sequence[int]) -> Self:
        """Return an atlas of some of the fonts, by their numbers."""
        sheets = [self.sheet(font) for font in fonts]
        atlas = type(self)([self.names[font] for font in fonts], self.characters, sheets)
        atlas.plain = self.plain[list(fonts)]
        return atlas

    def sheet(self, font: int) -> FontSheet:
        """Return the glyphs of one font."""
        start, end = self._starts[font, 0], self._ends[font]
        return FontSheet(self._pixels[start:end], self._boxes[font], self._kerning[font])

    def digest(self) -> str:
        """Return a SHA-256 of all that is drawn and of the names, in hexadecimal digits."""
        names = "\0".join([self.characters, *self.names])
        content = hashlib.sha256(names.encode("utf-8", "surrogateescape"))
        for array in (self._boxes, self._kerning, self._pixels, self.plain):
            content.update(np.ascontiguousarray(array).data)
        return content.hexdigest()

    def __len__(self) -> int:
        return len(self.names)

    def __reduce__(self) -> Any:
        if self._folder is not None:
            return type(self).load, (self._folder,)
        sheets = [self.sheet(font) for font in range(len(self))]
        return type(self), (self.names, self.characters, sheets), {"plain": self.plain}

    def places(self, text: str) -> list[int]:
        """Return the places of the characters of a text in `characters`.

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
            raise ValueError("`text` must have at least one character. Received ''.")
        return places

    def has_text(self, font: int, text: str) -> bool:
        """Tell whether a font has all characters of a text."""
        return bool(self.has[font, self.places(text)].all())

    def fonts_for(self, text: str) -> npt.NDArray[np.int64]:
        """Return the numbers of the fonts that have all characters of a text."""
        return np.flatnonzero(self.has[:, sorted(set(self.places(text)))].all(axis=1))

    def advances(self, places: Sequence[int]) -> npt.NDArray[np.int16]:
        """Return the widths of some characters in all fonts, -1 where there is none."""
        return self._boxes[:, places, 4]

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
            text: with at least one visible character.
            spacing: pixels added between characters, at 48 pixels per em; may be negative.
            heights: by how many pixels each character is lowered from the base line; (len(text),)

        Returns:
            (height, width) uint8, 0 is paper and 255 is ink.

        Raises:
            ValueError: `text` is empty, or the font lacks one of its characters.
        """
        mask = self.set_line(font, text, spacing=spacing, heights=heights).mask
        x, y, width, height = cv2.boundingRect(mask)
        return mask[y : y + height, x : x + width]

    def set_line(
        self,
        font: int,
        text: str,
        *,
        spacing: float = 0.0,
        gap: float = 0.0,
        heights: npt.NDArray[np.integer[Any]] | None = None,
    ) -> Line:
        """Draw a text as `draw` does, and tell where its base line and its characters are.

        `gap` is added to each space, in pixels.
        """
        places = self.places(text)
        # Lists, since a numpy call for each quantity would cost more than all the characters.
        boxes = self._boxes[font].take(places, axis=0).tolist()
        if min(boxes)[0] < 0 or max(boxes)[0] == 0:
            raise ValueError(
                f"`text` must be made of characters of the font, and leave ink. Received {text!r} "
                f"for '{self.names[font]}'. `FontAtlas.fonts_for` lists the fonts that have it."
            )
        bases = self._bases[places]
        kerning = self._kerning[font][bases[:-1], bases[1:]].tolist()
        pen, lefts, tops = 0.0, [], []
        for (rows, _, left, top, advance), shift in zip(boxes, (*kerning, 0), strict=True):
            lefts.append(left + round(pen))
            tops.append(top)
            # Some fonts have a space of several ems.
            pen += (advance if rows else min(advance, _MAX_SPACE) + gap) + shift + spacing
        if heights is not None:
            tops = [top + int(height) for top, height in zip(tops, heights, strict=True)]
        first = min(lefts)
        highest = min(top for top, box in zip(tops, boxes, strict=True) if box[0])
        lefts = [left - first for left in lefts]
        rights = [left + box[1] for left, box in zip(lefts, boxes, strict=True)]
        lowest = max(top + box[0] for top, box in zip(tops, boxes, strict=True) if box[0])
        canvas = np.zeros((lowest - highest, max(rights)), np.uint8)
        pixels, end = self._pixels, 0
        starts = self._starts[font].take(places).tolist()
        for start, top, left, right, (rows, columns, *_) in zip(
            starts, tops, lefts, rights, boxes, strict=True
        ):
            if rows:
                glyph = pixels[start : start + rows * columns].reshape(rows, columns)
                spot = canvas[top - highest : top - highest + rows, left:right]
                if left >= end:
                    spot[:] = glyph
                else:
                    np.maximum(spot, glyph, out=spot)
                end = max(end, right)
        return Line(canvas, -highest, np.array(lefts), np.array(rights))

    def _set_up(
        self,
        names: Sequence[str],
        characters: str,
        pixels: Mask,
        boxes: npt.NDArray[np.int16],
        kerning: npt.NDArray[np.int8],
        plain: npt.NDArray[np.bool_],
    ) -> None:
        self.names, self.characters = list(names), characters
        self._pixels, self._boxes, self._kerning, self.plain = pixels, boxes, kerning, plain
        self.has = boxes[:, :, 0] >= 0
        self.weights = family_weights(self.names)
        sizes = np.maximum(boxes[:, :, 0], 0).astype(np.int64) * np.maximum(boxes[:, :, 1], 0)
        ends = np.cumsum(sizes).reshape(sizes.shape)
        self._starts, self._ends = ends - sizes, ends[:, -1]
        self._places = {char: place for place, char in enumerate(characters)}
        # Characters that are not kerned share the row and column of "_", which hardly ever is.
        bases = [unicodedata.normalize("NFD", char)[0] for char in characters]
        self._bases = np.array([KERNED.find(c) if c in KERNED else 62 for c in bases])
        if self._ends[-1] != len(pixels) or self.has.shape != (len(self.names), len(characters)):
            raise ValueError("its files have inconsistent lengths")
