"""Audio augmentors: random noise and random speed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.augmentors import Augmentor

Audio = npt.NDArray[np.float32]


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
        high: the highest; drawn uniformly between the two.

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
        high: the highest; drawn uniformly between the two.

    Raises:
        ValueError: `low` is not above 0, or above `high`.
    """

    def __init__(self, probability: float = 0.5, low: float = 0.9, high: float = 1.1) -> None:
        super().__init__(probability)
        if not 0 < low <= high:
            raise ValueError(
                f"`low` must be above 0 and at most `high`. Received {low} and {high}."
            )
        self.low = low
        self.high = high

    def apply(self, samples: Audio, rng: np.random.Generator) -> Audio:  # type: ignore[override]
        """Return the samples at another speed: shape (samples / speed,).

        Raises:
            ImportError: soxr is missing, with its pip line.
        """
        with explain_missing():
            import soxr

        resampled: Audio = soxr.resample(samples, rng.uniform(self.low, self.high), 1.0)
        return np.clip(resampled, -1, 1)
