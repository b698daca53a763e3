"""Audio for a `DataProvider`: reading, random steps, and spectrograms as the model takes them.

`pip install "mltu[audio]"` brings what reads and resamples files; spectrograms need NumPy alone.
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
