"""Images drawn by several processes straight into memory shared with the training process.

Each process fills chunks: as many images of one width as some columns of pixels hold. A filled
chunk is announced by its number alone, so no image is ever pickled or sent through a pipe.
"""

import multiprocessing
import os
import shutil
import signal
import tempfile
from pathlib import Path
from queue import Empty
from typing import NamedTuple

import numpy as np

HEIGHT = 32  # pixels
CHANNELS = 3  # blue, green, red
PADDING = 127  # becomes the 0 with which convolutions pad
# Images are padded to the next of these, by 9 % on average.
WIDTHS = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 1024)
PIXELS_PER_STEP = 2  # of the network
CHUNK_COLUMNS = 4_096  # of pixels: 64 of the narrowest images, 4 of the widest
_SPARE = 6  # chunks of a process beyond the one that it fills of each width
_MAX_LABEL = 96


class Shape(NamedTuple):
    """What a chunk of one width holds."""

    width: int
    num_images: int
    max_label: int

    def batch(self, num_chunks):
        """Return the shapes of images, labels and frames of a batch of several chunks."""
        count = num_chunks * self.num_images
        return (
            (count, HEIGHT, self.width, CHANNELS),
            (count, self.max_label),
            (count, self.width // PIXELS_PER_STEP),
        )


def chunk_shape(width, columns=CHUNK_COLUMNS):
    """Return the shape of the chunks of a width; labels get a character for every 5 pixels."""
    return Shape(width, columns // width, min(width // 5 + 2, _MAX_LABEL))


class Drawers:
    """Processes that draw, and the chunks that they have filled.

    Args:
        images: a picklable object whose `draw_aligned(rng)` returns an image, uint8 of shape
            (height, width, channels), its text, and where each character starts and ends.
        vocab: the characters of the texts; the class after them pads labels.
        num_processes: to start.
        columns: of pixels in a chunk, at least those of the widest image.
        seed: of all that is drawn; image n of process p depends on (seed, p, n) alone.
    """

    def __init__(self, images, vocab, *, num_processes, seed, columns=CHUNK_COLUMNS):
        if num_processes < 1:
            raise ValueError(f"`num_processes` must be at least 1. Received {num_processes}.")
        self.shapes = [chunk_shape(width, columns) for width in WIDTHS]
        self._per_process = len(WIDTHS) + _SPARE
        num_chunks = num_processes * self._per_process
        sizes = {"images": columns * HEIGHT * CHANNELS, "targets": _target_bytes(self.shapes)}
        self._folder = _roomy_folder(num_chunks * sum(sizes.values()))
        for name, size in sizes.items():
            with open(self._folder / name, "wb") as file:
                file.truncate(num_chunks * size)
        context = multiprocessing.get_context("spawn")
        self._filled = context.Queue()
        self._free = [context.Queue() for _ in range(num_processes)]
        for process, queue in enumerate(self._free):
            for number in range(self._per_process):
                queue.put(process * self._per_process + number)
        job = images, vocab, self.shapes, str(self._folder), num_chunks
        seeds = np.ravel(seed).tolist()  # NumPy 2.5 refuses nested lists of them
        self.processes = [
            context.Process(
                target=_draw_for_ever, args=(*job, [*seeds, process], self._free[process],
                                             self._filled), daemon=True
            )
            for process in range(num_processes)
        ]  # fmt: skip
        for process in self.processes:
            process.start()
        self._pixels, self._targets = _open_chunks(self._folder, num_chunks)
        self.num_left_out = 0  # texts too long for their width

    def take(self, timeout=60.0):
        """Copy the next filled chunk: index of its width, images, labels and frames, or None.

        A frame is the class of a time step: a character in its middle half, else the blank.

        Raises:
            RuntimeError: a process has died.
        """
        try:
            number, kind, left_out = self._filled.get(timeout=timeout)
        except Empty:
            if not all(process.is_alive() for process in self.processes):
                raise RuntimeError("A process that draws has died; see its error above.") from None
            return None
        self.num_left_out += left_out
        views = _views(self._pixels[number], self._targets[number], self.shapes[kind])
        arrays = [view.copy() for view in views]
        self._free[number // self._per_process].put(number)
        return kind, *arrays

    def close(self):
        """End the processes and free the memory."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join()
        del self._pixels, self._targets
        shutil.rmtree(self._folder, ignore_errors=True)


def place(image, pixels, left):
    """Put an image into `pixels`, (height, width, channels), `left` columns from its edge."""
    right = left + image.shape[1]
    pixels[:, :left] = PADDING
    pixels[:, left:right] = image.reshape(HEIGHT, -1, CHANNELS)
    pixels[:, right:] = PADDING


def frames_of(spans, classes, num_steps, blank):
    """Return the class of each time step: that of a character in its middle half, else the blank.

    Args:
        spans: where the characters start and end, in pixels, (characters, 2).
        classes: of the characters.
        num_steps: of the image.
        blank: the class between characters.
    """
    frames = np.full(num_steps, blank, np.int16)
    quarters = (spans[:, 1] - spans[:, 0]) / 4
    starts = np.ceil((spans[:, 0] + quarters) / PIXELS_PER_STEP - 0.5)
    ends = np.floor((spans[:, 1] - quarters) / PIXELS_PER_STEP - 0.5) + 1
    middles = np.floor(spans.mean(axis=1) / PIXELS_PER_STEP)
    narrow = ends <= starts
    starts, ends = np.where(narrow, middles, starts), np.where(narrow, middles + 1, ends)
    starts, ends = starts.clip(0, num_steps - 1).astype(int), ends.clip(1, num_steps).astype(int)
    for start, end, number in zip(starts.tolist(), ends.tolist(), classes, strict=True):
        frames[start:end] = number
    return frames


def _draw_for_ever(images, vocab, shapes, folder, num_chunks, seed, free, filled):
    """Draw until the process is ended, or its parent is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The training process handles Ctrl-C.
    import cv2

    cv2.setNumThreads(1)
    classes = {char: index for index, char in enumerate(vocab)}
    pixels, targets = _open_chunks(Path(folder), num_chunks)
    widths = [shape.width for shape in shapes]
    chunks, left_out, count = {}, 0, 0
    while True:
        rng = np.random.default_rng([*seed, count])
        count += 1
        image, text, spans = images.draw_aligned(rng)
        kind = int(np.searchsorted(widths, image.shape[1]))
        if kind == len(shapes) or not 0 < len(text) <= shapes[kind].max_label:
            left_out += 1
            continue
        if kind not in chunks:
            if (number := _wait_for(free)) is None:
                return
            chunks[kind] = [number, *_views(pixels[number], targets[number], shapes[kind]), 0]
        number, rows, labels, frames, row = chunks[kind]
        left = int(rng.integers(widths[kind] - image.shape[1] + 1))
        place(image, rows[row], left)
        label = [classes[char] for char in text]
        labels[row] = len(vocab)
        labels[row, : len(text)] = label
        frames[row] = frames_of(spans + left, label, frames.shape[1], len(vocab))
        chunks[kind][4] += 1
        if chunks[kind][4] == len(rows):
            filled.put((number, kind, left_out))
            left_out = 0
            del chunks[kind]


def _wait_for(queue):
    """Return what comes; None if the training process is gone, however it ended."""
    while multiprocessing.parent_process().is_alive():
        try:
            return queue.get(timeout=5.0)
        except Empty:
            continue
    return None


def _open_chunks(folder, num_chunks):
    pixels = np.memmap(folder / "images", np.uint8, "r+").reshape(num_chunks, -1)
    return pixels, np.memmap(folder / "targets", np.int16, "r+").reshape(num_chunks, -1)


def _views(pixels, targets, shape):
    images, labels, frames = shape.batch(1)
    ends = np.prod(labels), np.prod(labels) + np.prod(frames)
    return (
        pixels[: np.prod(images)].reshape(images),
        targets[: ends[0]].reshape(labels),
        targets[ends[0] : ends[1]].reshape(frames),
    )


def _target_bytes(shapes):
    return 2 * max(sum(np.prod(sides) for sides in shape.batch(1)[1:]) for shape in shapes)


def _roomy_folder(num_bytes):
    """Make a folder in memory if there is room, or else among the temporary files."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 * num_bytes
    return Path(tempfile.mkdtemp(prefix=f"mltu-{os.getpid()}-", dir=memory if roomy else None))
