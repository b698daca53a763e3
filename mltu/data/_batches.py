"""Loads batches by running samples through the steps; replaces or skips unreadable samples."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mltu.augmentors import Augmentor
from mltu.data._bad_samples import BadSamples
from mltu.data._epoch import Indices
from mltu.data._processes import Batch, Call, WorkerProcesses
from mltu.datasets import Samples
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding
from mltu.utils.pipeline_step import Step, as_step, check_callables

_LOGGER = logging.getLogger(__name__)
_CHUNK_SIZE = 1_000  # samples that a thread measures per update of the progress bar

# Random streams that start from the same seed and must differ; 0 is the order, in `_epoch`.
_SAMPLE, _REPLACEMENT = 1, 2

# Threads finish small images one after the other: OpenCV releases the GIL and takes it again at
# each step, and waiting for it would take longer than the step.
_SMALL = 1 << 17  # bytes
_turn = threading.Lock()


def _renew_turn() -> None:
    global _turn
    _turn = threading.Lock()


if hasattr(os, "register_at_fork"):  # In a fork nobody would give back what a thread had taken.
    os.register_at_fork(after_in_child=_renew_turn)

PlainStep = Callable[[Any, Any], tuple[Any, Any]]


@dataclass(eq=False)
class Pipeline:
    """Applies the steps to samples and batches. Thread-safe and picklable.

    The preprocessors read; the augmentors and transformers finish. Both halves exist for a whole
    batch, which is fast, and for one sample, where an error can name the step and the sample. If
    an `ImageResizer` has several widths, each is a bucket, and a batch has the width of its bucket.

    Raises:
        TypeError: the steps are not lists of callables, or an augmentor is not a `Step`.
        ValueError: labels are padded with the index of a character.
    """

    preprocessors: Sequence[PlainStep]
    augmentors: Sequence[Step]
    transformers: Sequence[PlainStep]
    seed: int

    def __post_init__(self) -> None:
        self.preprocessors = check_callables("data_preprocessors", self.preprocessors)
        self.augmentors = check_callables("augmentors", self.augmentors)
        self.transformers = check_callables("transformers", self.transformers)
        for augmentor in self.augmentors:
            if not isinstance(augmentor, Step):
                raise TypeError(
                    "`augmentors` must be a list of `mltu.augmentors.Augmentor`. Received "
                    f"{augmentor!r}. Wrap a transform of another library in `ImageTransform`."
                )
        _check_padding(self.transformers)
        self._reading = [as_step(step) for step in self.preprocessors]
        last = [as_step(step) for step in self.transformers]
        self.free_axis = next((step.free_axis for step in last if step.free_axis is not None), None)
        resizers = [step for step in last if isinstance(step, ImageResizer)]
        self.resizer = next((step for step in resizers if len(step.widths) > 1), None)
        self._finishing = [last]  # steps of each bucket
        if self.resizer is not None:
            self._finishing = [
                [one_width if step is self.resizer else step for step in last]
                for one_width in map(self.resizer.with_width, self.resizer.widths)
            ]

    def check_labels(self, labels: Sequence[Any]) -> None:
        """Let the steps check all labels, up to the first step with an unknown effect on labels."""
        checked: Sequence[Any] | None = labels
        for step in [*self._reading, *self.augmentors, *self._finishing[0]]:
            if checked is not None:
                checked = step.check_labels(checked)

    def run(
        self, data: Sequence[Any], labels: Sequence[Any], indices: Iterable[int],
        epoch: int, bucket: int,
    ) -> Batch:  # fmt: skip
        """Read and finish a batch, given its samples and their indices in the data set."""
        data, labels = self.read_batch(data, labels)
        if getattr(data[0], "nbytes", 0) > _SMALL:
            return self.finish_batch(data, labels, indices, epoch, bucket)
        with _turn:
            return self.finish_batch(data, labels, indices, epoch, bucket)

    def read_batch(self, data: Sequence[Any], labels: Sequence[Any]) -> tuple[Any, Any]:
        """Run the preprocessors on a batch."""
        for step in self._reading:
            data, labels = step.batch(data, labels)
        return data, labels

    def finish_batch(
        self, data: Sequence[Any], labels: Sequence[Any], indices: Iterable[int],
        epoch: int, bucket: int,
    ) -> Batch:  # fmt: skip
        """Run the augmentors and transformers on a batch that has been read, and stack it."""
        if self.augmentors:
            rngs = sample_rngs(self.seed, epoch, indices)
            pairs = []
            for item, label, rng in zip(data, labels, rngs, strict=True):
                for augmentor in self.augmentors:
                    item, label = augmentor(item, label, *_rng_of(augmentor, rng))
                pairs.append((item, label))
            data, labels = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        for step in self._finishing[bucket]:
            data, labels = step.batch(data, labels)
        return stack_batch(data, labels)

    def read_sample(self, data: Any, label: Any, source: object) -> tuple[Any, Any]:
        """Run the preprocessors on one sample, named `source` in errors."""
        sample = source, label
        for step in self._reading:
            data, label = _run_step(step, data, label, sample=sample)
        return data, label

    def finish_sample(
        self, data: Any, label: Any, index: int, epoch: int, bucket: int, source: object
    ) -> tuple[Any, Any]:
        """Run the augmentors and transformers on one sample, as `finish_batch` does."""
        sample = source, label
        (rng,) = sample_rngs(self.seed, epoch, [index])
        for augmentor in self.augmentors:
            data, label = _run_step(augmentor, data, label, *_rng_of(augmentor, rng), sample=sample)
        for step in self._finishing[bucket]:
            data, label = _run_step(step, data, label, sample=sample)
        return data, label


class _Sample(NamedTuple):
    """A sample that was read: the requested index, and the index of the sample actually read."""

    wanted: int
    source: int
    data: Any
    label: Any


@dataclass(eq=False)
class BatchLoader:
    """Loads batches of a data set; the pipeline runs in the calling thread or in processes.

    Raises:
        TypeError: there are processes, and a step cannot be pickled.
    """

    samples: Samples
    pipeline: Pipeline
    bad_samples: BadSamples
    on_bad_sample: str
    num_processes: int
    num_threads: int  # of those that `begin` uses

    def __post_init__(self) -> None:
        self._has_warned = False
        self._threads: ThreadPoolExecutor | None = None
        self._processes: WorkerProcesses | None = None
        if self.num_processes:
            self._processes = WorkerProcesses(self.pipeline.run, self.num_processes)

    def __getstate__(self) -> dict[str, Any]:
        """Copy without the threads; a copy starts its own."""
        return {**self.__dict__, "_threads": None}

    def begin(self, indices: Indices, epoch: int, bucket: int) -> Future[Batch] | BegunBatch:
        """Begin to load a batch in other processes or threads."""
        if self._processes is not None:
            try:
                call = self._begin_call(self._processes, indices, epoch, bucket)
            except Exception as error:  # `load` tries again, and raises it where it is waited for.
                _LOGGER.debug("A batch of epoch %d could not be begun: %s", epoch, error)
                call = None
            return BegunBatch(self, (indices, epoch, bucket), call)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.num_threads)
        return self._threads.submit(self.load, indices, epoch, bucket)

    def load(self, indices: Indices, epoch: int, bucket: int, call: Call | None = None) -> Batch:
        """Load the batch of the samples at `indices`, shape (batch,); `call` has begun it.

        Raises:
            BrokenProcessPool: a process died.
            RuntimeError: too many samples cannot be read.
            Exception: what a step raised, with a note that names the sample.
        """
        # Three attempts, each slower than the one before but with more detail about an error:
        #
        #   read_batch       -> finish_batch       fast, perhaps in another process; no details
        #   read_sample * n  -> finish_batch       finds, and replaces or skips, unreadable samples
        #   read_sample * n  -> finish_sample * n  names the sample that fails
        #
        # A transient error does no harm, since all three return the same batch.
        try:
            if self._processes is None:
                return self.pipeline.run(*self.samples.pick(indices), indices, epoch, bucket)
            call = call or self._begin_call(self._processes, indices, epoch, bucket)
            return self._processes.finish(call)
        except BrokenProcessPool:
            raise
        except Exception as error:
            _LOGGER.debug("A batch of epoch %d is read sample by sample: %s", epoch, error)
            reason = f"{type(error).__name__}: {error}"
        tried = [self._read_or_replace(index, epoch) for index in indices.tolist()]
        samples = [sample for sample in tried if sample is not None]
        batch = self._finish(samples, epoch, bucket)
        if not self._has_warned and [each.source for each in samples] == indices.tolist():
            self._has_warned = True
            _LOGGER.warning("Batches are built sample by sample, which is slower: %s", reason)
        return batch

    def find_buckets(self) -> npt.NDArray[np.int64] | None:
        """Read every sample once, with a progress bar, to find its width bucket.

        Returns:
            For each sample an index into the widths of the pipeline's `resizer`, shape
            (num_samples,); None if there is only one width.
        """
        resizer, num_samples = self.pipeline.resizer, len(self.samples)
        if resizer is None:
            return None

        def choose(start: int) -> list[int]:
            indices = range(start, min(start + _CHUNK_SIZE, num_samples))
            samples = [self._read(index) for index in indices]
            # One that cannot be read will be replaced by another, of any width.
            return [resizer.choose_width(each[0]) if each else 0 for each in samples]

        starts = range(0, num_samples, _CHUNK_SIZE)
        with ThreadPoolExecutor(max(1, self.num_threads)) as pool:
            chunks = tqdm(pool.map(choose, starts), "Measuring widths", len(starts), delay=2)
            return np.concatenate([np.array(chunk) for chunk in chunks])

    def _begin_call(
        self, processes: WorkerProcesses, indices: Indices, epoch: int, bucket: int
    ) -> Call:
        return processes.begin(*self.samples.pick(indices), indices, epoch, bucket)

    def _finish(self, samples: Sequence[_Sample], epoch: int, bucket: int) -> Batch:
        indices = [sample.wanted for sample in samples]
        data, labels = [each.data for each in samples], [each.label for each in samples]
        try:
            return self.pipeline.finish_batch(data, labels, indices, epoch, bucket)
        except Exception as error:
            _LOGGER.debug("A batch of epoch %d is finished sample by sample: %s", epoch, error)
        pairs = [
            self.pipeline.finish_sample(
                data, label, wanted, epoch, bucket, self.samples.source(source)
            )
            for wanted, source, data, label in samples
        ]
        return stack_batch([data for data, _ in pairs], [label for _, label in pairs])

    def _read_or_replace(self, index: int, epoch: int) -> _Sample | None:
        """Read one sample or its replacement; None if it is skipped."""
        chosen, attempts = index, count(1)
        while (pair := self._read(chosen)) is None:
            if self.on_bad_sample == "skip":
                return None
            chosen = replacement(
                len(self.samples), self.pipeline.seed, epoch, index, next(attempts)
            )
        return _Sample(index, chosen, *pair)

    def _read(self, index: int) -> tuple[Any, Any] | None:
        """Read one sample; None if it is bad, which is recorded."""
        source = self.samples.source(index)
        try:
            return self.pipeline.read_sample(*self.samples[index], source)
        except (OSError, ValueError) as error:
            if self.on_bad_sample == "raise":
                raise
            self.bad_samples.add(index, source, error)
            return None


@dataclass(frozen=True, slots=True)
class BegunBatch:
    """The future of a batch that other processes load, or nobody yet if `call` is None."""

    loader: BatchLoader
    arguments: tuple[Indices, int, int]
    call: Call | None

    def result(self) -> Batch:
        return self.loader.load(*self.arguments, self.call)

    def cancel(self) -> None:
        if self.call is not None and self.loader._processes is not None:
            self.loader._processes.cancel(self.call)


def sample_rngs(seed: int, epoch: int, indices: Iterable[int]) -> Iterator[np.random.Generator]:
    """Yield the random generator of each sample in an epoch; use it before requesting the next.

    Equal arguments give equal numbers on every machine. It is one Philox generator whose key holds
    the seed, the epoch and the sample; a new one for each sample would take ten times as long.

    Source: Salmon et al., 2011, Parallel random numbers: as easy as 1, 2, 3.
    """
    key = np.random.SeedSequence([seed, _SAMPLE, epoch]).generate_state(2, np.uint64)
    bits = np.random.Philox(key=key)
    generator, state = np.random.Generator(bits), bits.state
    for index in indices:
        state["state"]["key"][1] = key[1] ^ np.uint64(index)
        bits.state = state
        yield generator


def replacement(num_samples: int, seed: int, epoch: int, index: int, attempt: int) -> int:
    """Return the index of the sample that replaces a bad one; it depends only on the arguments.

    `attempt` is 1 for the first choice, 2 if that one is bad too, and so on.
    """
    rng = np.random.default_rng([seed, _REPLACEMENT, epoch, index, attempt])
    return int((index + 1 + rng.integers(num_samples - 1)) % num_samples)


def stack_batch(data: Sequence[Any], labels: Sequence[Any]) -> Batch:
    """Stack the samples of a batch, unless a step already returned one array.

    Raises:
        ValueError: the shapes differ within the batch, or there is no sample.
    """
    if not len(data):
        raise ValueError(
            "The batch must contain at least one sample. Received an empty one: all its samples "
            "were skipped. Use larger batches, or `on_bad_sample='replace'`."
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
            f"`{name}` must have one shape throughout a batch. Received shapes {shapes[:5]}. "
            f"Add {remedy} to `transformers`."
        )
    return np.stack(arrays)


def _rng_of(step: Step, rng: np.random.Generator) -> tuple[np.random.Generator, ...]:
    """Return what a step takes after data and label: fixed steps stand between random ones."""
    return (rng,) if isinstance(step, Augmentor) else ()


def _run_step(
    step: Step, data: Any, label: Any, *rng: Any, sample: tuple[Any, Any]
) -> tuple[Any, Any]:
    try:
        data, label = step(data, label, *rng)
        return data, label
    except Exception as error:
        source, source_label = sample
        is_array = isinstance(source, np.ndarray)
        name = f"an array of shape {source.shape}" if is_array else f"{source!r:.300}"
        error.add_note(
            f"This happened in the step {step!r} on the sample {name} with the label "
            f"{source_label!r:.100}."
        )
        raise


def _check_padding(steps: Sequence[PlainStep]) -> None:
    """Reject padding with the index of a character, which would be read as that character."""
    num_characters = max((len(x.vocab) for x in steps if isinstance(x, LabelIndexer)), default=0)
    for step in steps:
        if isinstance(step, LabelPadding) and 0 <= step.padding_value < num_characters:
            raise ValueError(
                f"`padding_value` must not be the index of a character (0 to "
                f"{num_characters - 1}). Received {step!r}. Use `padding_value=len(vocab)`."
            )
