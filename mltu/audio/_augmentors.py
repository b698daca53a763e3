"""Audio augmentors: noise, speed and rooms for samples; tempo and masks for spectrograms."""

from __future__ import annotations

import numpy as np

from mltu.audio._reader import Audio, resample
from mltu.augmentors import Augmentor
from mltu.utils.checks import check_count


class AudioAugmentor(Augmentor):
    """An audio augmentor: changes the samples with a given probability.

    Subclass it and write `apply(samples, rng)`, which returns a new float32 array of shape
    (samples,), values in -1..1, of any length.
    """

    def _check(self, data: object) -> None:
        if not isinstance(data, np.ndarray) or data.dtype != np.float32 or data.ndim != 1:
            received = getattr(data, "dtype", type(data).__name__)
            raise TypeError(
                "`data` must be float32 samples of shape (samples,). Received "
                f"{received}. Augmentors run after the preprocessors (put "
                "AudioReader(sample_rate) there) and before the transformers."
            )


class RandomNoise(AudioAugmentor):
    """Add white noise at a random signal-to-noise ratio.

    Args:
        probability: of a change.
        low: the lowest signal-to-noise ratio, in dB.
        high: the highest; sampled uniformly between the two.

    Raises:
        ValueError: `low` is above `high`.
    """

    def __init__(self, probability: float = 0.5, low: float = 10.0, high: float = 40.0) -> None:
        super().__init__(probability)
        if not low <= high:
            raise ValueError(f"`low` must be at most `high`. Received {low} and {high}.")
        self.low = low
        self.high = high

    def apply(self, samples: Audio, rng: np.random.Generator) -> Audio:  # type: ignore[override]
        """Return the samples with added noise; silence stays silent."""
        ratio = rng.uniform(self.low, self.high)
        deviation = np.sqrt(np.mean(np.square(samples, dtype=np.float64)) / 10 ** (ratio / 10))
        noise = rng.standard_normal(len(samples), np.float32) * np.float32(deviation)
        return np.clip(samples + noise, -1, 1)


class RandomStretch(AudioAugmentor):
    """Play faster or slower by resampling, which changes tempo and pitch together.

    Source: Ko et al., 2015, "Audio Augmentation for Speech Recognition" (speed perturbation).

    Args:
        probability: of a change.
        low: the lowest speed; 0.9 makes the recording a ninth longer and its pitch a tenth lower.
        high: the highest; sampled uniformly between the two.

    Raises:
        ValueError: `low` is not above 0, or above `high`.
    """

    def __init__(self, probability: float = 0.5, low: float = 0.9, high: float = 1.1) -> None:
        super().__init__(probability)
        _check_factors(low, high)
        self.low = low
        self.high = high

    def apply(self, samples: Audio, rng: np.random.Generator) -> Audio:  # type: ignore[override]
        """Return the samples at another speed: shape (samples / speed,).

        Raises:
            ImportError: soxr is missing, with its pip line.
        """
        return resample(samples, rng.uniform(self.low, self.high), 1.0)


class RandomReverb(AudioAugmentor):
    """Play the recording in a random room: convolve it with noise that decays exponentially.

    The direct sound stays where it is. The energy of the reverberation is that of the direct sound,
    less 0 to 15 dB.

    Source: Polack, 1988, for the model; Ko et al., 2017, "A study on data augmentation of
    reverberant speech for robust speech recognition".

    Args:
        sample_rate: of the samples, per second.
        probability: of a change.
        low: the shortest reverberation time in seconds, after which 60 dB are lost.
        high: the longest; sampled uniformly between the two.

    Raises:
        ValueError: `sample_rate` is below 1, or `low` is not above 0, or above `high`.
    """

    def __init__(
        self, sample_rate: int, probability: float = 0.5, low: float = 0.1, high: float = 0.5
    ) -> None:
        super().__init__(probability)
        check_count("sample_rate", sample_rate, 1)
        _check_factors(low, high)
        self.sample_rate = sample_rate
        self.low = low
        self.high = high

    def apply(self, samples: Audio, rng: np.random.Generator) -> Audio:  # type: ignore[override]
        """Return the samples with reverberation, as many as before."""
        seconds, loss = rng.uniform(self.low, self.high), rng.uniform(0, 15)
        room = rng.standard_normal(max(2, round(seconds * self.sample_rate)), np.float32)
        room *= 10 ** (-3 / len(room) * np.arange(len(room), dtype=np.float32))
        room *= 10 ** (-loss / 20) / np.linalg.norm(room[1:])
        room[0] = 1  # the direct sound
        size = 1 << (len(samples) + len(room) - 1).bit_length()
        spectrum = np.fft.rfft(samples, size) * np.fft.rfft(room, size)
        heard: Audio = np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)
        return heard / max(1.0, float(np.abs(heard).max(initial=0.0)))


