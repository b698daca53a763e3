"""BatchSource: batches of chosen samples, in which a sample that cannot be read is made good."""

from __future__ import annotations

import logging
from concurrent.futures.process import BrokenProcessPool
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu import pipeline
from mltu.bad_samples import BadSamples
from mltu.batch_maker import Batch, BatchMaker
from mltu.datasets import Samples
from mltu.worker_processes import WorkerProcesses

_LOGGER = logging.getLogger(__name__)


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
            batch = pipeline.stack_batch([data for data, _ in made], [label for _, label in made])
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
            chosen = pipeline.replacement(
                len(self.samples), self.maker.seed, epoch, index, next(attempts)
            )
        return read, chosen
