"""mltu export: the ONNX file of a trained run."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mltu.cli._common import count_option


@click.command("export", short_help="Write the ONNX file of a trained run.")
@click.argument("run")
@count_option("--opset", help="ONNX opset version (default: 18).")
@click.option("--int8", is_flag=True, help="Also write model.int8.onnx.")
@click.option("--trust", is_flag=True, help="Load Lambda layers, which run code from the file.")
def command(run: str, opset: int | None, int8: bool, trust: bool) -> None:
    """Write RUN/model.onnx from RUN/model.keras and compare both on the validation images.

    \b
    mltu export Models/1_image_to_word/202611231514
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from mltu.onnx_export import export_run

    metrics, report = export_run(run, opset=opset, int8=int8, trust=trust)
    click.echo(f"{Path(run) / 'model.onnx'}: {metrics.to_text()}")
    if report is not None:
        click.echo(f"{Path(run) / 'model.int8.onnx'}: {report.to_text()}")
