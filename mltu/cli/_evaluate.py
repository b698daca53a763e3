"""mltu evaluate: what a reader is worth on images whose labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mltu.cli._common import (
    count_option,
    device_options,
    find_model,
    is_watched,
    part_option,
    print_json,
    text_or_json,
)

if TYPE_CHECKING:
    from mltu.datasets import Samples
    from mltu.evaluation import Evaluation

_NAMES = {
    "cer": "CER",
    "mean_cer": "CER, mean of images",
    "wer": "WER",
    "exact": "read right",
    "cer_ignoring_case": "CER, ignoring case",
    "mean_cer_ignoring_case": "CER, mean, ignoring case",
    "accuracy_ignoring_case": "read right, [0-9a-z]",
}


@click.command("evaluate", short_help="Compare readings with labels: CER, WER, accuracy.")
@click.argument("model", metavar="RUN_OR_MODEL")
@click.argument("data", required=False)
@part_option
@count_option("--limit", text="Read only the first N images.")
@click.option(
    "--report", type=click.Path(dir_okay=False, writable=True), metavar="HTML",
    help="Write a page with the worst readings.",
)  # fmt: skip
@text_or_json
@device_options
def command(
    model: str,
    data: str | None,
    part: str | None,
    limit: int | None,
    report: str | None,
    form: str,
    cpu: bool,
    threads: int | None,
) -> None:
    """Read the images of DATA and compare with their labels.

    DATA is a CSV or TSV file, a folder of images named after their labels, an LMDB, or a folder in
    the layout of MJSynth (its validation list, unless --part says otherwise). A run folder brings
    its val.csv. An image that cannot be read counts as read empty, and is named on stderr.

    \b
    mltu evaluate run
    mltu evaluate words labels.csv --format json
    """
    from mltu.evaluation import Figure, Sample, evaluate_readings, write_report
    from mltu.inference import TextRecognizer

    samples = _open(model, data, part)[:limit]
    reader = TextRecognizer(find_model(model), num_threads=threads, force_cpu=cpu)
    readings = list(reader.predict_stream(samples.data, on_error="keep", progress=is_watched()))
    labels = list(samples.labels)
    num_unread = _name_unread(samples, readings)
    evaluation = evaluate_readings([reading.text for reading in readings], labels)
    if form == "json":
        figures = evaluation._asdict()
        content = {
            name: value._asdict() if isinstance(value, Figure) else value
            for name, value in figures.items()
        }
        print_json({**content, "num_unread": num_unread})
    else:
        click.echo(_as_text(reader.model_path, evaluation, num_unread))
    if report is not None:
        pairs = zip(samples.data, labels, readings, strict=True)
        write_report(
            report,
            [Sample(image, label, r.text, r.confidence, r.error) for image, label, r in pairs],
            title=f"{model} on {data or 'its validation images'}",
        )


def _open(model: str, data: str | None, part: str | None) -> Samples:
    """Read the data set, or the validation list of the run."""
    from mltu.datasets import open_samples, open_validation

    if data is None:
        own = Path(model) / "val.csv"
        if not own.is_file():
            raise click.UsageError(f"Give DATA: there is no {own} to take instead.")
        data = str(own)
    elif part is None and (found := open_validation(data)) is not None:
        return found
    return open_samples(data, part=part)


def _name_unread(samples: Samples, readings: Sequence[Any]) -> int:
    """Name the images that could not be read on stderr, and return their number."""
    errors = [(row, reading.error) for row, reading in enumerate(readings) if reading.error]
    for row, error in errors:
        click.echo(f"{samples.source(row)}: {' '.join(error.split())}", err=True)
    return len(errors)


def _as_text(model: str, evaluation: Evaluation, num_unread: int) -> str:
    unread = f", {num_unread} of which could not be read" if num_unread else ""
    lines = [f"{model}: {evaluation.num_samples} images{unread}; 95 % intervals in brackets"]
    width = max(map(len, _NAMES.values()))
    figures = {name: getattr(evaluation, key) for key, name in _NAMES.items()}
    lines += [f"{name:{width}}  {value}" for name, value in figures.items() if value is not None]
    return "\n".join(lines)
