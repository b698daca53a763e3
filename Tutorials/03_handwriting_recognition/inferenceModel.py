"""Read the test words of a run with its ONNX file: python inferenceModel.py [RUN]"""

import sys

from mltu.datasets import read_csv
from mltu.evaluation import evaluate_readings
from mltu.inferenceModel import TextRecognizer, newest_run


class HandwritingModel(TextRecognizer):
    """The reader: an image of a word on light paper in, the word and its confidence out.

    Height, padding and grey values are in the metadata of the ONNX file.
    """

    def predict(self, image):
        reading = super().predict(image)
        return reading.text, reading.confidence


if __name__ == "__main__":
    run = sys.argv[1] if len(sys.argv) > 1 else newest_run("Models/3_handwriting_recognition")
    model = HandwritingModel(run)
    samples = read_csv(f"{run}/test.csv")
    # An image that cannot be read counts as an empty reading.
    stream = model.predict_stream(samples.data, on_error="keep", progress=True)
    readings = [reading.text for reading in stream]
    for (path, label), text in list(zip(samples, readings, strict=True))[:20]:
        print(f"{path}  label: {label}  reading: {text}")
    found = evaluate_readings(readings, list(samples.labels))
    print(f"{found.num_samples} words: CER {found.cer}, WER {found.wer}")
