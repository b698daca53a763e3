"""WorkerProcesses: runs the steps in other processes, for steps that hold the GIL."""

from __future__ import annotations

import math
import multiprocessing
import os
import shutil
import signal
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.reduction import ForkingPickler
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing

with explain_missing():
    import cv2

_PLAIN_KINDS = "biufc"  # dtypes that are numbers: no objects, no fields
_SHARED = "/dev/shm"  # where Linux keeps shared memory

Batch = tuple[npt.NDArray[Any], npt.NDArray[Any]]

# An array in a block of shared memory: dtype, shape, offset in bytes.
Location = tuple[str, tuple[int, ...], int]


class WorkerProcesses:
    """Runs a function in other processes, started at the first call, and returns its batches.

    They are spawned on every system, since forking a process that runs a framework's threads can
    hang; so the steps must be importable, and a script needs `if __name__ == "__main__":`.
    Batches come back through shared memory, in one block for each call that runs at the same time.
    The first few, whose size is not known yet, come through a pipe; so do all if there is too
    little shared memory, as in a container with 64 MB of it.

    Args:
        function: sent to each process once; its batches are numbers in two arrays.
        num_processes: at least 1.

    Raises:
        TypeError: `function`, and with it a step, cannot be pickled.
    """

    def __init__(self, function: Callable[..., Batch], num_processes: int) -> None:
        try:
            ForkingPickler.dumps(function)  # The same pickler sends it to a spawned process.
        except Exception as error:
            raise TypeError(
                f"`processes` needs steps that can be pickled. One of them cannot: {error}. "
                "Define it at the top of a module, or use `processes=0`."
            ) from error
        self._function = function
        self._num_processes = num_processes
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()
        self._block_size = 0
        self._allocated = 0  # bytes in all blocks
        self._free_blocks: list[SharedMemory] = []

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy without the processes; a copy starts its own."""
        return type(self), (self._function, self._num_processes)

    def run(self, *arguments: Any) -> Batch:
        """Call the function.

        Raises:
            RuntimeError: it raised; the text names the error.
            BrokenProcessPool: a process died, by a signal or out of memory.
        """
        block = self._take_block()
        try:
            name = None if block is None else block.name
            result = self._start().submit(_run, name, *arguments).result()
            if isinstance(result, str):
                raise RuntimeError(result)
            data, labels = [_copy_out(block, part) for part in result]
        except BrokenProcessPool as error:
            raise BrokenProcessPool(
                "One of the worker `processes` died: it was killed, ran out of memory, crashed, or "
                'could not start because the script lacks `if __name__ == "__main__":` or a step '
                "is not importable. `processes=0` prepares the batches in threads."
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
                    (self._function,),
                )  # fmt: skip
                weakref.finalize(self, _remove, self._free_blocks)
                # When Python exits, the pool closes by itself; closing it twice is an error.
                end = partial(self._pool.shutdown, wait=False, cancel_futures=True)
                weakref.finalize(self, end).atexit = False
            return self._pool

    def _take_block(self) -> SharedMemory | None:
        with self._lock:
            if self._free_blocks:
                return self._free_blocks.pop()
            # On Linux, writing to a block that does not fit kills the process, and a block uses
            # memory only once it is written. So all blocks are counted twice.
            room = shutil.disk_usage(_SHARED).free if Path(_SHARED).is_dir() else math.inf
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
            self._allocated -= block.size  # A larger batch has arrived since.
        block.close()
        block.unlink()


def _copy_out(block: SharedMemory | None, part: npt.NDArray[Any] | Location) -> npt.NDArray[Any]:
    if block is None or isinstance(part, np.ndarray):
        return part  # type: ignore[return-value]
    dtype, shape, offset = part
    return np.ndarray(shape, dtype, block.buf, offset).copy()


def _remove(blocks: Sequence[SharedMemory]) -> None:
    for block in blocks:
        block.close()
        block.unlink()


# The rest runs in the worker processes.

_function: Callable[..., Batch]
_blocks: dict[str, SharedMemory] = {}


def _receive(function: Callable[..., Batch]) -> None:
    global _function
    _function = function
    # Ctrl-C goes to all processes of a terminal; only the training process handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Exit when the training process dies, for whatever reason."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(name: str | None, *arguments: Any) -> Batch | list[Location] | str:
    """Write a batch to the block and return its locations; return the batch if it does not fit.

    An exception becomes its text, since not every exception can be pickled; `BatchLoader` then
    prepares the batch again in the training process, where the original exception is raised.
    """
    try:
        batch = _function(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if name is None or any(part.dtype.kind not in _PLAIN_KINDS for part in batch):
        return batch
    if name not in _blocks:
        opened = SharedMemory(name)
        # Smaller ones were replaced by this one; an open one would keep its memory.
        for old in [key for key, block in _blocks.items() if block.size < opened.size]:
            _blocks.pop(old).close()
        _blocks[name] = opened
    block = _blocks[name]
    if sum(part.nbytes for part in batch) > block.size:
        return batch
    locations, offset = [], 0
    for part in batch:
        np.ndarray(part.shape, part.dtype, block.buf, offset)[...] = part
        locations.append((part.dtype.str, part.shape, offset))
        offset += part.nbytes
    return locations
