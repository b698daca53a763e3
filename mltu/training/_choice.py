"""Chooses settings for a data set: initial weights, input size, network, epochs."""

from __future__ import annotations

import math
from typing import NamedTuple

from mltu._extras import explain_missing
from mltu.configs import ReaderConfigs
from mltu.data_check import DataReport
from mltu.inference import TextRecognizer, find_pretrained
from mltu.models._networks import NETWORKS
from mltu.models._pretrained import Pretrained, open_pretrained
from mltu.utils.gpus import num_gpus, processor_flags
from mltu.utils.widening import widened

with explain_missing():
    import keras

_SHIPPED = "words"
_KNOWN_SHARE = 0.5  # of the characters of the labels
_MANY_SHAPES = 1.5  # widest by narrowest image at equal height, from which there are several widths
_LETTER = 0.5  # width by height that the shipped reader is used to
_LOW_LETTERS = 0.7  # of the height of the images; lower ones need higher images to be read
_MOST_WIDE = 2048  # pixels
_MOST_WIDTHS = 8
# Learning rates of fine-tuning. After 100 images 3e-4 reads 87 % of plates and 1e-3 76 %; after
# 500, 98 and 99.6 % of captchas. So it grows with the root of the number of samples, except where
# images have many shapes: of words in photographs 3e-4 learns as much, and forgets less of others.
_FINE_TUNING_RATES = (3e-4, 1e-3)  # up to 100 samples, from 1,111 on
_FEW = 1_000  # samples, for which smaller batches give more steps
_FINE_TUNING_EPOCHS = (3, 100)
_IN_BFLOAT16 = ("columns", "rows", "text")  # about 1.25 times as fast on avx512_bf16
_STEPS = 5000  # of training from scratch
_EPOCHS = (10, 1000)


def choose_start(configs: ReaderConfigs) -> tuple[Pretrained | None, str]:
    """Choose the reader to start from, unless it is given; return it and the reason."""
    vocab = configs.vocab or ""
    given = configs.start_from
    if given is None:
        shipped = TextRecognizer(find_pretrained(_SHIPPED), force_cpu=True)
        known = set(vocab) & set(shipped.card.vocab)
        is_known = len(known) >= _KNOWN_SHARE * len(set(vocab))
        height = configs.height or 32
        other = configs.model not in (None, "text") or height < 32 or height % 16
        configs.start_from = _SHIPPED if is_known and not other else "none"
        reason = f"it knows {len(known)} of {len(vocab)} characters"
        if other:
            reason = "another network or height is given"
    else:
        reason = "as given"
    if configs.start_from == "none":
        return None, f"start from scratch: {reason}"
    # Not by its name, which a folder here may have too.
    start = open_pretrained(given or find_pretrained(_SHIPPED), vocab)
    return start, f"start from {configs.start_from!r}: {reason}; --start-from none overrides it"


def fill_in(configs: ReaderConfigs, report: DataReport, start: Pretrained | None) -> list[str]:
    """Choose what is not given; return a sentence for each choice."""
    if start is None:
        return _fill_in_from_scratch(configs, report)
    height, width, channels = start.model.input_shape[1:]
    configs.color = "GRAY" if channels == 1 else "BGR"
    if configs.model not in (None, start.network):
        raise ValueError(
            f"`model` must be that of the reader to start from, {start.network!r}. Received "
            f"{configs.model!r}. Omit it, or pass start_from='none' (--start-from none)."
        )
    configs.model = start.network
    configs.resize = start.prepared.get("resize", "stretch")
    configs.padding_color = list(start.prepared.get("padding_color", [0]))
    configs.widen_to = start.prepared.get("widen_to", 0.0)
    own_width = start.prepared.get("width")
    is_wide = width is None and not isinstance(own_width, int)
    fixed = {} if is_wide else {"width": width or own_width}
    if not is_wide or start.network != "text":  # Only that one can be made higher.
        fixed["height"] = height
    for name, value in fixed.items():
        if getattr(configs, name) not in (None, value):
            raise ValueError(
                f"`{name}` must be {value}, that of the reader to start from. Received "
                f"{getattr(configs, name)}. Omit it, or start from another (--start-from)."
            )
        setattr(configs, name, value)
    if is_wide:
        reason = _choose_size(configs, report, height, own_width or [])
    else:
        reason = f"width {configs.width}, height {height}: those of the reader"
    configs.batch_size = configs.batch_size or (16 if report.num_samples < _FEW else 32)
    if configs.learning_rate is None:
        low, high = _FINE_TUNING_RATES
        growth = math.sqrt(report.num_samples / 100) if configs.resize == "stretch" else 1
        configs.learning_rate = min(low * max(growth, 1), high)
    if configs.train_epochs is None:
        least, most = _FINE_TUNING_EPOCHS
        configs.train_epochs = min(max(round(500 / math.sqrt(report.num_samples)), least), most)
        return [reason, f"{configs.train_epochs} epochs, for {report.num_samples:,} samples"]
    return [reason]


def choose_precision(configs: ReaderConfigs) -> list[str]:
    """Choose bfloat16 where it was measured to be faster, unless a precision is given."""
    if configs.precision is not None:
        return []
    configs.precision = faster_precision() if configs.model in _IN_BFLOAT16 else "float32"
    if configs.precision == "float32":
        return []
    return [
        f"precision {configs.precision}: this processor trains faster in it; --precision float32 "
        "overrides it"
    ]


def faster_precision() -> str:
    """Return the Keras dtype policy in which this machine trains faster.

    Returns:
        `mixed_bfloat16` with TensorFlow on a processor that multiplies in it (`avx512_bf16`, as
        Linux names it), where `benchmarks/README.md` has times; otherwise `float32`.
    """
    if keras.backend.backend() != "tensorflow" or "avx512_bf16" not in processor_flags():
        return "float32"
    return "float32" if num_gpus("tensorflow") else "mixed_bfloat16"


