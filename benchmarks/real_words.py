"""How well an ONNX file reads real words and lines: error rates with intervals, worst readings.

python benchmarks/real_words.py SET ... [--model words] [--retry-below 0]
                                    [--sheet readings.png] [--report report.html]

A SET is what `mltu.datasets.open_samples` opens: the root of MJSynth, whose validation list is
read, a table or a folder with labels.tsv, a folder of images or an LMDB. `--model` names a shipped
reader or a file. All rates are greedy; those of scene text leave out all but [0-9a-z] and ignore
case. `folded_cer` writes typographic quotes, dashes and ellipses as ASCII does, in readings and
labels: sets that were typed on a keyboard have no others. The last line printed is JSON.
"""

import argparse
import json
import random
import string
from pathlib import Path

from tqdm import tqdm

from mltu.datasets import open_samples, open_validation
from mltu.evaluation import Sample, evaluate_readings, write_report
from mltu.inferenceModel import TextRecognizer
from mltu.plots import write_contact_sheet
from mltu.preprocessors import ImageReader

NUM_SHOWN = 48
SCENE = frozenset(string.digits + string.ascii_lowercase)

# The labels of UW-III write an opening quote as `` and a closing one as ''.
_SIGNS = str.maketrans("‘’`´“”„–—", "''''\"\"\"--")  # noqa: RUF001


def fold_signs(text):
    """Write typographic signs as a typewriter does."""
    return text.translate(_SIGNS).replace("''", '"').replace("…", "...")


def load_set(path):
    """Return the samples of a set; of MJSynth its validation list."""
    table = path / "labels.tsv"
    return open_validation(path) or open_samples(table if table.is_file() else path)


def name_of(path):
    """Return the name of a set: its folder, and the file in it if that is given."""
    path = path.resolve()
    return path.name if path.is_dir() else f"{path.parent.name}/{path.name}"


def measure(readings, truths):
    """Return the metrics of an `Evaluation`, the CER with folded signs, and that of scene text."""
    found = evaluate_readings(readings, truths)._asdict()
    folded = [[fold_signs(text) for text in texts] for texts in (readings, truths)]
    found["folded_cer"] = evaluate_readings(*folded).cer
    scene = [["".join(c for c in text.lower() if c in SCENE) for text in texts]
             for texts in (readings, truths)]  # fmt: skip
    found["cer_of_scene_text"] = evaluate_readings(*scene).cer
    return found


def write_sheet(path, samples, readings):
    """Show words at random: half of them of those that were read wrong."""
    rows = [row for row in zip(samples, readings, strict=True) if not row[1].error]
    random.Random(0).shuffle(rows)
    wrong = [row for row in rows if row[0][1].lower() != row[1].text.lower()][: NUM_SHOWN // 2]
    right = [row for row in rows if row[0][1].lower() == row[1].text.lower()]
    reader = ImageReader()
    tiles = [
        (reader.read(file), f"{truth}: {reading.text} {reading.confidence:.0%}")
        for (file, truth), reading in right[: NUM_SHOWN - len(wrong)] + wrong
    ]
    write_contact_sheet(path, tiles)


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET")
    parser.add_argument("--model", default="words", help="a shipped reader or an ONNX file")
    parser.add_argument("--retry-below", type=float, help="as in `mltu read`; 0: read once")
    parser.add_argument("--sheet", type=Path, help="PNG for each set; its name is put before this")
    parser.add_argument("--report", type=Path, help="HTML for each set, named likewise")
    args = parser.parse_args()
    reader = TextRecognizer(args.model, force_cpu=True, retry_below=args.retry_below)
    metrics = {}
    for path in args.sets:
        name = name_of(path)
        samples = load_set(path)
        files = tqdm([file for file, _ in samples], name, unit="word")
        readings = list(reader.predict_stream(files, on_error="keep"))
        metrics[name] = measure([r.text for r in readings], [text for _, text in samples])
        for field, value in metrics[name].items():
            print(f"{name:16} {field:24} {value}")
        if args.sheet:
            file = f"{name.replace('/', '_')}_{args.sheet.name}"
            write_sheet(args.sheet.with_name(file), samples, readings)
        if args.report:
            file = f"{name.replace('/', '_')}_{args.report.name}"
            shown = [
                Sample(*sample, reading.text, reading.confidence, reading.error)
                for sample, reading in zip(samples, readings, strict=True)
            ]
            write_report(args.report.with_name(file), shown, title=f"{args.model} on {name}")
    print(json.dumps(metrics))


if __name__ == "__main__":
    main()
