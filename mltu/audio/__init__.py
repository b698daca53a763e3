"""Audio for a `DataProvider`: reading recordings, augmentation and spectrograms.

Reading and resampling files needs `pip install "mltu[audio]"`; spectrograms need only NumPy.
"""

from mltu.audio._augmentors import (
    AudioAugmentor,
    RandomNoise,
    RandomReverb,
    RandomStretch,
    RandomTempo,
    SpecAugment,
    SpectrogramAugmentor,
)
from mltu.audio._reader import AudioReader
from mltu.audio._spectrogram import MelSpectrogram, Spectrogram, SpectrogramPadding

__all__ = [
    "AudioAugmentor",
    "AudioReader",
    "MelSpectrogram",
    "RandomNoise",
    "RandomReverb",
    "RandomStretch",
    "RandomTempo",
    "SpecAugment",
    "Spectrogram",
    "SpectrogramAugmentor",
    "SpectrogramPadding",
]
