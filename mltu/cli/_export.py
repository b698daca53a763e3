"""mltu export: the ONNX file of a run that was trained without one."""

from __future__ import annotations

import os

import click

from mltu.cli._common import count_option


@click.command("export", short_help="Write the ONNX file of a trained run.")
@click.argument("run")
@count_option("--opset", text="Of the ONNX file.")
@click.option("--dynamic-width", is_flag=True, help="Leave the width of images free.")
@click.option("--int8", is_flag=True, help="Write model.int8.onnx too.")
@click.option("--trust", is_flag=True, help="Run the code of a Lambda layer in the model.")
def command(run: str, opset: int | None, dynamic_width: bool, int8: bool, trust: bool) -> None:
    """Write RUN/model.onnx from RUN/model.keras, compared with it on the validation images.

    \b
    mltu export Models/1_image_to_word/202611231514
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from mltu.onnx_export import export_run

    metrics, report = export_run(
        run, opset=opset, dynamic_width=dynamic_width, int8=int8, trust=trust
    )
    click.echo(f"model.onnx: {metrics.to_text()}")
    if report is not None:
        click.echo(report.to_text())
