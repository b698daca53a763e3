"""BatchMaker: the steps of a data set in one object that threads share and processes receive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mltu import pipeline
from mltu.augmentors import Augmentor
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding
from mltu.utils.checks import check_callables

_CHUNK_SIZE = 1_000  # samples that a thread measures before the progress bar moves

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
        preprocessors: Sequence[pipeline.Step],
        augmentors: Sequence[Augmentor],
        transformers: Sequence[pipeline.Step],
        seed: int,
    ) -> None:
        self.preprocessors: list[pipeline.Step] = check_callables(
            "data_preprocessors", preprocessors
        )
        self.augmentors: list[Augmentor] = check_callables("augmentors", augmentors)
        self.transformers: list[pipeline.Step] = check_callables("transformers", transformers)
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
        transformers: Sequence[pipeline.Step] | None = None,
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
            check = pipeline.declared(step, "check_labels")
            keeps = pipeline.declared(step, "keeps_label")
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
        read = pipeline.run_batch(data, labels, self.preprocessors)
        return self.complete(*read, indices, epoch, bucket)

    def complete(
        self, data: Sequence[Any], labels: Sequence[Any], indices: Iterable[int],
        epoch: int, bucket: int,
    ) -> Batch:  # fmt: skip
        """Run a batch that has been read through the other steps, as `make` does."""
        if self.augmentors:
            rngs = pipeline.sample_rngs(self.seed, epoch, indices)
            samples = [
                pipeline.run_steps(item, label, self._random_steps(rng))
                for item, label, rng in zip(data, labels, rngs, strict=True)
            ]
            data, labels = zip(*samples, strict=True)
        return pipeline.stack_batch(
            *pipeline.run_batch(data, labels, self._transformers_for(bucket))
        )

    def read(self, data: Any, label: Any, source: object) -> tuple[Any, Any]:
        """Run one sample through the preprocessors; an error calls it `source`."""
        return pipeline.run_steps(data, label, self.preprocessors, source=source)

    def finish(
        self, data: Any, label: Any, index: int, epoch: int, bucket: int, source: object
    ) -> tuple[Any, Any]:
        """Run one sample that has been read through the other steps, as `make` does."""
        (rng,) = pipeline.sample_rngs(self.seed, epoch, [index])
        steps = [*self._random_steps(rng), *self._transformers_for(bucket)]
        return pipeline.run_steps(data, label, steps, source=source)

    def _random_steps(self, rng: Any) -> list[pipeline.Step]:
        return [partial(step, rng=rng) for step in self.augmentors]

    def _transformers_for(self, bucket: int) -> Sequence[pipeline.Step]:
        if (resizer := self.resizer) is None:
            return self.transformers
        one_width = resizer.with_width(resizer.widths[bucket])
        return [one_width if step is resizer else step for step in self.transformers]


def _check_padding(steps: Sequence[pipeline.Step]) -> None:
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
