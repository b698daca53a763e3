"""Audio: reading, spectrograms against their formulas, padding, random steps."""

import functools
import io
import sys

import numpy as np
import pytest
import soundfile

from mltu.audio import (
    AudioAugmentor,
    AudioReader,
    MelSpectrogram,
    RandomNoise,
    RandomReverb,
    RandomStretch,
    RandomTempo,
    SpecAugment,
    Spectrogram,
    SpectrogramAugmentor,
    SpectrogramPadding,
)
from mltu.augmentors import RandomBrightness
from mltu.dataProvider import DataProvider
from mltu.onnx_export._compare import describe_steps
from mltu.transformers import LabelIndexer, LabelPadding

RATE = 8_000


def sine(frequency, seconds=1.0, rate=RATE, amplitude=0.5):
    time = np.arange(int(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def encoded(samples, rate=RATE, kind="WAV", **options):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, **options)
    return buffer.getvalue()


def frequency_of(samples, rate=RATE):
    return np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples)


# Reading


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_files_of_four_kinds_are_read(tmp_path, kind):
    path = tmp_path / f"sound é.{kind.lower()}"
    path.write_bytes(encoded(sine(440, rate=16_000), 16_000, kind))
    for data in (path, str(path), path.read_bytes()):
        samples, label = AudioReader(16_000)(data, "7")
        assert (samples.dtype, samples.ndim, label) == (np.float32, 1, "7")
        assert abs(len(samples) - 16_000) < 2_500  # MP3 adds some at its ends.
        assert frequency_of(samples, 16_000) == pytest.approx(440, abs=5)
        assert 0.4 < np.abs(samples).max() < 0.6


def test_another_rate_is_converted_without_folding():
    rate = 22_050
    both = sine(1_000, rate=rate) + sine(6_000, rate=rate, amplitude=0.4)
    samples = AudioReader(RATE).read(encoded(both, rate, subtype="FLOAT"))
    assert len(samples) == pytest.approx(RATE, abs=2)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert spectrum.argmax() * RATE / len(samples) == pytest.approx(1_000, abs=2)
    assert spectrum[1_900:2_100].max() < 1e-3 * spectrum.max()  # 6 kHz would fold to 2 kHz.


def test_channels_are_averaged_and_values_stay_within_one():
    stereo = np.stack([sine(440), -sine(440)], axis=1)
    assert np.abs(AudioReader(RATE).read(encoded(stereo))).max() < 1e-3
    loud = encoded(3 * sine(440), subtype="FLOAT")
    assert np.abs(AudioReader(RATE).read(loud)).max() == 1


def test_arrays_pass():
    reader = AudioReader(RATE)
    np.testing.assert_array_equal(reader.read(sine(440)), sine(440))
    whole = np.array([0, 16_384, -32_768], np.int16)
    np.testing.assert_array_equal(reader.read(whole), [0, 0.5, -1])
    with pytest.raises(ValueError, match="or of int16"):
        reader.read(np.array([1, 2]))
    with pytest.raises(ValueError, match=r"up to 32767\. Divide .* by 32768"):
        reader.read(np.array([0.0, 32767.0]))  # It became a square wave.
    with pytest.raises(ValueError, match=r"up to 32767\. Divide .* by 32768"):
        reader.read(encoded(np.array([0.0, 32767.0], np.float32), subtype="FLOAT"))  # So did this.
    with pytest.raises(ValueError, match="NaN"):
        reader.read(np.array([0.0, np.nan]))
    with pytest.raises(ValueError, match=r"shape \(0,\)"):
        reader.read(np.zeros(0))
    with pytest.raises(ValueError, match=r"Received \(2, 8000\), .* `data.T`"):
        reader.read(np.zeros((2, 8000)))  # As other libraries load it; two samples were left.


@pytest.mark.parametrize("data", [b"", b"no sound", b"RIFF", encoded(sine(440))[:5_000]])
def test_what_is_no_whole_recording_is_a_value_error(tmp_path, data):
    path = tmp_path / "broken.wav"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"whole recording.*broken\.wav") as caught:
        AudioReader(RATE).read(path)
    assert "BytesIO" not in str(caught.value)  # It said "Error opening <_io.BytesIO object at 0x7f
    assert ".." not in str(caught.value).replace(str(path), "")  # ...>: Format not recognised..".


