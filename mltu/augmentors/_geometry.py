"""Augmentors that move pixels: rotation, perspective, bent strokes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mltu._extras import explain_missing
from mltu.augmentors._augmentor import Augmentor, Image
from mltu.utils.checks import check_between

with explain_missing():
    import cv2


class RandomRotate(Augmentor):
    """Rotate by a random angle; the canvas grows so that nothing is cut off.

    Args:
        probability: of a change.
        angle: the largest angle in degrees, to either side; at least 0.
        border_value: the colour of the new corners, one value 0..255 for each channel; None for
            the median colour of the image, found from a grid of some 200 of its pixels.

    Raises:
        ValueError: an argument is outside its range.
        TypeError: `border_value` is not a sequence.
    """

    def __init__(
        self,
        probability: float = 0.5,
        angle: float = 10,
        border_value: Sequence[int] | None = None,
    ) -> None:
        super().__init__(probability)
        if isinstance(angle, Sequence):
            raise TypeError(
                "`angle` must be a number, the largest angle to either side. Received "
                f"{angle!r}. Pass {max(map(abs, angle), default=0)}."
            )
        if not angle >= 0:
            raise ValueError(f"`angle` must be at least 0. Received {angle}.")
        if border_value is not None and not isinstance(border_value, Sequence):
            raise TypeError(
                "`border_value` must be a value for each channel, such as (255, 255, 255). "
                f"Received {border_value!r}."
            )
        self.angle = angle
        self.border_value = border_value

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the rotated image, on a larger canvas."""
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D(
            ((width - 1) / 2, (height - 1) / 2), rng.uniform(-self.angle, self.angle), 1.0
        )
        cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
        # Rounded up: half a pixel less would cut the strokes that touch a corner.
        new_width = math.ceil(width * cosine + height * sine)
        new_height = math.ceil(width * sine + height * cosine)
        matrix[:, 2] += (new_width - width) / 2, (new_height - height) / 2
        border = self.border_value
        if border is None:
            border = _median_colour(image)
        rotated = cv2.warpAffine(
            image, matrix, (new_width, new_height), borderMode=cv2.BORDER_CONSTANT,
            borderValue=[float(v) for v in border],
        )  # fmt: skip
        return rotated.reshape(new_height, new_width, *image.shape[2:])  # type: ignore[return-value]


class RandomPerspective(Augmentor):
    """Move the corners of the image, stretch it and shift it, in one warp on the same canvas.

    Args:
        probability: of a change.
        shift: the largest shift of a corner, as a share of the height; in 0..0.5.
        scale: each side is multiplied by a factor in 1 - scale .. 1 + scale / 3, since more would
            cut letters at the edge; in 0..0.5.
    """

    def __init__(self, probability: float = 0.5, shift: float = 0.08, scale: float = 0.15) -> None:
        super().__init__(probability)
        check_between("shift", shift, 0, 0.5)
        check_between("scale", scale, 0, 0.5)
        self.shift = shift
        self.scale = scale

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the warped image; its edge is repeated where there was nothing."""
        height, width = image.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        centre = np.array([width / 2, height / 2])
        moved = (corners - centre) * rng.uniform(1 - self.scale, 1 + self.scale / 3, 2) + centre
        moved += rng.uniform(-self.shift, self.shift, (4, 2)) * height
        matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
        warped = cv2.warpPerspective(
            image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        return warped.reshape(image.shape)  # type: ignore[return-value]


class RandomElastic(Augmentor):
    """Bend strokes by a smooth random field of shifts (Simard et al., 2003).

    Args:
        probability: of a change.
        shift: the largest shift as a share of the height; in 0..0.5.
        cell: distance of the points that are shifted at random, as a share of the height, above 0.
    """

    def __init__(self, probability: float = 0.5, shift: float = 0.06, cell: float = 0.5) -> None:
        super().__init__(probability)
        check_between("shift", shift, 0, 0.5)
        if not cell > 0:
            raise ValueError(f"`cell` must be above 0. Received {cell}.")
        self.shift = shift
        self.cell = cell

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the bent image."""
        height, width = image.shape[:2]
        grid = [max(2, round(side / (self.cell * height))) for side in (height, width)]
        coarse = rng.uniform(-self.shift, self.shift, (2, *grid)) * height
        fields = [
            cv2.resize(field.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
            for field in coarse
        ]
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        bent = cv2.remap(
            image, (columns + fields[0]).astype(np.float32), (rows + fields[1]).astype(np.float32),
            cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return bent.reshape(image.shape)  # type: ignore[return-value]


def _median_colour(image: Image) -> list[int]:
    """Return the median of each channel; all pixels would take as long as the rotation."""
    height, width = image.shape[:2]
    step = max(1, round(math.sqrt(height * width / 200)))
    values = image[::step, ::step].reshape(-1, math.prod(image.shape[2:]))
    middle = len(values) // 2
    return np.partition(values, middle, axis=0)[middle].tolist()  # type: ignore[no-any-return]
