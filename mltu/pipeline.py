"""How samples become batches: epoch order, chance, steps and stacking, as pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Step = Callable[[Any, Any], tuple[Any, Any]]
RandomStep = Callable[[Any, Any, np.random.Generator], tuple[Any, Any]]

# Streams of random numbers that must not meet although they start from the same seed.
_ORDER, _SAMPLE, _REPLACEMENT = 0, 1, 2


def epoch_order(num_samples: int, seed: int, epoch: int, shuffle: bool) -> npt.NDArray[np.int64]:
    """Give the order of the samples in an epoch, a function of its arguments alone.

    Args:
        num_samples: how many there are.
        seed: at least 0.
        epoch: at least 0; each has an order of its own.
        shuffle: False for the order as it stands.

    Returns:
        A permutation of 0..num_samples - 1.
    """
    if not shuffle:
        return np.arange(num_samples)
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(num_samples)


def sample_rng(seed: int, epoch: int, index: int) -> np.random.Generator:
    """Make the generator of one sample in one epoch.

    Args:
        seed: at least 0.
        epoch: at least 0.
        index: the number of the sample in the data set, independent of the epoch's order.

    Returns:
        A new generator; equal arguments give equal numbers on every machine.
    """
    return np.random.default_rng([seed, _SAMPLE, epoch, index])


def run_steps(
    data: Any, label: Any, steps: Sequence[Step], *, source: object = None
) -> tuple[Any, Any]:
    """Run one sample through fixed steps.

    Args:
        data: the path, image or other data of the sample.
        label: of the sample.
        steps: called one after the other with (data, label).
        source: what an error calls the sample; `data` itself if None.

    Returns:
        The data and the label as the last step gave them.

    Raises:
        Exception: what a step raised, with a note that names the step and the sample.
    """
    named = (data if source is None else source, label)
    for step in steps:
        try:
            data, label = step(data, label)
        except Exception as error:
            error.add_note(f"This happened in the step {step!r} on the sample {_describe(*named)}.")
            raise
    return data, label


def replacement(num_samples: int, seed: int, epoch: int, index: int, attempt: int) -> int:
    """Choose the sample that stands in for one that cannot be read.

    Args:
        num_samples: of the data set.
        seed: as in `sample_rng`.
        epoch: as in `sample_rng`.
        index: of the sample that is replaced.
        attempt: 1 for the first choice, 2 if that cannot be read either, and so on.

    Returns:
        The index of another sample, a function of the arguments alone.
    """
    rng = np.random.default_rng([seed, _REPLACEMENT, epoch, index, attempt])
    return int((index + 1 + rng.integers(num_samples - 1)) % num_samples)


def stack_batch(samples: Sequence[tuple[Any, Any]]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Stack the samples of a batch.

    Args:
        samples: (data, label) with arrays or numbers of one shape each.

    Returns:
        The data, shape (batch, ...), and the labels, shape (batch, ...).

    Raises:
        ValueError: shapes differ within the batch; the shapes are listed. Or there is no sample.
    """
    if not samples:
        raise ValueError(
            "`samples` must hold at least one sample. Received none: every sample of the batch was "
            "skipped. Use larger batches, or `on_bad_sample='replace'`."
        )
    data, labels = zip(*samples, strict=True)
    return _stack(data, "data", "ImageResizer"), _stack(labels, "label", "LabelPadding")


def _stack(items: Sequence[Any], name: str, remedy: str) -> npt.NDArray[Any]:
    arrays = [np.asarray(item) for item in items]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise ValueError(
            f"`{name}` must have one shape throughout a batch. Received the shapes {shapes[:5]}. "
            f"Add {remedy} to `transformers`."
        )
    return np.stack(arrays)


def _describe(data: Any, label: Any) -> str:
    source = f"an array of shape {data.shape}" if isinstance(data, np.ndarray) else repr(data)
    return f"{source[:300]} with the label {label!r:.100}"