def test_a_cut_flac_is_refused():
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE)
    with pytest.raises(ValueError, match="whole recording"):
        AudioReader(RATE).read(encoded(noise, kind="FLAC")[:8_000])


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_cut_ogg_is_refused(share):
    """It was read up to its last whole page, with the label of the whole recording."""
    content = encoded(np.random.default_rng(0).uniform(-0.5, 0.5, 20 * RATE), kind="OGG")
    with pytest.raises(ValueError, match=r"whole recording.* truncated"):
        AudioReader(RATE).read(content[: int(len(content) * share)])


# Of espeak and SoX, of arecord, and of ffmpeg.
@pytest.mark.parametrize("claimed", [0x7FFFF024, 0x80000024, 0xFFFFFFFF])
def test_a_wav_from_a_pipe_does_not_know_its_length(claimed):
    content = bytearray(encoded(sine(440)))
    content[4:8] = claimed.to_bytes(4, "little")
    content[40:44] = min(claimed, 0x7FFFF000).to_bytes(4, "little")
    assert len(AudioReader(RATE).read(bytes(content))) == RATE


def test_other_faults_of_reading(tmp_path):
    reader = AudioReader(RATE, max_seconds=2)
    with pytest.raises(FileNotFoundError, match=r"There is no file .*none\.wav"):
        reader.read(tmp_path / "none.wav")
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        reader.read("a\0b.wav")
    with pytest.raises(ValueError, match=r"`max_seconds` = 2\. .* of 3 seconds"):
        reader.read(encoded(sine(440, 3)))
    with pytest.raises(TypeError, match="Received int"):
        reader.read(3)
    with pytest.raises(ValueError, match="`sample_rate`"):
        AudioReader(0)


@pytest.mark.parametrize("package", ["soundfile", "soxr"])
def test_a_missing_package_is_named(monkeypatch, package):
    content = encoded(sine(440))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf'`{package}`.*pip install "mltu\[audio\]"'):
        AudioReader(16_000).read(content)


# Spectrograms


def test_spectrogram_is_its_formula():
    """A slow DFT by definition, of 50 samples in 64, each 20 samples."""
    samples = np.random.default_rng(0).normal(size=170)
    levels = []
    for start in range(0, 170 - 50 + 1, 20):
        frame = [samples[start + n] * np.sin(np.pi * n / 50) ** 2 for n in range(50)]
        transformed = [
            sum(x * np.exp(-2j * np.pi * k * n / 64) for n, x in enumerate(frame))
            for k in range(33)
        ]
        levels.append(10 * np.log10(np.abs(transformed) ** 2))
    levels = np.array(levels)
    expected = (levels - levels.mean(0)) / np.maximum(levels.std(0), 1)
    found, label = Spectrogram(1_000, window=0.05, hop=0.02)(samples, "x")
    assert (found.dtype, found.shape, label) == (np.float32, (7, 33), "x")
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_mel_bands_hear_a_tone_where_it_is():
    """1,000 Hz are 1,000 mel; a tone stands out in the band whose corner is nearest."""
    step = MelSpectrogram(RATE, num_mels=20, low=100, high=4_000)
    mels = 2595 * np.log10(1 + np.array([100, 4_000]) / 700)
    corners = 700 * (10 ** (np.linspace(*mels, 22)[1:-1] / 2595) - 1)
    assert 2595 * np.log10(1 + 1_000 / 700) == pytest.approx(1_000, abs=0.1)
    for frequency in (400, 1_000, 2_500):
        power = step._bands(step._power(sine(frequency))).mean(axis=0)
        assert np.abs(corners - frequency)[power.argmax()] == np.abs(corners - frequency).min()


