"""mltu train: from a data set to an ONNX file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mltu.cli._common import (
    WHERE,
    Number,
    data_options,
    is_terminal,
    is_watched,
    open_data,
    quoted,
)
from mltu.configs import ReaderConfigs

if TYPE_CHECKING:
    from mltu.training import DatasetError, TrainedReader

_USELESS, _POOR = 0.9, 0.2  # CER
_WITH_RESUME = ("resume", "epochs", "export")


def _setting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each setting that `train_reader` takes."""
    for name, setting in reversed(ReaderConfigs.options().items()):
        kind = str(setting.type).removesuffix(" | None")
        meaning, choices, least = (setting.metadata[key] for key in ("meaning", "choices", "least"))
        types: dict[str, tuple[Any, str | None]] = {
            "bool": (click.BOOL, None),
            "int": (click.IntRange(least), "N"),
            "Any": (click.IntRange(least), "N"),
            "float": (Number(0, min_open=True), "X"),
            "str": (click.Choice(choices), None) if choices else (click.STRING, "TEXT"),
        }
        option = f"--{name.replace('_', '-')}"
        value_type, metavar = types[kind]
        function = click.option(
            f"{option}/--no-{name}" if kind == "bool" else option,
            type=value_type,
            metavar=metavar,
            default=setting.default,
            show_default=setting.default is not None,
            help=meaning,
        )(function)
    return function


@click.command("train", short_help="Train a reader on your own images.")
@click.argument("data", required=False)
@click.option("--validation", metavar="DATA", help="Validation data (default: a tenth of DATA).")
@click.option("--output", metavar="RUN", help="Folder to write (default: runs/<time>).")
@data_options
@_setting_options
@click.option("--resume", metavar="RUN", help="Continue a run; --epochs may be raised.")
@click.option("--export/--no-export", default=True, help="Whether to write model.onnx at the end.")
@click.pass_context
def command(
    context: click.Context, /, data: str | None, resume: str | None, **options: Any
) -> None:
    """Train a reader on DATA, and write it to a run folder with its ONNX file.

    DATA is a CSV or TSV file, a folder of images named after their labels, an LMDB, or a folder in
    the layout of MJSynth or IAM. It is checked first. Ctrl-C stops training safely, and
    --resume continues it. Training needs `pip install "mltu[tensorflow]"`.

    \b
    mltu train labels.csv --output run --epochs 30
    mltu train --resume run
    """
    _check_usage(context, data, resume)
    _require_data(data, options["validation"])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's remarks on the machine
    from mltu.training import DatasetError, resume_reader, train_reader

    output = resume or options["output"] or ReaderConfigs().model_path
    more = {
        "export": options["export"],
        "progress": is_watched() and is_terminal(sys.stdout),  # Keras draws its bar on stdout.
    }
    try:
        if resume is not None:
            outcome = resume_reader(resume, epochs=options["epochs"], **more)
        else:
            given = {key: value for key, value in options.items() if value is not None}
            where = {name: given.pop(name) for name in WHERE if name in given}
            source: Any = data
            if where:
                source, given["validation"] = open_data(source, options["validation"], where)
            outcome = train_reader(source, **{**given, **more, "output": output})
    except DatasetError as error:
        _print_errors(error)
        raise click.exceptions.Exit(1) from None
    except KeyboardInterrupt as error:
        if (Path(output) / "configs.yaml").is_file():
            error = KeyboardInterrupt(
                f"Continue with: mltu train --resume {quoted(output)}\n{error}"
            )
        raise error from None
    _print_result(outcome)


def _check_usage(context: click.Context, data: str | None, resume: str | None) -> None:
    given = {
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    if resume is None and data is None:
        raise click.UsageError("Pass DATA to train on, or --resume RUN.")
    if resume is not None and given - set(_WITH_RESUME):
        raise click.UsageError(
            "--resume takes all settings from the run; only --epochs and --no-export may be added."
        )


def _require_data(*data: str | None) -> None:
    """Report a missing data set before Keras takes its seconds to start.

    Raises:
        FileNotFoundError: a data set is missing.
    """
    from mltu.datasets import open_samples

    for name in data:
        if name is not None and not Path(name).exists():
            open_samples(name)  # It raises, and says what it can open.


def _print_errors(error: DatasetError) -> None:
    """Print each error of the data on one line."""
    for fault in error.errors:
        example = fault.examples[0]
        where = f"{example.path} {example.detail}".strip()
        text = f"{fault.name}: {fault.count} samples, such as {where}. {fault.meaning}"
        click.echo(f"Error: {' '.join(text.split())} Fix: {fault.fix}", err=True)
    click.echo("Nothing was trained.", err=True)


def _print_result(outcome: TrainedReader) -> None:
    click.echo(f"Run folder: {outcome.run}")
    if outcome.evaluation is None:
        click.echo(f"Write its ONNX file: mltu export {quoted(outcome.run)}")
        return
    rates = outcome.evaluation
    click.echo(
        f"model.onnx on {rates.num_samples} validation images: CER {rates.cer}, "
        f"WER {rates.wer}; 95% intervals in brackets"
    )
    if rates.cer.value >= _POOR:
        click.echo(
            "That is too many errors for most uses. What helps most: more images of the kinds that "
            "are misread (see mltu evaluate --report), and starting from a trained reader "
            "(--start-from words)."
        )
    if rates.cer.value < _USELESS:
        click.echo(f"Read with it: mltu read IMAGES --model {quoted(outcome.run)}")
    else:
        click.echo(
            "The model has not learned to read. After few epochs that is expected: train longer, "
            f"mltu train --resume {quoted(outcome.run)} --epochs N"
        )
        if (outcome.run / "watch.log").is_file():
            click.echo(f"Diagnosis of the training run: {outcome.run / 'watch.log'}")
