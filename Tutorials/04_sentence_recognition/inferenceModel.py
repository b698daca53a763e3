"""Read lines of text with the exported model: the test lines of a run, or images of your own.

python inferenceModel.py [RUN_FOLDER] [--images a.png b.jpg ...] [--beam N] [--limit N] [--show]
"""

import argparse
import re
from pathlib import Path

from configs import RUNS

from mltu.datasets import read_csv
from mltu.decoders import BeamDecoder
from mltu.evaluation import evaluate_readings
from mltu.inferenceModel import TextRecognizer
from mltu.utils.files import use_utf8_output


class SentenceModel(TextRecognizer):
    """The reader: an image of a line of any width in, its text out.

    The card in the file names the widths; a line is padded to the smallest that holds it, and
    lines of one width are read together.
    """

    def predict(self, image):
        """Return the text of a line and the probability that it is right, in 0..1."""
        reading = super().predict(image)
        return reading.text, reading.confidence


class KnownWords:
    """A decoder: of the most probable texts of a beam search, the one with few unknown words.

    Args:
        words: that are known.
        beam_width: of the search.
        penalty: of an unknown word, in units of the log probability.
    """

    def __init__(self, words, beam_width=10, penalty=2.0):
        self.words = frozenset(word.lower() for word in words)
        self.search = BeamDecoder(beam_width, num_best=beam_width)
        self.penalty = penalty

    def decode(self, probabilities, vocab):
        """Return the texts of each row, the best first, as every `mltu.decoders.Decoder`."""
        return [
            sorted(row, key=self._score, reverse=True)
            for row in self.search.decode(probabilities, vocab)
        ]

    def _score(self, hypothesis):
        words = re.findall(r"\w+", hypothesis.text.lower())
        unknown = sum(word not in self.words for word in words)
        return hypothesis.log_probability - self.penalty * unknown


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
    parser.add_argument("--beam", type=int, default=10, metavar="N", help="width of the search")
    parser.add_argument("--words", type=Path, help="known words, one a line; of train.csv if none")
    parser.add_argument("--limit", type=int, help="read only the first N test lines")
    parser.add_argument("--show", action="store_true", help="print each reading")
    args = parser.parse_args(arguments)
    use_utf8_output()
    run = args.run or newest_run()
    try:
        model = SentenceModel(run)
        if args.images:
            model.decoder = BeamDecoder(args.beam)
            read_images(model, args.images)
            return
        samples = read_csv(run / "test.csv")[: args.limit]
        listed = [args.words.read_text("utf-8-sig")] if args.words else []
        texts = listed or read_csv(run / "train.csv").labels
        known = {word for text in texts for word in re.findall(r"\w+", text)}
        decoders = {
            "greedy": None,
            f"beam of {args.beam}": BeamDecoder(args.beam),
            f"beam and {len(known)} known words": KnownWords(known, args.beam),
        }
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    for name, decoder in decoders.items():
        model.decoder = decoder
        # An image that cannot be read counts as read empty.
        stream = model.predict_stream(samples.data, on_error="keep", progress=True)
        readings = [reading.text for reading in stream]
        if args.show:
            for (path, label), text in zip(samples, readings, strict=True):
                print(f"{path}\n  label:   {label}\n  reading: {text}")
        found = evaluate_readings(readings, list(samples.labels))
        print(f"{name}: CER {found.cer}, WER {found.wer}, {found.num_samples} lines")


def read_images(model, paths):
    """Print what stands in each image."""
    for path in paths:
        try:
            text, confidence = model(path)
        except (OSError, ValueError) as error:
            print(f"{path}: {error}")
        else:
            print(f"{path}: {text} ({confidence:.0%})")


if __name__ == "__main__":
    main()