def test_what_is_softer_than_the_dynamic_range_is_silence():
    loud, soft = sine(1_000), sine(3_000, amplitude=0.5e-2)  # 40 dB less
    both = np.concatenate([loud, soft])
    near, far = (Spectrogram(RATE, dynamic_range=x)(both, None)[0] for x in (30.0, 60.0))
    end = slice(-20, None)
    assert np.ptp(near[end], axis=0).max() == 0
    band = round(3_000 / RATE * 256)
    assert near[end, band].max() < 0 < far[end, band].min()
    with pytest.raises(ValueError, match="`dynamic_range` must be above 0 dB"):
        Spectrogram(RATE, dynamic_range=0)


def test_loudness_does_not_matter_and_silence_is_finite():
    step = MelSpectrogram(RATE)
    noise = np.random.default_rng(0).normal(size=RATE).astype(np.float32) / 10
    np.testing.assert_allclose(step(noise, None)[0], step(noise / 50, None)[0], atol=1e-3)
    made = step(noise, None)[0]
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(made.std(axis=0), 1, atol=1e-3)
    assert np.abs(step(np.zeros(RATE, np.float32), None)[0]).max() < 0.01
    assert step(noise[:10], None)[0].shape == (1, 40)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 0.0001}, "`window` must last"),
        ({"hop": 0}, "`hop` one"),
        ({"high": 5_000}, "`high` must be ascending"),
        ({"low": 300, "high": 200}, "`high` must be ascending"),
        ({"num_mels": 200}, "`num_mels` must be small enough"),
        ({"num_mels": 0}, "`num_mels`"),
    ],
)
def test_faults_of_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        MelSpectrogram(RATE, **arguments)


def test_a_path_in_the_place_of_samples():
    with pytest.raises(ValueError, match=r"Received str\. Put AudioReader"):
        Spectrogram(RATE)("a.wav", None)


def test_padding_rounds_the_longest_up():
    padding = SpectrogramPadding(32, multiple=8)
    data = [np.ones((3, 2), np.float32), np.ones((9, 2), np.float32)]
    padded, labels = padding.batch(data, ["a", "b"])
    assert (padded.shape, padded.dtype, labels) == ((2, 16, 2), np.float32, ["a", "b"])
    assert padded.sum(axis=(1, 2)).tolist() == [6, 18]
    assert padded[0, 3:].sum() == 0
    assert padding(data[0], "a")[0].shape == (8, 2)
    with pytest.raises(ValueError, match=r"`max_frames` = 32 frames\. Received 33"):
        padding(np.ones((33, 2), np.float32), "a")
    with pytest.raises(ValueError, match="equal feature counts"):
        padding.batch([np.ones((3, 2)), np.ones((3, 4))], None)
    with pytest.raises(ValueError, match=r"multiple of `multiple` = 8\. Received 30\. Take 32"):
        SpectrogramPadding(30, multiple=8)


# Random steps


def test_noise_has_the_ratio_that_was_asked_for():
    clean = sine(440, 4, amplitude=0.2)
    noisy, _ = RandomNoise(1, 20, 20)(clean, "1", np.random.default_rng(0))
    ratio = 10 * np.log10(np.mean(clean**2) / np.mean((noisy - clean) ** 2))
    assert ratio == pytest.approx(20, abs=0.2)
    assert not RandomNoise(1)(np.zeros(99, np.float32), "", np.random.default_rng(0))[0].any()


def test_another_speed_changes_length_and_pitch():
    slow, _ = RandomStretch(1, 0.8, 0.8)(sine(440), "1", np.random.default_rng(0))
    assert (len(slow), slow.dtype) == (10_000, np.float32)
    assert frequency_of(slow) == pytest.approx(352, abs=1)


def test_a_room_decays_by_60_decibels_in_its_time():
    click = np.zeros(8_000, np.float32)
    click[1_000] = 0.5
    heard, _ = RandomReverb(RATE, 1, 0.4, 0.4)(click, "1", np.random.default_rng(0))
    assert (len(heard), heard.dtype) == (8_000, np.float32)
    assert np.abs(heard[:1_000]).max() < 1e-6
    assert heard[1_000] == pytest.approx(0.5, abs=1e-6)
    assert np.abs(heard[1_000 + 3_200 :]).max() < 1e-6
    tail = heard[1_001:4_200].astype(np.float64) ** 2
    early, late = tail[:400].mean(), tail[1_600:2_000].mean()
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=2)
    assert 0 < 10 * np.log10(0.25 / tail.sum()) < 15
    assert not RandomReverb(RATE, 1)(np.zeros(99, np.float32), "", np.random.default_rng(0))[
        0
    ].any()
    loud = np.ones(4_000, np.float32)
    assert np.abs(RandomReverb(RATE, 1)(loud, "", np.random.default_rng(0))[0]).max() <= 1


