"""Pictures of texts of every kind, from a font atlas: fast enough to be drawn while one trains."""

from __future__ import annotations

import math
import os
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from mltu.augmentors import Augmentor
from mltu.synthetic._atlas import FontAtlas, shipped_atlas
from mltu.synthetic._draw import Task
from mltu.synthetic._overlays import covered, stamped
from mltu.synthetic._print import mixed, receipt, scan, screen
from mltu.synthetic._signs import display, distant, plain, scene
from mltu.synthetic._texts import ALPHABET, LATIN, Texts
from mltu.synthetic._textures import Array, Banks, Rng, make_banks
from mltu.utils.checks import check_between, check_count
from mltu.utils.files import StrPath
from mltu.utils.text_columns import distinct_characters
from mltu.utils.widening import MAX_WIDEN_TO

Image = npt.NDArray[np.uint8]
Painter = Callable[[Rng, FontAtlas, Banks, Task], tuple[Array, Array]]

_MIN_HEIGHT = 16
_MAX_DRAWS = 50


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


KINDS = {
    "scene_word": Kind(34, "word", 26, scene),
    "distant_word": Kind(15, "word", 26, distant, plain=0.4),
    "plain_word": Kind(2, "word", 26, plain),
    "covered": Kind(4, "word", 26, covered, plain=0.3),
    "scene_line": Kind(8, "phrase", 48, scene),
    "distant_line": Kind(3, "phrase", 36, distant, plain=0.4),
    "scan_line": Kind(13, "prose", 90, scan, 0.06, 0.9),
    "scan_word": Kind(3, "word", 26, scan, 0.06, 0.8),
    "mixed_line": Kind(2, "prose", 70, mixed, 0.06, 0.7),
    "stamped": Kind(3, "prose", 70, stamped, 0.2, 0.9),
    "receipt_line": Kind(13, "receipt", 48, receipt, 0.45, 0.9),
    "screen_line": Kind(5, "screen", 90, screen, 0.12, 0.85),
    "screen_word": Kind(2, "word", 26, screen, 0.1, 0.7),
    "code": Kind(2, "code", 20, scene, 0.1, 0.5),
    "display": Kind(1, "display", 20, display, 0.2, 0.5),
}


