"""DataProvider: a data set as batches for Keras, a thin coat over `pipeline`."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mltu import pipeline
from mltu._extras import explain_missing
from mltu.augmentors import Augmentor
from mltu.bad_samples import BadSample, BadSamples
from mltu.datasets import check_samples, load_samples, write_csv

with explain_missing():
    import keras


class DataProvider(keras.utils.PyDataset):
    """Batches of a data set: paths and labels run through preprocessors, augmentors, transformers.

    Batch i of an epoch is a function of (samples, seed, epoch, i): it can be read twice, from any
    thread and in any order. The provider counts the epochs that Keras has finished; it ignores the
    extra `on_epoch_end` before the first one. It shuffles itself, so pass `shuffle=False` to `fit`
    where the order of the batches has to be reproducible.

    Args:
        dataset: a list of `[path, label]` (the first may also be bytes or an array, whatever the
            preprocessors take), a pandas DataFrame with the columns `path` and `label` (or with
            exactly two columns), or the path of a CSV file with those columns. Never changed.
        data_preprocessors: callables `(data, label) -> (data, label)`, such as `ImageReader()`.
        batch_size: samples in each batch; the last of an epoch may be smaller.
        shuffle: whether each epoch has an order of its own.
        initial_epoch: the number of the first epoch.
        augmentors: `Augmentor`s, called `(data, label, rng) -> (data, label)`.
        transformers: callables like the preprocessors, run last.
        skip_validation: True to not look whether labels are present and files exist.
        limit: take only the first so many samples.
        on_bad_sample: what to do with a sample on which a preprocessor raises OSError or
            ValueError. `"replace"` takes another sample of the data set, chosen by the seed, so
            that batches keep their shape; `"skip"` makes the batch smaller; `"raise"` stops. The
            first two log each such sample once and list it in `bad_samples`, and stop when more
            than 1 % of the data set and at least ten samples are bad. Faults of labels always stop.
        seed: of the order and of the augmentors.
        short_first: True to give the samples of epoch 1 by growing length of the label, which gets
            CTC training off the ground sooner (Amodei et al., 2016, section 3.3).
        workers: threads that prepare batches. OpenCV works outside Python's lock, so they run in
            parallel.
        max_queue_size: batches prepared ahead.

    Raises:
        ValueError: the data set is empty, a column is missing, or an argument is out of its range.
        FileNotFoundError: files are missing; the first are named.
        TypeError: an argument or entry is of a type that cannot serve; a label that is absent is
            None or NaN.
    """

    def __init__(
        self,
        dataset: Any,
        data_preprocessors: Sequence[pipeline.Step],
        batch_size: int = 4,
        shuffle: bool = True,
        initial_epoch: int = 1,
        augmentors: Sequence[Augmentor] | None = None,
        transformers: Sequence[pipeline.Step] | None = None,
        skip_validation: bool = False,
        limit: int | None = None,
        *,
        on_bad_sample: str = "replace",
        seed: int = 0,
        short_first: bool = False,
        workers: int = 1,
        max_queue_size: int = 10,
    ) -> None:
        super().__init__(workers=workers, max_queue_size=max_queue_size)
        _check_count("batch_size", batch_size, 1)
        _check_count("initial_epoch", initial_epoch, 0)
        _check_count("seed", seed, 0)
        _check_count("workers", workers, 0)
        if on_bad_sample not in ("replace", "skip", "raise"):
            raise ValueError(
                f"`on_bad_sample` must be 'replace', 'skip' or 'raise'. Received {on_bad_sample!r}."
            )
        if limit is not None:
            _check_count("limit", limit, 1)
        self._samples = load_samples(dataset)[:limit]
        if not self._samples:
            raise ValueError("`dataset` must hold at least one sample. Received an empty one.")
        if not skip_validation:
            check_samples(self._samples)
        self._bad_samples = BadSamples(len(self._samples))
        self._on_bad_sample = on_bad_sample
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._seed = seed
        self._short_first = short_first
        self._data_preprocessors = _check_callables("data_preprocessors", data_preprocessors)
        self.augmentors = augmentors or []
        self.transformers = transformers or []
        self._within_epoch = False
        self.set_position(initial_epoch)

    def __len__(self) -> int:
        """Return the number of batches in an epoch, less those left out by `set_position`."""
        return self._batches_per_epoch() - self._step

    def __repr__(self) -> str:
        return (
            f"DataProvider({len(self._samples)} samples, batch_size={self._batch_size}, "
            f"epoch={self.epoch})"
        )

    @property
    def epoch(self) -> int:
        """The number of the current epoch."""
        return self._epoch

    @property
    def step(self) -> int:
        """The batch at which the current epoch starts: 0, or where `set_position` put it."""
        return self._step

    @property
    def num_samples(self) -> int:
        """The number of samples in an epoch."""
        return len(self._samples)

    @property
    def bad_samples(self) -> list[BadSample]:
        """The samples that could not be read so far: position, path and reason."""
        return self._bad_samples.found()

    @property
    def augmentors(self) -> list[Augmentor]:
        """The random steps; assigning a list checks it."""
        return list(self._augmentors)

    @augmentors.setter
    def augmentors(self, augmentors: Sequence[Augmentor]) -> None:
        steps = _check_callables("augmentors", augmentors)
        for augmentor in steps:
            if not isinstance(augmentor, Augmentor):
                raise TypeError(
                    "`augmentors` must be a list of `mltu.augmentors.Augmentor`. Received "
                    f"{augmentor!r}. Wrap a transform of another library in `ImageTransform`."
                )
        self._augmentors: list[Augmentor] = steps

    @property
    def transformers(self) -> list[pipeline.Step]:
        """The fixed steps that run last; assigning a list checks it."""
        return list(self._transformers)

    @transformers.setter
    def transformers(self, transformers: Sequence[pipeline.Step]) -> None:
        self._transformers = _check_callables("transformers", transformers)

    def set_position(self, epoch: int, step: int = 0) -> None:
        """Continue at a batch of an epoch: it becomes `provider[0]` until that epoch ends.

        Args:
            epoch: at least 0.
            step: how many batches of the epoch to leave out, less than the epoch has.

        Raises:
            ValueError: `epoch` is negative, or `step` is outside the epoch.
        """
        if epoch < 0:
            raise ValueError(f"`epoch` must be at least 0. Received {epoch}.")
        if not 0 <= step < self._batches_per_epoch():
            raise ValueError(
                f"`step` must be in 0..{self._batches_per_epoch() - 1}. Received {step}."
            )
        self._epoch, self._step = epoch, step
        order = pipeline.epoch_order(len(self._samples), self._seed, epoch, self._shuffle)
        if self._short_first and epoch <= 1:
            lengths = np.array([len(self._samples[i][1]) for i in order])
            order = order[np.argsort(lengths, kind="stable")]
        self._order = order

    def on_epoch_begin(self) -> None:
        """Note that Keras has begun an epoch; called by Keras."""
        self._within_epoch = True

    def on_epoch_end(self) -> None:
        """Go on to the next epoch if one had begun; called by Keras, workers stopped."""
        if self._within_epoch:
            self._within_epoch = False
            self.set_position(self._epoch + 1)

    def __getitem__(self, index: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Make batch `index` of the current epoch.

        Args:
            index: in 0..len(provider) - 1.

        Returns:
            The data, shape (batch, ...), and the labels, shape (batch, ...), as the last
            transformer gave them.

        Raises:
            IndexError: there is no such batch.
            RuntimeError: too many samples cannot be read.
            Exception: what a step raised, with a note that names the sample.
        """
        samples = [self._make_sample(i) for i in self._batch_indices(index)]
        return pipeline.stack_batch([sample for sample in samples if sample is not None])

    def get_batch_annotations(self, index: int) -> list[tuple[Any, Any]]:
        """Return the (path, label) pairs of batch `index` of the current epoch, nothing read."""
        return [self._samples[i] for i in self._batch_indices(index)]

    def split(self, split: float = 0.9, shuffle: bool = True) -> tuple[Self, Self]:
        """Divide the samples among two independent providers, for training and validation.

        Args:
            split: the share of the first provider, between 0 and 1.
            shuffle: whether to draw the shares by chance (by `seed`) or to cut the list in two.

        Returns:
            The training provider, with the augmentors, and the validation provider, without.

        Raises:
            ValueError: one of the two would be empty.
        """
        num_samples = len(self._samples)
        num_first = round(num_samples * split)
        if not 0 < num_first < num_samples:
            raise ValueError(
                f"`split` must leave at least one of the {num_samples} samples on each side. "
                f"Received {split}."
            )
        order = pipeline.epoch_order(num_samples, self._seed, 0, shuffle)
        training = self._select(order[:num_first], self.augmentors)
        return training, self._select(order[num_first:], [])

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write all samples to a CSV file that a provider reads back, in their own order.

        Args:
            path: of the file, with the columns `path` and `label`, in UTF-8.

        Raises:
            TypeError: the samples are not pairs of text.
        """
        write_csv(path, self._samples)

    def _batches_per_epoch(self) -> int:
        return -(-len(self._samples) // self._batch_size)

    def _batch_indices(self, index: int) -> list[int]:
        if not 0 <= index < len(self):
            raise IndexError(f"`index` must be in 0..{len(self) - 1}. Received {index}.")
        start = (self._step + index) * self._batch_size
        return [int(i) for i in self._order[start : start + self._batch_size]]

    def _make_sample(self, index: int) -> tuple[Any, Any] | None:
        """Run one sample, or its stand-in, through all steps; None where it is skipped."""
        chosen, position = index, (len(self._samples), self._seed, self._epoch, index)
        attempts = count(1)
        while (read := self._read(chosen)) is None:
            if self._on_bad_sample == "skip":
                return None
            chosen = pipeline.replacement(*position, next(attempts))
        steps = self._transformers
        if self._augmentors:
            rng = pipeline.sample_rng(self._seed, self._epoch, index)
            steps = [*(partial(step, rng=rng) for step in self._augmentors), *steps]
        return pipeline.run_steps(*read, steps, source=self._samples[chosen][0])

    def _read(self, index: int) -> tuple[Any, Any] | None:
        """Run the preprocessors on one sample; None where it cannot be read, which is noted."""
        try:
            return pipeline.run_steps(*self._samples[index], self._data_preprocessors)
        except (OSError, ValueError) as error:
            if self._on_bad_sample == "raise":
                raise
            self._bad_samples.add(index, self._samples[index][0], error)
            return None

    def _select(self, indices: npt.NDArray[np.int64], augmentors: list[Augmentor]) -> Self:
        part = copy.copy(self)
        part._samples = [self._samples[i] for i in indices]
        part._bad_samples = BadSamples(len(indices))
        part.augmentors = augmentors
        part.set_position(self._epoch)
        return part


def _check_count(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"`{name}` must be an integer of at least {least}. Received {value!r}.")


def _check_callables(name: str, steps: Sequence[Any]) -> list[Any]:
    wrong = [steps] if callable(steps) else [step for step in steps if not callable(step)]
    if wrong:
        raise TypeError(f"`{name}` must be a list of callables. Received {wrong[0]!r}.")
    return list(steps)
