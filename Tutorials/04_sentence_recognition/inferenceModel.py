"""Read the test lines of a run with its ONNX file: greedily, by beam search, and with known words.

python inferenceModel.py [RUN [WORDS]]    a file of known words; those of train.csv if left out
"""

import re
import sys
from pathlib import Path

from mltu.datasets import read_csv
from mltu.decoders import BeamDecoder
from mltu.evaluation import evaluate_readings
from mltu.inferenceModel import TextRecognizer, newest_run


class SentenceModel(TextRecognizer):
    """The reader: an image of a line of any width in, its text out.

    The metadata of the ONNX file has the widths; a line is padded to the smallest that holds it,
    and lines of one width are read together.
    """

    def predict(self, image):
        reading = super().predict(image)
        return reading.text, reading.confidence


class KnownWords:
    """A decoder: of the most probable texts of a beam search, the one with few unknown words.

    Args:
        words: the known ones.
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


if __name__ == "__main__":
    run = sys.argv[1] if len(sys.argv) > 1 else newest_run("Models/4_sentence_recognition")
    if len(sys.argv) > 2:
        texts = [Path(sys.argv[2]).read_text("utf-8-sig")]
    else:
        texts = read_csv(f"{run}/train.csv").labels
    known = {word for text in texts for word in re.findall(r"\w+", text)}
    decoders = {
        "greedy": None,
        "beam width 10": BeamDecoder(10),
        f"beam and {len(known)} known words": KnownWords(known),
    }
    model = SentenceModel(run)
    samples = read_csv(f"{run}/test.csv")
    for name, decoder in decoders.items():
        model.decoder = decoder
        # An image that cannot be read counts as an empty reading.
        stream = model.predict_stream(samples.data, on_error="keep", progress=True)
        readings = [reading.text for reading in stream]
        for (_, label), text in list(zip(samples, readings, strict=True))[:5]:
            print(f"label:   {label}\nreading: {text}")
        found = evaluate_readings(readings, list(samples.labels))
        print(f"{name}: CER {found.cer}, WER {found.wer}, {found.num_samples} lines")
