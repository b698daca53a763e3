"""mltu evaluate: measure a reader on labelled images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mltu._extras import explain_missing
from mltu.cli._common import (
    count_option,
    data_options,
    device_options,
    find_model,
    is_watched,
    part_option,
    print_json,
    retry_option,
    text_or_json,
)

if TYPE_CHECKING:
    from mltu.datasets import Samples
    from mltu.evaluation import Evaluation
    from mltu.inference import Reading

_NAMES = {
    "cer": "CER",
    "mean_cer": "mean CER",
    "wer": "WER",
    "exact": "exact match",
    "cer_ignoring_case": "CER, ignoring case",
    "mean_cer_ignoring_case": "mean CER, ignoring case",
    "accuracy_ignoring_case": "scene text accuracy",
}


@click.command("evaluate", short_help="Measure CER, WER and accuracy on labelled images.")
@click.argument("model", metavar="RUN_OR_MODEL")
@click.argument("data", required=False)
@part_option
@data_options
@count_option("--limit", help="Use only the first N images.")
@click.option(
    "--report", type=click.Path(dir_okay=False, writable=True), metavar="HTML",
    help="Write an HTML report with the worst readings.",
)  # fmt: skip
@text_or_json
@retry_option
@device_options
def command(
    model: str,
    data: str | None,
    part: str | None,
    limit: int | None,
    report: str | None,
    form: str,
    retry_below: float | None,
    cpu: bool,
    threads: int | None,
    **where: str | None,
) -> None:
    """Read the images of DATA and compare the readings with the labels.

    RUN_OR_MODEL is a run folder, an ONNX file, or the name of a shipped reader (words,
    words_small). DATA is a CSV or TSV file, a folder of images named after their labels, an LMDB,
    or a folder in the layout of IAM or MJSynth (its validation list, unless --part selects
    another), and defaults to val.csv of the run folder. Unreadable images count as empty readings
    and are listed on stderr.

    The metrics are printed with 95% confidence intervals.

    \b
    mltu evaluate run
    mltu evaluate words labels.csv --format json
    """
    from mltu.evaluation import Estimate, Sample, evaluate_readings, write_report
    from mltu.inference import TextRecognizer

    if report is not None:
        with explain_missing():  # Now, rather than after all images have been read.
            import jinja2  # noqa: F401
    samples = _open(model, data, part, where)[:limit]
    if not samples:
        raise ValueError("DATA must have at least one sample. Received an empty data set.")
    reader = TextRecognizer(
        find_model(model), retry_below=retry_below, num_threads=threads, force_cpu=cpu
    )
    readings = list(reader.predict_stream(samples.data, on_error="keep", progress=is_watched()))
    labels = list(samples.labels)
    num_unread = _list_unreadable(samples, readings)
    _warn_of_strangers(labels, reader.card.vocab)
    evaluation = evaluate_readings([reading.text for reading in readings], labels)
    if form == "json":
        metrics = {
            name: value._asdict() if isinstance(value, Estimate) else value
            for name, value in evaluation._asdict().items()
        }
        print_json({**metrics, "num_unread": num_unread})
    else:
        click.echo(_as_text(reader.model_path, evaluation, num_unread))
    if report is not None:
        pairs = zip(samples.data, labels, readings, strict=True)
        write_report(
            report,
            [Sample(image, label, r.text, r.confidence, r.error) for image, label, r in pairs],
            title=f"{model} on {data or 'its validation images'}",
        )
        click.echo(f"Report: {report}", err=True)


def _open(
    model: str, data: str | None, part: str | None, where: Mapping[str, str | None]
) -> Samples:
    """Open DATA; of the MJSynth layout the validation list, unless another part is selected."""
    from mltu.datasets import open_samples, open_validation

    if data is None:
        validation = Path(model) / "val.csv"
        if not validation.is_file():
            raise click.UsageError(f"DATA is required, because there is no {validation}.")
        data = str(validation)
    elif part is None and (samples := open_validation(data)) is not None:
        return samples
    return open_samples(data, part=part, **where)


def _list_unreadable(samples: Samples, readings: Sequence[Reading]) -> int:
    """List the images that could not be read on stderr, and return their number."""
    errors = [(row, reading.error) for row, reading in enumerate(readings) if reading.error]
    for row, error in errors:
        click.echo(f"{samples.source(row)}: {' '.join(error.split())}", err=True)
    return len(errors)


def _warn_of_strangers(labels: Sequence[str], vocab: str) -> None:
    """Say on stderr which labels the reader cannot emit."""
    strangers = [label for label in labels if not set(vocab).issuperset(label)]
    if strangers:
        chars = ", ".join(map(repr, sorted(set().union(*strangers) - set(vocab))[:20]))
        click.echo(
            f"{len(strangers)} of {len(labels)} labels have characters that the reader does not "
            f"know ({chars}), such as {strangers[0]!r}: their readings count as wrong.",
            err=True,
        )


def _as_text(model: str, evaluation: Evaluation, num_unread: int) -> str:
    unread = f", {num_unread} of them unreadable" if num_unread else ""
    lines = [f"{model}: {evaluation.num_samples} images{unread}; 95% intervals in brackets"]
    width = max(map(len, _NAMES.values()))
    values = {name: getattr(evaluation, key) for key, name in _NAMES.items()}
    lines += [f"{name:{width}}  {value}" for name, value in values.items() if value is not None]
    return "\n".join(lines)
