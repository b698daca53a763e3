"""Hold each fifth of the captchas out once, and count how many of all are read exactly.

python cross_validate.py [--data FOLDER] [--folds 5] [--output FOLDER] [options of train.py]

Run again with the same --output, it goes on where it was stopped.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from configs import RUNS
from inferenceModel import CaptchaReader

from mltu.datasets import read_csv
from mltu.evaluation import evaluate_readings
from mltu.plots import write_readings
from mltu.preprocessors import ImageReader

TRAIN = Path(__file__).with_name("train.py")


def train_fold(run, fold, num_folds, options):
    """Train one fold in a process of its own, or go on with it; leave a finished one alone."""
    if (run / "model.onnx").is_file():
        return
    command = [sys.executable, str(TRAIN)]
    if (run / "state").exists():
        command += ["--resume", str(run)]
    else:
        command += [*options, "--fold", str(fold), "--folds", str(num_folds), "--output", str(run)]
    if status := subprocess.run(command).returncode:
        raise SystemExit(status)


def main(arguments=None):
    """Train all folds, print the table and draw the worst readings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="as in train.py")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RUNS / "folds")
    parser.add_argument("--pattern", help="also read with this form, such as [a-z0-9]{5}")
    args, options = parser.parse_known_args(arguments)
    options += ["--data", args.data] if args.data else []

    readers = {"greedy": None, **({args.pattern: args.pattern} if args.pattern else {})}
    runs = [args.output / f"fold_{fold}" for fold in range(args.folds)]
    readings, labels, paths = {name: [] for name in readers}, [], []
    for fold, run in enumerate(runs):
        train_fold(run, fold, args.folds, options)
        held = read_csv(run / "val.csv")
        paths += held.data
        labels += held.labels
        for name, pattern in readers.items():
            found = CaptchaReader(run, pattern).predict_batch(held.data, on_error="keep")
            readings[name] += found
            print(f"fold {fold}, {name}: {_figures(found, list(held.labels))}")
    for name, found in readings.items():
        print(f"all, {name}: {_figures(found, labels)}")
    print(
        json.dumps({name: _evaluate(found, labels)._asdict() for name, found in readings.items()})
    )
    rows = zip(paths, readings["greedy"], labels, strict=True)
    rows = [row for row in rows if row[1].error is None]
    rows.sort(key=lambda row: (row[1].text == row[2], row[1].confidence))
    read = ImageReader().read
    write_readings(
        args.output / "worst.png",
        [read(path) for path, _, _ in rows[:24]],
        [(reading.text, reading.confidence) for _, reading, _ in rows[:24]],
        [label for _, _, label in rows[:24]],
    )


def _evaluate(readings, labels):
    return evaluate_readings([reading.text for reading in readings], labels)


def _figures(readings, labels):
    found = _evaluate(readings, labels)
    return f"{found.num_samples} captchas, {found.exact} exact, CER {found.cer}"


if __name__ == "__main__":
    main()
