"""Audio transformers: spectrograms, and their padding to one length per batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.utils.checks import check_count
from mltu.utils.pipeline_step import Step, settings_of

Floats = npt.NDArray[np.float32]

_LEAST_DEVIATION = 1.0  # dB: a band that hardly changes is not blown up


class Spectrogram(Step):
    """Turn samples into a spectrogram in decibels, normalized over the recording.

    Frame t holds the samples from t * hop on, times a Hann window w[n] = sin(pi n / window)^2,
    followed by zeros up to a power of two. Its values are 10 log10 |DFT|^2, at most `dynamic_range`
    below the loudest value of the recording; then the mean over the recording is subtracted from
    each band, and the band is divided by its standard deviation, or by 1 dB if that is more. So
    loudness does not matter. Samples at the end that do not fill a frame are dropped; a recording
    shorter than one window is padded with zeros.

    Source: Rabiner and Schafer, 1978, "Digital Processing of Speech Signals", chapter 6; of the
    normalization: Viikki and Laurila, 1998.

    Args:
        sample_rate: of the samples, per second.
        window: in seconds.
        hop: from frame to frame, in seconds.
        dynamic_range: in dB; what is softer counts as silence. A smaller one hides the background
            noise of recordings, which differs from microphone to microphone.

    Raises:
        ValueError: `sample_rate` is below 1, `window` or `hop` holds no sample, or `dynamic_range`
            is not above 0.
    """

    keeps_label = True

    def __init__(
        self,
        sample_rate: int,
        window: float = 0.025,
        hop: float = 0.01,
        *,
        dynamic_range: float = 80.0,
    ) -> None:
        check_count("sample_rate", sample_rate, 1)
        if not dynamic_range > 0:
            raise ValueError(f"`dynamic_range` must be above 0 dB. Received {dynamic_range}.")
        self.dynamic_range = dynamic_range
        self.sample_rate = sample_rate
        self.window = window
        self.hop = hop
        self._length, self._step = round(window * sample_rate), round(hop * sample_rate)
        if self._length < 2 or self._step < 1:
            raise ValueError(
                "`window` must last at least two samples and `hop` one. "
                f"Received {window} and {hop} seconds at {sample_rate} samples per second."
            )
        self._size = 1 << (self._length - 1).bit_length()
        self._shape: Floats = np.sin(np.pi * np.arange(self._length) / self._length) ** 2
        self._shape = self._shape.astype(np.float32)

    def __call__(self, data: npt.NDArray[Any], label: Any) -> tuple[Floats, Any]:
        """Return the spectrogram as float32, shape (time, features).

        Raises:
            ValueError: `data` is no array of samples, shape (samples,).
        """
        if not isinstance(data, np.ndarray) or data.ndim != 1 or not data.size:
            shape = getattr(data, "shape", type(data).__name__)
            raise ValueError(
                "`data` must be an array of samples, shape (samples,). "
                f"Received {shape}. Put AudioReader(sample_rate) into `data_preprocessors`."
            )
        power = self._bands(self._power(data))
        quietest = float(power.max()) * 10 ** (-self.dynamic_range / 10)
        floor = max(quietest, float(np.finfo(np.float32).tiny))
        levels = 10 * np.log10(np.maximum(power, floor))
        deviation = np.maximum(levels.std(axis=0), _LEAST_DEVIATION)
        return ((levels - levels.mean(axis=0)) / deviation).astype(np.float32), label

    def describe(self) -> dict[str, Any]:
        """Return what the metadata of an ONNX file says of this step: its arguments."""
        return {"spectrogram": settings_of(self)}

    def _power(self, samples: npt.NDArray[Any]) -> Floats:
        """Return |DFT|^2 of each frame, shape (time, bins)."""
        short = max(0, self._length - len(samples))
        padded = np.pad(samples.astype(np.float32), (0, short))
        frames = np.lib.stride_tricks.sliding_window_view(padded, self._length)[:: self._step]
        spectrum = np.fft.rfft(frames * self._shape, self._size)
        return (spectrum.real**2 + spectrum.imag**2).astype(np.float32)

    def _bands(self, power: Floats) -> Floats:
        return power


class MelSpectrogram(Spectrogram):
    """A `Spectrogram` with bands on the mel scale, which models human hearing.

    The power goes through triangular filters before it is converted to decibels. Their corners are
    equally spaced on the mel scale, 2595 log10(1 + f / 700), from `low` to `high`; each filter
    rises from 0 at one corner to 1 at the next and falls to 0 at the one after.

    Source: Davis and Mermelstein, 1980; of the scale: O'Shaughnessy, 1987, "Speech Communication".

    Args:
        sample_rate: of the samples, per second.
        window: in seconds.
        hop: from frame to frame, in seconds.
        num_mels: number of bands.
        low: where the first begins, in Hz.
        high: where the last ends, in Hz; half of `sample_rate` if None.
        dynamic_range: as for `Spectrogram`.

    Raises:
        ValueError: as for `Spectrogram`; or the frequencies are not in ascending order up to half
            of `sample_rate`; or there are so many bands that some contain no frequency of the DFT.
    """

    def __init__(
        self,
        sample_rate: int,
        window: float = 0.025,
        hop: float = 0.01,
        num_mels: int = 40,
        low: float = 20.0,
        high: float | None = None,
        *,
        dynamic_range: float = 80.0,
    ) -> None:
        super().__init__(sample_rate, window, hop, dynamic_range=dynamic_range)
        check_count("num_mels", num_mels, 1)
        self.num_mels = num_mels
        self.low = low
        self.high = sample_rate / 2 if high is None else high
        if not 0 <= self.low < self.high <= sample_rate / 2:
            raise ValueError(
                "`low` and `high` must be ascending frequencies within 0.."
                f"{sample_rate / 2:g} Hz, half of `sample_rate`. Received {low:g} and "
                f"{self.high:g}."
            )
        self._filters = self._mel_filters()
        if empty := int((self._filters.sum(axis=0) == 0).sum()):
            raise ValueError(
                f"`num_mels` must be small enough that each band has a DFT frequency. Received "
                f"{num_mels}; {empty} bands have none. Use fewer, or a longer `window`."
            )

    describe = Spectrogram.describe

    def _mel_filters(self) -> Floats:
        """Return the weight of each bin in each band, shape (bins, num_mels)."""
        mels = np.linspace(_mel(self.low), _mel(self.high), self.num_mels + 2)
        corners = 700 * (10 ** (mels / 2595) - 1)
        bins = np.fft.rfftfreq(self._size, 1 / self.sample_rate)[:, None]
        rise = (bins - corners[:-2]) / np.diff(corners)[:-1]
        fall = (corners[2:] - bins) / np.diff(corners)[1:]
        return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)

    def _bands(self, power: Floats) -> Floats:
        return power @ self._filters


class SpectrogramPadding(Step):
    """Pad spectrograms at the end, with zeros (the mean of each band), to one length per batch.

    That is the length of the longest, rounded up, so that a compiled model meets few shapes.

    Args:
        max_frames: the longest of all lengths, a multiple of `multiple`.
        multiple: to which lengths are rounded up, in frames.

    Raises:
        ValueError: an argument is below 1, or `max_frames` is no such multiple.
    """

    keeps_label = True

    def __init__(self, max_frames: int, multiple: int = 64) -> None:
        check_count("multiple", multiple, 1)
        check_count("max_frames", max_frames, 1)
        if max_frames % multiple:
            raise ValueError(
                f"`max_frames` must be a multiple of `multiple` = {multiple}. "
                f"Received {max_frames}. Take {-(-max_frames // multiple) * multiple}."
            )
        self.max_frames = max_frames
        self.multiple = multiple

    @property
    def free_axis(self) -> int:
        """The time axis, 1."""
        return 1

    def __call__(self, data: npt.NDArray[Any], label: Any) -> tuple[npt.NDArray[Any], Any]:
        """Return the spectrogram in the next length that is such a multiple; errors as `batch`."""
        return self.batch([data], [label])[0][0], label

    def batch(self, data: Sequence[npt.NDArray[Any]], labels: Any) -> tuple[npt.NDArray[Any], Any]:
        """Return the spectrograms of a batch, shape (batch, time, features).

        Raises:
            ValueError: one of them is longer than `max_frames`, or has another number of features.
        """
        longest, widths = max(map(len, data)), {item.shape[1:] for item in data}
        if len(widths) > 1:
            raise ValueError(
                f"`data` must be spectrograms of equal feature counts. Received {sorted(widths)}."
            )
        if longest > self.max_frames:
            raise ValueError(
                f"`data` must have at most `max_frames` = {self.max_frames} frames. "
                f"Received {longest}. Cut long recordings, or raise `max_frames`."
            )
        length = -(-longest // self.multiple) * self.multiple
        padded = np.zeros((len(data), length, *widths.pop()), data[0].dtype)
        for row, item in zip(padded, data, strict=True):
            row[: len(item)] = item
        return padded, labels

    def describe(self) -> dict[str, Any]:
        """Return what the metadata of an ONNX file says of this step: its arguments."""
        return {"padding": settings_of(self)}


def _mel(frequency: float) -> float:
    return float(2595 * np.log10(1 + frequency / 700))
