"""DataProvider: a data set as batches for Keras, a thin wrapper around the modules beside it."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.augmentors import Augmentor
from mltu.data._bad_samples import BadSample, BadSamples
from mltu.data._batches import Batch, BatchMaker, BatchSource, Step, declared
from mltu.data._epoch import BatchPlan, epoch_order
from mltu.datasets import check_samples, load_samples, write_csv
from mltu.utils.checks import check_count

with explain_missing():
    import keras


@dataclass(frozen=True)
class _Signature:
    """Stands for an array where Keras wants to know its shape and dtype alone."""

    shape: tuple[int | None, ...]
    dtype: npt.DTypeLike


class KerasDataset(keras.utils.PyDataset):
    """A data set that knows which epochs Keras has really begun and ended.

    A subclass defines `_next_epoch`, which is called when one has ended, workers stopped.

    Args:
        workers: threads that prepare batches.
        processes: that make the batches while threads wait for them; 0 for none.
        max_queue_size: batches prepared ahead.
        use_multiprocessing: refused.

    Raises:
        ValueError: `use_multiprocessing` is true.
    """

    def __init__(
        self, workers: int, processes: int, max_queue_size: int, use_multiprocessing: bool
    ) -> None:
        # More threads than processes, so that none waits for its next batch.
        super().__init__(
            max(workers, 2 * processes + 1) if processes else workers, False, max_queue_size
        )
        self.use_multiprocessing = use_multiprocessing
        self._within_epoch = False

    @property
    def use_multiprocessing(self) -> bool:
        """Always False; setting True raises ValueError."""
        return False

    @use_multiprocessing.setter
    def use_multiprocessing(self, value: bool) -> None:
        if value:
            raise ValueError(
                "`use_multiprocessing` must be False: when one of Keras's worker processes is "
                "killed, training waits for ever without a word. Threads serve OpenCV well "
                "(`workers`); for steps that work in Python give `processes`."
            )

    def on_epoch_begin(self) -> None:
        """Note that Keras has begun an epoch; called by Keras."""
        self._within_epoch = not _is_rehearsal()

    def on_epoch_end(self) -> None:
        """Go on to the next epoch if one had begun; called by Keras, workers stopped."""
        if self._within_epoch:
            self._within_epoch = False
            self._next_epoch()

    @staticmethod
    def _with_free_axis(data: npt.NDArray[Any], axis: int | None) -> npt.NDArray[Any] | _Signature:
        """Return data for Keras; where it asks TensorFlow's shape, one with the axis left free.

        It takes that from the first two batches, and fails on a later one of another length.
        """
        if axis is None or not _is_called_by("get_tf_dataset"):
            return data
        shape = [None if i == axis else side for i, side in enumerate(data.shape)]
        return _Signature(tuple(shape), data.dtype)

    def _next_epoch(self) -> None:
        """Go on to the next epoch; a subclass writes this."""
        raise NotImplementedError(f"{type(self).__name__} must define `_next_epoch`.")


class DataProvider(KerasDataset):
    """Batches of a data set: paths and labels run through preprocessors, augmentors, transformers.

    Batch i of an epoch is a function of (samples, seed, epoch, i): it can be read twice, from any
    thread and in any order. The provider counts the epochs that Keras has finished; it ignores the
    extra `on_epoch_end` before the first one. It shuffles itself, so pass `shuffle=False` to `fit`
    where the order of the batches has to be reproducible.

    Args:
        dataset: what a reader of `mltu.datasets` returned, a list of `[path, label]` (the first
            may also be bytes or an array, whatever the preprocessors take), a pandas DataFrame
            with the columns `path` and `label` (or with exactly two columns), or the path of a
            CSV or TSV file with those columns or of an LMDB folder. Never changed.
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
        drop_last: True to leave out, in each epoch, the batch at its end that is smaller than the
            others: several devices need equal parts.
        workers: threads that prepare batches. OpenCV works outside Python's lock, so they run in
            parallel; as many as there are cores to spare is best.
        max_queue_size: batches prepared ahead.
        processes: how many processes make the batches while threads wait for them: pays for
            augmentors that work in Python. Steps must be importable, and a script needs its
            `if __name__ == "__main__":`. 0 for none.
        use_multiprocessing: refused, see below.

    Raises:
        ValueError: the data set is empty, a column is missing, an argument is out of its range, or
            a label does not suit the transformers. Or `use_multiprocessing` is true: when one of
            Keras's worker processes is killed, its queue waits for ever; take `processes`.
        FileNotFoundError: files are missing; the first are named.
        TypeError: an argument or entry is of a type that cannot serve; a label that is absent is
            None or NaN.
    """

    def __init__(
        self,
        dataset: Any,
        data_preprocessors: Sequence[Step],
        batch_size: int = 4,
        shuffle: bool = True,
        initial_epoch: int = 1,
        augmentors: Sequence[Augmentor] | None = None,
        transformers: Sequence[Step] | None = None,
        skip_validation: bool = False,
        limit: int | None = None,
        *,
        on_bad_sample: str = "replace",
        seed: int = 0,
        short_first: bool = False,
        drop_last: bool = False,
        workers: int = 1,
        max_queue_size: int = 10,
        processes: int = 0,
        use_multiprocessing: bool = False,
    ) -> None:
        check_count("batch_size", batch_size, 1)
        check_count("initial_epoch", initial_epoch, 0)
        check_count("seed", seed, 0)
        check_count("workers", workers, 0)
        check_count("processes", processes, 0)
        if on_bad_sample not in ("replace", "skip", "raise"):
            raise ValueError(
                f"`on_bad_sample` must be 'replace', 'skip' or 'raise'. Received {on_bad_sample!r}."
            )
        if limit is not None:
            check_count("limit", limit, 1)
        super().__init__(workers, processes, max_queue_size, use_multiprocessing)
        self._samples = load_samples(dataset)[:limit]
        if not self._samples:
            raise ValueError("`dataset` must hold at least one sample. Received an empty one.")
        if not skip_validation:
            check_samples(self._samples)
        self._on_bad_sample = on_bad_sample
        self._num_processes = processes
        self._plan = BatchPlan(
            len(self._samples),
            batch_size,
            seed=seed,
            shuffle=shuffle,
            drop_last=drop_last,
            short_first=self._samples.labels if short_first else None,
            epoch=initial_epoch,
        )
        self._set_maker(
            BatchMaker(data_preprocessors, augmentors or [], [], seed),
            BadSamples(len(self._samples)),
        )
        self.transformers = transformers or []

    def __len__(self) -> int:
        """Return the number of batches in an epoch, less those left out by `set_position`."""
        return len(self._plan)

    def __repr__(self) -> str:
        return (
            f"DataProvider({len(self._samples)} samples, batch_size={self._plan.batch_size}, "
            f"epoch={self.epoch})"
        )

    @property
    def epoch(self) -> int:
        """The number of the current epoch."""
        return self._plan.epoch

    @property
    def step(self) -> int:
        """The batch at which the current epoch starts: 0, or where `set_position` put it."""
        return self._plan.step

    @property
    def num_samples(self) -> int:
        """The number of samples in an epoch."""
        return len(self._samples)

    @property
    def bad_samples(self) -> list[BadSample]:
        """The samples that could not be read so far: position, path and reason."""
        return self._source.bad_samples.found()

    @property
    def data_preprocessors(self) -> list[Step]:
        """The fixed steps that read a sample."""
        return list(self._source.maker.preprocessors)

    @property
    def augmentors(self) -> list[Augmentor]:
        """The random steps; assigning a list checks it."""
        return list(self._source.maker.augmentors)

    @augmentors.setter
    def augmentors(self, augmentors: Sequence[Augmentor]) -> None:
        self._set_maker(self._source.maker.with_steps(augmentors=augmentors))

    @property
    def transformers(self) -> list[Step]:
        """The fixed steps that run last; assigning a list checks it."""
        return list(self._source.maker.transformers)

    @transformers.setter
    def transformers(self, transformers: Sequence[Step]) -> None:
        maker = self._source.maker.with_steps(transformers=transformers)
        maker.check_labels(self._samples.labels)
        self._set_maker(maker)
        self._plan.set_buckets(
            maker.find_buckets(self._source.read, len(self._samples), self.workers)
        )

    def set_position(self, epoch: int, step: int = 0) -> None:
        """Continue at a batch of an epoch: it becomes `provider[0]` until that epoch ends.

        Args:
            epoch: at least 0.
            step: how many batches of the epoch to leave out, less than the epoch has.

        Raises:
            ValueError: `epoch` is negative, or `step` is outside the epoch.
        """
        self._plan.set_position(epoch, step)
        self._within_epoch = False  # Else Keras would first end the epoch of an interrupted fit.

    def shard(self, index: int, count: int) -> Self:
        """Return the part of one of several processes that train together.

        All shards have the same number of batches, and batch i of all shards together holds the
        samples that batch i of a provider with `count` times the batch size has. Where that batch
        has fewer samples than there are shards, those left without take its first sample.

        Args:
            index: of this process, in 0..count - 1.
            count: of processes, at least 1.

        Raises:
            ValueError: an argument is out of its range, or this provider is a shard already.
        """
        part = copy.copy(self)
        part._plan = self._plan.shard(index, count)
        part._set_maker(self._source.maker, BadSamples(len(self._samples)))
        return part

    def _next_epoch(self) -> None:
        """Go on to the next epoch."""
        self.set_position(self.epoch + 1)

    def __getitem__(self, index: int) -> Batch:
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
        indices, bucket = self._plan.batch(index)
        data, labels = self._source.make(indices, self.epoch, bucket)
        axes = (declared(step, "free_axis") for step in self._source.maker.transformers)
        axis = next((axis for axis in axes if axis is not None), None)
        return self._with_free_axis(data, axis), labels  # type: ignore[return-value]

    def get_batch_annotations(self, index: int) -> list[tuple[Any, Any]]:
        """Return the (path, label) pairs of batch `index` of the current epoch, nothing read."""
        labels = self._samples.labels
        return [(self._samples.source(i), labels[i]) for i in self._plan.batch(index)[0]]

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
        order = epoch_order(num_samples, self._plan.seed, 0, shuffle)
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

    def _set_maker(self, maker: BatchMaker, bad_samples: BadSamples | None = None) -> None:
        """Go on with these steps, and with the bad samples known so far if none are given."""
        self._source: BatchSource = BatchSource(
            self._samples,
            maker,
            bad_samples or self._source.bad_samples,
            self._on_bad_sample,
            self._num_processes,
        )

    def _select(self, indices: npt.NDArray[np.int64], augmentors: Sequence[Augmentor]) -> Self:
        part = copy.copy(self)
        part._samples = self._samples.take(indices)
        part._plan = self._plan.select(indices, part._samples.labels)
        maker = self._source.maker.with_steps(augmentors=augmentors)
        part._set_maker(maker, BadSamples(len(indices)))
        return part


def _is_rehearsal() -> bool:
    """Say whether Keras only wants a batch to build metrics with, as on JAX and PyTorch.

    It begins and ends an epoch for that, and tells by nothing but the function that does it.
    """
    return _is_called_by("_symbolic_build", "_maybe_symbolic_build")


def _is_called_by(*names: str) -> bool:
    """Say whether a function of one of these names is running in this thread."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name in names:
            return True
        frame = frame.f_back
    return False
