"""Read the validation words of a run with its ONNX file: python inferenceModel.py [RUN]"""

import sys

import cv2
import numpy as np
from tqdm import tqdm

from mltu.configs import BaseModelConfigs
from mltu.datasets import read_csv
from mltu.inferenceModel import OnnxInferenceModel, newest_run
from mltu.preprocessors import ImageReader
from mltu.utils.text_utils import ctc_decoder, get_cer


class ImageToWordModel(OnnxInferenceModel):
    """The reader: a BGR image of any size in, a word out."""

    def __init__(self, char_list, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.char_list = char_list

    def predict(self, image):
        height, width = self.input_shape[:2]
        image = cv2.resize(image, (width, height))
        batch = np.expand_dims(image, axis=0).astype(np.float32)  # (1, 32, 128, 3)
        outputs = self.model.run(None, {self.input_name: batch})[0]  # (1, 256, 63)
        return ctc_decoder(outputs, self.char_list)[0]


if __name__ == "__main__":
    run = sys.argv[1] if len(sys.argv) > 1 else newest_run("Models/1_image_to_word")
    configs = BaseModelConfigs.load(f"{run}/configs.yaml")
    model = ImageToWordModel(model_path=run, char_list=configs.vocab)
    cers = []
    for path, label in tqdm(read_csv(f"{run}/val.csv"), "Reading", unit="words"):
        try:
            image, _ = ImageReader()(path, label)
            word = model.predict(image)
        except (OSError, ValueError) as error:  # A broken image counts as an empty reading.
            tqdm.write(str(error))
            word = ""
        cers.append(get_cer(word, label))
    print(f"Average CER: {np.mean(cers):.4f}")
