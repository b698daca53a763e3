"""Words as MJSynth shows them, from a font atlas: fast enough to be drawn while a training reads.

The stages of a picture live in `drawing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.augmentors import Augmentor

from .atlas import FontAtlas
from .drawing import Gray, colour, photograph, place, set_letters, store
from .textures import make_textures
from .words import in_all_cases, sample_word

_MIN_HEIGHT = 16


class SceneWords(Augmentor):
    """A random step of a `DataProvider` that draws each sample's word anew in each epoch.

    It stands first among the augmentors; the data of a sample, whatever it is, is replaced by the
    image of its label. With `words` the label is replaced too: by a word in one of three cases or
    a code, drawn as `sample_word` does, so that no epoch shows the texts of another.

    Args:
        atlas: the fonts.
        height: of the images, in pixels, at least 16; or (low, high), drawn for each image.
        channels: 3 equal ones, as in MJSynth's files, or 1.
        num_textures: pictures for grounds and letters, 96 KiB each, made from a fixed seed.
        words: what new labels are drawn from, such as `load_words()`; None keeps the labels.
        max_word_length: with `words`, longer labels are left out.
        font_weights: of each font, not negative; fonts are drawn in proportion to them, evenly if
            None. See `family_weights`.

    Raises:
        ValueError: an argument is unfit; or a word has characters that the atlas does not.
    """

    keeps_label = True  # An own one, since `__call__` is; see `Transformer`.

    def __init__(
        self,
        atlas: FontAtlas,
        height: int | tuple[int, int] = 32,
        channels: int = 3,
        num_textures: int = 96,
        *,
        words: Sequence[str] | None = None,
        max_word_length: int | None = None,
        font_weights: Sequence[float] | npt.NDArray[np.floating[Any]] | None = None,
    ) -> None:
        if channels not in (1, 3):
            raise ValueError(f"`channels` must be 1 or 3. Received {channels}.")
        if words is None and max_word_length is not None:
            raise ValueError(
                f"`max_word_length` needs `words`. Received {max_word_length} without them: given "
                "labels are drawn whatever their length. Leave long samples out of the data set."
            )
        super().__init__(probability=1)
        self.atlas, self.height, self.channels = atlas, height, channels
        self._heights = _height_range(height)
        self._characters, self._longest = frozenset(atlas.characters), max_word_length
        self._words = None if words is None else self._fit_words(words)
        self._shares = None if font_weights is None else _running_shares(font_weights, len(atlas))
        self._textures = make_textures(atlas, num_textures)
        self.keeps_label = words is None

    def __call__(self, data: Any, label: str, rng: np.random.Generator) -> tuple[Gray, str]:
        """Draw the label, or a new one: uint8 of shape (height, width, channels), and the text.

        The width follows the text.
        """
        if self._words is not None:
            label = sample_word(rng, self._words, accept=self._accepts)
        image = self.draw(label, rng)[:, :, None]
        return np.repeat(image, self.channels, axis=2) if self.channels == 3 else image, label

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
        low, high = self._heights
        height = low if low == high else int(rng.integers(low, high + 1))
        if font is None:
            font = self._choose_font(rng)
        layers = place(rng, set_letters(rng, self.atlas, font, text), height)
        return photograph(rng, colour(rng, layers, self._textures))

    def _choose_font(self, rng: np.random.Generator) -> int:
        if self._shares is None:
            return int(rng.integers(len(self.atlas)))
        return int(np.searchsorted(self._shares, rng.random(), side="right"))

    def _accepts(self, label: str) -> bool:
        return self._is_short(label) and self._characters.issuperset(label)

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
