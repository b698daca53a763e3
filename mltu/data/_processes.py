"""WorkerProcesses: batches made by other processes, for steps that hold Python's lock."""

from __future__ import annotations

import math
import multiprocessing
import os
import shutil
import signal
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.reduction import ForkingPickler
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing

with explain_missing():
    import cv2

if TYPE_CHECKING:
    from mltu.data._batches import Batch, BatchMaker

_PLAIN_KINDS = "biufc"  # dtypes that are numbers: no objects, no fields
_SHARED = "/dev/shm"  # where Linux keeps shared memory

# Where an array lies in a block of shared memory: dtype, shape, offset in bytes.
Place = tuple[str, tuple[int, ...], int]


class WorkerProcesses:
    """Make batches in other processes, which start at the first batch.

    They are spawned on every system, since a fork of a process that runs a framework's threads can
    hang; so the steps must be importable, and a script needs its `if __name__ == "__main__":`.
    Batches come back through shared memory, of which there is one block for each that is made at
    the same time. The first few, whose size nobody knows yet, come through a pipe; so do all where
    there is too little shared memory, as in a container that was given 64 MB.

    Args:
        maker: is sent to each process once.
        num_processes: at least 1.

    Raises:
        TypeError: a step cannot be pickled.
    """

    def __init__(self, maker: BatchMaker, num_processes: int) -> None:
        try:
            ForkingPickler.dumps(maker)  # As a spawned process is sent it.
        except Exception as error:
            raise TypeError(
                f"`processes` needs steps that can be pickled. Received one that cannot: {error}. "
                "Define it at the top of a module, or take `processes=0`."
            ) from error
        self._maker = maker
        self._num_processes = num_processes
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()
        self._block_size = 0
        self._allocated = 0  # bytes in all blocks
        self._free_blocks: list[SharedMemory] = []

    def make(self, *arguments: Any) -> Batch:
        """Make a batch; arguments as in `BatchMaker.make`.

        Raises:
            RuntimeError: a step raised; `BatchMaker.read` and `finish` tell what and where.
            BrokenProcessPool: a process died, by a signal or for want of memory.
        """
        block = self._take_block()
        try:
            name = None if block is None else block.name
            made = self._start().submit(_make, name, *arguments).result()
            if isinstance(made, str):
                raise RuntimeError(made)
            data, labels = [_copy_out(block, part) for part in made]
        except BrokenProcessPool as error:
            raise BrokenProcessPool(
                "`processes` must stay alive. One of them died: it was killed, ran out of memory, "
                'crashed, or could not start because the script lacks `if __name__ == "__main__":` '
                "or a step is not importable. `processes=0` makes the batches in threads."
            ) from error
        finally:
            self._give_back(block)
        self._block_size = max(self._block_size, data.nbytes + labels.nbytes)
        return data, labels

    def _start(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    self._num_processes, multiprocessing.get_context("spawn"), _receive,
                    (self._maker,),
                )  # fmt: skip
                weakref.finalize(self, _remove, self._free_blocks)
                # At the exit of Python the pool ends by itself; twice is an error.
                end = partial(self._pool.shutdown, wait=False, cancel_futures=True)
                weakref.finalize(self, end).atexit = False
            return self._pool

    def _take_block(self) -> SharedMemory | None:
        with self._lock:
            if self._free_blocks:
                return self._free_blocks.pop()
            # On Linux, writing to a block that does not fit kills the process, and a block takes
            # its room only when it is written: all are counted twice.
            room = shutil.disk_usage(_SHARED).free if os.path.isdir(_SHARED) else math.inf
            size = self._block_size
            if not size or room < 2 * (self._allocated + size):
                return None
            self._allocated += size
            return SharedMemory(create=True, size=size)

    def _give_back(self, block: SharedMemory | None) -> None:
        if block is None:
            return
        with self._lock:
            if block.size >= self._block_size:
                self._free_blocks.append(block)
                return
            self._allocated -= block.size  # A larger batch has come since.
        block.close()
        block.unlink()


def _copy_out(block: SharedMemory | None, part: npt.NDArray[Any] | Place) -> npt.NDArray[Any]:
    if block is None or isinstance(part, np.ndarray):
        return part  # type: ignore[return-value]
    dtype, shape, offset = part
    return np.ndarray(shape, dtype, block.buf, offset).copy()


def _remove(blocks: Sequence[SharedMemory]) -> None:
    for block in blocks:
        block.close()
        block.unlink()


# What follows runs in the processes.

_maker: BatchMaker
_blocks: dict[str, SharedMemory] = {}


def _receive(maker: BatchMaker) -> None:
    global _maker
    _maker = maker
    # Ctrl-C goes to all processes of a terminal; the one that trains alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave no process behind when the one that trains dies, however it does."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make(name: str | None, *arguments: Any) -> Batch | list[Place] | str:
    """Make a batch and say where it lies in the block; without one, or a large one, return it.

    An exception becomes its text: not every one can be pickled, and the batch is made again.
    """
    try:
        batch = _maker.make(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if name is None or any(part.dtype.kind not in _PLAIN_KINDS for part in batch):
        return batch
    if name not in _blocks:
        opened = SharedMemory(name)
        # Smaller ones were given up for this one: to keep them open would keep their memory.
        for old in [key for key, block in _blocks.items() if block.size < opened.size]:
            _blocks.pop(old).close()
        _blocks[name] = opened
    block = _blocks[name]
    if sum(part.nbytes for part in batch) > block.size:
        return batch
    places, offset = [], 0
    for part in batch:
        np.ndarray(part.shape, part.dtype, block.buf, offset)[...] = part
        places.append((part.dtype.str, part.shape, offset))
        offset += part.nbytes
    return places
