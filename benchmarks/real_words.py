"""How well an ONNX file reads real words: error rates with intervals, and its worst readings.

python benchmarks/real_words.py SET ... [--model words] [--sheet readings.png]

A SET is the root of MJSynth, whose validation list is read, or a CSV or TSV file of labels and of
paths relative to its folder. `--model` names a shipped reader or a file.
The last line printed is JSON.
"""

import argparse
import json
import random
from pathlib import Path

from tqdm import tqdm

from mltu.datasets import read_csv, read_mjsynth, read_tsv
from mltu.evaluation import evaluate_readings
from mltu.inferenceModel import TextRecognizer
from mltu.pictures import write_contact_sheet
from mltu.preprocessors import ImageReader
from mltu.pretrained import find_pretrained, pretrained_names

NUM_SHOWN = 48


def load_set(path):
    """Return the (path, label) pairs of a set."""
    if path.is_dir():
        return list(read_mjsynth(path, "val"))
    return list((read_tsv if path.suffix == ".tsv" else read_csv)(path, root=path.parent))


def read(reader, path):
    """Read one file; one that cannot be read counts as empty."""
    try:
        return reader.predict(path)
    except (OSError, ValueError) as error:
        tqdm.write(str(error))
        return "", 0.0


def write_sheet(path, samples, readings):
    """Show words by chance: half of them of those that were read wrong."""
    pairs = zip(samples, readings, strict=True)
    rows = [(*sample, *reading) for sample, reading in pairs if reading[1]]  # without broken files
    random.Random(0).shuffle(rows)
    wrong = [row for row in rows if row[1].lower() != row[2].lower()][: NUM_SHOWN // 2]
    right = [row for row in rows if row[1].lower() == row[2].lower()][: NUM_SHOWN - len(wrong)]
    reader = ImageReader()
    write_contact_sheet(
        path, [(reader.read(p), f"{t}: {text} {sure:.0%}") for p, t, text, sure in right + wrong]
    )


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET")
    parser.add_argument("--model", default="words", help="a shipped reader or an ONNX file")
    parser.add_argument("--sheet", type=Path, help="PNG for each set; its name is put before this")
    args = parser.parse_args()
    shipped = args.model in pretrained_names()
    reader = load_reader(find_pretrained(args.model) if shipped else args.model, force_cpu=True)
    figures = {}
    for path in args.sets:
        name = path.name if path.is_dir() else f"{path.resolve().parent.name}/{path.name}"
        samples = load_set(path)
        readings = [read(reader, p) for p, _ in tqdm(samples, name, unit="word")]
        found = evaluate_readings([text for text, _ in readings], [text for _, text in samples])
        figures[name] = found._asdict()
        for field, value in found._asdict().items():
            print(f"{name:16} {field:24} {value}")
        if args.sheet:
            file = f"{name.replace('/', '_')}_{args.sheet.name}"
            write_sheet(args.sheet.with_name(file), samples, readings)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
