"""Train a reader of captchas: a folder of images whose names are their texts.

python train.py [--data FOLDER] [--style mixed] [--fold 0 --folds 10]
"""

import argparse
from pathlib import Path

import keras
from configs import ModelConfigs
from data import STYLES, hold_out, make_provider, read_captchas
from model import captcha_model

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
    parser.add_argument("--data", type=Path, help="a folder of images named after their texts")
    parser.add_argument("--style", choices=STYLES, help="of drawn captchas; plain if left out")
    parser.add_argument("--limit", type=positive, help="use only the first N captchas")
    parser.add_argument("--fold", type=int, help="the part to hold out, from 0")
    parser.add_argument("--folds", type=int, dest="num_folds", help="into how many parts to divide")
    parser.add_argument("--epochs", type=positive, dest="train_epochs")
    parser.add_argument("--batch-size", type=positive)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--workers", type=int, dest="train_workers")
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--output", type=Path, dest="model_path", help="the run folder")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on; --epochs may be raised")
    args = parser.parse_args(arguments)
    given = {key for key, value in vars(args).items() if value is not None}
    if args.resume and given - {"resume", "train_epochs"}:
        parser.error("--resume takes all settings from the run; only --epochs goes with it")
    return args


def begin_run(args):
    """Make the settings and divide the captchas of a new run."""
    configs = ModelConfigs()
    given = {key: value for key, value in vars(args).items() if value is not None}
    vars(configs).update({key: value for key, value in given.items() if hasattr(configs, key)})
    configs.model_path = str(configs.model_path)
    require_new_run(configs.model_path)
    if configs.num_folds < 2:
        raise ValueError(f"--folds must be at least 2. Received {configs.num_folds}.")
    if not 0 <= configs.fold < configs.num_folds:
        raise ValueError(f"--fold must be in 0..{configs.num_folds - 1}. Received {configs.fold}.")
    samples = read_captchas(args.data, args.style or "plain", args.limit, configs.seed)
    if len(samples) < configs.num_folds:
        raise ValueError(
            f"--data must hold at least {configs.num_folds} captchas. Received {len(samples)}."
        )
    configs.vocab = "".join(sorted(distinct_characters(samples.labels)))
    configs.max_text_length = int(text_lengths(samples.labels).max())
    parts = hold_out(samples, configs.num_folds, configs.fold, configs.seed)
    save_samples(configs.model_path, *parts)
    return configs, *parts


def main(arguments=None):
    """Train, export and show what the exported file reads."""
    args = parse_arguments(arguments)
    try:
        if args.resume:
            configs = continue_configs(args.resume, ModelConfigs, args.train_epochs)
            training, held = load_saved_samples(args.resume)
        else:
            configs, training, held = begin_run(args)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    configs.save()
    run = Path(configs.model_path)
    keras.utils.set_random_seed(configs.seed)
    keras.config.set_dtype_policy(configs.precision)

    model = captcha_model(configs)
    compile_reader(model, configs.learning_rate, configs.vocab)
    try:
        fit_reader(
            model,
            make_provider(training, configs, trains=True),
            make_provider(held, configs, trains=False),
            run,
            epochs=configs.train_epochs,
            learning_rate=configs.learning_rate,
            metadata={"vocab": configs.vocab, "color": "GRAY"},
            keep_best=False,  # The captchas held out are to test, not to choose.
            resume=args.resume is not None,
        )
    except KeyboardInterrupt as error:
        raise SystemExit(f"{error}\nContinue with: train.py --resume {run}") from None
    found = evaluate_export(run, held)
    print(f"{found.num_samples} captchas held out: {found.exact} exact, CER {found.cer}")
    print(f"Run folder: {run}")


if __name__ == "__main__":
    main()