class TextImages(Augmentor):
    """Draws pictures of texts: words and lines of signs, print, receipts, screens and displays.

    As the first augmentor of a `DataProvider` it draws each sample's label again in each epoch, or
    with `new_texts` a new text for each sample.

    Args:
        atlas: the fonts, or the folder of an atlas; the shipped fonts if None.
        texts: what texts are sampled from, or a file for `Texts.load`; English words if None.
        height: of the images, in pixels, at least 16.
        color: draw (height, width, 3), blue-green-red; else grey, (height, width).
        max_width: of the images, in pixels; longer texts are cut, or squeezed if they are given.
        widen_to: width / height up to which narrower images are stretched, at most to twice their
            width, as `ImageResizer` does it. Let only one of the two do it.
        weights: of the kinds; those of `KINDS` if None. Kinds that are left out are not drawn.
        new_texts: as an augmentor, draw new texts in the place of the labels.

    Attributes:
        kinds: the weights by the name of the kind.

    Raises:
        ValueError: a kind is unknown, or a number is out of range.
    """

    def __init__(
        self,
        atlas: FontAtlas | StrPath | None = None,
        texts: Texts | StrPath | None = None,
        *,
        height: int = 32,
        color: bool = True,
        max_width: int = 1024,
        widen_to: float = 0.0,
        weights: Mapping[str, float] | None = None,
        new_texts: bool = False,
    ) -> None:
        check_count("height", height, 0)
        check_count("max_width", max_width, 0)
        check_between("widen_to", widen_to, 0, MAX_WIDEN_TO)
        if height < _MIN_HEIGHT or max_width < 4 * height:
            raise ValueError(
                f"`height` must be at least {_MIN_HEIGHT}, and `max_width` four times that. "
                f"Received {height} and {max_width}."
            )
        if weights is None:
            weights = {name: kind.weight for name, kind in KINDS.items()}
        self.kinds = dict(weights)
        if unknown := self.kinds.keys() - KINDS:
            raise ValueError(f"Unknown kind {min(unknown)!r}. Known: {', '.join(KINDS)}.")
        if min(self.kinds.values(), default=0) < 0 or not 0 < sum(self.kinds.values()) < math.inf:
            raise ValueError(
                f"`weights` must be finite, at least 0 and not all 0. Received {weights}."
            )
        super().__init__(probability=1)
        self.keeps_label = not new_texts
        self.height, self.color, self.max_width = height, color, max_width
        self.widen_to = widen_to
        # As they were given: a process that draws opens the files itself.
        self._sources = (atlas, texts)
        atlas = shipped_atlas() if atlas is None else atlas
        self.atlas = atlas if isinstance(atlas, FontAtlas) else FontAtlas.load(atlas)
        texts = Texts() if texts is None else texts
        self.texts = texts if isinstance(texts, Texts) else Texts.load(texts)
        self._banks = make_banks()
        self._names, self._ends = list(self.kinds), list(accumulate(self.kinds.values()))
        drawn = np.flatnonzero(self.atlas.has.any(axis=0)).tolist()
        self._characters = frozenset(self.atlas.characters[place] for place in drawn)
        every = np.ones(len(self.atlas), np.bool_)
        # Of each trait the fonts, and their weights added up.
        self._fonts = {
            trait: (np.flatnonzero(fonts), np.cumsum(self.atlas.weights[fonts]))
            for trait, fonts in (
                ("", every), ("mono", _is_mono(self.atlas)), ("plain", self.atlas.plain)
            )
            if fonts.any()
        }  # fmt: skip

    def __reduce__(self) -> Any:
        make = partial(
            type(self), *self._sources, height=self.height, color=self.color,
            max_width=self.max_width, widen_to=self.widen_to, weights=self.kinds,
            new_texts=not self.keeps_label,
        )  # fmt: skip
        return make, ()

    def draw(
        self, rng: Rng, text: str | None = None, *, kind: str | None = None, font: int | None = None
    ) -> tuple[Image, str]:
        """Draw an image of a text; the arguments are those of `draw_aligned`.

        Returns:
            uint8 of shape (height, width, 3) or (height, width), and the text.
        """
        image, text, _ = self.draw_aligned(rng, text, kind=kind, font=font)
        return image, text

    def draw_aligned(
        self, rng: Rng, text: str | None = None, *, kind: str | None = None, font: int | None = None
    ) -> tuple[Image, str, npt.NDArray[np.float64]]:
        """Draw an image of a text, and tell where its characters are.

        Args:
            rng: source of all randomness; equal generators give equal images.
            text: what to draw; a text that fits the kind if None.
            kind: one of `KINDS`; sampled by `weights` if None.
            font: its number in the atlas; one that has the characters if None.

        Returns:
            uint8 of shape (height, width, 3) or (height, width); the text; and where each character
            starts and ends, in pixels from the left, of shape (characters, 2).

        Raises:
            ValueError: no font has all characters of `text`; or the kind is unknown.
        """
        if kind is None:
            kind = self._names[bisect_right(self._ends, rng.random() * self._ends[-1])]
        if kind not in KINDS:
            raise ValueError(f"Unknown kind {kind!r}. Known: {', '.join(KINDS)}.")
        chosen = KINDS[kind]
        if text is None:
            text, font = self._draw_text(rng, chosen, font)
        elif font is None:
            font = self._find_font(rng, text, chosen)
            if font is None:
                raise ValueError(f"No font of the atlas has all characters of `text` {text!r}.")
        others = partial(self._draw_other, rng, chosen, font)
        fonts = partial(self._find_font, rng, kind=chosen)
        image, spans = chosen.paint(
            rng,
            self.atlas,
            self._banks,
            Task(text, others, fonts, font, self.height, self.max_width, self.widen_to),
        )
        if not self.color:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return image, text, spans * image.shape[1]

    def __call__(self, data: Any, label: str, rng: Rng) -> tuple[Image, str]:
        """Draw the label, or a new text: uint8 of shape (height, width, channels), and the text.

        Raises:
            ValueError: the label is blank or has characters that no font has.
        """
        image, text = self.draw(rng, label if self.keeps_label else None)
        return image if self.color else image[:, :, None], text

    def check_labels(self, labels: Sequence[Any]) -> Sequence[Any] | None:
        """Check that the atlas has the characters of all labels of a data set, if they stay.

        Raises:
            ValueError: it has not, or a label is blank.
        """
        if not self.keeps_label:
            return None
        if unknown := distinct_characters(labels) - self._characters:
            raise ValueError(
                f"The labels have characters that no font of the atlas draws: "
                f"{''.join(sorted(unknown))!r}. Build the atlas with them or drop the samples."
            )
        if not all(map(str.strip, labels)):
            raise ValueError("A label is blank, so there is nothing to draw. Drop the sample.")
        return labels

    def _draw_text(self, rng: Rng, kind: Kind, font: int | None) -> tuple[str, int]:
        """Sample a text that some font has, and a font."""
        for _ in range(_MAX_DRAWS):
            text = self.texts.draw(rng, kind.form, kind.max_length)
            if not self._characters.issuperset(text):
                continue
            if font is None:
                if (found := self._find_font(rng, text, kind)) is not None:
                    return text, found
            elif self.atlas.has_text(font, text):
                return text, font
        raise ValueError("Too few of the texts can be drawn by the fonts of the atlas.")

    def _find_font(self, rng: Rng, text: str, kind: Kind) -> int | None:
        """Sample a font that has the text, by the weights of the families."""
        trait = rng.random()
        name = "mono" if trait < kind.mono else "plain" if trait < kind.mono + kind.plain else ""
        every, ends = self._fonts.get(name, self._fonts[""])
        for _ in range(20):
            font = int(every[np.searchsorted(ends, rng.random() * ends[-1], "right")])
            if self.atlas.has_text(font, text):
                return font
        fonts = self.atlas.fonts_for(text)
        return int(fonts[int(rng.random() * len(fonts))]) if len(fonts) else None

    def _draw_other(self, rng: Rng, kind: Kind, font: int) -> str:
        """Sample a text for the neighbourhood of another, or "" if the font has none."""
        form = "word" if kind.form in ("phrase", "code") else kind.form
        for _ in range(5):
            text = self.texts.draw(rng, form, 40)
            # A space comes between the two.
            if self._characters.issuperset(f"{text} ") and self.atlas.has_text(font, f"{text} "):
                return text
        return ""