def test_another_tempo_keeps_the_bands():
    spectrogram = np.arange(21, dtype=np.float32)[:, None] * np.float32([1, -2])
    slow, _ = RandomTempo(1, 0.5, 0.5)(spectrogram, "1", np.random.default_rng(0))
    assert (slow.shape, slow.dtype) == ((42, 2), np.float32)
    np.testing.assert_allclose(slow, np.linspace(0, 20, 42)[:, None] * [1, -2], atol=1e-4)
    assert len(RandomTempo(1, 2, 2)(spectrogram[:1], "", np.random.default_rng(0))[0]) == 1


def test_bands_and_stretches_of_time_are_hidden():
    spectrogram = np.ones((50, 40), np.float32)
    bands, _ = SpecAugment(1, 1, 8, 0, 0)(spectrogram, "1", np.random.default_rng(3))
    assert set(bands.sum(axis=1)) == {40 - (bands[0] == 0).sum()}
    sizes, places = set(), np.zeros(40, bool)
    for seed in range(200):
        hidden = (
            SpecAugment(1, 1, 8, 0, 0)(spectrogram, "1", np.random.default_rng(seed))[0][0] == 0
        )
        assert np.abs(np.diff(hidden.astype(int))).sum() <= 2
        sizes.add(int(hidden.sum()))
        places |= hidden
    assert sizes == set(range(9))
    assert places.all()
    spans, _ = SpecAugment(1, 0, 0, 1, 9)(spectrogram, "1", np.random.default_rng(1))
    assert set(spans.sum(axis=0)) == {50 - (spans[:, 0] == 0).sum()}
    short = np.ones((2, 3), np.float32)
    for seed in range(20):
        assert SpecAugment(1)(short, "", np.random.default_rng(seed))[0].shape == (2, 3)


SPECTROGRAM = np.random.default_rng(9).normal(size=(60, 40)).astype(np.float32)


