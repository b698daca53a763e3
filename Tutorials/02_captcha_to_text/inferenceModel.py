"""Read the captchas that a run held out with its ONNX file.

python inferenceModel.py [RUN [PATTERN]]    such as: "[a-z0-9]{5}"
"""

import sys

from mltu.datasets import read_csv
from mltu.decoders import BeamDecoder, Pattern
from mltu.evaluation import evaluate_readings
from mltu.inferenceModel import TextRecognizer, newest_run


class CaptchaReader(TextRecognizer):
    """The reader of one run; with a pattern every text it returns has that form."""

    def __init__(self, run, pattern=None):
        decoder = BeamDecoder(constraint=Pattern(pattern)) if pattern else None
        super().__init__(run, decoder=decoder)


if __name__ == "__main__":
    run = sys.argv[1] if len(sys.argv) > 1 else newest_run("Models/2_captcha_to_text")
    reader = CaptchaReader(run, *sys.argv[2:])
    samples = read_csv(f"{run}/val.csv")
    readings = reader.predict_stream(samples.data, on_error="keep", progress=True)
    found = evaluate_readings([reading.text for reading in readings], list(samples.labels))
    print(f"{found.num_samples} captchas: {found.exact} exact")
    print(f"Average CER: {found.mean_cer}")
