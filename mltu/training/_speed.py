"""measure_speed: what limits training on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

from mltu._extras import explain_missing
from mltu.configs import ReaderConfigs
from mltu.training._data import make_provider
from mltu.training._reader import make_model, settle
from mltu.utils.gpus import num_gpus, processor_flags

with explain_missing():
    import keras

_BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")  # of x86 and ARM processors
_WARMUP = 2  # batches, of which the first compiles
_GAIN = 1.05  # from which another precision is worth advising
_ROOM = 2.0  # how many times as fast as the steps one thread of the data should be


@dataclass(frozen=True, slots=True)
class TrainingSpeed:
    """How fast training would be on this machine, in images per second.

    Attributes:
        batch_size: of the batches.
        data: batches prepared by one thread, files read and augmentation included.
        steps: training steps on a batch in memory, by Keras dtype policy.
        advice: what limits training, and what would make it faster; a sentence each.
    """

    batch_size: int
    data: float
    steps: dict[str, float]
    advice: tuple[str, ...]


def measure_speed(data: Any, *, seconds: float = 5.0, **settings: Any) -> TrainingSpeed:
    """Measure the speed of `train_reader` on this data, without a training run.

    The steps are measured in float32, and where the processor or a GPU computes in it, in bfloat16.

    Args:
        data: as in `train_reader`.
        seconds: of each measurement, more than 0; compiling comes on top.
        **settings: as in `train_reader`.

    Raises:
        ValueError: `seconds` is not positive, or as in `train_reader`.
        DatasetError, OSError, TypeError: as in `train_reader`.
    """
    if not seconds > 0:
        raise ValueError(f"`seconds` must be above 0. Received {seconds!r}.")
    configs = ReaderConfigs.from_options(**settings)
    (training, _), start, _ = settle(configs, data, None)
    provider = make_provider(training, replace(configs, train_processes=0), training=True)
    indices = cycle(range(len(provider)))
    batch = provider[0]

    def load() -> int:
        return len(provider[next(indices)][0])

    rate = _rate(load, seconds)
    has_gpu = num_gpus(keras.backend.backend()) > 0
    precision = configs.precision or "float32"
    fast = ["mixed_bfloat16"] if has_gpu or has_bfloat16() else []
    steps = {}
    for policy in dict.fromkeys(["float32", precision, *fast]):
        model = make_model(replace(configs, precision=policy), start)

        def step(model: keras.Model = model) -> int:
            model.train_on_batch(*batch)
            return len(batch[0])

        steps[policy] = _rate(step, seconds)
    advice = tuple(_advise(rate, steps, precision, has_gpu=has_gpu))
    return TrainingSpeed(configs.batch_size or 1, rate, steps, advice)


def has_bfloat16() -> bool:
    """Return whether the processor multiplies in bfloat16; False where Linux does not tell."""
    return not processor_flags().isdisjoint(_BFLOAT16_FLAGS)


def _rate(function: Callable[[], int], seconds: float) -> float:
    """Return images per second of a function that returns how many it has done."""
    for _ in range(_WARMUP):
        function()
    start, num_images = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < seconds:
        num_images += function()
    return num_images / spent


def _advise(
    data: float, steps: dict[str, float], precision: str, *, has_gpu: bool
) -> Iterator[str]:
    step = steps[precision]
    if data < step:
        yield (
            f"Data loading is the bottleneck: one thread prepares {data / step:.2f} times as many "
            "images as the network takes. Use --processes, up to the number of cores, more "
            "--workers for large images or a slow disk, or pack the files: mltu pack."
        )
    elif data < _ROOM * step:
        yield "One thread just keeps up with the network: use --workers 2."
    else:
        yield (
            f"The network is the bottleneck: one thread prepares {data / step:.0f} times as many "
            "images as it takes. More workers do not help."
        )
    best = max(steps, key=lambda policy: steps[policy])
    if steps[best] > _GAIN * step:
        yield f"--precision {best} is {steps[best] / step:.2f} times as fast."
    if data >= step and not has_gpu:
        yield "There is no GPU. Time grows with the pixels: try a smaller --width or --height."
