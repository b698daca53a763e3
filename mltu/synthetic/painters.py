"""Painters: the ways in which a data set draws a label, and what its recipe says of them."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .atlas import FontAtlas
from .families import family_weights
from .fonts import missing_characters, shipped_fonts
from .render import IMAGE_HEIGHT, render_word
from .scene import SceneWords
from .words import ALPHABET

SCENE_VERSION = 1  # raise it whenever the same seed and atlas give other pixels

JPEG_QUALITY = (45, 95)
SCENE_QUALITY = (79, 10, 45, 100)  # mean, deviation, least and most, as in MJSynth's files

Recipe = dict[str, object]
# From a label and its generator to a picture and the quality of its JPEG.
Painter = Callable[[str, np.random.Generator], tuple[npt.NDArray[np.uint8], int]]


def plain_style(fonts: Sequence[str | Path] | None) -> tuple[Painter, Recipe]:
    """Return how to render with font files, and what the recipe says of it."""
    paths = [Path(path) for path in (shipped_fonts() if fonts is None else fonts)]
    _check_fonts(paths)
    return partial(paint_plain, fonts=paths), {
        "fonts": [path.name for path in paths],
        "fonts_sha256": sha256(b"".join(path.read_bytes() for path in paths)),
    }


def scene_style(atlas: FontAtlas, fonts: Sequence[str | Path] | None) -> tuple[Painter, Recipe]:
    """Return how to draw with an atlas, and what the recipe says of it."""
    if fonts is not None:
        raise ValueError(
            "`fonts` and `atlas` must not both be given. Received "
            f"{len(fonts)} fonts and an atlas of {len(atlas)}. Leave `fonts` out."
        )
    if missing := "".join(sorted(set(ALPHABET).difference(atlas.characters))):
        raise ValueError(
            f"`atlas` must draw all of [0-9A-Za-z]. Received one that does not draw {missing!r}. "
            "Build it with the characters that are the default."
        )
    scene = SceneWords(atlas, IMAGE_HEIGHT, font_weights=family_weights(atlas.names))
    return partial(paint_scene, scene=scene), {
        "style": "SceneWords",
        "style_version": SCENE_VERSION,
        "num_fonts": len(atlas),
        "atlas_sha256": atlas.digest(),
    }


def paint_plain(
    label: str, rng: np.random.Generator, *, fonts: Sequence[Path]
) -> tuple[npt.NDArray[np.uint8], int]:
    """Render with one of the font files."""
    image = render_word(label, fonts[int(rng.integers(len(fonts)))], rng)
    return image, int(rng.integers(JPEG_QUALITY[0], JPEG_QUALITY[1] + 1))


def paint_scene(
    label: str, rng: np.random.Generator, *, scene: SceneWords
) -> tuple[npt.NDArray[np.uint8], int]:
    """Draw in the manner of MJSynth: grey levels in three channels."""
    image, (mean, deviation, least, most) = scene.draw_raw(label, rng), SCENE_QUALITY
    quality = min(max(round(rng.normal(mean, deviation)), least), most)
    return np.repeat(image[:, :, None], 3, axis=2), quality


def _check_fonts(fonts: Sequence[Path]) -> None:
    if not fonts:
        raise ValueError(
            "`fonts` must hold at least one font file. Received none. "
            "Leave the argument out to get `shipped_fonts()`."
        )
    for path in fonts:
        missing = missing_characters(ALPHABET, str(path))
        if missing:
            raise ValueError(
                f"`fonts` must each draw all of [0-9A-Za-z]. Received '{path}', which has no "
                f"glyph for {missing!r}. Leave this font out."
            )


def sha256(content: bytes) -> str:
    """Return the digest in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
