"""Images that arrive at the same time run through the model in one batch."""

import asyncio
from collections.abc import Callable, Sequence


class TooManyWaitingError(Exception):
    """The queue is full; the caller should try again later."""


class Batcher:
    """Collect images for a few milliseconds and read them in one call.

    While one batch is read in a thread, the next one is collected, so under load batches grow by
    themselves and nobody waits for `max_wait` needlessly.

    Args:
        read_batch: takes a list of images, returns as many readings; runs in a thread, one call at
            a time.
        max_batch: the largest number of images in a call.
        max_wait: seconds for which the first image waits for others.
        max_waiting: the largest number of images in the queue; one more is refused.

    Raises:
        ValueError: `max_batch` or `max_waiting` is less than 1.
    """

    def __init__(
        self,
        read_batch: Callable[[list], Sequence],
        *,
        max_batch: int = 64,
        max_wait: float = 0.003,
        max_waiting: int = 256,
    ) -> None:
        for name, value in (("max_batch", max_batch), ("max_waiting", max_waiting)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1 image. Received {value}.")
        self.read_batch = read_batch
        self.max_batch = max_batch
        self.max_wait = max_wait
        self.queue = asyncio.Queue(max_waiting)

    async def read(self, image):
        """Read one image; a caller who is cancelled leaves the queue.

        Raises:
            TooManyWaitingError: the queue is full.
        """
        answer = asyncio.get_running_loop().create_future()
        try:
            self.queue.put_nowait((image, answer))
        except asyncio.QueueFull:
            raise TooManyWaitingError(f"{self.queue.maxsize} images are waiting.") from None
        return await answer

    async def run(self) -> None:
        """Serve the queue until this task is cancelled."""
        while True:
            batch = await self._gather()
            # A cancelled caller has cancelled its future, and its image need not be read.
            batch = [(image, answer) for image, answer in batch if not answer.done()]
            if batch:
                await self._answer(batch)

    async def _gather(self) -> list:
        batch = [await self.queue.get()]
        if self.queue.qsize() + 1 < self.max_batch:
            await asyncio.sleep(self.max_wait)
        while len(batch) < self.max_batch and not self.queue.empty():
            batch.append(self.queue.get_nowait())
        return batch

    async def _answer(self, batch: list) -> None:
        try:
            readings = await asyncio.to_thread(self.read_batch, [image for image, _ in batch])
        except Exception as error:  # The caller gets it; the server goes on.
            if len(batch) == 1:
                answer = batch[0][1]
                if not answer.done():
                    answer.set_exception(error)
            else:  # One of them is the cause; alone it affects no other.
                for one in batch:
                    await self._answer([one])
            return
        for (_, answer), reading in zip(batch, readings, strict=True):
            if not answer.done():  # The caller may have left by now.
                answer.set_result(reading)
