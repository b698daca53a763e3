"""mltu pack: put a data set into one file."""

from __future__ import annotations

import click

from mltu.cli._common import data_options, is_watched, part_option


@click.command("pack", short_help="Pack a data set into an LMDB.")
@click.argument("data")
@click.argument("out")
@part_option
@data_options
@click.option("--verify", is_flag=True, help="Read everything back and compare.")
def command(data: str, out: str, part: str | None, verify: bool, **where: str | None) -> None:
    """Copy the images and labels of DATA into an LMDB, the folder OUT.

    DATA is a CSV or TSV file, a folder of images named after their labels, or a folder in the
    layout of MJSynth or IAM. Run the same command again to continue after an interruption. Requires
    `pip install "mltu[lmdb]"`.

    \b
    mltu pack labels.csv labels.lmdb
    """
    from mltu.datasets import open_samples, pack_lmdb

    samples = open_samples(data, part=part, **where)
    pack_lmdb(samples, out, verify=verify, progress=is_watched())
    click.echo(f"{out}: {len(samples)} images")
