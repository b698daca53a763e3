"""Whether confidences can be trusted: calibration error and coverage against accuracy.

python benchmarks/calibration.py SET ... [--model words] [--png calibration.png]

Sets are given as for `real_words.py`. A reading is right if it is the label, case included. Metrics
are before (temperature 1) and after (the temperature in the file). The threshold is the least
confidence above which a wanted share of readings is right. The last line printed is JSON.
"""

import argparse
import dataclasses
import json
from pathlib import Path

from real_words import load_set, name_of
from tqdm import tqdm

from mltu.evaluation import (
    calibration_error,
    coverage_curve,
    reliability_bins,
    widest_coverage,
)
from mltu.inferenceModel import TextRecognizer
from mltu.plots import plot_curves

PRECISIONS = (0.9, 0.95, 0.99)
NUM_BINS = 15


def read(reader, samples, temperature, name):
    """Return the confidence of each reading at a temperature, and whether it is right."""
    reader.card = dataclasses.replace(reader.card, temperature=temperature)
    paths = tqdm([path for path, _ in samples], f"{name} at {temperature:.2f}", unit="word")
    readings = list(reader.predict_stream(paths, on_error="keep"))
    correct = [r.text == text for r, (_, text) in zip(readings, samples, strict=True)]
    return [reading.confidence for reading in readings], correct


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET")
    parser.add_argument("--model", default="words", help="a shipped reader or an ONNX file")
    parser.add_argument("--png", type=Path)
    args = parser.parse_args()
    reader = TextRecognizer(args.model, force_cpu=True)
    fitted = reader.card.temperature
    metrics, reliability, coverage = {"temperature": fitted}, {}, {}
    for path in args.sets:
        name, samples = name_of(path), load_set(path)
        row = metrics[name] = {"num_samples": len(samples)}
        for when, temperature in (("before", 1.0), ("after", fitted)):
            confidences, correct = read(reader, samples, temperature, name)
            bins = reliability_bins(confidences, correct, num_bins=NUM_BINS)
            row[f"calibration_error_{when}"] = round(calibration_error(bins), 4)
        curve = coverage_curve(confidences, correct)
        for precision in PRECISIONS:
            entry = widest_coverage(curve, precision)
            row[f"at_{precision:.0%}"] = entry and {
                key: round(value, 4) for key, value in entry._asdict().items()
            }
        reliability[name] = [b.confidence for b in bins], [b.accuracy for b in bins]
        coverage[name] = [c.coverage for c in curve], [c.accuracy for c in curve]
        print(name, json.dumps(row))
    if args.png:
        plot_curves(
            args.png,
            {
                "accuracy against confidence": {"as it should be": ([0, 1], [0, 1]), **reliability},
                "accuracy against coverage": coverage,
            },
            x_label="confidence, and share of the readings that is taken",
        )
    print(json.dumps(metrics))


if __name__ == "__main__":
    main()