@pytest.mark.parametrize(
    ("step", "before"),
    [
        (RandomNoise(1), sine(440)),
        (RandomStretch(1), sine(440)),
        (RandomReverb(RATE, 1), sine(440)),
        (RandomTempo(1), SPECTROGRAM),
        (SpecAugment(1), SPECTROGRAM),
    ],
    ids=["noise", "stretch", "reverb", "tempo", "masks"],
)
def test_random_steps_are_a_function_of_their_generator(step, before):
    given = before.copy()
    first, second, third = (step(given, "1", np.random.default_rng(s))[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert len(first) != len(third) or (first != third).any()
    np.testing.assert_array_equal(before, given)
    assert step(before, "1", np.random.default_rng(0))[1] == "1"


def test_random_steps_refuse_what_is_not_theirs():
    image = np.zeros((8, 8, 3), np.uint8)
    rng = np.random.default_rng(0)
    with pytest.raises(TypeError, match="float32 samples"):
        RandomNoise(1)(image, "", rng)
    with pytest.raises(TypeError, match=r"float32 spectrogram .*Put MelSpectrogram"):
        SpecAugment(1)(sine(440), "", rng)
    with pytest.raises(TypeError, match="uint8 image"):
        RandomBrightness(1)(sine(440), "", rng)
    with pytest.raises(ValueError, match="`low` must be at most"):
        RandomNoise(1, 3, 2)
    for make in (RandomStretch, RandomTempo, functools.partial(RandomReverb, RATE)):
        with pytest.raises(ValueError, match="`low` must be above 0"):
            make(1, 0, 2)
    with pytest.raises(ValueError, match="`num_spans` must be an integer of at least 0"):
        SpecAugment(1, 1, 1, -1)
    for kind, data in ((AudioAugmentor, sine(440)), (SpectrogramAugmentor, SPECTROGRAM)):
        with pytest.raises(NotImplementedError):
            kind(1)(data, "", rng)


# In a provider


def samples_of(tmp_path, lengths):
    found = []
    for number, seconds in enumerate(lengths):
        path = tmp_path / f"{number}.wav"
        path.write_bytes(encoded(sine(440, seconds)))
        found.append((str(path), "7"))
    return found


def provider_of(samples, **options):
    steps = [
        MelSpectrogram(RATE),
        SpectrogramPadding(512, 16),
        LabelIndexer("0123456789"),
        LabelPadding(2, 10),
    ]
    return DataProvider(samples, [AudioReader(RATE)], transformers=steps, **options)


def test_a_bad_file_is_replaced_and_its_batch_has_one_length(tmp_path):
    """Replaced samples were made one by one, each of a length of its own."""
    samples = samples_of(tmp_path, [0.2, 0.5, 1.0, 0.3])
    (tmp_path / "3.wav").write_bytes(b"broken")
    provider = provider_of(samples, batch_size=4, shuffle=False)
    data, labels = provider[0]
    assert (data.shape, labels.shape) == ((4, 112, 40), (4, 2))
    assert [bad.position for bad in provider.bad_samples] == [3]
    whole = provider_of(samples[:3], batch_size=3, shuffle=False)[0][0]
    np.testing.assert_array_equal(data[:3], whole)
    skipping = provider_of(samples, batch_size=4, shuffle=False, on_bad_sample="skip")
    np.testing.assert_array_equal(skipping[0][0], whole)


def test_a_recording_too_long_is_named(tmp_path):
    samples = samples_of(tmp_path, [0.2, 6.0])
    with pytest.raises(ValueError, match="`max_frames` = 512") as caught:
        provider_of(samples, batch_size=2)[0]
    assert "1.wav" in str(caught.value.__notes__)


def test_a_spectrogram_may_stand_between_random_steps(tmp_path):
    samples, mel = samples_of(tmp_path, [0.2, 0.5]), MelSpectrogram(RATE)
    last = [SpectrogramPadding(512, 16), LabelIndexer("0123456789"), LabelPadding(2, 10)]
    steps = [RandomNoise(1), mel, SpecAugment(1)]
    options = {"transformers": last, "batch_size": 2, "shuffle": False}
    data, labels = DataProvider(samples, [AudioReader(RATE)], augmentors=steps, **options)[0]
    plain, plain_labels = DataProvider(samples, [AudioReader(RATE), mel], **options)[0]
    assert data.shape == plain.shape == (2, 48, 40)
    assert (data == 0).sum() > (plain == 0).sum()
    np.testing.assert_array_equal(labels, plain_labels)
    with pytest.raises(TypeError, match="must be a list of"):
        DataProvider(samples, [AudioReader(RATE)], augmentors=[lambda data, label: (data, label)])


@pytest.mark.backend
@pytest.mark.parametrize("seconds", [[0.3, 0.3, 0.3, 0.9], [0.9]])
def test_keras_fits_batches_of_different_lengths(tmp_path, seconds):
    """TensorFlow took the length of the first two batches for that of all."""
    import keras

    provider = provider_of(samples_of(tmp_path, seconds), batch_size=1, shuffle=False)
    inputs = keras.Input((None, 40))
    mean = keras.layers.GlobalAveragePooling1D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(mean))
    model.compile(loss="mse")
    history = model.fit(provider, validation_data=provider, shuffle=False, verbose=0).history
    assert np.isfinite(history["val_loss"][0])


def test_the_steps_describe_themselves_for_the_onnx_file(tmp_path, recwarn):
    provider = provider_of(samples_of(tmp_path, [0.2]))
    found = describe_steps([*provider.data_preprocessors, *provider.transformers])
    assert not recwarn.list
    assert found["sample_rate"] == RATE
    assert found["padding"] == {"max_frames": 512, "multiple": 16}
    again = MelSpectrogram(**found["spectrogram"])
    noise = np.random.default_rng(0).normal(size=RATE)
    np.testing.assert_array_equal(again(noise, None)[0], provider.transformers[0](noise, None)[0])