def render_word(text: str, font_path: StrPath, rng: Rng, *, height: int = 31) -> Image:
    """Draw one word as a small image that is easy to read.

    Args:
        text: one line of printable characters that the font can draw.
        font_path: a TrueType or OpenType file.
        rng: source of all randomness; equal generators give equal images.
        height: of the image, in pixels, at least 16.

    Returns:
        (height, width, 3) uint8, blue-green-red; the width follows the text.

    Raises:
        FileNotFoundError: no file at `font_path`.
        ValueError: `text` is empty or unprintable, the font has no glyph for a character, the file
            is no font, or `height` is too small.
    """
    if not text.strip() or not text.isprintable():
        raise ValueError(
            f"`text` must be one line with at least one visible character. Received {text!r}."
        )
    further = "".join(sorted(set(text).difference(LATIN)))
    images = _images_of(os.fspath(font_path), further, height)
    if missing := "".join(sorted(set(text) - images._characters)):
        raise ValueError(
            f"The font '{Path(font_path).name}' has no glyph for {missing!r} of {text!r}. "
            "Choose another font or drop the sample."
        )
    return images.draw(rng, text, kind="plain_word", font=0)[0]


@lru_cache(maxsize=64)
def _images_of(font: str, further: str, height: int) -> TextImages:
    atlas = FontAtlas.build([font], "", optional=LATIN + further)
    return TextImages(atlas, _no_texts(), height=height)


@lru_cache(maxsize=1)
def _no_texts() -> Texts:
    return Texts()


def _is_mono(atlas: FontAtlas) -> npt.NDArray[np.bool_]:
    """Tell which fonts have one width for all letters and digits."""
    places = [place for place, char in enumerate(atlas.characters) if char in ALPHABET]
    widths = atlas.advances(places)
    widest = widths.max(axis=1, initial=-1)  # -1: the font has none of them
    narrowest = np.where(widths < 0, widest[:, None], widths).min(axis=1, initial=2**15 - 1)
    return np.asarray((widest >= 0) & (widest - narrowest <= 1))
