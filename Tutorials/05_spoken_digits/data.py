"""Recordings of single digits, joined into strings of digits of one speaker."""

import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mltu.audio import AudioAugmentor, AudioReader

try:
    import soundfile
    import soxr  # noqa: F401  AudioReader converts sample rates with it.
except (ImportError, OSError) as error:  # OSError: soundfile without its library
    raise SystemExit(f'{error}. Audio needs two packages: pip install "mltu[audio]"') from None

_NAME = re.compile(r"(\d)_(.+)_(\d+)\.(?:wav|flac|ogg|mp3)", re.IGNORECASE)
_PAUSES = (0.0, 0.4)  # seconds between two digits, and before and after all


class Recording(NamedTuple):
    """One spoken digit: `recordings/7_jackson_32.wav`."""

    path: str
    digit: str
    speaker: str
    take: int

    @classmethod
    def of(cls, path):
        """Parse the name of a file; None if it is another name."""
        match = _NAME.fullmatch(Path(path).name)
        return match and cls(str(path), match[1], match[2], int(match[3]))


def read_recordings(folder, limit=None):
    """List the recordings of a folder in the layout of the Free Spoken Digit Dataset.

    Args:
        folder: the root of the data set, or its `recordings`.
        limit: the largest number of takes of each digit by each speaker; None for all.

    Raises:
        OSError, ValueError: there is no such folder, or it has too few recordings.
    """
    if not folder.is_dir():
        raise NotADirectoryError(
            f"`data` must be a folder with recordings such as 7_jackson_32.wav. Received "
            f"{str(folder)!r}, which is {'a file; unpack it' if folder.exists() else 'not there'}."
        )
    inner = folder / "recordings"
    names = map(Recording.of, (inner if inner.is_dir() else folder).iterdir())
    takes = defaultdict(list)
    for recording in sorted(filter(None, names), key=lambda recording: recording[1:]):
        takes[recording.digit, recording.speaker].append(recording)
    kept = [recording for group in takes.values() for recording in group[:limit]]
    if len(speakers := {recording.speaker for recording in kept}) < 2:
        raise ValueError(
            "`data` must be a folder with recordings of two speakers or more, named digit, "
            f"speaker, number: 7_jackson_32.wav. Received {str(folder)!r} with {len(kept)} "
            f"recordings of {len(speakers)} speakers."
        )
    return kept


def divide(recordings, held_out):
    """Split by speaker; if none is named, every sixth by name is held out, from the first on.

    Returns:
        The recordings to train on, those to validate on, and the names of the speakers of these.

    Raises:
        ValueError: there is no such speaker, or nobody else to train on.
    """
    speakers = sorted({recording.speaker for recording in recordings})
    held_out = list(held_out or speakers[::6])
    if unknown := sorted(set(held_out) - set(speakers)):
        raise ValueError(f"`held_out` must be speakers of {speakers}. Received {unknown}.")
    training = [r for r in recordings if r.speaker not in held_out]
    if not training:
        raise ValueError(f"`held_out` must leave a speaker to train on. Received {held_out}.")
    return training, [r for r in recordings if r.speaker in held_out], held_out


class DigitStrings(AudioAugmentor):
    """Make a new string for each sample: its data and its label are replaced.

    Args:
        recordings: to join, all read into memory.
        sample_rate: of the samples.
        max_length: digits of the longest string; the shortest have two.

    Raises:
        OSError, ValueError: a recording cannot be read, or `max_length` is less than 2.
    """

    def __init__(self, recordings, sample_rate, max_length):
        super().__init__(1.0)
        if max_length < 2:
            raise ValueError(f"`max_length` must be at least 2 digits. Received {max_length}.")
        self.sample_rate, self.max_length = sample_rate, max_length
        read = AudioReader(sample_rate).read
        self._clips = defaultdict(list)
        for recording in recordings:
            clip = (read(recording.path) * 32767).astype(np.int16)  # half the memory
            self._clips[recording.speaker].append((recording.digit, clip))
        self._speakers = sorted(self._clips)

    def __call__(self, data, label, rng):
        """Return the samples of a new string, and its digits."""
        return self.draw(rng)[:2]

    def draw(self, rng):
        """Return samples in -1..1, their digits, and the speaker."""
        speaker = self._speakers[rng.integers(len(self._speakers))]
        clips = self._clips[speaker]
        count = rng.integers(2, self.max_length + 1)
        chosen = [clips[i] for i in rng.integers(len(clips), size=count)]
        parts = [self._pause(rng)]
        for _, clip in chosen:
            parts += [clip, self._pause(rng)]
        samples = np.concatenate(parts) / np.float32(32768)
        return samples, "".join(digit for digit, _ in chosen), speaker

    def longest(self):
        """Return the largest number of samples that a string can have."""
        clip = max(len(clip) for clips in self._clips.values() for _, clip in clips)
        pause = int(_PAUSES[1] * self.sample_rate)
        return self.max_length * (clip + pause) + pause

    def _pause(self, rng):
        return np.zeros(int(rng.uniform(*_PAUSES) * self.sample_rate), np.int16)


def write_strings(folder, strings, count, seed):
    """Write fixed strings as WAV files, and return pairs of (path, digits)."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for number in range(count):
        audio, digits, speaker = strings.draw(np.random.default_rng([seed, number]))
        path = folder / f"{number:04}_{speaker}_{digits}.wav"
        soundfile.write(path, audio, strings.sample_rate)
        samples.append((str(path), digits))
    return samples