class SpectrogramAugmentor(Augmentor):
    """A spectrogram augmentor: changes the spectrogram with a given probability.

    In a `DataProvider` it comes after a `Spectrogram` in `augmentors`. Subclass it and write
    `apply(spectrogram, rng)`, which returns a new float32 array of shape (time, features).
    """

    def _check(self, data: object) -> None:
        if not isinstance(data, np.ndarray) or data.dtype != np.float32 or data.ndim != 2:
            received = getattr(data, "dtype", type(data).__name__)
            raise TypeError(
                "`data` must be a float32 spectrogram of shape (time, features). Received "
                f"{received}. Put MelSpectrogram(sample_rate) before it in `augmentors`."
            )


class RandomTempo(SpectrogramAugmentor):
    """Speak faster or slower at the same pitch, by interpolating between frames.

    Args:
        probability: of a change.
        low: the lowest tempo; 0.8 makes the recording a quarter longer.
        high: the highest; sampled uniformly between the two.

    Raises:
        ValueError: `low` is not above 0, or above `high`.
    """

    def __init__(self, probability: float = 0.5, low: float = 0.8, high: float = 1.25) -> None:
        super().__init__(probability)
        _check_factors(low, high)
        self.low = low
        self.high = high

    def apply(self, spectrogram: Audio, rng: np.random.Generator) -> Audio:  # type: ignore[override]
        """Return the spectrogram with time / tempo frames."""
        length = len(spectrogram)
        count = max(1, round(length / rng.uniform(self.low, self.high)))
        place = np.linspace(0, length - 1, count, dtype=np.float32)
        before = place.astype(np.intp)
        share = (place - before).astype(np.float32)[:, None]
        after = spectrogram[np.minimum(before + 1, length - 1)]
        return spectrogram[before] * (1 - share) + after * share


class SpecAugment(SpectrogramAugmentor):
    """Hide some bands and some stretches of time: they get 0, the mean of each band.

    Source: Park et al., 2019, "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
    Recognition", without its time warping.

    Args:
        probability: of a change.
        num_bands: how many ranges of bands are hidden.
        max_bands: the largest number of bands in a range; sampled uniformly from 0 on.
        num_spans: how many stretches of time are hidden.
        max_frames: the largest number of frames in a stretch; sampled uniformly from 0 on.

    Raises:
        ValueError: a number is below 0.
    """

    def __init__(
        self,
        probability: float = 0.5,
        num_bands: int = 2,
        max_bands: int = 8,
        num_spans: int = 2,
        max_frames: int = 10,
    ) -> None:
        super().__init__(probability)
        self.num_bands, self.max_bands = num_bands, max_bands
        self.num_spans, self.max_frames = num_spans, max_frames
        for name in ("num_bands", "max_bands", "num_spans", "max_frames"):
            check_count(name, getattr(self, name), 0)

    def apply(self, spectrogram: Audio, rng: np.random.Generator) -> Audio:  # type: ignore[override]
        """Return the spectrogram with zeros in it."""
        masked = spectrogram.copy()
        kinds = (
            (masked, self.num_spans, self.max_frames),
            (masked.T, self.num_bands, self.max_bands),
        )
        for rows, count, largest in kinds:
            for _ in range(count):
                size = rng.integers(min(largest, len(rows)) + 1)
                start = rng.integers(len(rows) - size + 1)
                rows[start : start + size] = 0
        return masked


def _check_factors(low: float, high: float) -> None:
    if not 0 < low <= high:
        raise ValueError(f"`low` must be above 0 and at most `high`. Received {low} and {high}.")
