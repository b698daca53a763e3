"""From outputs to probabilities, at a temperature."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def to_probabilities(outputs: Array, kind: str, temperature: float = 1.0) -> Array:
    """Divide logits by a temperature and return their probabilities.

    Args:
        outputs: shape (..., classes).
        kind: of the outputs, `"probabilities"`, whose logarithms serve as logits, or `"logits"`.
        temperature: above 1 makes the model less sure, below 1 more.

    Returns:
        Shape (..., classes), of the same dtype, summing to 1; probabilities at temperature 1 are
        returned as they came.

    Raises:
        ValueError: `kind` is none of the two.

    Source: Guo et al., 2017, "On Calibration of Modern Neural Networks", section 4.2.
    """
    if kind not in ("probabilities", "logits"):
        raise ValueError(f"`kind` must be 'probabilities' or 'logits'. Received {kind!r}.")
    if kind == "probabilities":
        if temperature == 1:
            return outputs
        # By the largest, lest all of them fall below the least number of float32.
        largest = outputs.max(axis=-1, keepdims=True)
        powers = (outputs / np.where(largest > 0, largest, 1)) ** (1 / temperature)
        powers = np.where(largest > 0, powers, 1)
    else:
        with np.errstate(over="ignore"):  # What is that unlikely becomes 0.
            powers = np.exp((outputs - outputs.max(axis=-1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]
