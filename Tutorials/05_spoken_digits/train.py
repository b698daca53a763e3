"""Train a reader of spoken digit strings: python train.py

Without the Free Spoken Digit Dataset under Datasets/free-spoken-digit-dataset, and without --data,
digits spoken by a speech synthesizer are written first.
"""

import argparse
from pathlib import Path

import keras
from configs import ModelConfigs
from data import DigitStrings, Recording, divide, read_recordings, write_strings
from inferenceModel import evaluate
from model import spoken_reader
from voices import find_data

from mltu.audio import AudioReader, MelSpectrogram, RandomNoise, RandomStretch, SpectrogramPadding
from mltu.dataProvider import DataProvider
from mltu.datasets import Samples
from mltu.training import (
    compile_reader,
    continue_configs,
    fit_reader,
    load_saved_samples,
    require_new_run,
    save_samples,
)
from mltu.transformers import LabelIndexer, LabelPadding

SLOWEST = 0.85  # speed of the strings in training
MULTIPLE = 64  # frames to which spectrograms are padded


def positive(text):
    """Read a command line number of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, received {text}")
    return number


def parse_arguments(arguments):
    """Read the command line; what is left out keeps the value of ModelConfigs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with recordings/7_jackson_32.wav")
    parser.add_argument("--limit", type=positive, help="takes of each digit by each speaker")
    parser.add_argument("--held-out", nargs="+", metavar="SPEAKER", help="to validate on")
    parser.add_argument("--strings", type=positive, dest="strings_per_epoch")
    parser.add_argument("--epochs", type=positive, dest="train_epochs")
    parser.add_argument("--batch-size", type=positive)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--workers", type=int, dest="train_workers")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"])
    parser.add_argument("--output", type=Path, dest="model_path", help="the run folder")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="only --epochs goes with it")
    args = parser.parse_args(arguments)
    given = {key for key, value in vars(args).items() if value is not None}
    if args.resume and given - {"resume", "train_epochs"}:
        parser.error("--resume takes all settings from the run; only --epochs goes with it")
    return args


def begin_run(args):
    """Divide the data and write what a new run keeps of it; return settings, strings, samples."""
    configs = ModelConfigs()
    given = {key: value for key, value in vars(args).items() if value is not None}
    vars(configs).update({key: value for key, value in given.items() if hasattr(configs, key)})
    run = Path(configs.model_path).resolve()
    configs.model_path = str(run)
    require_new_run(run)
    recordings = read_recordings(find_data(args.data, args.limit), args.limit)
    training, held, configs.held_out = divide(recordings, configs.held_out)
    print(f"{len(training)} recordings to train on; held out: {', '.join(configs.held_out)}")
    strings, held_strings = make_strings(training, configs), make_strings(held, configs)
    longest = max(strings.longest() / SLOWEST, held_strings.longest())
    frames = int(longest / configs.sample_rate / configs.hop)
    configs.max_frames = (frames // MULTIPLE + 1) * MULTIPLE
    count = min(configs.num_validation, configs.strings_per_epoch)
    seen = Samples.from_pairs((recording.path, recording.digit) for recording in training)
    unseen = Samples.from_pairs(write_strings(run / "val", held_strings, count, configs.seed))
    save_samples(run, seen, unseen)
    return configs, strings, unseen


def continue_run(args):
    """Return settings, strings and samples of a run that goes on."""
    configs = continue_configs(args.resume, ModelConfigs, args.train_epochs)
    training, validation = load_saved_samples(args.resume)
    return configs, make_strings(map(Recording.of, training.data), configs), validation


def make_strings(recordings, configs):
    """Make what draws strings of digits."""
    return DigitStrings(recordings, configs.sample_rate, configs.max_text_length)


def make_providers(configs, strings, validation):
    """Make batches: spectrograms (batch, time, mels) and labels (batch, max_text_length)."""
    options = {
        "batch_size": configs.batch_size,
        "transformers": [
            MelSpectrogram(configs.sample_rate, configs.window, configs.hop, configs.num_mels),
            SpectrogramPadding(configs.max_frames, MULTIPLE),
            LabelIndexer(configs.vocab),
            LabelPadding(configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        "seed": configs.seed,
        "workers": configs.train_workers,
    }
    # `strings` puts a new string, audio and digits, in the place of each of these.
    empty = [("", "")] * configs.strings_per_epoch
    augmentors = [strings, RandomStretch(0.8, SLOWEST, 1.2), RandomNoise(0.8, 5, 40)]
    return (
        DataProvider(empty, [], augmentors=augmentors, skip_validation=True, **options),
        DataProvider(validation, [AudioReader(configs.sample_rate)], shuffle=False, **options),
    )


def main(arguments=None):
    """Train, export, and say how well the exported file reads speakers it never heard."""
    args = parse_arguments(arguments)
    try:
        configs, strings, validation = continue_run(args) if args.resume else begin_run(args)
        configs.save()
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    run = Path(configs.model_path)
    keras.utils.set_random_seed(configs.seed)
    keras.config.set_dtype_policy(configs.precision)
    model = spoken_reader(configs.num_mels, len(configs.vocab))
    compile_reader(model, configs.learning_rate)
    try:
        fit_reader(
            model,
            *make_providers(configs, strings, validation),
            run,
            epochs=configs.train_epochs,
            learning_rate=configs.learning_rate,
            metadata={"vocab": configs.vocab},
            keep_best=False,  # The last weights: the speakers held out have no say in the choice.
            resume=args.resume is not None,
        )
    except KeyboardInterrupt as error:
        raise SystemExit(f"{error}\nContinue with: train.py --resume {run}") from None
    evaluate(run, validation)
    print(f"Run folder: {run}")


if __name__ == "__main__":
    main()
