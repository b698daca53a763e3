"""mltu bench: how fast a reader reads on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import click

from mltu.cli._common import count_option, device_options, find_model, print_json, text_or_json

_BATCH_SIZES = (1, 8, 64)
_WARMUP = 3  # calls before the clock runs: onnxruntime plans its memory in the first


@click.command("bench", short_help="Measure how fast a reader reads here.")
@click.argument("model")
@count_option("--images", "num_images", default=256, text="How many to read in each measurement.")
@text_or_json
@device_options
def command(model: str, num_images: int, form: str, cpu: bool, threads: int | None) -> None:
    """Measure MODEL: milliseconds for one image, and images a second in batches of 1, 8 and 64.

    Images are noise of the size that the model takes; preparing them and decoding the answers
    counts, reading files does not.

    \b
    mltu bench run --threads 2
    """
    from mltu.inference import TextRecognizer

    reader = TextRecognizer(find_model(model), num_threads=threads, force_cpu=cpu)
    found = _measure(reader, num_images, threads)
    if form == "json":
        print_json(found)
        return
    count = threads or f"its own choice of {found['cores']} cores"
    click.echo(f"{found['model']} on {found['provider']}, threads: {count}")
    click.echo(f"one image      {found['milliseconds']:8.2f} ms")
    for size, speed in found["images_per_second"].items():
        click.echo(f"batches of {size:3} {speed:8,.0f} images/s")


def _measure(reader: Any, num_images: int, threads: int | None) -> dict[str, Any]:
    import numpy as np
    import onnxruntime

    card = reader.card
    width = card.width if isinstance(card.width, int) else card.width[-1]
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (max(_BATCH_SIZES), card.height, width, 3), np.uint8))
    once = _seconds(num_images, reader.predict, images[0])
    speeds = {
        size: size / _seconds(-(-num_images // size), reader.predict_batch, images[:size])
        for size in _BATCH_SIZES
    }
    return {
        "model": reader.model_path,
        "provider": reader.model.get_providers()[0],
        "threads": threads,
        "cores": os.cpu_count(),
        "onnxruntime": onnxruntime.__version__,
        "num_images": num_images,
        "milliseconds": 1000 * once,
        "images_per_second": speeds,
    }


def _seconds(count: int, function: Callable[[Any], Any], argument: Any) -> float:
    """Return the median of so many calls, some more before them left out."""
    found = []
    for _ in range(_WARMUP + count):
        started = time.perf_counter()
        function(argument)
        found.append(time.perf_counter() - started)
    return median(found[_WARMUP:])