def _choose_size(
    configs: ReaderConfigs, report: DataReport, least: int, known_widths: list[int]
) -> str:
    """Choose the height, and one width to which similar images are stretched, or several widths.

    Beyond the widest image they go on with those that the reader knows, so that it still reads
    lines where it was fine-tuned on words.
    """
    shapes, lengths = report.statistics["width_by_height"], report.statistics["label_length"]
    # Letters are about half as wide as high, and stand side by side.
    share = shapes["median"] / max(lengths["median"], 1) / _LETTER
    if configs.height is None:
        configs.height = 2 * least if share < _LOW_LETTERS else least
    reason = f"height {configs.height}: letters are about {min(share, 1):.0%} as high as the images"
    if configs.width is not None:
        return f"{reason}; width {configs.width}: as given, images keep their shape"
    height = configs.height
    if shapes["95%"] <= _MANY_SHAPES * shapes["5%"]:
        own, needed = shapes["median"] * height, lengths["95%"] * _LETTER * least
        configs.width, configs.resize = min(_round_up(max(own, needed)), _MOST_WIDE), "stretch"
        configs.widen_to = 0.0
        return f"{reason}; width {configs.width}: images have similar shapes"
    longest, narrowest = (
        min(_round_up(widened(shapes[one], 1.0, configs.widen_to) * height), _MOST_WIDE)
        for one in ("max", "5%")
    )
    step = max(_WIDTH_STEP, _round_up((longest - narrowest) / _MOST_WIDTHS))
    widths = list(range(narrowest, longest + step, step))
    scaled = (width * height // least for width in known_widths)
    configs.width = [*widths, *(width for width in scaled if width > widths[-1])]
    reason += f"; {len(widths)} widths up to {widths[-1]}: they keep their shape"
    if configs.width == widths:
        return reason
    return f"{reason}; wider ones are read up to {configs.width[-1]}"


def _fill_in_from_scratch(configs: ReaderConfigs, report: DataReport) -> list[str]:
    choice = choose_settings(report)
    given = [configs.height, configs.width, configs.model]
    configs.height, configs.width = configs.height or choice.height, configs.width or choice.width
    configs.model = configs.model or choice.model
    network = NETWORKS[configs.model]
    configs.color = "GRAY" if network.channels == 1 else "BGR"
    configs.learning_rate = configs.learning_rate or network.learning_rate
    configs.batch_size = configs.batch_size or 32
    if configs.train_epochs is None:
        configs.train_epochs = enough_epochs(report.num_samples, configs.batch_size)
    return [why for why, value in zip(choice.reasons, given, strict=True) if value is None]


def enough_epochs(num_samples: int, batch_size: int) -> int:
    """Return the number of epochs for 5,000 steps, in 10..1000: more epochs for fewer images."""
    steps_per_epoch = max(-(-num_samples // batch_size), 1)
    least, most = _EPOCHS
    return min(max(-(-_STEPS // steps_per_epoch), least), most)


_HEIGHTS = (32, 48, 64)  # pixels; larger letters than the last has are scaled down
_WIDTHS = (64, 512)  # pixels, of which a reader is worth training on a CPU
_WIDTH_STEP = 32
_COLUMN = 4  # pixels of a time step of "columns"; "strong" has one for every second
_ROOM = 2  # time steps for a character: it needs one, and often a blank beside it
_MANY = 50_000  # samples from which the larger network pays off


class Choice(NamedTuple):
    """What to train with; the fields but `reasons` are arguments of `train_reader`."""

    width: int
    height: int
    model: str
    reasons: tuple[str, ...]


def choose_settings(report: DataReport) -> Choice:
    """Choose the input size and the network for a checked data set.

    The height is the next one up from that of the median image, among 32, 48 and 64. The width
    keeps its shape, and gives two time steps to each character of nearly all labels, since two
    equal ones need a blank between them (Graves et al., 2006), and more than one to those of the
    longest.

    Args:
        report: of `check_data`.

    Returns:
        Width and height in pixels, the name of the network, and a sentence for each.

    Raises:
        ValueError: no image could be read, or no label is a text.
    """
    heights, shapes = report.statistics["image_height"], report.statistics["width_by_height"]
    lengths = report.statistics["label_length"]
    if not heights or not lengths:
        raise ValueError(
            "`report` must cover readable images with text labels. Received a report "
            f"of {report.num_examined} images, none of them usable. `mltu check` shows the reasons."
        )
    height = next((h for h in _HEIGHTS if heights["median"] <= h * 1.1), _HEIGHTS[-1])
    own_width = shapes["median"] * height
    needed = _COLUMN * max(_ROOM * lengths["95%"], lengths["max"] * 5 // 4 + 1)
    width = min(max(_round_up(own_width), _round_up(needed), _WIDTHS[0]), _WIDTHS[1])
    is_crowded = needed > width
    model = "strong" if is_crowded or report.num_samples >= _MANY else "columns"
    return Choice(
        width,
        height,
        model,
        (
            f"height {height}: half of the images are at most {heights['median']} pixels high",
            f"width {width}: half of the images are at most {own_width:.0f} pixels wide at this "
            f"height, and the longest label has {lengths['max']} characters",
            f"model {model!r}: "
            + (
                "it has a time step for every second pixel of the width"
                if is_crowded
                else f"for {report.num_samples:,} samples"
            ),
        ),
    )


def _round_up(pixels: float) -> int:
    return -int(-pixels // _WIDTH_STEP) * _WIDTH_STEP
