"""Read words with the exported model: the validation words of a run, or images of your own.

python inferenceModel.py [RUN_FOLDER] [--images a.png b.jpg ...] [--limit N] [--show]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from configs import RUNS
from tqdm import tqdm

from mltu.configs import BaseModelConfigs
from mltu.datasets import read_csv
from mltu.inferenceModel import OnnxInferenceModel
from mltu.preprocessors import ImageReader
from mltu.utils.files import use_utf8_output
from mltu.utils.text_utils import ctc_decoder, get_cer


class ImageToWordModel(OnnxInferenceModel):
    """The reader: a BGR image of any size in, a word out."""

    def __init__(self, char_list, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.char_list = char_list

    def predict(self, image):
        """Return the word in an image."""
        return self.read(image)[0]

    def read(self, image):
        """Return the word and the probability of its greedy path, in 0..1."""
        height, width = self.input_shape[:2]
        image = cv2.resize(image, (width, height))
        batch = np.expand_dims(image, axis=0).astype(np.float32)  # (1, 32, 128, 3)
        outputs = self.model.run(None, {self.input_name: batch})[0]  # (1, time, classes)
        return ctc_decoder(outputs, self.char_list)[0], float(outputs.max(axis=2).prod())


def newest_run():
    """Return the newest run folder that holds a model."""
    runs = sorted(path.parent for path in RUNS.glob("*/model.onnx"))
    if not runs:
        raise SystemExit(f"There is no model.onnx under {RUNS}. Train one first: python train.py")
    return runs[-1]


def read_or_empty(model, path):
    """Read an image file; one that cannot be read counts as an empty reading."""
    try:
        return model.read(ImageReader()(path, None)[0])
    except (OSError, ValueError) as error:
        tqdm.write(str(error))
        return "", 0.0


def main(arguments=None):
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, help="run folder; the newest if left out")
    parser.add_argument("--images", nargs="+", help="read these files instead of the run's val.csv")
    parser.add_argument("--limit", type=int, help="read only the first N validation words")
    parser.add_argument("--show", action="store_true", help="print each reading")
    args = parser.parse_args(arguments)
    use_utf8_output()

    run = args.run or newest_run()
    configs = BaseModelConfigs.load(run / "configs.yaml")
    model = ImageToWordModel(model_path=run, char_list=configs.vocab)

    if args.images:
        for path in args.images:
            word, probability = read_or_empty(model, path)
            print(f"{path}: {word} ({probability:.0%})")
        return

    cers = []
    for path, label in tqdm(read_csv(run / "val.csv")[: args.limit], "Reading", unit="words"):
        word, _ = read_or_empty(model, path)
        cers.append(get_cer(word, label))
        if args.show:
            tqdm.write(f"{path}  label: {label}  reading: {word}  CER: {cers[-1]:.3f}")
    print(f"Average CER: {np.mean(cers):.4f}")


if __name__ == "__main__":
    main()
