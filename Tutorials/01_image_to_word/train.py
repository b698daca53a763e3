"""Train a reader of words from the command line: python train.py

Without MJSynth under Datasets/90kDICT32px, and without --data, a data set of rendered words in the
same layout is made first.
"""

import argparse
from pathlib import Path

import keras
from configs import ROOT, ModelConfigs
from model import MODELS

from mltu.data_check import check_data, write_sheet
from mltu.dataProvider import DataProvider
from mltu.datasets import read_mjsynth
from mltu.models import Processes, distribute, warm_start
from mltu.preprocessors import ImageReader
from mltu.resume import find_state
from mltu.synthetic import write_mjsynth
from mltu.training import (
    compile_reader,
    continue_configs,
    evaluate_export,
    fit_reader,
    load_saved_samples,
    require_new_run,
)
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding
from mltu.utils.text_columns import distinct_characters, text_lengths

MJSYNTH = ROOT / "Datasets" / "90kDICT32px"
GENERATED = ROOT / "Datasets" / "generated_words"
NUM_GENERATED = (56_000, 2_000)  # training and validation words: half a minute of rendering


def positive(text):
    """Read a command line number of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, received {text}")
    return number


def parse_arguments(arguments):
    """Read the command line; what is left out keeps the value of ModelConfigs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="MJSynth root with annotation_train.txt")
    parser.add_argument("--limit", type=positive, help="use only the first N words of each list")
    parser.add_argument("--epochs", type=positive, dest="train_epochs")
    parser.add_argument("--batch-size", type=positive)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--workers", type=int, dest="train_workers")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--model", choices=MODELS)
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"])
    parser.add_argument("--output", type=Path, dest="model_path", help="the run folder")
    parser.add_argument(
        "--start-from", type=Path, metavar="RUN", help="take what fits of the weights of a run"
    )
    parser.add_argument(
        "--no-export", action="store_true",
        help="leave the ONNX file out; later: mltu export RUN",
    )  # fmt: skip
    parser.add_argument("--int8", action="store_true", help="write model.int8.onnx too")
    parser.add_argument("--check", action="store_true", help="examine the data and do not train")
    parser.add_argument("--distribute", action="store_true", help="train on all devices")
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="continue a run; only --epochs may be raised"
    )
    args = parser.parse_args(arguments)
    own = {"resume", "train_epochs", "no_export", "int8", "distribute"}
    given = {key for key, value in vars(args).items() if value is not None and value is not False}
    if args.resume and given - own:
        parser.error(
            "--resume takes all settings from the run; only --epochs, --int8, --no-export and "
            "--distribute go with it"
        )
    return args


def find_data(data, limit):
    """Return the MJSynth root to train on; render one where there is none."""
    if data is not None:
        return data.resolve()
    if MJSYNTH.is_dir():
        return MJSYNTH
    # A small try-out needs no more than a few thousand words to hold every character.
    num_train, num_validation = NUM_GENERATED if limit is None else (max(limit, 4_000), 500)
    root = GENERATED / str(num_train)
    print(f"No MJSynth under {MJSYNTH}: training on {num_train} rendered words in {root}")
    return write_mjsynth(root, num_train=num_train, num_validation=num_validation)


def make_configs(args, training, validation):
    """Gather the settings from the command line and from the labels."""
    configs = ModelConfigs()
    given = {key: value for key, value in vars(args).items() if value is not None}
    given = {key: value for key, value in given.items() if hasattr(configs, key)}
    vars(configs).update(given, model_path=str(given.get("model_path", configs.model_path)))
    configs.vocab = "".join(sorted(distinct_characters(training.labels)))
    lengths = [text_lengths(samples.labels).max() for samples in (training, validation)]
    configs.max_text_length = int(max(lengths))
    return configs


def refuse_unknown_characters(validation, configs):
    """End with a sentence if a validation label cannot be written with the vocabulary."""
    if unknown := distinct_characters(validation.labels) - set(configs.vocab):
        path, label = next(sample for sample in validation if unknown & set(sample[1]))
        raise SystemExit(f"{path} has characters that no training label has: {label!r}")


def make_model(configs):
    """Build the network that the configs name."""
    return MODELS[configs.model](
        (configs.height, configs.width, 3), len(configs.vocab), dropout=configs.dropout
    )


