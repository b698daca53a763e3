"""Size and network for a data set, chosen from its examination."""

from __future__ import annotations

from typing import NamedTuple

from mltu.data_check import DataReport

_HEIGHTS = (32, 48, 64)  # pixels; larger letters than the last has are scaled down
_WIDTHS = (64, 512)  # pixels, of which a reader is worth training on a CPU
_WIDTH_STEP = 32
_COLUMN = 4  # pixels of a time step of "columns"; "strong" has one for every second
_ROOM = 2  # time steps for a character: it needs one, and often a blank beside it
_MANY = 50_000  # samples, for which the larger network pays


class Choice(NamedTuple):
    """What to train with; the fields but `reasons` are arguments of `train_reader`."""

    width: int
    height: int
    model: str
    reasons: tuple[str, ...]


def choose_settings(report: DataReport) -> Choice:
    """Choose the size of the model's input and its network for examined data.

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
            "`report` must be of samples with images that can be read, and labels. Received one of "
            f"{report.num_examined} images, none of which serves. `mltu check` shows the reasons."
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
