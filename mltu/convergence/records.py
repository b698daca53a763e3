"""What is seen of a training, what is known of its data, and what is said about it."""

from __future__ import annotations

from typing import NamedTuple

CHANCE = 3.0  # standard deviations: what lies below may be chance,
LEARNING = 4.0  # and what lies above is none.


class Look(NamedTuple):
    """What is seen of a training at one step; None where it is not known.

    Attributes:
        step: batches since the training began.
        loss: mean since the last look.
        rate: the learning rate.
        moved: size of the change of the weights since the training began, as a share of their
            size then (Euclidean norms).
        cer: character error rate of the answers, or of the epoch so far.
        empty: share of samples that are answered by blanks only.
        alike: share of samples with the most frequent answer.
    """

    step: int
    loss: float
    rate: float | None = None
    moved: float | None = None
    cer: float | None = None
    empty: float | None = None
    alike: float | None = None


class Evidence(NamedTuple):
    """Two figures in standard deviations: 0 is chance, above 4 is beyond it; None if unknown.

    Attributes:
        match: do similar images have similar labels; see `match_of_images_and_labels`.
        advantage: does the model find the own label of an image likelier than other labels.
    """

    match: float | None = None
    advantage: float | None = None


class Diagnosis(NamedTuple):
    """A cause by its stable machine name, and one paragraph: what is seen, and what to change.

    `is_hopeless` tells that the run can be stopped, since it will not learn as it stands.
    """

    name: str
    text: str
    is_hopeless: bool = True
