"""Words as MJSynth shows them, from a font atlas: fast enough to be drawn while a training reads.

The stages of a picture live in `drawing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.augmentors import Augmentor
from mltu.utils.checks import check_count
from mltu.utils.text_columns import distinct_characters, text_lengths

from .atlas import FontAtlas
from .drawing import Gray, colour, photograph, place, set_letters, store
from .font_sheet import FontSheet
from .textures import make_textures
from .words import add_marks, in_all_cases, sample_scene_text

_MIN_HEIGHT = 16
_SHORT = 4  # letters
_MARKS_SHARE = 0.05
_CAPITALS_SHARE = 0.05  # of MJSynth's words so many are in another case than their label
_SMALLER = 0.9  # of the height of its capitals are the small letters of a font of small capitals
_MAX_DRAWS = 100


class SceneWords(Augmentor):
    """A random step of a `DataProvider` that draws each sample's word anew in each epoch.

    It stands first among the augmentors; the data of a sample, whatever it is, is replaced by the
    image of its label. With `words` the label is replaced too, by words, numbers and codes as signs
    have them, so that no epoch shows the texts of another.

    Args:
        atlas: the fonts.
        height: of the images, in pixels, at least 16; or (low, high), drawn for each image.
        channels: 3 equal ones, as in MJSynth's files, or 1.
        num_textures: pictures for grounds and letters, 96 KiB each, made from a fixed seed.
        words: what new labels are drawn from, such as `load_words()`; None keeps the labels.
        max_word_length: with `words`, longer labels are left out.
        marks: characters of the atlas of which one stands by every twentieth text and is not in the
            label, as punctuation is for a reader of words.
        capitals: with `words`, fonts for every twentieth text that draw capitals for small letters,
            of all characters of `atlas`; labels are in upper case, or capitalised where the font
            has capitals of two sizes.
        font_weights: of each font, not negative; fonts are drawn in proportion to them, evenly if
            None. See `family_weights`.

    Raises:
        ValueError: an argument is unfit; or a word has characters that the atlas does not.
    """

    # See `Step`: a class with its own `__call__` does not inherit it.
    keeps_label: bool = True

    def __init__(
        self,
        atlas: FontAtlas,
        height: int | tuple[int, int] = 32,
        channels: int = 3,
        num_textures: int = 96,
        *,
        words: Sequence[str] | None = None,
        max_word_length: int | None = None,
        marks: str = "",
        capitals: FontAtlas | None = None,
        font_weights: Sequence[float] | npt.NDArray[np.floating[Any]] | None = None,
    ) -> None:
        if channels not in (1, 3):
            raise ValueError(f"`channels` must be 1 or 3. Received {channels}.")
        if words is None and max_word_length is not None:
            raise ValueError(
                f"`max_word_length` needs `words`. Received {max_word_length} without them: given "
                "labels are drawn whatever their length. Leave long samples out of the data set."
            )
        if words is None and capitals is not None:
            raise ValueError(
                "`capitals` needs `words`. Received an atlas without them: given labels have small "
                "letters that it does not draw. Leave it out."
            )
        if capitals is not None and not set(atlas.characters) <= set(capitals.characters):
            raise ValueError(
                "`capitals` must draw the characters of `atlas`. Received "
                f"{capitals.characters!r} and {atlas.characters!r}. Build both with the same."
            )
        if missing := "".join(sorted(set(marks).difference(atlas.characters))):
            raise ValueError(
                f"`marks` must be characters of the atlas. Received {missing!r}, which it does not "
                "draw. Build it with FontAtlas.build(fonts, ALPHABET + MARKS)."
            )
        check_count("num_textures", num_textures, 1)
        super().__init__(probability=1)
        self.atlas, self.height, self.channels = atlas, height, channels
        self.marks, self.capitals = marks, capitals
        self._heights = _height_range(height)
        self._characters, self._longest = frozenset(atlas.characters), max_word_length
        self._words = None if words is None else self._fit_words(words)
        self._short_words = [word for word in self._words or () if len(word) <= _SHORT]
        self._shares = None if font_weights is None else _running_shares(font_weights, len(atlas))
        self._textures = make_textures(atlas, num_textures)
        self.keeps_label = words is None

    def __call__(self, data: Any, label: str, rng: np.random.Generator) -> tuple[Gray, str]:
        """Draw the label, or a new one: uint8 of shape (height, width, channels), and the text.

        The width follows the text.

        Raises:
            ValueError: the label is empty or has characters that the atlas does not.
        """
        atlas, font = self.atlas, self._choose_font(rng)
        if self._words is not None:
            label = self._draw_label(rng, self._words)
            if self.capitals is not None and rng.random() < _CAPITALS_SHARE:
                atlas, font = self.capitals, int(rng.integers(len(self.capitals)))
                label = _in_capitals(rng, label, atlas.sheet(font), atlas.characters)
        marked = self.marks and rng.random() < _MARKS_SHARE
        text = add_marks(rng, label, self.marks) if marked else label
        image = store(rng, self._draw_with(atlas, font, text, rng))[:, :, None]
        return np.repeat(image, self.channels, axis=2) if self.channels == 3 else image, label

    def check_labels(self, labels: Sequence[Any]) -> Sequence[Any] | None:
        """Look whether the atlas has the characters of all labels of a data set, if they stay.

        Raises:
            ValueError: it has not, or a label is empty.
        """
        if not self.keeps_label:
            return None
        if unknown := distinct_characters(labels) - self._characters:
            raise ValueError(
                f"`dataset` must have labels made of the characters of the atlas. Received others, "
                f"{''.join(sorted(unknown))!r}. Build the atlas with them or drop the samples."
            )
        if not text_lengths(labels).all():
            raise ValueError(
                "`dataset` must have labels of at least one character to be drawn. Received an "
                "empty one. Drop the sample."
            )
        return labels

    def draw(self, text: str, rng: np.random.Generator, font: int | None = None) -> Gray:
        """Draw a word.

        Args:
            text: made of the characters of the atlas.
            rng: source of all randomness.
            font: its number; drawn by chance if None.

        Returns:
            (height, width) uint8.

        Raises:
            ValueError: `text` is empty or has other characters.
        """
        return store(rng, self.draw_raw(text, rng, font))

    def draw_raw(self, text: str, rng: np.random.Generator, font: int | None = None) -> Gray:
        """Draw a word as `draw` does, without the traces of a JPEG file."""
        font = self._choose_font(rng) if font is None else font
        return self._draw_with(self.atlas, font, text, rng)

    def _draw_with(self, atlas: FontAtlas, font: int, text: str, rng: np.random.Generator) -> Gray:
        low, high = self._heights
        height = low if low == high else int(rng.integers(low, high + 1))
        layers = place(rng, set_letters(rng, atlas, font, text), height)
        return photograph(rng, colour(rng, layers, self._textures))

    def _draw_label(self, rng: np.random.Generator, words: Sequence[str]) -> str:
        for _ in range(_MAX_DRAWS):
            label = sample_scene_text(rng, words, self._short_words)
            if self._is_short(label) and self._characters.issuperset(label):
                return label
        return words[int(rng.integers(len(words)))]

    def _choose_font(self, rng: np.random.Generator) -> int:
        if self._shares is None:
            return int(rng.integers(len(self.atlas)))
        return int(np.searchsorted(self._shares, rng.random(), side="right"))

    def _is_short(self, label: str) -> bool:
        return self._longest is None or len(label) <= self._longest

    def _fit_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the words that are short enough.

        Raises:
            ValueError: none is; or one cannot be drawn in each of the cases.
        """
        foreign = [
            word for word in words if not self._characters.issuperset("".join(in_all_cases(word)))
        ]
        if foreign:
            raise ValueError(
                "`words` must be made of the characters of the atlas, in lower case, capitalised "
                f"and in upper case. {len(foreign)} of {len(words)} are not, among them "
                f"{foreign[:3]}. Leave them out, or build an atlas with their characters."
            )
        short = tuple(word for word in words if all(map(self._is_short, in_all_cases(word))))
        if not short or "" in short:
            raise ValueError(
                "`words` must hold at least one word of at most `max_word_length` characters, and "
                f"none without any. Received {len(words)} words, with `max_word_length` "
                f"{self._longest}. `load_words()` has a list."
            )
        return short


