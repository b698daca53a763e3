"""How fast batches come: DataProvider against a bare OpenCV loop and what else people use.

python benchmarks/data_pipeline.py [--images 24000] [--rounds 9] [--png comparison.png]

Every candidate reads the same rendered MJSynth-like JPEGs (31 px high, warm file cache) into
32x128 uint8 batches of 64 with two threads. Candidates take turns within a round; values are
medians over the rounds: images/s, and ratios of two candidates of the same round. The last line
printed is JSON; its "microseconds" tell what an image costs one thread of the provider.
"""

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np
from bars import plot_bars
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

from mltu.augmentors import RandomBrightness, RandomRotate
from mltu.dataProvider import DataProvider
from mltu.datasets import read_mjsynth
from mltu.preprocessors import ImageReader
from mltu.synthetic import write_mjsynth
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

OURS = {  # what is compared, and the ending of what it is compared with
    "DataProvider": "",
    "DataProvider, 2 processes": "",
    "DataProvider, augmented": ", augmented",
    "DataProvider, augmented, 2 processes": ", augmented",
}
OTHERS = ["bare OpenCV loop", "classic provider", "tf.data", "PyTorch DataLoader"]
WIDTH, HEIGHT, BATCH, LENGTH = 128, 32, 64, 24
VOCAB = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def bare_loop(samples, augmentors=()):
    """Read and resize with two threads and keep nothing."""
    rng = np.random.default_rng(0)

    def read(chunk):
        for path, _ in chunk:
            image = cv2.imread(path)
            for augmentor in augmentors:
                image, _ = augmentor(image, "", rng)
            cv2.resize(image, (WIDTH, HEIGHT))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, (samples[i : i + BATCH] for i in range(0, len(samples), BATCH))))


