"""Reading with an ONNX file, NumPy and onnxruntime: a model to subclass, and a ready-made reader.

No room here imports a deep-learning framework, and none imports OpenCV before an image is prepared.
"""

from mltu.inferenceModel.preparation import prepare_image
from mltu.inferenceModel.reading import Character, Reading
from mltu.inferenceModel.recognizer import TextRecognizer
from mltu.inferenceModel.session import OnnxInferenceModel

__all__ = ["Character", "OnnxInferenceModel", "Reading", "TextRecognizer", "prepare_image"]
