"""AudioReader: reads a recording into an array of samples."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.utils.checks import check_count
from mltu.utils.files import load_bytes
from mltu.utils.pipeline_step import Step

Audio = npt.NDArray[np.float32]

_MAX_VALUES = 1 << 28  # of all channels; 1 GiB in float32
_LOUDEST = 100  # Floats somewhat beyond 1 are cut; beyond this, they were never scaled.
_ENDLESS = 0x7FFFF000  # WAVs that were written to a pipe claim such a length or a larger one.


class AudioReader(Step):
    """Read a recording into float32 samples of one channel, shape (samples,), values in -1..1.

    Called with (data, label), where data is a path, the bytes of a WAV, FLAC, OGG or MP3 file, or
    an array that has `sample_rate` already, it returns the samples and the label as it was.
    Channels are averaged. Other rates are converted by soxr, which is a hundredth of the size of
    SciPy and filters out what would alias at the new rate.

    Args:
        sample_rate: of the result, in samples per second.
        max_seconds: that a file may last. A few hundred bytes can claim to be a recording of
            gigabytes, so the length is read from the header before anything is decoded.

    Raises:
        ValueError: an argument is below 1.
    """

    keeps_label = True

    def __init__(self, sample_rate: int, *, max_seconds: int = 600) -> None:
        check_count("sample_rate", sample_rate, 1)
        check_count("max_seconds", max_seconds, 1)
        self.sample_rate = sample_rate
        self.max_seconds = max_seconds

    def __call__(self, data: Any, label: Any) -> tuple[Audio, Any]:
        """Read one recording.

        Raises:
            FileNotFoundError: there is no file at the path.
            ValueError: the file is not a whole recording that libsndfile can decode, is empty or
                too long, or the array is not a recording; the message names the path.
            TypeError: `data` has another type.
            ImportError: soundfile or soxr is missing, with its pip line.
        """
        return self.read(data), label

    def describe(self) -> dict[str, Any]:
        """Return what the metadata of an ONNX file says of this step."""
        return {"sample_rate": self.sample_rate}

    def read(self, data: Any) -> Audio:
        """Read one recording without a label; arguments and errors as in `__call__`."""
        if isinstance(data, np.ndarray):
            if data.ndim == 2 and data.shape[0] < data.shape[1]:
                raise ValueError(
                    "`data` must be an array of shape (samples,) or (samples, channels). Received "
                    f"{data.shape}, more channels than samples. Pass its transpose, `data.T`."
                )
            return _mono(_scaled(data), f"an array of shape {data.shape}")
        return self._decode(*load_bytes(data, "a recording"))

    def _decode(self, content: bytes, source: str) -> Audio:
        with explain_missing():
            import soundfile

        if _is_cut(content):
            raise _undecodable(source, "less than its header says; it is truncated")
        try:
            with soundfile.SoundFile(io.BytesIO(content)) as file:
                rate, length = file.samplerate, file.frames
                self._check_length(length, rate, file.channels, source)
                values = file.read(dtype="float32")
        except (soundfile.SoundFileError, TypeError) as error:  # TypeError: raw without a rate.
            reason = str(getattr(error, "error_string", error)).rstrip(".")
            raise _undecodable(source, f"{len(content)} bytes: {reason}") from error
        if len(values) < length:
            raise _undecodable(source, f"{len(values)} of its {length} samples; it is truncated")
        samples = _mono(values, source)
        return samples if rate == self.sample_rate else resample(samples, rate, self.sample_rate)

    def _check_length(self, length: int, rate: int, channels: int, source: str) -> None:
        if length > self.max_seconds * rate or length * channels > _MAX_VALUES:
            raise ValueError(
                f"`data` must be a recording of at most `max_seconds` = {self.max_seconds}. "
                f"Received {source}, of {length / rate:.0f} seconds and {channels} channels. Cut "
                "it, or raise `max_seconds`."
            )


def _scaled(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Scale integers of 16 bits to -1..1."""
    if values.dtype == np.int16:
        return values / np.float32(1 << 15)
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(
            "`data` must be an array of floats in -1..1 or of int16. "
            f"Received {values.dtype}. Divide by the largest value that it can hold."
        )
    return values


def _mono(values: npt.NDArray[Any], source: str) -> Audio:
    """Check the values, and average the channels of (samples,) or (samples, channels)."""
    if values.ndim not in (1, 2) or not values.size:
        raise _undecodable(source, f"values of shape {values.shape}")
    if not np.isfinite(values).all():
        raise _undecodable(source, "values that are NaN or infinite")
    largest = max(values.max(), -values.min())
    if largest > _LOUDEST:
        raise ValueError(
            f"`data` must have values in -1..1. Received {source}, with values up to {largest:g}. "
            "Divide what was converted from int16 by 32768."
        )
    mono: Audio = values.mean(axis=1) if values.ndim == 2 else values
    return np.clip(mono, -1, 1).astype(np.float32)


def resample(samples: Audio, rate: float, new_rate: float) -> Audio:
    """Convert samples to another rate."""
    with explain_missing():
        import soxr

    resampled: Audio = np.clip(soxr.resample(samples, rate, new_rate), -1, 1)
    return resampled


def _is_cut(content: bytes) -> bool:
    """Return whether a WAV, or the last page of an Ogg file, is shorter than its header says."""
    if content.startswith(b"OggS"):
        page = content[content.rfind(b"OggS") :]
        return len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])
    claimed = int.from_bytes(content[4:8], "little")
    return content.startswith(b"RIFF") and len(content) - 7 < claimed < _ENDLESS


def _undecodable(source: str, received: str) -> ValueError:
    return ValueError(
        f"`data` must be a whole recording that libsndfile can decode. Received {source}, with "
        f"{received}. Fetch it again, convert it to WAV, or take it out of the data set."
    )
