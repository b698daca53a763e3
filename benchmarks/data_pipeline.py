"""How fast batches come: DataProvider against a bare OpenCV loop and what else people use.

python benchmarks/data_pipeline.py [--images 12000] [--rounds 5] [--png comparison.png]

Every candidate reads the same rendered MJSynth-like JPEGs (31 px high, warm file cache) into
32x128 uint8 batches of 64 with two threads. Candidates take turns within a round; figures are
medians over the rounds, in images/s. The last line printed is JSON.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

from mltu.augmentors import RandomBrightness, RandomRotate
from mltu.dataProvider import DataProvider
from mltu.datasets import read_mjsynth
from mltu.pictures import plot_bars
from mltu.preprocessors import ImageReader
from mltu.synthetic import write_mjsynth
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

WIDTH, HEIGHT, BATCH, LENGTH = 128, 32, 64, 24
VOCAB = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def bare_loop(samples):
    """Read and resize with two threads and keep nothing."""

    def read(chunk):
        for path, _ in chunk:
            cv2.resize(cv2.imread(path), (WIDTH, HEIGHT))

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


def make_provider(samples, workers, augmentors=()):
    """Make the provider under test."""
    return DataProvider(
        samples, [ImageReader()], BATCH, skip_validation=True, workers=workers,
        augmentors=augmentors,
        transformers=[
            ImageResizer(WIDTH, HEIGHT), LabelIndexer(VOCAB), LabelPadding(LENGTH, len(VOCAB))
        ],
    )  # fmt: skip


def drain(dataset):
    """Take an epoch from a PyDataset by the path that `fit` uses, with its workers."""
    adapter = PyDatasetAdapter(dataset)
    adapter.on_epoch_begin()
    num_images = sum(len(images) for images, _ in adapter._get_iterator())
    adapter.on_epoch_end()
    return num_images


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

    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        path, word = self.samples[index]
        label = np.full(LENGTH, len(VOCAB), np.int32)
        label[: len(word)] = [VOCAB.index(char) for char in word]
        return cv2.resize(cv2.imread(path), (WIDTH, HEIGHT)), label


def torch_loader(samples):
    """Read with PyTorch's DataLoader and two worker processes."""
    from torch.utils.data import DataLoader

    for _ in DataLoader(TorchImages(samples), batch_size=BATCH, num_workers=2):
        pass


def candidates(samples):
    """Name each way to take one epoch of the samples."""
    random_steps = [RandomBrightness(), RandomRotate()]
    found = {
        "bare OpenCV loop": lambda: bare_loop(samples),
        "DataProvider": lambda: drain(make_provider(samples, 2)),
        "DataProvider, augmented": lambda: drain(make_provider(samples, 2, random_steps)),
        "classic provider, 1 worker": lambda: drain(ClassicProvider(samples, 1)),
        "classic provider, 2 workers": lambda: drain(ClassicProvider(samples, 2)),
        "classic provider, 4 workers": lambda: drain(ClassicProvider(samples, 4)),
    }
    if find_spec("tensorflow"):
        found["tf.data"] = lambda: tf_data(samples)
    if find_spec("torch"):
        found["PyTorch DataLoader"] = lambda: torch_loader(samples)
    return found


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--png", help="write the comparison as a picture")
    args = parser.parse_args()
    cv2.setNumThreads(1)  # the threads are those of each candidate
    with tempfile.TemporaryDirectory() as folder:
        root = write_mjsynth(f"{folder}/words", num_train=args.images, num_validation=1)
        samples = read_mjsynth(root, "train")
        ways = candidates(samples)
        for way in ways.values():  # once unmeasured: file cache, imports, thread pools
            way()
        seconds = {name: [] for name in ways}
        for _ in range(args.rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - start)
    speed = {name: len(samples) / statistics.median(times) for name, times in seconds.items()}
    classic = max(value for name, value in speed.items() if name.startswith("classic"))
    others = {name: speed[name] for name in ("tf.data", "PyTorch DataLoader") if name in speed}
    ours = speed["DataProvider"]
    ratios = {"bare OpenCV loop": ours / speed["bare OpenCV loop"], "classic": ours / classic}
    ratios |= {name: ours / value for name, value in others.items()}
    if args.png:
        plot_bars(args.png, speed, "images/s")
    rounded = {name: round(value) for name, value in speed.items()}
    ratios = {name: round(value, 3) for name, value in ratios.items()}
    print(json.dumps({"images_per_second": rounded, "provider_over": ratios}))


if __name__ == "__main__":
    main()
