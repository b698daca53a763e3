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
        made = [self._make_sample(int(index), epoch, bucket) for index in indices]
        found = [sample for sample in made if sample is not None]
        return pipeline.stack_batch([data for data, _ in found], [label for _, label in found])

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

    def _make_sample(self, index: int, epoch: int, bucket: int) -> tuple[Any, Any] | None:
        """Run one sample, or its stand-in, through all steps; None where it is skipped."""
        chosen, attempts = index, count(1)
        while (read := self.read(chosen)) is None:
            if self._on_bad_sample == "skip":
                return None
            chosen = pipeline.replacement(
                len(self.samples), self.maker.seed, epoch, index, next(attempts)
            )
        return self.maker.finish(*read, index, epoch, bucket, self.samples.source(chosen))
