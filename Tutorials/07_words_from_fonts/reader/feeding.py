"""From chunks to batches on the device, in a thread beside training."""

import threading
import time
from queue import Full, Queue

import numpy as np


class Feeder(threading.Thread):
    """Makes batches of the chunks that are drawn, and repeats old ones where drawing is slower.

    Old batches stay on the device. `get` returns the batch as the device has it, the number of its
    images, and whether it is new.

    Args:
        drawers: of which chunks are taken.
        chunks: in a batch.
        replay: how often a batch comes again.
        send: brings images, labels and frames to the device.
        vary: makes another batch of one on the device, with a random generator.
    """

    MAX_KEPT = 8 << 30  # bytes of the images of old batches

    def __init__(self, drawers, chunks, replay, send, vary):
        super().__init__(daemon=True)
        self._send_to_device, self._vary = send, vary
        self._drawers, self._chunks, self._replay = drawers, chunks, replay
        self._queue = Queue(maxsize=4)
        self._open = [[] for _ in drawers.shapes]
        self._kept, self._num_kept_bytes = [], 0
        self._rng = np.random.default_rng()
        self._stopped, self.error, self.seconds_waited = False, None, 0.0

    def run(self):
        try:
            while not self._stopped:
                if found := self._next():
                    self._put(found)
        except Exception as error:  # get() raises it in the training thread.
            self.error = error

    def get(self):
        """Return the next batch; raises what went wrong in the thread."""
        start = time.monotonic()
        while self._queue.empty():
            if self.error is not None:
                raise self.error
            time.sleep(0.001)
        self.seconds_waited += time.monotonic() - start
        return self._queue.get()

    def stop(self):
        """End the thread."""
        self._stopped = True
        self.join(timeout=5)

    def _put(self, batch):
        while not self._stopped:
            try:
                self._queue.put(batch, timeout=0.5)
                return
            except Full:
                continue

    def _next(self):
        while not self._stopped:
            # Only a training step that is about to wait gets an old batch.
            hungry = self._kept and self._queue.empty()
            chunk = self._drawers.take(timeout=0.002 if hungry else 1.0)
            if chunk is None:
                if hungry:
                    return self._old()
                continue
            kind, *arrays = chunk
            self._open[kind].append(arrays)
            if len(self._open[kind]) == self._chunks:
                batch = [np.concatenate(arrays) for arrays in zip(*self._open[kind], strict=True)]
                self._open[kind] = []
                sent = self._send_to_device(*batch)
                self._keep(sent, batch[0].nbytes)
                return sent, len(batch[0]), True
        return None

    def _keep(self, batch, num_bytes):
        if self._replay:
            self._kept.append([batch, num_bytes, self._replay])
            self._num_kept_bytes += num_bytes
            while self._num_kept_bytes > self.MAX_KEPT:
                self._num_kept_bytes -= self._kept.pop(0)[1]

    def _old(self):
        index = int(self._rng.integers(len(self._kept)))
        batch, num_bytes, left = self._kept[index]
        self._kept[index][2] -= 1
        if left == 1:
            self._num_kept_bytes -= num_bytes
            self._kept.pop(index)
        return self._vary(batch, self._rng), len(batch[0]), False
