"""mltu train: a reader of your own, from a data set to the ONNX file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mltu.cli._common import count_option, is_terminal, is_watched

if TYPE_CHECKING:
    from mltu.training import TrainedReader, UnfitDataError

_WITH_RESUME = ("resume", "epochs", "export")


@click.command("train", short_help="Train a reader on your own images.")
@click.argument("data", required=False)
@click.option("--validation", metavar="DATA", help="A tenth of DATA if left out.")
@click.option("--output", metavar="RUN", help="The folder to write; runs/<time> if left out.")
@click.option(
    "--model", type=click.Choice(["columns", "rows", "strong"]), default="columns",
    show_default=True, help="The network, of mltu.models.",
)  # fmt: skip
@count_option("--epochs", text="At most; enough for 5,000 steps if left out.")
@count_option("--batch-size", default=32, text="Images of a step.")
@click.option(
    "--learning-rate", type=click.FloatRange(0, min_open=True), metavar="X",
    help="The peak; what suits the network if left out.",
)  # fmt: skip
@count_option("--width", default=128, text="Of the model's input.")
@count_option("--height", default=32, text="Of the model's input.")
@click.option("--vocab", metavar="TEXT", help="The characters; those of the labels if left out.")
@click.option(
    "--augment/--no-augment", default=True, show_default=True,
    help="Change brightness, angle and stroke of training images by chance.",
)  # fmt: skip
@count_option("--seed", default=0, least=0, text="Of all chance.")
@click.option(
    "--precision", type=click.Choice(["float32", "mixed_bfloat16", "mixed_float16"]),
    default="float32", show_default=True, help="Of the arithmetic.",
)  # fmt: skip
@count_option("--workers", default=2, text="Threads that make batches.")
@click.option("--resume", metavar="RUN", help="Go on with a run; --epochs may be raised.")
@click.option("--export/--no-export", default=True, help="Write model.onnx, or leave it out.")
@click.pass_context
def command(
    context: click.Context, /, data: str | None, resume: str | None, **options: Any
) -> None:
    """Train a reader on DATA, and write it to a run folder with its ONNX file.

    DATA is a CSV or TSV file, a folder of images named after their labels, an LMDB, or a folder in
    the layout of MJSynth. It is examined first. Ctrl-C stops in good order, and --resume goes on.
    It needs `pip install "mltu[tensorflow]"`.

    \b
    mltu train labels.csv --output run --epochs 30
    mltu train --resume run
    """
    _check_usage(context, data, resume)
    _look_for(data, options["validation"])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's remarks on the machine
    from mltu.training import UnfitDataError, resume_reader, train_reader

    output = resume or options["output"] or _new_folder()
    more = {
        "export": options["export"],
        "progress": is_watched() and is_terminal(sys.stdout),  # Keras draws its bar on stdout.
    }
    try:
        if resume is not None:
            outcome = resume_reader(resume, epochs=options["epochs"], **more)
        else:
            given = {key: value for key, value in options.items() if value is not None}
            outcome = train_reader(data, **{**given, **more, "output": output})
    except UnfitDataError as error:
        _say_faults(error)
        raise click.exceptions.Exit(1) from None
    except KeyboardInterrupt as error:
        if (Path(output) / "configs.yaml").is_file():
            error = KeyboardInterrupt(f"{error}\nContinue with: mltu train --resume {output}")
        raise error from None
    _say_outcome(outcome)


def _check_usage(context: click.Context, data: str | None, resume: str | None) -> None:
    given = {
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    if resume is None and data is None:
        raise click.UsageError("Give DATA to train on, or --resume RUN.")
    if resume is not None and given - set(_WITH_RESUME):
        raise click.UsageError(
            "--resume takes all settings from the run; only --epochs and --no-export go with it."
        )


def _look_for(*data: str | None) -> None:
    """Say what is not there before Keras takes its seconds to start.

    Raises:
        FileNotFoundError: a data set is missing.
    """
    from mltu.datasets import open_samples

    for name in data:
        if name is not None and not os.path.exists(name):
            open_samples(name)  # It raises, and says what may stand there.


def _new_folder() -> str:
    from mltu.training import ReaderConfigs

    return str(ReaderConfigs().model_path)


def _say_faults(error: UnfitDataError) -> None:
    """Name each fault of the data on a line of its own."""
    for fault in error.errors:
        example = fault.examples[0]
        where = f"{example.path} {example.detail}".strip()
        text = f"{fault.name}: {fault.count} samples, such as {where}. {fault.meaning}"
        click.echo(f"Error: {' '.join(text.split())} Way out: {fault.way_out}", err=True)
    click.echo("Nothing was trained.", err=True)


def _say_outcome(outcome: TrainedReader) -> None:
    click.echo(f"Run folder: {outcome.run}")
    if outcome.evaluation is None:
        click.echo(f"Write its ONNX file: mltu export {outcome.run}")
        return
    figures = outcome.evaluation
    click.echo(
        f"model.onnx on {figures.num_samples} validation images: CER {figures.cer}, "
        f"WER {figures.wer}; 95 % intervals in brackets"
    )
    click.echo(f"Read with it: mltu read IMAGES --model {outcome.run}")
