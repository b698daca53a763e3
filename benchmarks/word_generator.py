"""How fast `TextImages` draws each of its kinds, and reading JPEG files beside it.

python benchmarks/word_generator.py [--atlas FOLDER] [--texts FILE] [--images 500] [--rounds 7]
    [--height 32] [--png FILE]

On one thread. The kinds take turns within a round, and the values are medians over the rounds of
the thread's own seconds, so other processes matter little. The files are words of 31 pixels, in the
file cache, that cv2.imread reads and cv2.resize scales to 128x32. The last line is JSON: images/s
of each kind and of the mixture that is the default, and the median width of the images.
"""

import argparse
import json
import tempfile
import time

import cv2
import numpy as np
from bars import plot_bars

from mltu.datasets import read_mjsynth
from mltu.synthetic import KINDS, TextImages, write_mjsynth


def measure(ways, rounds):
    """Return the thread's seconds of each way in each round; they take turns."""
    seconds = {name: [] for name in ways}
    for turn in range(rounds + 1):  # the first unmeasured: pages and files get cached
        for name, way in ways.items():
            rng = np.random.default_rng(turn)
            start = time.thread_time()
            way(rng)
            if turn:
                seconds[name].append(time.thread_time() - start)
    return seconds


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atlas", help="folder of a font atlas; the shipped fonts if not given")
    parser.add_argument("--texts", help="file of words and prose; English words if not given")
    parser.add_argument("--images", type=int, default=500, help="in each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--height", type=int, default=32)
    parser.add_argument("--png", help="write the comparison as a picture")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    images = TextImages(args.atlas, args.texts, height=args.height)

    def draw(kind):
        return lambda rng: [images.draw(rng, kind=kind) for _ in range(args.images)]

    with tempfile.TemporaryDirectory() as folder:
        root = write_mjsynth(
            f"{folder}/words", num_train=args.images, num_validation=0, workers=0, progress=False
        )
        paths = [path for path, _ in read_mjsynth(root, "train")]
        ways = {
            **{kind: draw(kind) for kind in KINDS},
            "mixture": draw(None),
            "cv2.imread and resize": lambda rng: [
                cv2.resize(cv2.imread(path), (128, 32)) for path in paths
            ],
        }
        seconds = measure(ways, args.rounds)
    speed = {name: round(args.images / float(np.median(times))) for name, times in seconds.items()}
    widths = {
        kind: round(
            float(np.median([image.shape[1] for image, _ in way(np.random.default_rng(0))]))
        )
        for kind, way in ways.items()
        if kind in KINDS
    }
    if args.png:
        plot_bars(args.png, speed, "images/s on one thread")
    result = {"fonts": len(images.atlas), "images_per_second": speed, "median_width": widths}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
