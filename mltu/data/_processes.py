"""WorkerProcesses: runs the steps in other processes, for many cores and for steps in Python."""

from __future__ import annotations

import math
import multiprocessing
import os
import shutil
import signal
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
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


@dataclass(eq=False)
class Call:
    """A call of the function; `outcome` is its batch, or the text of what it raised."""

    arguments: bytes  # pickled
    outcome: Batch | str | None = None
    is_wanted: bool = True


@dataclass(eq=False)
class _Worker:
    process: Any
    pipe: Connection
    call: Call | None = None  # the one that it does
    block: SharedMemory | None = None  # for the batch of that call


class WorkerProcesses:
    """Runs a function in other processes, started at the first call, and returns its batches.

    They are spawned on every system, since forking a process that runs a framework's threads can
    hang; so the steps must be importable, and a script needs `if __name__ == "__main__":`.
    Batches come back through shared memory, in one block for each call that runs at the same time.
    The first few, whose size is not known yet, come through a pipe; so do all if there is too
    little shared memory, as in a container with 64 MB of it.

    No thread stands between the processes and who waits for them: whoever begins a call or waits
    for one also hands out the calls of others. Thread-safe.

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
        self._workers: list[_Worker] = []
        self._waiting: deque[Call] = deque()
        self._is_broken = False
        self._lock = threading.Lock()
        self._block_size = 0
        self._allocated = 0  # bytes in all blocks
        self._free_blocks: list[SharedMemory] = []

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy without the processes; a copy starts its own."""
        return type(self), (self._function, self._num_processes)

    def begin(self, *arguments: Any) -> Call:
        """Call the function, in a process as soon as one is free.

        Raises:
            BrokenProcessPool: a process died.
            Exception: an argument cannot be pickled.
        """
        call = Call(bytes(ForkingPickler.dumps(arguments)))
        with self._lock:
            self._waiting.append(call)
            self._serve(timeout=0)
        return call

    def finish(self, call: Call) -> Batch:
        """Wait for a call.

        Raises:
            RuntimeError: the function raised; the text names the error.
            BrokenProcessPool: a process died, by a signal or out of memory.
        """
        while call.outcome is None:
            with self._lock:
                if call.outcome is None:
                    self._serve(timeout=None)
        if isinstance(call.outcome, str):
            raise RuntimeError(call.outcome)
        return call.outcome

    def cancel(self, call: Call) -> None:
        """Leave a call out, or drop its batch."""
        with self._lock:
            call.is_wanted = False
            if call in self._waiting:
                self._waiting.remove(call)

    def _serve(self, timeout: float | None) -> None:
        """Take the batches that are done, and hand out calls; wait for one if none is done."""
        try:
            if self._is_broken:
                raise EOFError
            if not self._workers:
                self._start()
            self._hand_out()
            busy = {worker.pipe: worker for worker in self._workers if worker.call is not None}
            for pipe in wait(list(busy), timeout):
                self._take(busy[pipe])  # type: ignore[index]
            self._hand_out()
        except (EOFError, OSError) as error:  # The other end of a pipe is closed.
            self._is_broken = True
            raise BrokenProcessPool(
                "One of the worker `processes` died: it was killed, ran out of memory, crashed, or "
                'could not start because the script lacks `if __name__ == "__main__":` or a step '
                "is not importable. `processes=0` prepares the batches in threads."
            ) from error

    def _hand_out(self) -> None:
        for worker in self._workers:
            if self._waiting and worker.call is None:
                # Only a process that waits gets a call, so that no two wait for each other to read.
                worker.call, worker.block = self._waiting.popleft(), self._take_block()
                worker.pipe.send(None if worker.block is None else worker.block.name)
                worker.pipe.send_bytes(worker.call.arguments)

    def _take(self, worker: _Worker) -> None:
        outcome, call = worker.pipe.recv(), worker.call
        if not isinstance(outcome, str):
            data, labels = [_copy_out(worker.block, part) for part in outcome]
            outcome = data, labels
            self._block_size = max(self._block_size, data.nbytes + labels.nbytes)
        if call is not None and call.is_wanted:
            call.outcome = outcome
        self._give_back(worker.block)
        worker.call = worker.block = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        for _ in range(self._num_processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs,), daemon=True)
            process.start()
            theirs.close()  # So that a process that dies closes the pipe.
            self._workers.append(_Worker(process, ours))
        weakref.finalize(self, _end, os.getpid(), self._workers, self._free_blocks)
        for worker in self._workers:  # Now that all start at the same time.
            worker.pipe.send(self._function)

    def _take_block(self) -> SharedMemory | None:
        if self._free_blocks:
            return self._free_blocks.pop()
        # On Linux, writing to a block that does not fit kills the process, and a block uses memory
        # only once it is written. So all blocks are counted twice.
        room = shutil.disk_usage(_SHARED).free if Path(_SHARED).is_dir() else math.inf
        size = self._block_size
        if not size or room < 2 * (self._allocated + size):
            return None
        self._allocated += size
        return SharedMemory(create=True, size=size)

    def _give_back(self, block: SharedMemory | None) -> None:
        if block is None:
            return
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


def _end(owner: int, workers: Sequence[_Worker], blocks: Sequence[SharedMemory]) -> None:
    if os.getpid() != owner:  # A fork has a copy of all this.
        return
    for worker in workers:
        worker.pipe.close()
        worker.process.terminate()
    for block in [*blocks, *(worker.block for worker in workers if worker.block is not None)]:
        block.close()
        block.unlink()


# The rest runs in the worker processes.

_blocks: dict[str, SharedMemory] = {}


def _work(pipe: Connection) -> None:
    # Ctrl-C goes to all processes of a terminal; only the training process handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        function = pipe.recv()
        while True:
            pipe.send_bytes(_run(function, pipe.recv(), *pipe.recv()))
    except (EOFError, OSError):  # Nobody is there any more.
        return


def _end_with_parent() -> None:
    """Exit when the training process dies, for whatever reason."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(function: Callable[..., Batch], name: str | None, *arguments: Any) -> memoryview | bytes:
    """Return the pickled answer: the batch, its locations in the block, or the text of an error.

    An exception becomes its text, since not every exception can be pickled; `BatchLoader` then
    prepares the batch again in the training process, where the original exception is raised.
    """
    try:
        return ForkingPickler.dumps(_share(function(*arguments), name))
    except Exception as error:
        return ForkingPickler.dumps(f"{type(error).__name__}: {error}")


def _share(batch: Batch, name: str | None) -> Batch | list[Location]:
    """Write a batch to the block and return its locations; return the batch if it does not fit."""
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
