"""Read spoken digits with the exported model: the validation strings of a run, or recordings.

python inferenceModel.py [RUN_FOLDER] [--audio a.wav b.flac ...] [--limit N]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from configs import RUNS
from tqdm import tqdm

from mltu.audio import AudioReader, MelSpectrogram, SpectrogramPadding
from mltu.datasets import read_csv
from mltu.decoders import greedy_path, text_log_probabilities, to_probabilities
from mltu.evaluation import evaluate_readings
from mltu.inferenceModel import OnnxInferenceModel
from mltu.plots import write_readings
from mltu.utils.files import use_utf8_output

NUM_SHOWN = 24


class SpokenDigits(OnnxInferenceModel):
    """The reader: a recording in, its digits out. All settings come from the ONNX file."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        try:
            self.reader = AudioReader(self.metadata["sample_rate"])
            self.spectrogram = MelSpectrogram(**self.metadata["spectrogram"])
            self.padding = SpectrogramPadding(**self.metadata["padding"])
            self.vocab, self.outputs = self.metadata["vocab"], self.metadata["outputs"]
        except (KeyError, TypeError) as error:
            raise ValueError(
                "`model_path` must be a model of spoken digits, made by this tutorial. Received "
                f"{self.model_path!r}, whose metadata does not suit: {error}"
            ) from error

    def predict(self, audio):
        """Return the digits and the probability that they are right, in 0..1.

        Args:
            audio: a path, the bytes of a file, or samples at the model's `sample_rate`.

        Raises:
            OSError, ValueError: it cannot be read, or is longer than any in the training.
        """
        return self.read(self.features(audio))

    def features(self, audio):
        """Return the spectrogram, shape (time, mels)."""
        return self.spectrogram(self.reader.read(audio), None)[0]

    def read(self, features):
        """Return what `predict` does, from the spectrogram."""
        batch, _ = self.padding.batch([features], None)  # (1, time, mels)
        outputs = self.model.run(None, {self.input_name: batch})[0]  # (1, time / 4, classes)
        (spans,) = greedy_path(outputs)
        sure = to_probabilities(outputs, self.outputs, self.metadata.get("temperature", 1.0))
        logarithm = text_log_probabilities(sure, [spans.classes])[0]
        return "".join(self.vocab[i] for i in spans.classes), float(np.exp(min(logarithm, 0.0)))


def picture(features):
    """Return a spectrogram as a grey image, low tones at the bottom."""
    image = np.clip(128 + 64 * features.T[::-1], 0, 255).astype(np.uint8)
    return cv2.resize(image, (180, 72), interpolation=cv2.INTER_AREA)


def evaluate(run, samples):
    """Read the samples with a run's model.onnx, print the metrics, and write readings.png."""
    model = SpokenDigits(run)
    texts, shown = [], []
    for path, label in tqdm(samples, "Reading"):
        reading, features = read_or_empty(model, path)
        texts.append(reading[0])
        if len(shown) < NUM_SHOWN and features is not None:
            shown.append((picture(features), reading, label))
    metrics = evaluate_readings(texts, list(samples.labels))
    if shown:
        write_readings(Path(run) / "readings.png", *zip(*shown, strict=True))
    print(f"{metrics.num_samples} strings: CER {metrics.cer}, WER {metrics.wer}, "
          f"exact {metrics.exact}")  # fmt: skip


def read_or_empty(model, path):
    """Read a file; return reading and spectrogram, ("", 0.0) and None where it cannot be read."""
    try:
        features = model.features(path)
        return model.read(features), features
    except (OSError, ValueError) as error:
        tqdm.write(str(error))
        return ("", 0.0), None


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
    parser.add_argument("--audio", nargs="+", help="read these files instead of the run's val.csv")
    parser.add_argument("--limit", type=int, help="read only the first N strings")
    args = parser.parse_args(arguments)
    use_utf8_output()
    run = args.run or newest_run()
    try:
        if not args.audio:
            evaluate(run, read_csv(run / "val.csv")[: args.limit])
            return
        model = SpokenDigits(run)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    for path in args.audio:
        (digits, confidence), _ = read_or_empty(model, path)
        print(f"{path}: {digits} ({confidence:.0%})")


if __name__ == "__main__":
    main()
