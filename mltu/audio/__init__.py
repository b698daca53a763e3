"""Audio for a `DataProvider`: reading, random steps, and spectrograms as the model takes them.

Reading and resampling files needs `pip install "mltu[audio]"`; spectrograms need only NumPy.
"""

from mltu.audio._augmentors import AudioAugmentor, RandomNoise, RandomStretch
from mltu.audio._reader import AudioReader
from mltu.audio._spectrogram import MelSpectrogram, Spectrogram, SpectrogramPadding

__all__ = [
    "AudioAugmentor",
    "AudioReader",
    "MelSpectrogram",
    "RandomNoise",
    "RandomStretch",
    "Spectrogram",
    "SpectrogramPadding",
]
