"""Read captchas with the exported model: those that a run held out, or images of your own.

python inferenceModel.py [RUN_FOLDER] [--images a.png b.png ...] [--pattern "[a-z0-9]{5}"]
"""

import argparse
from pathlib import Path

from configs import RUNS

from mltu.datasets import read_csv
from mltu.decoders import BeamDecoder, Pattern
from mltu.evaluation import evaluate_readings
from mltu.inferenceModel import TextRecognizer
from mltu.utils.files import use_utf8_output


class CaptchaReader(TextRecognizer):
    """The reader of one run; with a pattern every text it returns is of that form."""

    def __init__(self, run, pattern=None):
        decoder = BeamDecoder(constraint=Pattern(pattern)) if pattern else None
        super().__init__(run, decoder=decoder)


def newest_run():
    """Return the newest run folder that holds a model."""
    runs = sorted(path.parent for path in RUNS.glob("*/model.onnx"))
    if not runs:
        raise SystemExit(f"There is no model.onnx under {RUNS}. Train one first: python train.py")
    return runs[-1]


def main(arguments=None):
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, help="run folder; the newest if left out")
    parser.add_argument("--images", nargs="+", help="read these instead of the run's val.csv")
    parser.add_argument("--pattern", help="the form of every text, such as [a-z0-9]{5}")
    args = parser.parse_args(arguments)
    use_utf8_output()

    run = args.run or newest_run()
    reader = CaptchaReader(run, args.pattern)
    if args.images:
        for path, reading in zip(
            args.images, reader.predict_stream(args.images, on_error="keep"), strict=True
        ):
            print(f"{path}: {reading.error or f'{reading.text} ({reading.confidence:.0%})'}")
        return

    held = read_csv(run / "val.csv")
    readings = list(reader.predict_stream(held.data, on_error="keep", progress=True))
    found = evaluate_readings([reading.text for reading in readings], list(held.labels))
    print(f"{found.num_samples} captchas: {found.exact} exact")
    print(f"Average CER: {found.mean_cer}")


if __name__ == "__main__":
    main()