def check(configs, training, validation, limit):
    """Examine the data against the model, write the outcome; return whether it can be trained on.

    The model is built, because nobody knows its time steps better.
    """
    training, validation = training[:limit], validation[:limit]
    report = check_data(
        training,
        validation=validation,
        vocab=configs.vocab,
        max_word_length=configs.max_text_length,
        time_steps=make_model(configs).output_shape[1],
        image_size=(configs.width, configs.height),
        workers=max(1, configs.train_workers),
    )
    run = Path(configs.model_path)
    report.write_json(run / "data_check.json")
    num_shown = write_sheet(run / "data_check.png", report, training, validation)
    print(report.to_text())
    print(f"All examples: {run / 'data_check.json'}; "
          f"{num_shown} images to look at: {run / 'data_check.png'}")  # fmt: skip
    return report.ok


def make_provider(samples, configs, limit, **options):
    """Make batches of images (batch, 32, 128, 3) and labels (batch, max_text_length)."""
    return DataProvider(
        dataset=samples,
        data_preprocessors=[ImageReader()],
        batch_size=configs.batch_size,
        transformers=[
            ImageResizer(configs.width, configs.height),
            LabelIndexer(configs.vocab),
            LabelPadding(max_word_length=configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        skip_validation=True,  # looking for 9 million files first would take many minutes
        limit=limit,
        seed=configs.seed,
        workers=configs.train_workers,
        **options,
    )


def take_weights(model, run, vocab):
    """Start from the model of an earlier run, whatever its vocabulary was, and say what fitted."""
    old_vocab = ModelConfigs.load(run / "configs.yaml").vocab
    print(f"From {run}:", warm_start(model, run / "model.keras", vocab=vocab, old_vocab=old_vocab))


def begin_run(args, processes):
    """Make the settings and find the samples of a new run."""
    if processes.world_size > 1 and (
        args.model_path is None or not (args.data or MJSYNTH.is_dir())
    ):
        raise SystemExit("Several processes need --data and --output, folders that all can reach.")
    root = find_data(args.data, args.limit)
    training, validation = read_mjsynth(root, "train"), read_mjsynth(root, "val")
    configs = make_configs(args, training, validation)
    if args.check:
        raise SystemExit(0 if check(configs, training, validation, args.limit) else 1)
    refuse_unknown_characters(validation, configs)
    if processes.rank == 0:
        require_new_run(configs.model_path)
    return configs, training, validation


def continue_run(run, epochs):
    """Read the settings and the samples of a run that was stopped, and say where it stands."""
    configs = continue_configs(run, ModelConfigs, epochs)
    state = find_state(run / "state")
    print(f"{run} goes on at {state.position}" if state else f"{run} begins at epoch 1")
    return configs, *load_saved_samples(run)


def main(arguments=None):
    """Train, export and show what the exported file reads."""
    args = parse_arguments(arguments)
    processes = distribute() if args.distribute else Processes(0, 1, 1)
    if args.resume and processes.world_size > 1:
        raise SystemExit("A run of several processes cannot be continued.")
    try:
        configs, training, validation = (
            continue_run(args.resume, args.train_epochs)
            if args.resume
            else begin_run(args, processes)
        )
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    run = Path(configs.model_path)
    keras.utils.set_random_seed(configs.seed)
    keras.config.set_dtype_policy(configs.precision)

    # CTC gets off the ground sooner on short words: the README has the curves.
    train_provider, val_provider = (
        make_provider(samples, configs, args.limit, drop_last=args.distribute, **options).shard(
            processes.rank, processes.world_size
        )
        for samples, options in (
            (training, {"short_first": True}),
            (validation, {"shuffle": False}),
        )
    )
    if processes.rank == 0:
        configs.save()
    if processes.rank == 0 and not args.resume:
        train_provider.to_csv(run / "train.csv")
        val_provider.to_csv(run / "val.csv")

    with processes.scope():
        model = make_model(configs)
        compile_reader(model, configs.learning_rate, configs.vocab)
        if args.start_from:
            take_weights(model, args.start_from, configs.vocab)
    model.summary(line_length=110)
    try:
        fit_reader(
            model,
            train_provider,
            val_provider,
            run,
            epochs=configs.train_epochs,
            learning_rate=configs.learning_rate,
            metadata={"vocab": configs.vocab},
            resume=args.resume is not None,
            export=not args.no_export,
            int8=args.int8,
            processes=processes,
        )
    except KeyboardInterrupt as error:
        raise SystemExit(f"{error}\nContinue with: train.py --resume {run}") from None
    if processes.world_size > 1:
        print(f"Export it with: mltu export {run}")
    elif not args.no_export:
        found = evaluate_export(run, load_saved_samples(run)[1])
        print(f"model.onnx on {found.num_samples} validation words: CER {found.cer}, "
              f"mean per word {found.mean_cer}, WER {found.wer}")  # fmt: skip
    print(f"Run folder: {run}")


if __name__ == "__main__":
    main()
