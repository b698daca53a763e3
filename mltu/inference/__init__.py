"""Inference with ONNX files, NumPy and onnxruntime; imports no deep-learning framework.

OpenCV is imported when the first reader of images is made, so that a subclass of
`OnnxInferenceModel` runs where it is not installed.
"""

from mltu.inference._image import prepare_image
from mltu.inference._model_card import CARD_FORMAT, ModelCard, check_card_fields, read_card
from mltu.inference._reading import Character, Reading
from mltu.inference._recognizer import TextRecognizer
from mltu.inference._session import OnnxInferenceModel, newest_run
from mltu.inference._weights import find_pretrained, pretrained_names, resolve_model

__all__ = [
    "CARD_FORMAT",
    "Character",
    "ModelCard",
    "OnnxInferenceModel",
    "Reading",
    "TextRecognizer",
    "check_card_fields",
    "find_pretrained",
    "newest_run",
    "prepare_image",
    "pretrained_names",
    "read_card",
    "resolve_model",
]
