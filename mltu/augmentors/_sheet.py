"""A picture of what augmentors do."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from mltu.augmentors._augmentor import Augmentor, Image
from mltu.plots import write_contact_sheet


def write_augmented_sheet(
    path: str | os.PathLike[str],
    images: Sequence[Image],
    augmentors: Sequence[Augmentor],
    *,
    num_variants: int = 5,
    seed: int = 0,
) -> None:
    """Write a PNG that shows each image next to augmented versions of it.

    Args:
        path: of the PNG file.
        images: uint8, BGR of shape (height, width, 3) or grey; of any sizes. One row for each.
        augmentors: run one after the other, as in a `DataProvider`.
        num_variants: how many augmented versions of each image, at least 1.
        seed: of the variants.

    Raises:
        ValueError: there is no image.
    """
    tiles: list[tuple[Image, str]] = []
    for row, image in enumerate(images):
        tiles.append((image, "original"))
        for variant in range(num_variants):
            rng, changed = np.random.default_rng([seed, row, variant]), image
            for augmentor in augmentors:
                changed, _ = augmentor(changed, None, rng)
            tiles.append((changed, ""))
    write_contact_sheet(path, tiles, num_columns=num_variants + 1)
