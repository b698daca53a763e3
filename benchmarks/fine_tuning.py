"""Train readers on few images of data sets, from scratch and from the shipped reader, and compare.

python benchmarks/fine_tuning.py DATA_SET... [--counts 100 400] [--held-out 100] [--starts words]

DATA_SET is what `mltu train` takes. A part, fixed by the seed, is never trained on and measures all
readers of the set; a run with fewer images takes a part of those of a larger one.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from mltu.datasets import open_samples
from mltu.evaluation import evaluate_readings
from mltu.inference import TextRecognizer


def measure(training, held_out, start, epochs):
    """Train one reader; return its metrics on the held-out part and the minutes it took."""
    from mltu.training import train_reader

    # All characters that the data set has, as a user knows them.
    vocab = "".join(sorted(set("".join([*training.labels, *held_out.labels]))))
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        train_reader(
            training, output=Path(folder) / "run", start_from=start, vocab=vocab, epochs=epochs,
            progress=False,
        )  # fmt: skip
        minutes = (time.perf_counter() - begin) / 60
        reader = TextRecognizer(Path(folder) / "run")
        readings = [
            reading.text for reading in reader.predict_stream(held_out.data, on_error="keep")
        ]
    return evaluate_readings(readings, list(held_out.labels)), minutes


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", metavar="DATA_SET")
    parser.add_argument(
        "--counts", nargs="+", type=int, default=[50, 100, 200, 400, 0], help="0 for all others."
    )
    parser.add_argument("--held-out", type=int, default=100, help="Images that measure.")
    parser.add_argument("--starts", nargs="+", default=["none", "words"])
    parser.add_argument("--epochs", type=int, help="Instead of the number that is chosen.")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    results: list[dict] = []
    rows = ["| data set | images | start | exact | CER | minutes |", "|---|---|---|---|---|---|"]
    for source in args.data:
        samples = open_samples(source)
        order = np.random.default_rng(args.seed).permutation(len(samples))
        held_out, rest = samples.take(order[: args.held_out]), order[args.held_out :]
        for count in dict.fromkeys(min(count or len(rest), len(rest)) for count in args.counts):
            for start in args.starts:
                found, minutes = measure(samples.take(rest[:count]), held_out, start, args.epochs)
                results.append(
                    {
                        "data": source, "images": count, "start": start, "minutes": minutes,
                        "exact": found.exact.value, "cer": found.cer.value,
                    }
                )  # fmt: skip
                rows.append(
                    f"| {Path(source).parent.name}/{Path(source).name} | {count} | {start} "
                    f"| {found.exact} | {found.cer} | {minutes:.1f} |"
                )
                print(*rows[-1:], sep="\n", flush=True)
    print(*rows, sep="\n")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
