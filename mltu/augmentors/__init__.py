"""Random steps: (data, label, rng) -> (data, label). All randomness comes from the generator."""

from mltu.augmentors._augmentor import Augmentor, ImageTransform
from mltu.augmentors._geometry import RandomElastic, RandomPerspective, RandomRotate
from mltu.augmentors._light import RandomBrightness, RandomContrast, RandomShadow
from mltu.augmentors._quality import (
    RandomCutout,
    RandomErodeDilate,
    RandomGaussianBlur,
    RandomJpeg,
    RandomMotionBlur,
    RandomNoise,
    RandomSharpen,
)
from mltu.augmentors._sheet import write_augmented_sheet

__all__ = [
    "Augmentor",
    "ImageTransform",
    "RandomBrightness",
    "RandomContrast",
    "RandomCutout",
    "RandomElastic",
    "RandomErodeDilate",
    "RandomGaussianBlur",
    "RandomJpeg",
    "RandomMotionBlur",
    "RandomNoise",
    "RandomPerspective",
    "RandomRotate",
    "RandomShadow",
    "RandomSharpen",
    "write_augmented_sheet",
]
