"""How the data path scales: images/s of a `DataProvider` by the number of its processes.

python benchmarks/data_scaling.py [--processes 1 2] [--images 12000] [--rounds 3]

The counts take turns within a round, each beside the same batches loaded one by one in this
process; values are medians over the rounds. The last line printed is JSON.
"""

import argparse
import json
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
from data_pipeline import drain, make_provider

from mltu.augmentors import RandomBrightness, RandomRotate
from mltu.datasets import read_mjsynth
from mltu.synthetic import write_mjsynth


def inline(provider):
    """Load the batches of an epoch one by one."""
    for index in range(len(provider)):
        provider[index]


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--images", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        root = write_mjsynth(f"{folder}/words", num_train=args.images, num_validation=1)
        samples = read_mjsynth(root, "train")
        for kind, augmentors in (
            ("plain", []),
            ("augmented", [RandomBrightness(), RandomRotate()]),
        ):
            ways = {0: (inline, make_provider(samples, augmentors=augmentors))}
            for count in args.processes:
                ways[count] = drain, make_provider(samples, processes=count, augmentors=augmentors)
            speeds = {count: [] for count in ways}
            for turn in range(args.rounds + 1):  # the first unmeasured: file cache, processes
                for count, (take, provider) in ways.items():
                    start = time.perf_counter()
                    end = take(provider) or time.perf_counter()
                    if turn:
                        speeds[count].append(len(samples) / (end - start))
            results[kind] = {
                count: {
                    "images_per_second": round(float(np.median(values))),
                    "times_one_thread": round(float(np.median(np.divide(values, speeds[0]))), 2),
                }
                for count, values in speeds.items()
            }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
