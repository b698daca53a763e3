"""How samples become batches: epoch order, chance, steps and stacking, as pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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


def arrange_batches(
    order: npt.NDArray[np.int64],
    batch_size: int,
    buckets: npt.NDArray[np.int64] | None = None,
    *,
    drop_last: bool = False,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Divide an epoch's order into batches, each from one bucket.

    A batch stands where its last sample stood in the order, so that chance still decides which
    bucket comes when; the samples that are left over in each bucket make smaller batches at the
    end. Without buckets only the last batch may be smaller.

    Args:
        order: the indices of the samples, shape (num_samples,).
        batch_size: at least 1.
        buckets: the bucket of each sample of the data set, by its index; None for one for all.
        drop_last: True to leave out the smaller batches.

    Returns:
        The order, arranged so that the samples of a batch are neighbours, and the position where
        each batch starts, with the end of the last batch as last entry: shape (num_batches + 1,).
    """
    if buckets is None:
        end = len(order) // batch_size * batch_size if drop_last else len(order)
        return order, np.append(np.arange(0, end, batch_size), end)
    full, rest = [], []
    for bucket in np.unique(buckets):
        places = np.flatnonzero(buckets[order] == bucket)
        num_full = len(places) // batch_size * batch_size
        full += list(places[:num_full].reshape(-1, batch_size))
        rest += [places[num_full:]] if num_full < len(places) and not drop_last else []
    batches = sorted(full, key=lambda places: int(places[-1])) + rest
    starts = np.cumsum([0, *(len(places) for places in batches)])
    return order[np.concatenate([np.empty(0, np.int64), *batches])], starts


def sample_rngs(seed: int, epoch: int, indices: Iterable[int]) -> Iterator[np.random.Generator]:
    """Give the generator of each sample in one epoch.

    It is one Philox generator whose key holds the seed, the epoch and the sample; making a new
    one for each sample would take ten times as long.

    Args:
        seed: at least 0.
        epoch: at least 0.
        indices: the numbers of the samples in the data set, independent of the epoch's order.

    Yields:
        The generator, to be used before the next one is asked for; equal arguments give equal
        numbers on every machine.

    Source: Salmon et al., 2011, Parallel random numbers: as easy as 1, 2, 3.
    """
    key = np.random.SeedSequence([seed, _SAMPLE, epoch]).generate_state(2, np.uint64)
    bits = np.random.Philox(key=key)
    generator, state = np.random.Generator(bits), bits.state
    for index in indices:
        state["state"]["key"][1] = key[1] ^ np.uint64(index)
        bits.state = state
        yield generator


def run_batch(
    data: Sequence[Any], labels: Sequence[Any], steps: Sequence[Step]
) -> tuple[Sequence[Any], Sequence[Any]]:
    """Run a batch through fixed steps, a step at a time.

    A step whose class itself defines `batch(data, labels)` gets all samples at once. An inherited
    `batch` is not used, since the subclass may have changed what the step does to a sample.

    Args:
        data: of each sample.
        labels: of each sample.
        steps: as in `run_steps`.

    Returns:
        The data and the labels as the last step gave them.

    Raises:
        Exception: what a step raised; `run_steps`, sample by sample, tells which sample it was.
    """
    for step in steps:
        if "batch" in vars(type(step)):
            data, labels = step.batch(data, labels)  # type: ignore[attr-defined]
        else:
            pairs = [step(*sample) for sample in zip(data, labels, strict=True)]
            data, labels = zip(*pairs, strict=True)
    return data, labels


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
        seed: as in `sample_rngs`.
        epoch: as in `sample_rngs`.
        index: of the sample that is replaced.
        attempt: 1 for the first choice, 2 if that cannot be read either, and so on.

    Returns:
        The index of another sample, a function of the arguments alone.
    """
    rng = np.random.default_rng([seed, _REPLACEMENT, epoch, index, attempt])
    return int((index + 1 + rng.integers(num_samples - 1)) % num_samples)


def declared(step: Step | RandomStep, name: str) -> Any:
    """Return what a step's class says of its `__call__` under a name; None if it says nothing.

    Only the class that defines `__call__` is asked: a subclass with its own may do otherwise.
    """
    owner = next(cls for cls in type(step).__mro__ if "__call__" in vars(cls))
    return getattr(step, name) if name in vars(owner) else None


def stack_batch(
    data: Sequence[Any], labels: Sequence[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Stack the samples of a batch.

    Args:
        data: arrays or numbers of one shape each, or one array that holds them all.
        labels: likewise.

    Returns:
        The data, shape (batch, ...), and the labels, shape (batch, ...).

    Raises:
        ValueError: shapes differ within the batch; the shapes are listed. Or there is no sample.
    """
    if not len(data):
        raise ValueError(
            "`data` must hold at least one sample. Received none: every sample of the batch was "
            "skipped. Use larger batches, or `on_bad_sample='replace'`."
        )
    return _stack(data, "data", "ImageResizer or SpectrogramPadding"), _stack(
        labels, "label", "LabelPadding"
    )


def _stack(items: Sequence[Any], name: str, remedy: str) -> npt.NDArray[Any]:
    if isinstance(items, np.ndarray):
        return items
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