def _height_range(height: int | tuple[int, int]) -> tuple[int, int]:
    pair = height if isinstance(height, tuple | list) else (height, height)
    if len(pair) != 2 or not _MIN_HEIGHT <= pair[0] <= pair[1]:
        raise ValueError(
            f"`height` must be at least {_MIN_HEIGHT} pixels, or a range (low, high) of such. "
            f"Received {height}."
        )
    return int(pair[0]), int(pair[1])


def _running_shares(
    weights: Sequence[float] | npt.NDArray[np.floating[Any]], num_fonts: int
) -> npt.NDArray[np.float64]:
    """Return the upper ends of the parts of 0..1 that belong to the fonts: (num_fonts,)."""
    values = np.asarray(weights, np.float64)
    if values.shape != (num_fonts,):
        raise ValueError(
            f"`font_weights` must hold one weight for each of the {num_fonts} fonts of the atlas. "
            f"Received shape {values.shape}. `family_weights(atlas.names)` gives such."
        )
    total = values.sum()
    if not np.isfinite(total) or values.min() < 0 or total <= 0:
        raise ValueError(
            "`font_weights` must be finite and not negative, and not all zero. Received a sum of "
            f"{total} and a smallest of {values.min()}."
        )
    shares = np.cumsum(values) / total
    # Rounding must not leave a gap at the end, nor give it to a font of weight zero.
    shares[np.flatnonzero(values)[-1] :] = 1.0
    return np.asarray(shares, np.float64)


def _in_capitals(rng: np.random.Generator, text: str, sheet: FontSheet, characters: str) -> str:
    """Write a text as a font shows it that has capitals in the place of small letters."""
    heights = dict(zip(characters, sheet.boxes[:, 0].tolist(), strict=True))
    pairs = [
        (heights[x], heights[x.upper()]) for x in heights if x.upper() in heights and x.islower()
    ]
    has_small = bool(pairs) and float(np.median([low / high for low, high in pairs])) < _SMALLER
    if has_small and (text.istitle() or (text.islower() and rng.random() < 0.6)):
        return text.capitalize()
    return text.upper()
