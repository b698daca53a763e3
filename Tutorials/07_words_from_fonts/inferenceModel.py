"""Read images of words, with the model of a run or with the one that comes with the library.

python inferenceModel.py [RUN] IMAGE ...
"""

import sys
from pathlib import Path

from mltu.inferenceModel import TextRecognizer
from mltu.utils.files import use_utf8_output


class WordModel(TextRecognizer):
    """The reader: an image of a word in, the word and its confidence out."""

    def predict(self, image):
        reading = super().predict(image)
        return reading.text, reading.confidence


if __name__ == "__main__":
    use_utf8_output()
    images = sys.argv[1:]
    is_run = bool(images) and (Path(images[0]).is_dir() or images[0].endswith(".onnx"))
    model = WordModel(images.pop(0) if is_run else None)
    if not images:
        raise SystemExit(__doc__.strip())
    for image in images:
        try:
            text, confidence = model.predict(image)
        except (OSError, ValueError) as error:
            print(f"{image}: {error}")
        else:
            print(f"{image}: {text} ({confidence:.0%})")
