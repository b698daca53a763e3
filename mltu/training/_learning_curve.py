"""measure_learning_curve: how the error rate falls with more images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mltu.data import epoch_order
from mltu.datasets import load_samples
from mltu.evaluation import Estimate, evaluate_readings
from mltu.plots import plot_curves
from mltu.training._data import all_characters
from mltu.training._folds import train_and_read
from mltu.utils.files import StrPath

_HELD_OUT = 0.25  # of the samples
_MOST_HELD_OUT = 500
_SHARES = (0.25, 0.5, 1.0)  # of the others
_LEAST = 20  # samples, of which the smallest part is 4
_STEEPEST = -1.0  # exponent: nobody is promised more than half of the errors for twice the images


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Metrics of a reader that was trained on `num_images`, on the part that is held out."""

    num_images: int
    cer: Estimate
    exact: Estimate


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """How the error rate falls with more images.

    Attributes:
        points: of the training runs, the fewest images first; each part contains the ones before.
        num_held_out: number of samples that measure all of them.
        projection: twice the images of the last point, and a guess of the CER with them; None if
            the CER does not fall from point to point, or reaches 0.
    """

    points: tuple[CurvePoint, ...]
    num_held_out: int
    projection: tuple[int, float] | None

    def to_text(self) -> str:
        """Return a table of the points, and the guess."""
        lines = [f"{'images':>8}  {'CER':26}  read right"]
        lines += [f"{x.num_images:8,}  {x.cer!s:26}  {x.exact}" for x in self.points]
        lines.append(f"Measured on {self.num_held_out:,} held-out images; 95% intervals.")
        if self.projection is None:
            lines.append("No guess for more images: the CER does not fall each time, or reaches 0.")
        else:
            count, cer = self.projection
            lines.append(f"With {count:,} images the CER may be about {cer:.1%}: only a guess.")
        return "\n".join(lines)

    def plot(self, path: StrPath) -> None:
        """Write a PNG of the CER by the number of images.

        Raises:
            ImportError: matplotlib is not installed.
        """
        counts = [point.num_images for point in self.points]
        values, lows, highs = zip(*(point.cer for point in self.points), strict=True)
        lines: dict[str, tuple[Sequence[float], Sequence[float]]] = {
            "measured": (counts, values),
            "95% interval, low": (counts, lows),
            "95% interval, high": (counts, highs),
        }
        if self.projection is not None:
            count, cer = self.projection
            lines["guess"] = ([counts[-1], count], [values[-1], cer])
        plot_curves(path, {"CER": lines}, x_label="training images")


def measure_learning_curve(
    data: Any, *, seed: int = 0, progress: bool = True, **settings: Any
) -> LearningCurve:
    """Train on a quarter, a half and all of the data, but for a part that measures the readers.

    A quarter of the data, at most 500 samples, is held out.

    Args:
        data: what a `DataProvider` takes.
        seed: of the split and of the training runs.
        progress: as in `train_reader`.
        **settings: of the training runs, as in `train_reader`.

    Raises:
        ValueError: there are fewer than 20 samples; others as in `train_reader`.
    """
    samples = load_samples(data)
    count = len(samples)
    num_held_out = min(round(count * _HELD_OUT), _MOST_HELD_OUT)
    sizes = [round((count - num_held_out) * share) for share in _SHARES]
    if count < _LEAST:
        raise ValueError(f"`data` must have at least {_LEAST} samples. Received {count}.")
    order = epoch_order(count, seed, 0, True)
    held_out = samples.take(order[:num_held_out])
    settings["vocab"] = settings.get("vocab") or all_characters(
        samples, order=settings.get("label_order")
    )
    points = []
    for i, size in enumerate(sizes, start=1):
        print(f"Training {i} of {len(sizes)}: {size} images, read: {num_held_out}.", flush=True)
        part = samples.take(order[num_held_out : num_held_out + size])
        readings = train_and_read(part, held_out, seed=seed, progress=progress, **settings)
        found = evaluate_readings([x.text for x in readings], list(held_out.labels))
        points.append(CurvePoint(size, found.cer, found.exact))
    return LearningCurve(tuple(points), num_held_out, project(points))


def project(points: Sequence[CurvePoint]) -> tuple[int, float] | None:
    """Guess the CER with twice the images of the last point, by a power law through the points.

    Its exponent is fitted, and the line is moved to the last point. Source: Hestness et al., 2017,
    "Deep Learning Scaling is Predictable, Empirically".
    """
    rates = [point.cer.value for point in points]
    if rates[-1] == 0 or any(after >= before for before, after in pairwise(rates)):
        return None
    counts = [point.num_images for point in points]
    exponent, _ = np.polyfit(np.log(counts), np.log(rates), 1)
    factor = math.exp(math.log(2) * max(float(exponent), _STEEPEST))
    return 2 * counts[-1], rates[-1] * factor
