"""Read handwritten words with the exported model: the test words of a run, or images of your own.

python inferenceModel.py [RUN_FOLDER] [--images a.png b.jpg ...] [--limit N] [--show]
"""

import argparse
from pathlib import Path

from configs import RUNS

from mltu.datasets import read_csv
from mltu.evaluation import evaluate_readings
from mltu.inferenceModel import TextRecognizer
from mltu.utils.files import use_utf8_output


class HandwritingModel(TextRecognizer):
    """The reader: an image of a word on light paper in, the word and its confidence out.

    Height, padding and grey values are done as the card in the file says.
    """

    def predict(self, image):
        """Return the word in an image and the probability that it is right, in 0..1."""
        reading = super().predict(image)
        return reading.text, reading.confidence


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
    parser.add_argument("--images", nargs="+", help="read these instead of the run's test.csv")
    parser.add_argument("--limit", type=int, help="read only the first N test words")
    parser.add_argument("--show", action="store_true", help="print each reading")
    args = parser.parse_args(arguments)
    use_utf8_output()
    run = args.run or newest_run()
    try:
        model = HandwritingModel(run)
        samples = None if args.images else read_csv(run / "test.csv")[: args.limit]
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    if args.images:
        for path in args.images:
            try:
                word, confidence = model(path)
            except (OSError, ValueError) as error:
                print(f"{path}: {error}")
            else:
                print(f"{path}: {word} ({confidence:.0%})")
        return
    # An image that cannot be read counts as read empty.
    stream = model.predict_stream(samples.data, on_error="keep", progress=True)
    readings = [reading.text for reading in stream]
    if args.show:
        for (path, label), text in zip(samples, readings, strict=True):
            print(f"{path}  label: {label}  reading: {text}")
    found = evaluate_readings(readings, list(samples.labels))
    print(f"{found.num_samples} words: CER {found.cer}, WER {found.wer}")


if __name__ == "__main__":
    main()
