"""A stand-in for the data set: digits spoken by espeak-ng, or tones if it is not installed."""

import ctypes
import os
from ctypes.util import find_library

import numpy as np
import soundfile
import soxr

from mltu.utils.files import atomic_folder

TAKES = 8  # of each digit by each voice
RATE = 8_000
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ACCENTS = ["en-us", "en-gb-x-rp", "en-gb-scotland", "en-029", "en-us-nyc"]
_NAMES = (
    "adam Alicia Andrea Andy anika Annie belinda benjamin boris caleb david ed edward f2 f4 Gene "
    "iven john linda m1 m3 m5 m7 Michael norbert pablo quincy shelby steph zac"
)
VOICES = sorted(_NAMES.split(), key=str.lower)
_KEYS = [  # of a telephone, in Hz
    (941, 1336), (697, 1209), (697, 1336), (697, 1477), (770, 1209),
    (770, 1336), (770, 1477), (852, 1209), (852, 1336), (852, 1477),
]  # fmt: skip


class Espeak:
    """The espeak-ng library, which speaks into a list."""

    _RETRIEVAL, _DO_NOT_EXIT, _UTF8 = 2, 0x8000, 1
    _RATE, _PITCH, _RANGE = 1, 3, 4

    def __init__(self):
        path, data = self._find()
        self._library = ctypes.CDLL(path)
        self.rate = self._library.espeak_Initialize(self._RETRIEVAL, 0, data, self._DO_NOT_EXIT)
        if self.rate <= 0:
            raise OSError(f"espeak-ng cannot start from {path}")
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self._chunks, self._callback = [], kind(self._take)  # Kept, or it would be freed.
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text, voice, words_per_minute, pitch, pitch_range):
        """Return int16 samples at `rate`; pitch and range are in 0..100."""
        self._chunks.clear()
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise OSError(f"espeak-ng has no voice {voice!r}")
        settings = {self._RATE: words_per_minute, self._PITCH: pitch, self._RANGE: pitch_range}
        for number, value in settings.items():
            self._library.espeak_SetParameter(number, int(value), 0)
        content = text.encode() + b"\0"
        size, none = ctypes.c_size_t(len(content)), ctypes.c_void_p()
        self._library.espeak_Synth(content, size, 0, 0, 0, self._UTF8, none, none)
        return np.concatenate(self._chunks)

    def _take(self, samples, count, events):
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    @staticmethod
    def _find():
        try:
            import espeakng_loader
        except ImportError:
            path = find_library("espeak-ng")
            if path is None:
                raise OSError("espeak-ng is not installed") from None
            return path, None
        return espeakng_loader.get_library_path(), os.fsencode(espeakng_loader.get_data_path())


def spoken(espeak, digit, number, rng):
    """Return the digit as the voice of that number says it, without silence at the ends."""
    base = 30 + 40 * np.random.default_rng(number).random()  # Each voice has its own pitch.
    samples = espeak.speak(
        WORDS[digit],
        f"{ACCENTS[number % len(ACCENTS)]}+{VOICES[number]}",
        rng.uniform(110, 210),
        base + rng.uniform(-8, 8),
        rng.uniform(30, 70),
    )
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def tones(digit, number, rng):
    """Return the two tones of a telephone key, at a pitch that depends on the voice's number."""
    time = np.arange(int(rng.uniform(0.2, 0.4) * RATE)) / RATE
    pitch = 0.8 + 0.4 * number / len(VOICES)
    wave = sum(np.sin(2 * np.pi * pitch * f * time + rng.uniform(0, 6)) for f in _KEYS[digit])
    return (wave * np.hanning(len(time)) * 16_000).astype(np.int16)


def write_stand_in(root, takes, seed=0):
    """Write a data set in the layout of the real one, unless it is there; return its folder.

    Args:
        root: the folder for it; its own name says what it has.
        takes: of each digit by each of the 30 voices.
        seed: random seed.
    """
    try:
        espeak = Espeak()
    except OSError as error:
        print(f"{error}: tones replace the digits. For voices: pip install espeakng-loader")
        espeak = None
    folder = root / f"{'voices' if espeak else 'tones'}_{takes}_takes_seed_{seed}"
    if not folder.is_dir():
        with atomic_folder(folder) as unfinished:
            _write(unfinished / "recordings", espeak, takes, seed)
    return folder


def _write(folder, espeak, takes, seed):
    folder.mkdir()
    for number, voice in enumerate(VOICES):
        for digit in range(10):
            for take in range(takes):
                rng = np.random.default_rng([seed, number, digit, take])
                if espeak:
                    samples, rate = spoken(espeak, digit, number, rng), espeak.rate
                else:
                    samples, rate = tones(digit, number, rng), RATE
                loudness = rng.uniform(0.2, 0.9) / np.abs(samples).max()
                path = folder / f"{digit}_{voice.lower()}_{take}.wav"
                soundfile.write(path, soxr.resample(samples * loudness, rate, RATE), RATE)
