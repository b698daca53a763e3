"""Read spoken digits with the ONNX file of a run: its validation strings, or recordings.

python inferenceModel.py [RUN [RECORDING ...]]
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from mltu.audio import AudioReader, MelSpectrogram, SpectrogramPadding
from mltu.datasets import read_csv
from mltu.decoders import greedy_path, text_log_probabilities, to_probabilities
from mltu.evaluation import evaluate_readings
from mltu.inferenceModel import OnnxInferenceModel, newest_run
from mltu.plots import write_readings

NUM_SHOWN = 24


class SpokenDigits(OnnxInferenceModel):
    """The reader: a recording in, its digits out. All settings are in the ONNX file."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        try:
            self.reader = AudioReader(self.metadata["sample_rate"])
            self.spectrogram = MelSpectrogram(**self.metadata["spectrogram"])
            self.padding = SpectrogramPadding(**self.metadata["padding"])
            self.vocab, self.outputs = self.metadata["vocab"], self.metadata["outputs"]
        except (KeyError, TypeError) as error:
            raise ValueError(
                "`model_path` must be a model of spoken digits, trained by this tutorial. Received "
                f"{self.model_path!r}, whose metadata does not fit: {error}"
            ) from error

    def predict(self, audio):
        """Return the digits and the probability that they are right, in 0..1.

        Args:
            audio: a path, the bytes of a file, or samples at the model's `sample_rate`.

        Raises:
            OSError, ValueError: it cannot be read, or is longer than any in training.
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
        temperature = self.metadata.get("temperature", 1.0)
        probabilities = to_probabilities(outputs, self.outputs, temperature)
        logarithm = text_log_probabilities(probabilities, [spans.classes])[0]
        return "".join(self.vocab[i] for i in spans.classes), float(np.exp(min(logarithm, 0.0)))


def picture(features):
    """Return a spectrogram as a grey image, low tones at the bottom."""
    image = np.clip(128 + 64 * features.T[::-1], 0, 255).astype(np.uint8)
    return cv2.resize(image, (180, 72), interpolation=cv2.INTER_AREA)


def evaluate(model, samples):
    """Read the samples, print the metrics, and write readings.png next to the model."""
    texts, shown = [], []
    for path, label in tqdm(samples, "Reading"):
        try:
            features = model.features(path)
        except (OSError, ValueError) as error:  # A broken file counts as an empty reading.
            tqdm.write(str(error))
            texts.append("")
            continue
        reading = model.read(features)
        texts.append(reading[0])
        if len(shown) < NUM_SHOWN:
            shown.append((picture(features), reading, label))
    found = evaluate_readings(texts, list(samples.labels))
    write_readings(Path(model.model_path).with_name("readings.png"), *zip(*shown, strict=True))
    print(f"{found.num_samples} strings: CER {found.cer}, WER {found.wer}, exact {found.exact}")


if __name__ == "__main__":
    run = sys.argv[1] if len(sys.argv) > 1 else newest_run("Models/5_spoken_digits")
    model = SpokenDigits(run)
    try:
        for path in sys.argv[2:]:  # recordings of your own
            digits, confidence = model.predict(path)
            print(f"{path}: {digits} ({confidence:.0%})")
        if len(sys.argv) <= 2:
            evaluate(model, read_csv(f"{run}/val.csv"))
    except (ImportError, OSError, ValueError) as error:  # a package or a recording is missing
        raise SystemExit(str(error)) from None