class ClassicProvider(keras.utils.PyDataset):
    """The classic way: sample by sample, np.pad for labels, np.array of a list of images."""

    def __init__(self, samples, workers):
        super().__init__(workers=workers)
        self.samples = samples

    def __len__(self):
        return -(-len(self.samples) // BATCH)

    def __getitem__(self, index):
        images, labels = [], []
        for path, word in self.samples[index * BATCH : (index + 1) * BATCH]:
            images.append(cv2.resize(cv2.imread(path), (WIDTH, HEIGHT)))
            label = np.array([VOCAB.index(char) for char in word if char in VOCAB])
            padding = (0, LENGTH - len(label))
            labels.append(np.pad(label, padding, "constant", constant_values=len(VOCAB)))
        return np.array(images), np.array(labels)


def make_provider(samples, **options):
    """Make the provider under test."""
    return DataProvider(
        samples, [ImageReader()], BATCH, skip_validation=True, **options,
        transformers=[
            ImageResizer(WIDTH, HEIGHT), LabelIndexer(VOCAB), LabelPadding(LENGTH, len(VOCAB))
        ],
    )  # fmt: skip


def drain(dataset):
    """Take an epoch by the path that `fit` uses, with its workers, and return when it was over.

    Keras then waits a tenth of a second for its empty queue, once per epoch of any length; that is
    not counted, since an epoch of MJSynth is a thousand times as long as this one.
    """
    adapter = PyDatasetAdapter(dataset)
    adapter.on_epoch_begin()
    batches = adapter._get_iterator()
    for _ in range(len(dataset)):
        next(batches)
    end = time.perf_counter()
    adapter.on_epoch_end()
    return end


def tf_data(samples):
    """Decode and resize by tf.data with AUTOTUNE."""
    import tensorflow as tf

    def read(path):
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return tf.cast(tf.image.resize(image, (HEIGHT, WIDTH)), tf.uint8)

    dataset = tf.data.Dataset.from_tensor_slices([path for path, _ in samples])
    dataset = dataset.map(read, tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    for _ in dataset:
        pass


class TorchImages:
    """A map-style data set with the same OpenCV code."""

    def __init__(self, samples, augmentors):
        self.samples = samples
        self.augmentors = augmentors

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        path, word = self.samples[index]
        label = np.full(LENGTH, len(VOCAB), np.int32)
        label[: len(word)] = [VOCAB.index(char) for char in word]
        image = cv2.imread(path)
        if self.augmentors:
            rng = np.random.default_rng(index)
            for augmentor in self.augmentors:
                image, _ = augmentor(image, word, rng)
        return cv2.resize(image, (WIDTH, HEIGHT)), label


def torch_loader(samples, augmentors=()):
    """Read with PyTorch's DataLoader and two worker processes; starting them is not counted."""
    from torch.utils.data import DataLoader

    loader = DataLoader(
        TorchImages(list(samples), augmentors), batch_size=BATCH, num_workers=2,
        persistent_workers=True,
    )  # fmt: skip

    def epoch():
        for _ in loader:
            pass

    return epoch


def candidates(samples):
    """Name each way to take one epoch of the samples; a way may return when it was over."""
    random_steps = [RandomBrightness(), RandomRotate()]
    pairs = list(samples)
    providers = {
        "DataProvider": make_provider(samples, workers=2),
        "DataProvider, 2 processes": make_provider(samples, processes=2),
        "DataProvider, augmented": make_provider(samples, workers=2, augmentors=random_steps),
        "DataProvider, augmented, 2 processes": make_provider(
            samples, processes=2, augmentors=random_steps
        ),
    }
    for workers in (1, 2, 4):
        plural = "s" if workers > 1 else ""
        providers[f"classic provider, {workers} worker{plural}"] = ClassicProvider(pairs, workers)
    found = {
        "bare OpenCV loop": lambda: bare_loop(pairs),
        "bare OpenCV loop, augmented": lambda: bare_loop(pairs, random_steps),
    }
    found |= {name: partial(drain, provider) for name, provider in providers.items()}
    if find_spec("tensorflow"):
        found["tf.data"] = lambda: tf_data(pairs)
    if find_spec("torch"):
        found["PyTorch DataLoader"] = torch_loader(pairs)
        found["PyTorch DataLoader, augmented"] = torch_loader(pairs, random_steps)
    return found


def profile(samples):
    """Tell how many microseconds of one thread an image costs in each part of the provider."""
    reader, resizer = ImageReader(), ImageResizer(WIDTH, HEIGHT)
    label_steps = [LabelIndexer(VOCAB), LabelPadding(LENGTH, len(VOCAB))]
    provider = make_provider(samples, shuffle=False)
    spent = Counter()

    def timed(name, function, *arguments):
        start = time.perf_counter()
        result = function(*arguments)
        spent[name] += time.perf_counter() - start
        return result

    for index in range(len(provider)):
        part = samples[index * BATCH : (index + 1) * BATCH]
        contents = [Path(path).read_bytes() for path in part.data]
        images, labels = timed("decode", reader.batch, contents, list(part.labels))
        timed("read and decode", reader.batch, list(part.data), labels)
        timed("resize", resizer.batch, images, labels)
        for step in label_steps:
            _, labels = timed("labels", step.batch, images, labels)
        timed("whole", provider.__getitem__, index)
    spent["read"] = spent.pop("read and decode") - spent["decode"]
    parts = ("read", "decode", "resize", "labels")
    spent["rest"] = spent["whole"] - sum(spent[name] for name in parts)
    return {name: round(spent[name] / len(samples) * 1e6, 1) for name in (*parts, "rest", "whole")}


def measure(ways, rounds):
    """Return the seconds of each way in each round, shape (ways, rounds); they take turns."""
    seconds = {name: [] for name in ways}
    for turn in range(rounds + 1):  # the first unmeasured: file cache, imports, pools
        for name, way in ways.items():
            start = time.perf_counter()
            end = way() or time.perf_counter()
            if turn:
                seconds[name].append(end - start)
    return {name: np.array(times) for name, times in seconds.items()}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=24_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--png", help="write the comparison as a picture")
    args = parser.parse_args()
    cv2.setNumThreads(1)  # the threads are those of each candidate
    with tempfile.TemporaryDirectory() as folder:
        root = write_mjsynth(f"{folder}/words", num_train=args.images, num_validation=1)
        samples = read_mjsynth(root, "train")
        microseconds = profile(samples)
        seconds = measure(candidates(samples), args.rounds)
    fastest = min((n for n in seconds if n.startswith("classic")), key=lambda n: sum(seconds[n]))
    seconds["classic provider"] = seconds[fastest]
    ratios = {
        ours: {
            name: round(float(np.median(seconds[name] / seconds[ours])), 3)
            for name in (f"{other}{suffix}" for other in OTHERS)
            if name in seconds
        }
        for ours, suffix in OURS.items()
    }
    speed = {
        name: round(len(samples) / float(np.median(times)))
        for name, times in seconds.items()
        if not name.startswith("classic provider,")
    }
    if args.png:
        plot_bars(args.png, speed, "images/s")
    result = {"images_per_second": speed, "ratios": ratios, "microseconds": microseconds}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
