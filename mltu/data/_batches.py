"""BatchMaker: the steps of a data set in one object that threads share and processes receive."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mltu.augmentors import Augmentor
from mltu.data._bad_samples import BadSamples
from mltu.data._processes import WorkerProcesses
from mltu.datasets import Samples
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding
from mltu.utils.checks import check_callables

_LOGGER = logging.getLogger(__name__)
_CHUNK_SIZE = 1_000  # samples that a thread measures before the progress bar moves

# Streams of random numbers that must not meet although they start from the same seed; 0 is the
# order of the samples, in `_epoch`.
_SAMPLE, _REPLACEMENT = 1, 2

Step = Callable[[Any, Any], tuple[Any, Any]]
RandomStep = Callable[[Any, Any, np.random.Generator], tuple[Any, Any]]
Batch = tuple[npt.NDArray[Any], npt.NDArray[Any]]


class BatchMaker:
    """Run samples through preprocessors, augmentors and transformers.

    Args:
        preprocessors: fixed steps that read a sample.
        augmentors: random steps.
        transformers: fixed steps, run last. An `ImageResizer` with several widths gets the width
            of the batch's bucket.
        seed: of the augmentors, at least 0.

    Raises:
        TypeError: one of them is no list of callables, or an augmentor is no `Augmentor`.
        ValueError: labels are padded with the index of a character.
    """

    def __init__(
        self,
        preprocessors: Sequence[Step],
        augmentors: Sequence[Augmentor],
        transformers: Sequence[Step],
        seed: int,
    ) -> None:
        self.preprocessors: list[Step] = check_callables("data_preprocessors", preprocessors)
        self.augmentors: list[Augmentor] = check_callables("augmentors", augmentors)
        self.transformers: list[Step] = check_callables("transformers", transformers)
        self.seed = seed
        for augmentor in self.augmentors:
            if not isinstance(augmentor, Augmentor):
                raise TypeError(
                    "`augmentors` must be a list of `mltu.augmentors.Augmentor`. Received "
                    f"{augmentor!r}. Wrap a transform of another library in `ImageTransform`."
                )
        _check_padding(self.transformers)

    def with_steps(
        self,
        *,
        augmentors: Sequence[Augmentor] | None = None,
        transformers: Sequence[Step] | None = None,
    ) -> BatchMaker:
        """Return a maker with other augmentors or transformers, in all else like this one."""
        return BatchMaker(
            self.preprocessors,
            self.augmentors if augmentors is None else augmentors,
            self.transformers if transformers is None else transformers,
            self.seed,
        )

    @property
    def resizer(self) -> ImageResizer | None:
        """The step that brings images to one of several widths; None where there is none."""
        resizers = [step for step in self.transformers if isinstance(step, ImageResizer)]
        return next((step for step in resizers if len(step.widths) > 1), None)

    def check_labels(self, labels: Sequence[Any]) -> None:
        """Let the steps look at all labels, up to the first whose effect on labels is unknown.

        Raises:
            ValueError: labels do not suit a step.
            TypeError: likewise.
        """
        steps: list[Any] = [*self.preprocessors, *self.augmentors, *self.transformers]
        for step in steps:
            check = declared(step, "check_labels")
            keeps = declared(step, "keeps_label")
            if check:
                check(labels)
            if keeps is False or not (check or keeps):
                return

    def find_buckets(
        self, read: Callable[[int], tuple[Any, Any] | None], num_samples: int, num_threads: int
    ) -> npt.NDArray[np.int64] | None:
        """Read every sample once to find which width it takes, with a progress bar.

        Args:
            read: gives (data, label) of the sample at an index, or None if it cannot be read.
            num_samples: of the data set.
            num_threads: that read.

        Returns:
            An index into the widths of `resizer` for each sample, shape (num_samples,); None where
            there is only one width.
        """
        if (resizer := self.resizer) is None:
            return None

        def choose(start: int) -> list[int]:
            samples = [read(i) for i in range(start, min(start + _CHUNK_SIZE, num_samples))]
            # One that cannot be read will be replaced by another, of any width.
            return [resizer.choose_width(each[0]) if each else 0 for each in samples]

        starts = range(0, num_samples, _CHUNK_SIZE)
        with ThreadPoolExecutor(max(1, num_threads)) as pool:
            chunks = tqdm(pool.map(choose, starts), "Measuring widths", len(starts), delay=2)
            return np.concatenate([np.array(chunk) for chunk in chunks])

    def make(
        self, data: Sequence[Any], labels: Sequence[Any], indices: Iterable[int],
        epoch: int, bucket: int,
    ) -> Batch:  # fmt: skip
        """Make a batch, a step at a time, which is the fast way.

        Args:
            data: of each sample.
            labels: of each sample.
            indices: the numbers of the samples in the data set.
            epoch: at least 0.
            bucket: which of the resizer's widths the batch has; 0 where there is only one.

        Returns:
            The data, shape (batch, ...), and the labels, shape (batch, ...).

        Raises:
            Exception: what a step raised; `read` and `finish` tell with which sample.
        """
        read = run_batch(data, labels, self.preprocessors)
        return self.complete(*read, indices, epoch, bucket)

    def complete(
        self, data: Sequence[Any], labels: Sequence[Any], indices: Iterable[int],
        epoch: int, bucket: int,
    ) -> Batch:  # fmt: skip
        """Run a batch that has been read through the other steps, as `make` does."""
        if self.augmentors:
            rngs = sample_rngs(self.seed, epoch, indices)
            samples = [
                run_steps(item, label, self._random_steps(rng))
                for item, label, rng in zip(data, labels, rngs, strict=True)
            ]
            data, labels = zip(*samples, strict=True)
        return stack_batch(*run_batch(data, labels, self._transformers_for(bucket)))

    def read(self, data: Any, label: Any, source: object) -> tuple[Any, Any]:
        """Run one sample through the preprocessors; an error calls it `source`."""
        return run_steps(data, label, self.preprocessors, source=source)

    def finish(
        self, data: Any, label: Any, index: int, epoch: int, bucket: int, source: object
    ) -> tuple[Any, Any]:
        """Run one sample that has been read through the other steps, as `make` does."""
        (rng,) = sample_rngs(self.seed, epoch, [index])
        steps = [*self._random_steps(rng), *self._transformers_for(bucket)]
        return run_steps(data, label, steps, source=source)

    def _random_steps(self, rng: Any) -> list[Step]:
        return [partial(step, rng=rng) for step in self.augmentors]

    def _transformers_for(self, bucket: int) -> Sequence[Step]:
        if (resizer := self.resizer) is None:
            return self.transformers
        one_width = resizer.with_width(resizer.widths[bucket])
        return [one_width if step is resizer else step for step in self.transformers]


def _check_padding(steps: Sequence[Step]) -> None:
    """Look whether labels are padded with something else than a character, which would be read.

    Raises:
        ValueError: they are not.
    """
    num_characters = max((len(x.vocab) for x in steps if isinstance(x, LabelIndexer)), default=0)
    for step in steps:
        if isinstance(step, LabelPadding) and 0 <= step.padding_value < num_characters:
            raise ValueError(
                f"`padding_value` must not be the index of a character, which are 0 to "
                f"{num_characters - 1}. Received {step!r}. Use `padding_value=len(vocab)`."
            )


class BatchSource:
    """Make batches of a data set, in this process or in others.

    Args:
        samples: the data set.
        maker: the steps.
        bad_samples: takes note of the samples that cannot be read.
        on_bad_sample: `"replace"`, `"skip"` or `"raise"`, as in `DataProvider`.
        num_processes: that make batches; 0 for none.

    Raises:
        TypeError: there are processes, and a step cannot be pickled.
    """

    def __init__(
        self,
        samples: Samples,
        maker: BatchMaker,
        bad_samples: BadSamples,
        on_bad_sample: str,
        num_processes: int,
    ) -> None:
        self.samples = samples
        self.maker = maker
        self.bad_samples = bad_samples
        self._on_bad_sample = on_bad_sample
        self._is_warned = False
        self._processes = WorkerProcesses(maker, num_processes) if num_processes else None

    def make(self, indices: npt.NDArray[np.int64], epoch: int, bucket: int) -> Batch:
        """Make a batch of the samples at `indices`, shape (batch,); see `BatchMaker.make`.

        Raises:
            BrokenProcessPool: a process died.
            RuntimeError: too many samples cannot be read.
            Exception: what a step raised, with a note that names the sample.
        """
        try:
            data, labels = self.samples.pick(indices)
            return (self._processes or self.maker).make(data, labels, indices, epoch, bucket)
        except BrokenProcessPool:
            raise
        except Exception as error:
            # Something is wrong with one sample: run one by one, they show which.
            _LOGGER.debug("A batch of epoch %d is made sample by sample: %s", epoch, error)
            reason = f"{type(error).__name__}: {error}"
        tried = [(index, self._read_or_replace(index, epoch)) for index in indices.tolist()]
        found = [(index, *read) for index, read in tried if read is not None]
        kept = [index for index, _, _ in found]
        try:
            columns = ([pair[0] for _, pair, _ in found], [pair[1] for _, pair, _ in found])
            batch = self.maker.complete(*columns, kept, epoch, bucket)
        except Exception as error:
            _LOGGER.debug("A batch of epoch %d is completed one by one: %s", epoch, error)
            made = [
                self.maker.finish(*pair, index, epoch, bucket, self.samples.source(chosen))
                for index, pair, chosen in found
            ]
            batch = stack_batch([data for data, _ in made], [label for _, label in made])
        if not self._is_warned and [chosen for _, _, chosen in found] == indices.tolist():
            self._is_warned = True
            _LOGGER.warning("Batches are made sample by sample, which is slower: %s", reason)
        return batch

    def read(self, index: int) -> tuple[Any, Any] | None:
        """Run the preprocessors on one sample; None where it cannot be read, which is noted."""
        source = self.samples.source(index)
        try:
            return self.maker.read(*self.samples[index], source)
        except (OSError, ValueError) as error:
            if self._on_bad_sample == "raise":
                raise
            self.bad_samples.add(index, source, error)
            return None

    def _read_or_replace(self, index: int, epoch: int) -> tuple[tuple[Any, Any], int] | None:
        """Read one sample, or its stand-in, and say which it is; None where it is skipped."""
        chosen, attempts = index, count(1)
        while (read := self.read(chosen)) is None:
            if self._on_bad_sample == "skip":
                return None
            chosen = replacement(len(self.samples), self.maker.seed, epoch, index, next(attempts))
        return read, chosen


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
