"""Train a reader of lines of text: python train.py

Without IAM under Datasets/IAM, and without --data, lines are rendered from fonts first.
"""

import argparse
from pathlib import Path

import keras
from configs import ModelConfigs
from data import make_provider, read_lines
from model import sentence_model

from mltu.datasets import IamSplit, read_csv, write_csv
from mltu.training import (
    compile_reader,
    continue_configs,
    evaluate_export,
    fit_reader,
    load_saved_samples,
    require_new_run,
    save_samples,
)
from mltu.utils.text_columns import distinct_characters, text_lengths


def positive(text):
    """Read a command line number of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, received {text}")
    return number


def parse_arguments(arguments):
    """Read the command line; what is left out keeps the value of ModelConfigs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the folder of IAM, with lines.txt and lines/")
    parser.add_argument("--limit", type=positive, help="use only the first N lines of each part")
    parser.add_argument("--epochs", type=positive, dest="train_epochs")
    parser.add_argument("--batch-size", type=positive)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--workers", type=positive, dest="train_workers")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"])
    parser.add_argument("--output", type=Path, dest="model_path", help="the run folder")
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="continue a run; only --epochs may be raised"
    )
    args = parser.parse_args(arguments)
    given = {key for key, value in vars(args).items() if value is not None}
    if args.resume and given - {"resume", "train_epochs"}:
        parser.error("--resume takes all settings from the run; only --epochs goes with it")
    return args


def begin_run(args):
    """Read the lines of a new run, and take its settings from them and the command line."""
    configs = ModelConfigs()
    given = {key: value for key, value in vars(args).items() if value is not None}
    vars(configs).update({key: value for key, value in given.items() if hasattr(configs, key)})
    configs.model_path = str(configs.model_path)
    require_new_run(configs.model_path)
    split = read_lines(args.data and args.data.resolve(), args.limit, configs.seed)
    configs.vocab = "".join(sorted(set().union(*(distinct_characters(p.labels) for p in split))))
    configs.max_text_length = max(int(text_lengths(part.labels).max()) for part in split)
    return configs, split


def continue_run(args):
    """Take the settings and the lines of a run that was stopped."""
    configs = continue_configs(args.resume, ModelConfigs, args.train_epochs)
    test = args.resume / "test.csv"  # written behind train.csv and val.csv
    if not test.is_file():
        raise FileNotFoundError(
            f"{args.resume} was stopped before its first batch. Start it again."
        )
    return configs, IamSplit(*load_saved_samples(args.resume), read_csv(test))


def main(arguments=None):
    """Train, export, and read the test lines with the exported file."""
    args = parse_arguments(arguments)
    try:
        configs, split = continue_run(args) if args.resume else begin_run(args)
        training = make_provider(split.training, configs, trains=True)
        validation = make_provider(split.validation, configs, trains=False)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    print(", ".join(f"{len(part)} {name}" for name, part in split._asdict().items()), "lines")
    run = Path(configs.model_path)
    configs.save()
    if not args.resume:
        save_samples(run, split.training, split.validation)
        write_csv(run / "test.csv", split.test)

    keras.utils.set_random_seed(configs.seed)
    keras.config.set_dtype_policy(configs.precision)
    model = sentence_model(configs)
    compile_reader(model, configs.learning_rate, configs.vocab)
    model.summary(line_length=110)
    try:
        fit_reader(
            model,
            training,
            validation,
            run,
            epochs=configs.train_epochs,
            learning_rate=configs.learning_rate,
            metadata={"vocab": configs.vocab},
            resume=args.resume is not None,
        )
    except KeyboardInterrupt as error:
        raise SystemExit(f"{error}\nContinue with: train.py --resume {run}") from None
    found = evaluate_export(run, split.test)
    print(f"model.onnx on {found.num_samples} test lines: CER {found.cer}, WER {found.wer}, "
          f"exactly right {found.exact}")  # fmt: skip
    print(f"Run folder: {run}")


if __name__ == "__main__":
    main()
