"""What a change did to speed and memory: this checkout and another one take turns.

python benchmarks/before_after.py --before FOLDER [--only NAME ...] [--rounds 9] [--images 6000]
    [--lines 9000000]

Each checkout has a process for each measurement, which waits while the other one works. A round is
one turn of each; they change who is first. Values are medians over the rounds, ratios those of the
two turns of one round: above 1 is slower, or more memory, than before. Both checkouts read the same
images and annotation files, and each its own shipped reader. The backend is that of
KERAS_BACKEND. Memory is measured on Linux only. The last line printed is JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm
from turns import Server

ROOT = Path(__file__).resolve().parents[1]
HEIGHT, WIDTH, BATCH, LENGTH = 32, 128, 64, 24
VOCAB = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
COLD = """
import sys
from mltu.inferenceModel import TextRecognizer
TextRecognizer(force_cpu=True).predict(sys.argv[1])
"""


def provider(folder, **options):
    """Take an epoch as `fit` does, with the steps of tutorial 01."""
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    from mltu.augmentors import RandomBrightness, RandomRotate
    from mltu.dataProvider import DataProvider
    from mltu.datasets import read_mjsynth
    from mltu.preprocessors import ImageReader
    from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

    if options.pop("augment", False):
        options["augmentors"] = [RandomBrightness(), RandomRotate()]
    batches = DataProvider(
        read_mjsynth(folder, "train"), [ImageReader()], BATCH, skip_validation=True, **options,
        transformers=[
            ImageResizer(WIDTH, HEIGHT), LabelIndexer(VOCAB), LabelPadding(LENGTH, len(VOCAB))
        ],
    )  # fmt: skip
    adapter = PyDatasetAdapter(batches)  # Keras's own way through a data set.

    def epoch():
        adapter.on_epoch_begin()
        for _ in zip(range(adapter.num_batches), adapter._get_iterator(), strict=False):
            pass
        adapter.on_epoch_end()

    return epoch


def training(folder):
    """Train `column_reader` on random images for 16 steps."""
    import keras

    from mltu.losses import CTCLoss
    from mltu.metrics import CERMetric
    from mltu.models import column_reader

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16 * BATCH, HEIGHT, WIDTH, 3), np.uint8)
    labels = np.full((len(images), LENGTH), len(VOCAB), np.int32)
    labels[:, :8] = rng.integers(0, len(VOCAB), (len(images), 8))
    model = column_reader((HEIGHT, WIDTH, 3), len(VOCAB))
    model.compile(keras.optimizers.Adam(1e-4), CTCLoss(), metrics=[CERMetric()])
    return lambda: model.fit(images, labels, batch_size=BATCH, shuffle=False, verbose=0)


def reading(folder, batch):
    """Read 256 words from their files with the shipped reader."""
    from mltu.inferenceModel import TextRecognizer

    reader = TextRecognizer(force_cpu=True)
    paths = sorted(map(str, Path(folder).glob("**/*.jpg")))[:256]
    if batch:
        return lambda: list(reader.predict_batch(paths))
    return lambda: [reader.predict(path) for path in paths]


def lines(folder):
    """Read a long annotation file; the answer is how far memory grew, in MB."""
    from mltu.datasets import read_mjsynth

    def resident():
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def read():
        before = resident()
        samples = read_mjsynth(folder, "test")
        return {"mb": resident() - before, "samples": len(samples)}

    return read


def cold_start(folder):
    """Start Python, load the shipped reader and read one word."""
    image = next(Path(folder).glob("**/*.jpg"))
    return lambda: subprocess.run([sys.executable, "-c", COLD, str(image)], check=True)


MEASUREMENTS = {
    "provider": (provider, {"workers": 2}),
    "provider, augmented": (provider, {"workers": 2, "augment": True}),
    "provider, 2 processes": (provider, {"processes": 2}),
    "training step": (training, {}),
    "reading one by one": (reading, {"batch": False}),
    "reading in batches": (reading, {"batch": True}),
    "cold start": (cold_start, {}),
    "annotation file": (lines, {}),
}


def serve(tree, name, folder):
    """Answer each line with the seconds of a turn."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # What others print.
    sys.path.insert(0, tree)
    os.environ["PYTHONPATH"] = tree
    import mltu

    assert Path(mltu.__file__).is_relative_to(tree), mltu.__file__
    function, options = MEASUREMENTS[name]
    turn = function(folder, **options)
    if name != "annotation file":
        turn()
    print(json.dumps({}), file=answers, flush=True)
    while sys.stdin.readline():
        start, cpu = time.perf_counter(), time.process_time()
        found = turn()
        found = found if isinstance(found, dict) else {}
        found["seconds"] = time.perf_counter() - start
        found["cpu"] = time.process_time() - cpu
        print(json.dumps(found), file=answers, flush=True)


def measure(name, trees, folder, rounds):
    """Return the values of each checkout in each round: {key: array of (rounds, 2)}."""
    fresh = name == "annotation file"  # Its memory is given back to nobody.
    ask = [Server([__file__, "--serve", tree, name, folder]) for tree in trees] if not fresh else []
    values = []
    for turn in tqdm(range(3 if fresh else rounds), name):
        order = (0, 1) if turn % 2 else (1, 0)
        found = {}
        for i in order:
            server = Server([__file__, "--serve", trees[i], name, folder]) if fresh else ask[i]
            found[i] = server.ask()
            if fresh:
                server.close()
        values.append([found[0], found[1]])
    for server in ask:
        server.close()
    return {key: np.array([[v[key] for v in pair] for pair in values]) for key in values[0][0]}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="another checkout")
    parser.add_argument("--only", nargs="+", choices=list(MEASUREMENTS), default=MEASUREMENTS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--images", type=int, default=6_000)
    parser.add_argument("--lines", type=int, default=9_000_000)
    args = parser.parse_args()
    from dataset_memory import write_lines

    from mltu.synthetic import write_mjsynth

    trees = [str(args.before.resolve()), str(ROOT)]
    result = {}
    with tempfile.TemporaryDirectory() as name:
        folder = write_mjsynth(f"{name}/words", num_train=args.images, num_validation=1)
        write_lines(Path(folder) / "annotation_test.txt", args.lines)
        for name in args.only:
            values = measure(name, trees, str(folder), args.rounds)
            result[name] = {}
            for key, pairs in values.items():
                ratios = pairs[:, 1] / pairs[:, 0]
                low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75]).round(3)
                before, after = np.median(pairs, axis=0)
                result[name][key] = {
                    "before": round(before, 4), "after": round(after, 4), "ratio": middle
                }  # fmt: skip
                print(f"{name:24}{key:8} {before:9.3f} {after:9.3f}  {middle} ({low} to {high})")
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main()
