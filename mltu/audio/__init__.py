"""Audio for a `DataProvider`: reading, random steps, and spectrograms as the model takes them.

`pip install "mltu[audio]"` brings what reads and resamples files; spectrograms need NumPy alone.
"""

from mltu.audio.augmentors import AudioAugmentor, RandomNoise, RandomStretch
from mltu.audio.reader import AudioReader
from mltu.audio.spectrogram import MelSpectrogram, Spectrogram, SpectrogramPadding

__all__ = [
    "AudioAugmentor",
    "AudioReader",
    "MelSpectrogram",
    "RandomNoise",
    "RandomStretch",
    "Spectrogram",
    "SpectrogramPadding",
]
