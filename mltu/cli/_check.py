"""mltu check: find what is wrong with a data set before training."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mltu.cli._common import (
    WHERE,
    count_option,
    data_options,
    is_watched,
    open_data,
    quoted,
)

if TYPE_CHECKING:
    from mltu.datasets import Samples
    from mltu.evaluation import LabelReview
    from mltu.inference import OnnxInferenceModel
    from mltu.training import LearningCurve


@click.command("check", short_help="Check a data set before training.")
@click.argument("train")
@click.argument("validation", required=False)
@data_options
@click.option(
    "--model",
    "run",
    metavar="RUN",
    help="Run folder: sets --vocab, --width, --height, --steps and --max-length; its reader finds "
    "labels that look wrong.",
)
@count_option("--folds", help="Find labels that look wrong by cross-validation with N readers.")
@click.option(
    "--learning-curve",
    "plot",
    metavar="PNG",
    help="Train on growing parts of TRAIN, and plot the CER on held-out images.",
)
@count_option("--epochs", help="Epochs of --folds and --learning-curve (default: as `mltu train`).")
@click.option(
    "--start-from", metavar="TEXT", help="Reader that these two start from, as in `mltu train`."
)
@click.option("--vocab", metavar="TEXT", help="Characters that the model knows.")
@count_option("--width", help="Width of the model input, in pixels.")
@count_option("--height", help="Height of the model input, in pixels.")
@count_option("--steps", help="Time steps of the model output.")
@count_option("--max-length", help="Longest label, in characters.")
@count_option("--num-read", help="Number of images to read (default: all).")
@count_option("--workers", default=2, help="Threads that read images.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with more examples.")
@click.option("--sheet", metavar="PNG", help="Write a contact sheet, faulty images first.")
def command(
    train: str,
    validation: str | None,
    run: str | None,
    folds: int | None,
    plot: str | None,
    epochs: int | None,
    start_from: str | None,
    as_json: bool,
    sheet: str | None,
    num_read: int | None,
    workers: int,
    **given: Any,
) -> None:
    """Check the images and labels of TRAIN, and compare VALIDATION with them.

    Both are a CSV or TSV file, a folder of images named after their labels, an LMDB, or a folder
    in the layout of IAM or of MJSynth, which includes its validation list. The exit status is 1 if
    there is an error.

    \b
    mltu check labels.csv --width 128 --height 32 --sheet sheet.png
    mltu check new.csv --model run
    mltu check labels.csv --folds 4 --sheet sheet.png
    mltu check labels.csv --learning-curve curve.png
    """
    from mltu.data_check import check_data, write_sheet

    where = {name: given.pop(name) for name in WHERE}
    expected = {**(_expected(Path(run)) if run else {}), **_not_none(given)}
    width, height = expected.get("width"), expected.get("height")
    if (width is None) != (height is None):
        raise click.UsageError("--width and --height must be given together.")
    settings = _not_none({"epochs": epochs, "start_from": start_from})
    if settings and folds is None and plot is None:
        raise click.UsageError("--epochs and --start-from need --folds or --learning-curve.")
    training, validation_samples = open_data(train, validation, where)
    report = check_data(
        training,
        validation=validation_samples,
        vocab=expected.get("vocab"),
        max_word_length=expected.get("max_length"),
        time_steps=expected.get("steps"),
        image_size=(width, height) if width and height else None,
        num_read=num_read,
        workers=workers,
        progress=is_watched(),
    ).prepared_by(expected.get("resize"), expected.get("label_order"))
    if not as_json:
        click.echo(report.to_text(), nl=False)
    review = _review(training, Path(run) if run else None, folds, settings)
    if review is not None and not as_json:
        names = {i: str(training.source(i)) for i, _ in review.captions()}
        click.echo(f"\nLabel review: {review.to_text(names)}")
    curve = None if plot is None else _learning_curve(training, settings)
    if curve is not None and not as_json:
        click.echo(f"\n{curve.to_text()}")
    if as_json:
        parts = {"label_review": review, "learning_curve": curve}
        found = {name: asdict(part) for name, part in parts.items() if part is not None}
        click.echo(json.dumps({**json.loads(report.to_json()), **found}, indent=2))
    if curve is not None and plot is not None:
        curve.plot(plot)
        click.echo(f"Learning curve: {plot}", err=as_json)
    if sheet is not None:
        first = [] if review is None else review.captions()
        num_shown = write_sheet(sheet, report, training, validation_samples, first=first)
        written = f"Contact sheet of {num_shown} images: {sheet}"
        click.echo(written if num_shown else "No contact sheet: no image to show.", err=as_json)
    if not report.ok:
        raise click.exceptions.Exit(1)


def _learning_curve(samples: Samples, settings: dict[str, Any]) -> LearningCurve:
    from mltu.training import measure_learning_curve

    with contextlib.redirect_stdout(sys.stderr):
        return measure_learning_curve(samples, progress=False, **settings)


def _review(
    samples: Samples, run: Path | None, folds: int | None, settings: dict[str, Any]
) -> LabelReview | None:
    """Compare the labels with readings of images that the reader was not trained on."""
    import numpy as np

    from mltu.datasets import load_samples
    from mltu.evaluation import review_labels
    from mltu.inference import TextRecognizer

    positions = list(range(len(samples)))
    if folds is not None:
        from mltu.training import read_out_of_fold

        with contextlib.redirect_stdout(sys.stderr):
            readings = read_out_of_fold(samples, folds=folds, progress=False, **settings)
    elif run is not None and (run / "model.onnx").is_file():
        seen: set[str] = set()
        if (run / "train.csv").is_file():
            seen = {os.path.abspath(path) for path in load_samples(run / "train.csv").data}
        else:  # It was trained on an LMDB, or copied without the list.
            click.echo(
                f"{run} has no train.csv, so images that it was trained on are not skipped. It can "
                "only judge labels that it has not learned.",
                err=True,
            )
        positions = [i for i in positions if os.path.abspath(samples.source(i)) not in seen]
        if len(positions) < len(samples):
            click.echo(
                f"Skipped: {len(samples) - len(positions)} images were used to train {run}, so it "
                "cannot judge their labels. To check these too, use --folds 4.",
                err=True,
            )
        reader = TextRecognizer(run)
        images = samples.take(np.asarray(positions, int)).data
        readings = list(reader.predict_stream(images, on_error="keep", progress=is_watched()))
    else:
        if run is not None:
            click.echo(
                f"{run} has no model.onnx to read with, so no labels are reviewed. To write it: "
                f"mltu export {quoted(run)}",
                err=True,
            )
        return None
    read = [(i, x) for i, x in zip(positions, readings, strict=True) if x.error is None]
    return review_labels(
        [x.text for _, x in read],
        [x.confidence for _, x in read],
        [samples.labels[i] for i, _ in read],
        [i for i, _ in read],
    )


def _expected(run: Path) -> dict[str, Any]:
    """Return what a run was trained with: its configs, and the time steps of its ONNX file.

    Raises:
        OSError, ValueError: `configs.yaml` is missing or invalid.
    """
    from mltu.configs import BaseModelConfigs
    from mltu.inference import OnnxInferenceModel

    configs = vars(BaseModelConfigs.load(run / "configs.yaml"))
    width = configs.get("width")
    expected = {
        "resize": configs.get("resize"),
        "label_order": configs.get("label_order"),
        "vocab": configs.get("vocab"),
        "width": max(width) if isinstance(width, list) else width,
        "height": configs.get("height"),
        "max_length": configs.get("max_text_length"),
    }
    if (run / "model.onnx").is_file():
        expected["steps"] = _time_steps(OnnxInferenceModel(run, force_cpu=True))
    return _not_none(expected)


def _time_steps(model: OnnxInferenceModel) -> int | None:
    """Run the model once to get its time steps; None if its image size is not fixed."""
    import numpy as np

    if not all(isinstance(side, int) for side in model.input_shape):
        return None
    blank = np.zeros((1, *model.input_shape), np.float32)
    shape = model.model.run(None, {model.input_name: blank})[0].shape
    return int(shape[1]) if len(shape) == 3 else None


def _not_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
