"""The temperature that makes confidences true, fitted on readings whose texts are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mltu.decoders import Spans, greedy_path, text_log_probabilities, to_probabilities
from mltu.evaluation.confidence import calibration_error, reliability_bins

_LOW, _HIGH = 0.25, 4.0  # temperatures that are tried
_NUM_TRIED = 17  # of them first, in even ratios
_NUM_HALVINGS = 6  # of the step between them afterwards
_LEAST = 1e-6  # a confidence, so that one sure error is not endlessly bad
_NUM_BINS = 15

Array = npt.NDArray[Any]


class Calibration(NamedTuple):
    """What fitting a temperature changed, on the readings that it was fitted on.

    Attributes:
        temperature: by which logits are to be divided, within 0.25..4.
        num_samples: how many readings there were.
        error_before: the expected calibration error at temperature 1, in 0..1, by 15 bins.
        error_after: that at `temperature`.
    """

    temperature: float
    num_samples: int
    error_before: float
    error_after: float


def fit_temperature(
    batches: Sequence[Array], target: Sequence[str], vocab: str | Sequence[str]
) -> Calibration:
    """Find the temperature whose confidences tell best which readings are right.

    The confidence is that of `TextRecognizer`: the CTC probability of the best path's text. What
    is made small is the mean logarithmic loss of "this reading is right", with targets a little
    inside of 0 and 1, so that a model without errors does not become endlessly sure.

    Args:
        batches: of probabilities, shape (batch, time, classes) each, the blank last.
        target: the true texts, one for each row of all batches.
        vocab: the characters in the order of their classes.

    Raises:
        ValueError: there is no reading, or another number of texts.

    Source: Guo et al., 2017, "On Calibration of Modern Neural Networks", section 4.2; of the
    targets: Platt, 1999, "Probabilistic Outputs for Support Vector Machines".
    """
    spans = [greedy_path(batch) for batch in batches]
    texts = ["".join(vocab[c] for c in row.classes) for rows in spans for row in rows]
    if not texts or len(texts) != len(target):
        raise ValueError(
            "`target` must have a text for each row of `batches`, at least one. "
            f"Received {len(target)} texts and {len(texts)} rows."
        )
    is_right = [text == truth for text, truth in zip(texts, target, strict=True)]
    right, num_right = np.array(is_right), sum(is_right)
    goals = np.where(right, (num_right + 1) / (num_right + 2), 1 / (len(right) - num_right + 2))

    def loss(log_temperature: float) -> float:
        sure = _confidences(batches, spans, float(np.exp(log_temperature)))
        sure = np.clip(sure, _LEAST, 1 - _LEAST)
        return float(-np.mean(goals * np.log(sure) + (1 - goals) * np.log(1 - sure)))

    temperature = float(np.exp(_least(loss, np.log(_LOW), np.log(_HIGH))))
    errors = [
        calibration_error(
            reliability_bins(_confidences(batches, spans, value), is_right, num_bins=_NUM_BINS)
        )
        for value in (1.0, temperature)
    ]
    return Calibration(temperature, len(right), *errors)


def _confidences(
    batches: Sequence[Array], spans: Sequence[Sequence[Spans]], temperature: float
) -> Any:
    logs = [
        text_log_probabilities(
            to_probabilities(batch, "probabilities", temperature), [row.classes for row in rows]
        )
        for batch, rows in zip(batches, spans, strict=True)
    ]
    return np.minimum(np.exp(np.concatenate(logs)), 1.0)


def _least(function: Any, low: float, high: float) -> float:
    """Return where a smooth function is least: the best of a grid, refined by halving its step."""
    grid = np.linspace(low, high, _NUM_TRIED)
    values = [function(x) for x in grid]
    best, value, step = float(grid[np.argmin(values)]), min(values), float(grid[1] - grid[0])
    for _ in range(_NUM_HALVINGS):
        step /= 2
        for x in (best - step, best + step):
            if low <= x <= high and (found := function(x)) < value:
                best, value = x, found
    return best
