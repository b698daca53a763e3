"""Import path of the tutorials; the code is in `mltu.inference`."""

from mltu.inference import (
    Character,
    OnnxInferenceModel,
    Reading,
    TextRecognizer,
    newest_run,
    prepare_image,
)

__all__ = [
    "Character",
    "OnnxInferenceModel",
    "Reading",
    "TextRecognizer",
    "newest_run",
    "prepare_image",
]
