"""Families of fonts: a family of seventy files should not be drawn seventy times as often."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

_POWER = -0.75  # -1 would give each family one voice; a large one still shows more styles
_STYLES = re.compile(
    "regular|roman|book|normal|plain|bold|italic|oblique|slanted|inclined|light|medium|black|thin"
    "|heavy|hairline|semi|demi|extra|ultra|condensed|compressed|cond|narrow|wide|expanded|extended"
    "|variable|display|text|caption|subhead|[^a-z]"
)


def family_weights(names: Sequence[str | os.PathLike[str]]) -> npt.NDArray[np.float64]:
    """Return how often to draw each font, so that families with many files do not drown the rest.

    A weight is `family_size ** -0.75`. The family is the file name without suffix, style words
    (bold, italic, light, ...), digits and signs: `Lato-Bold.ttf` and `Lato-LightItalic.otf` are
    of one.

    Args:
        names: of the font files, such as `atlas.names`.

    Returns:
        (len(names),) float64, each in 0..1, not yet divided by their sum; for `SceneWords`.
    """
    families = [_family(PurePath(name).stem.lower()) for name in names]
    sizes = Counter(families)
    return np.array([float(sizes[family]) ** _POWER for family in families], np.float64)


def _family(stem: str) -> str:
    return _STYLES.sub("", stem) or stem
