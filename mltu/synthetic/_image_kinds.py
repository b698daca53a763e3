"""The kinds of pictures, and how often each is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mltu.synthetic._atlas import FontAtlas
from mltu.synthetic._draw import Task
from mltu.synthetic._overlays import covered, stamped
from mltu.synthetic._print import mixed, receipt, scan, screen
from mltu.synthetic._signs import display, distant, plain, scene
from mltu.synthetic._textures import Array, Banks, Rng

Painter = Callable[[Rng, FontAtlas, Banks, Task], tuple[Array, Array]]


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
