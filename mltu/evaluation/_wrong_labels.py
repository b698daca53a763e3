"""Which labels look wrong: a confident reader disagrees with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mltu.utils.checks import check_between

# The share of wrong labels before the readings have been looked at, and for how many labels that
# counts. Without it a few disagreements would often be estimated to hold exactly no wrong label.
_PRIOR_SHARE, _PRIOR_COUNT = 0.02, 50
_NUM_ROUNDS = 200
_LEAST_DOUBT = 0.01  # A reader is never more confident than this: it was trained on a few images.


@dataclass(frozen=True, slots=True)
class DoubtfulLabel:
    """A label that differs from what was read.

    Attributes:
        position: of the sample.
        label: as it is.
        reading: the text that was read.
        confidence: of the reading, in 0..1.
        probability: that the label is wrong and the reading right, in 0..1.
    """

    position: int
    label: str
    reading: str
    confidence: float
    probability: float


@dataclass(frozen=True, slots=True)
class LabelReview:
    """The labels that readings contradict.

    Attributes:
        doubtful: the labels, the most probably wrong first.
        num_read: the number of samples that were read.
        expected: how many labels are estimated to be wrong.
    """

    doubtful: tuple[DoubtfulLabel, ...]
    num_read: int
    expected: float

    def captions(self) -> list[tuple[int, str]]:
        """Return positions and captions of the labels, for a contact sheet."""
        return [
            (found.position, f"{found.label} -> {found.reading}\n{found.confidence:.1%}")
            for found in self.doubtful
        ]

    def to_text(self, paths: Mapping[int, str] | None = None, num_shown: int = 20) -> str:
        """Return the estimate and the first labels.

        Args:
            paths: of the samples, by position.
            num_shown: number of labels.
        """
        lines = [
            f"{len(self.doubtful)} of {self.num_read} labels differ from their readings; about "
            f"{self.expected:.0f} are probably wrong."
        ]
        for found in self.doubtful[:num_shown]:
            path = f"  {paths[found.position]}" if paths else ""
            percent = f"{found.probability:.0%}" if found.probability >= 0.01 else "<1%"
            lines.append(
                f"  {percent:>4}  label {found.label!r}, read "
                f"{found.reading!r} (confidence {found.confidence:.1%}){path}"
            )
        return "\n".join(lines)


def review_labels(
    readings: Sequence[str],
    confidences: Sequence[float],
    labels: Sequence[str],
    positions: Sequence[int] | None = None,
) -> LabelReview:
    """Find the labels that are probably wrong, by readings of a reader that did not learn them.

    Where a reading of confidence c differs from the label, either the reading is wrong, which
    happens in 1 - c of the cases, or the label. How often labels are wrong is estimated from all
    disagreements together (expectation maximization, from a share of 2% that counts as much as 50
    labels).

    Args:
        readings: texts, of images that the reader was not trained on.
        confidences: of the readings, in 0..1, as `mltu.inference.Reading` has them.
        labels: of the same images.
        positions: of the images in their data set; 0, 1, ... if None.

    Returns:
        The labels that differ from their readings, the most probably wrong first.

    Raises:
        ValueError: the arguments have different lengths, or a confidence is outside 0..1.
    """
    others = {"confidences": confidences, "labels": labels, "positions": positions}
    for name, values in others.items():
        if values is not None and len(values) != len(readings):
            raise ValueError(
                f"`{name}` must have one entry for each of `readings`. "
                f"Received {len(values)} for {len(readings)}."
            )
    for confidence in confidences:
        check_between("confidences", confidence, 0, 1.001)  # Rounding may exceed 1.
    pairs = list(zip(readings, labels, strict=True))
    differing = [i for i, (reading, label) in enumerate(pairs) if reading != label]
    found = np.clip(np.asarray(confidences, float), 0, 1 - _LEAST_DOUBT)[differing]
    share, probabilities = _PRIOR_SHARE, np.zeros(len(differing))
    for _ in range(_NUM_ROUNDS):
        wrong = share * found
        probabilities = wrong / (wrong + (1 - share) * (1 - found))
        num_wrong = float(probabilities.sum()) + _PRIOR_SHARE * _PRIOR_COUNT
        share = num_wrong / (len(pairs) + _PRIOR_COUNT)
    doubtful = [
        DoubtfulLabel(
            i if positions is None else positions[i],
            labels[i],
            readings[i],
            float(confidences[i]),
            float(probability),
        )
        for i, probability in zip(differing, probabilities, strict=True)
    ]
    doubtful.sort(key=lambda each: -each.confidence)
    return LabelReview(tuple(doubtful), len(pairs), float(probabilities.sum()))
