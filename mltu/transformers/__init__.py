"""Fixed steps: the same sample always gives the same result. Random steps live in augmentors."""

from mltu.transformers.base import Transformer
from mltu.transformers.images import ExpandDims, ImageNormalizer, ImageResizer
from mltu.transformers.labels import LabelIndexer, LabelPadding

__all__ = [
    "ExpandDims",
    "ImageNormalizer",
    "ImageResizer",
    "LabelIndexer",
    "LabelPadding",
    "Transformer",
]
