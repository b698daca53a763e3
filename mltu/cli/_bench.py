"""mltu bench: measures the speed of a reader on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from statistics import median
from timeit import repeat
from typing import Any

import click

from mltu.cli._common import count_option, device_options, find_model, print_json, text_or_json

_BATCH_SIZES = (1, 8, 64)
_WORD = 4  # times as wide as high, of readers that take several widths
_WARMUP = 3  # calls before the timing: onnxruntime plans its memory in the first


@click.command("bench", short_help="Measure the speed of a reader.")
@click.argument("model", required=False)
@count_option("--images", "num_images", default=256, help="Images per measurement.")
@click.option("--data", metavar="DATA", help="Also measure the speed of `mltu train DATA`.")
@text_or_json
@device_options
def command(
    model: str | None, num_images: int, data: str | None, form: str, cpu: bool, threads: int | None
) -> None:
    """Measure MODEL, or the shipped reader: milliseconds per image, and images per second.

    Images per second are measured in batches of 1, 8 and 64. The images are random noise of the
    size of the model input, or of the size of a word if the width is variable. Reading files is not
    timed, nor is reading doubtful images again.

    With --data, also measure how fast training batches are prepared and training steps run, and
    print which of the two is the bottleneck. This needs `pip install "mltu[tensorflow]"`.

    \b
    mltu bench run --threads 2
    mltu bench --data labels.csv
    """
    from mltu.inference import TextRecognizer

    reader = TextRecognizer(find_model(model), retry_below=0, num_threads=threads, force_cpu=cpu)
    result = _measure(reader, num_images, threads)
    if data is not None:
        from mltu.training import measure_speed

        result["training"] = asdict(measure_speed(data))
    if form == "json":
        print_json(result)
        return
    count = threads or f"default ({result['cores']} cores)"
    size = "x".join(map(str, result["size"]))
    click.echo(f"{result['model']} on {result['provider']}, threads: {count}, images of {size}")
    click.echo(f"one image      {result['milliseconds']:8.2f} ms")
    for size, speed in result["images_per_second"].items():
        click.echo(f"batches of {size:3} {speed:8,.0f} images/s")
    if data is not None:
        _print_training(result["training"])


def _print_training(speed: dict[str, Any]) -> None:
    click.echo(f"training, batches of {speed['batch_size']}, images/s")
    click.echo(f"  data, one thread      {speed['data']:8,.0f}")
    for policy, rate in speed["steps"].items():
        click.echo(f"  steps, {policy:14} {rate:8,.0f}")
    for sentence in speed["advice"]:
        click.echo(sentence)


def _measure(reader: Any, num_images: int, threads: int | None) -> dict[str, Any]:
    import numpy as np
    import onnxruntime

    card = reader.card
    widths = [card.width] if isinstance(card.width, int) else card.width
    width = min(widths, key=lambda width: abs(width - _WORD * card.height))
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
        "size": [width, card.height],
        "milliseconds": 1000 * once,
        "images_per_second": speeds,
    }


def _seconds(count: int, function: Callable[[Any], Any], argument: Any) -> float:
    """Return the median time of `count` calls after the warm-up."""
    times = repeat(lambda: function(argument), number=1, repeat=_WARMUP + count)
    return median(times[_WARMUP:])
