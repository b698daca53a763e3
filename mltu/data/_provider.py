"""DataProvider: feeds a data set to Keras in batches."""

from __future__ import annotations

import copy
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any, Self

from mltu._extras import explain_missing
from mltu.data._bad_samples import BadSample, BadSamples
from mltu.data._batches import BatchLoader, Pipeline, PlainStep
from mltu.data._epoch import EpochPlan, Indices, epoch_order
from mltu.data._processes import Batch
from mltu.data._read_ahead import ReadAhead
from mltu.datasets import load_samples, validate_samples, write_csv
from mltu.utils.checks import check_count
from mltu.utils.files import StrPath
from mltu.utils.old_arguments import explains_old_arguments
from mltu.utils.pipeline_step import Step

with explain_missing():
    import keras


@explains_old_arguments
class DataProvider(keras.utils.PyDataset):
    """Batches of a data set: paths and labels run through preprocessors, augmentors, transformers.

    Batch i of an epoch is a function of (samples, seed, epoch, i): it can be read twice, from any
    thread and in any order. An epoch ends when `fit` has trained on all its batches, so with
    `steps_per_epoch` it may take several of Keras's epochs, or a part of one, and the next `fit`
    continues behind it. `evaluate` and `predict` read the current epoch from `step` on, in the
    order that `get_batch_annotations` tells, and change nothing. The provider does its own
    shuffling, so pass `shuffle=False` to `fit` if the order of the batches has to be reproducible.

    Args:
        dataset: the result of a reader of `mltu.datasets`, a list of `[path, label]` (the first
            may also be bytes or an array, whatever the preprocessors take), a pandas DataFrame
            with the columns `path` and `label` (or with exactly two columns), or the path of a
            CSV or TSV file with those columns or of an LMDB folder. Never changed.
        data_preprocessors: callables `(data, label) -> (data, label)`, such as `ImageReader()`.
        batch_size: samples in each batch; the last of an epoch may be smaller.
        shuffle: whether each epoch has its own order.
        initial_epoch: the number of the first epoch.
        augmentors: `Augmentor`s, called `(data, label, rng) -> (data, label)`; fixed steps of mltu
            may stand between them, such as `MelSpectrogram` before `SpecAugment`.
        transformers: callables like the preprocessors, run last.
        skip_validation: True not to check that labels are present and files exist.
        limit: use only the first `limit` samples.
        on_bad_sample: what to do with a sample on which a preprocessor raises OSError or
            ValueError. `"replace"` takes another sample of the data set, chosen by the seed, so
            that batches keep their shape; `"skip"` makes the batch smaller; `"raise"` stops. The
            first two log each such sample once and list it in `bad_samples`, and stop when more
            than 1 % of the data set and at least ten samples are bad. Bad labels always stop.
        seed: random seed of the order and of the augmentors.
        short_first: True to sort the samples of epoch 1 by the length of their labels, so that CTC
            training makes progress sooner (Amodei et al., 2016, section 3.3).
        drop_last: True to leave out the last batch of an epoch if it is smaller than the others:
            several devices need equal parts.
        workers: threads that read batches ahead for Keras; 0 reads none ahead. Small images keep
            one or two cores busy, however many threads there are; large ones and slow disks are
            worth more threads. The bytes are the same.
        max_queue_size: batches to prefetch.
        processes: number of processes that prepare batches, instead of threads. Each keeps one core
            busy, and a fast GPU needs several. Steps must be importable, and a script needs
            `if __name__ == "__main__":`. 0 uses threads.
        use_multiprocessing: must be False. When one of Keras's worker processes is killed, Keras
            waits for it forever; use `processes`.

    Raises:
        ValueError: the data set is empty, a column is missing, an argument is out of its range, or
            a label does not suit the transformers.
        FileNotFoundError: files are missing; the first are named.
        TypeError: an argument or entry has the wrong type, or a label is None or NaN.
    """

    def __init__(
        self,
        dataset: Any,
        data_preprocessors: Sequence[PlainStep],
        batch_size: int = 4,
        shuffle: bool = True,
        initial_epoch: int = 1,
        augmentors: Sequence[Step] | None = None,
        transformers: Sequence[PlainStep] | None = None,
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
        check_count("max_queue_size", max_queue_size, 1)
        super().__init__(max_queue_size=max_queue_size)
        self.use_multiprocessing = use_multiprocessing
        samples = load_samples(dataset)[:limit]
        if not samples:
            raise ValueError("`dataset` must contain at least one sample. Received an empty one.")
        if not skip_validation:
            validate_samples(samples)
        pipeline = Pipeline(data_preprocessors, augmentors or [], transformers or [], seed)
        pipeline.check_labels(samples.labels)
        self._use(
            BatchLoader(
                samples, pipeline, BadSamples(len(samples)), on_bad_sample, processes, workers
            )
        )
        self._plan = EpochPlan(
            len(samples),
            batch_size,
            seed=seed,
            shuffle=shuffle,
            drop_last=drop_last,
            short_first=samples.labels if short_first else None,
            epoch=initial_epoch,
            buckets=self._loader.find_buckets(),
        )
        self._within_epoch = False
        self._is_endless = False  # whether Keras counts its own steps
        self._num_taken = 0  # batches of such a `fit`

    def __len__(self) -> int:
        """Return the number of batches from `step` to the end of the epoch."""
        return len(self._plan)

    def __repr__(self) -> str:
        return (
            f"DataProvider({self.num_samples} samples, batch_size={self._plan.batch_size}, "
            f"epoch={self.epoch})"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Copy the position, but not that a `fit` is in the middle of the epoch."""
        state = {**self.__dict__, "_within_epoch": False, "_is_endless": False}
        del state["_ahead"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._use(self._loader)

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
        return len(self._loader.samples)

    @property
    def bad_samples(self) -> list[BadSample]:
        """The samples that could not be read so far: position, path and reason."""
        return self._loader.bad_samples.found()

    @property
    def data_preprocessors(self) -> list[PlainStep]:
        """The fixed steps that read a sample."""
        return list(self._loader.pipeline.preprocessors)

    @property
    def augmentors(self) -> list[Step]:
        """The random steps; assigning a list checks it."""
        return list(self._loader.pipeline.augmentors)

    @augmentors.setter
    def augmentors(self, augmentors: Sequence[Step]) -> None:
        pipeline = replace(self._loader.pipeline, augmentors=augmentors)
        self._use(replace(self._loader, pipeline=pipeline))

    @property
    def transformers(self) -> list[PlainStep]:
        """The fixed steps that run last; assigning a list checks it and the labels."""
        return list(self._loader.pipeline.transformers)

    @transformers.setter
    def transformers(self, transformers: Sequence[PlainStep]) -> None:
        pipeline = replace(self._loader.pipeline, transformers=transformers)
        pipeline.check_labels(self._loader.samples.labels)
        self._use(replace(self._loader, pipeline=pipeline))
        buckets = self._loader.find_buckets()
        if buckets is not self._plan.buckets:  # else both are None
            self._plan = replace(self._plan, buckets=buckets)

    @property
    def workers(self) -> int:
        """Always 1, since Keras shall start no threads; setting it sets those of the provider."""
        return 1

    @workers.setter
    def workers(self, value: int) -> None:
        check_count("workers", value, 0)
        self._use(replace(self._loader, num_threads=value))

    @property
    def use_multiprocessing(self) -> bool:
        """Always False; setting True raises ValueError."""
        return False

    @use_multiprocessing.setter
    def use_multiprocessing(self, value: bool) -> None:
        if value:
            raise ValueError(
                "`use_multiprocessing` must be False: when one of Keras's worker processes is "
                "killed, training waits forever without a message. Set `processes`."
            )

    def set_position(self, epoch: int, step: int = 0) -> None:
        """Continue at a batch of an epoch: it becomes `provider[0]` until that epoch ends.

        Args:
            epoch: at least 0.
            step: number of batches of the epoch to skip, less than the epoch has.

        Raises:
            ValueError: `epoch` is negative, or `step` is outside the epoch.
        """
        self._plan.set_position(epoch, step)
        self._within_epoch = False  # Else Keras would first end the epoch of an interrupted fit.

    def get_state(self, step: int = 0) -> dict[str, int]:
        """Return the position in training, for `set_state`.

        Args:
            step: how many batches of the current epoch the model has seen, which the provider
                cannot know, since workers prefetch; 0 between two epochs.
        """
        # Where a callback stops `fit` within an epoch, Keras does not end that epoch.
        is_over = self._within_epoch and not step
        return {"epoch": self.epoch + is_over, "step": step, "samples": self.num_samples}

    def set_state(self, state: Mapping[str, int]) -> None:
        """Continue where `get_state` was called, on the same data set.

        Raises:
            ValueError: the data set had another number of samples, or `step` is outside the epoch.
        """
        if state["samples"] != self.num_samples:
            raise ValueError(
                f"`state` belongs to a data set of {state['samples']} samples. This one has "
                f"{self.num_samples}. Use the data set of that run."
            )
        self.set_position(state["epoch"], state["step"])

    def shard(self, index: int, count: int) -> Self:
        """Return the shard of one of several processes that train together.

        All shards have the same number of batches, and batch i of all shards together holds the
        samples that batch i of a provider with `count` times the batch size has. Where that batch
        has fewer samples than there are shards, those left without take its first sample.

        Args:
            index: rank of this process, in 0..count - 1.
            count: number of processes, at least 1.

        Raises:
            ValueError: an argument is out of its range, or this provider is a shard already.
        """
        return self._part(self._plan.shard(index, count))

    def split(self, split: float = 0.9, shuffle: bool = True) -> tuple[Self, Self]:
        """Split the samples into two independent providers, for training and validation.

        Args:
            split: the share of the first provider, between 0 and 1.
            shuffle: True to split at random (by `seed`), False to cut the list in two.

        Returns:
            The training provider, with the augmentors, and the validation provider, without them
            and with one order for all epochs.

        Raises:
            ValueError: one of the two would be empty.
        """
        num_first = round(self.num_samples * split)
        if not 0 < num_first < self.num_samples:
            raise ValueError(
                f"`split` must leave at least one of the {self.num_samples} samples on each side. "
                f"Received {split}."
            )
        order = epoch_order(self.num_samples, self._plan.seed, 0, shuffle)
        training, validation = order[:num_first], order[num_first:]
        return self._select(training), self._select(validation, is_validation=True)

    def to_csv(self, path: StrPath) -> None:
        """Write all samples, unshuffled, to a CSV file that a provider can read back.

        Args:
            path: the file to write, with the columns `path` and `label`, in UTF-8.

        Raises:
            TypeError: the samples are not pairs of text.
        """
        write_csv(path, self._loader.samples)

    def get_batch_annotations(self, index: int) -> list[tuple[Any, Any]]:
        """Return the (path, label) pairs of batch `index` of the current epoch; nothing is read."""
        samples = self._loader.samples
        return [(samples.source(i), samples.labels[i]) for i in self._plan.batch_indices(index)[0]]

    def __getitem__(self, index: int) -> Batch:
        """Load batch `index` of the current epoch.

        Args:
            index: in 0..len(provider) - 1.

        Returns:
            The data, shape (batch, ...), and the labels, shape (batch, ...), as the last
            transformer returned them.

        Raises:
            IndexError: there is no such batch.
            RuntimeError: too many samples cannot be read.
            Exception: what a step raised, with a note that names the sample.
        """
        data, labels = self._load(index)
        axis = self._loader.pipeline.free_axis
        if axis is not None and _keras_frame("get_tf_dataset"):
            # Keras takes the shape of all batches from the first two, and TensorFlow fails on a
            # later one of another length. So it gets a shape in which that axis is free.
            shape = [None if i == axis else side for i, side in enumerate(data.shape)]
            return keras.KerasTensor(shape, data.dtype), labels
        return data, labels

    @property
    def num_batches(self) -> int | None:
        """Number of batches in an epoch; None while `fit` counts its own (`steps_per_epoch`)."""
        caller = _keras_frame(*_CALLERS)
        if caller is None:  # A thread that Keras has started, or another program.
            return None if self._is_endless else len(self)
        if caller.f_code.co_name != "fit" or caller.f_locals["x"] is not self:
            return len(self)
        begins = "epoch_iterator" not in caller.f_locals
        was_interrupted = begins and self._is_endless and self._within_epoch
        self._is_endless = caller.f_locals["steps_per_epoch"] is not None
        taken, self._num_taken = self._num_taken, 0
        if taken or was_interrupted:
            plan, index = self._plan.reach(taken)
            if self._is_endless:
                self.set_position(plan.epoch, plan.step + index)
            else:  # It takes whole epochs.
                self.set_position(plan.epoch + bool(plan.step + index))
        # In `get_data_adapter` itself, Keras would only warn that it cannot shuffle; what that
        # makes has to know that the batches do not end, or it never counts them.
        frame = _keras_frame("get_data_adapter", "__init__")
        is_warning = frame is not None and frame.f_code.co_name == "get_data_adapter"
        return None if self._is_endless and not is_warning else len(self)

    def on_epoch_begin(self) -> None:
        """Note that Keras has begun an epoch of training; called by Keras."""
        # For the batch that it builds a model from, Keras begins and ends an epoch, too.
        caller = _keras_frame(*_CALLERS)
        self._within_epoch |= caller is None or caller.f_code.co_name == "fit"

    def on_epoch_end(self) -> None:
        """Continue with the next epoch if one had begun; called by Keras."""
        caller = _keras_frame(*_CALLERS)
        self._ahead.forget()
        if caller is not None and caller.f_code.co_name != "fit":
            return
        if not self._within_epoch:
            return
        if caller is not None and self._is_endless:
            self._num_taken += caller.f_locals["steps_per_epoch"]
        else:
            self.set_position(self.epoch + 1)
        self._within_epoch = False

    def _load(self, index: int) -> Batch:
        plan, loader = self._plan, self._loader
        frame = _keras_frame("_finite_generator", "_infinite_generator", "get_tf_dataset")
        if frame is not None and self._is_endless:
            plan, index = plan.reach(index)
        reads_ahead = loader.num_threads or loader.num_processes
        if frame is None or frame.f_code.co_name == "get_tf_dataset" or not reads_ahead:
            return loader.load(*plan.batch_indices(index))
        return self._ahead.get(plan, index, frame.f_locals.get("indices"))

    def _use(self, loader: BatchLoader) -> None:
        self._loader = loader
        # A queue shorter than that would leave processes idle.
        depth = max(self.max_queue_size, loader.num_processes)
        self._ahead = ReadAhead(loader, depth)

    def _select(self, indices: Indices, *, is_validation: bool = False) -> Self:
        samples, pipeline = self._loader.samples.take(indices), self._loader.pipeline
        if is_validation:
            pipeline = replace(pipeline, augmentors=[])
        plan = self._plan.select(indices, samples.labels, one_order=is_validation)
        return self._part(plan, samples=samples, pipeline=pipeline)

    def _part(self, plan: EpochPlan, **changes: Any) -> Self:
        part = copy.copy(self)
        part._plan, part._num_taken = plan, 0
        bad_samples = BadSamples(plan.num_samples)
        part._use(replace(self._loader, bad_samples=bad_samples, **changes))
        return part


_CALLERS = ("fit", "evaluate", "predict", "_symbolic_build", "_maybe_symbolic_build")


def _keras_frame(*functions: str) -> FrameType | None:
    """Return the innermost call of one of these functions of Keras in this thread.

    Keras does not say why it requests a batch, and calls no other method before:
    `test_keras_asks_for_a_shape_as_for_a_batch` would fail if it did.
    """
    for frame, _ in traceback.walk_stack(sys._getframe()):
        is_keras = str(frame.f_globals.get("__name__")).startswith("keras.")
        if is_keras and frame.f_code.co_name in functions:
            return frame
    return None
