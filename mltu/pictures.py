"""Pictures of a run as PNG files: contact sheets and curves, drawn by matplotlib.

matplotlib is imported when a picture is drawn: it belongs to the training extra.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.utils.files import atomic_path

Image = npt.NDArray[np.uint8]


def write_contact_sheet(
    path: str | os.PathLike[str],
    tiles: Sequence[tuple[Image, str]],
    *,
    num_columns: int = 6,
) -> None:
    """Write a PNG with small images in rows, a caption over each.

    Args:
        path: of the PNG file.
        tiles: pairs of an image (uint8, BGR of shape (height, width, 3) or grey) and its caption.
        num_columns: images in each row, at least 1.

    Raises:
        ValueError: there is no tile.
        ImportError: matplotlib is not installed.
    """
    if not tiles:
        raise ValueError("`tiles` must hold at least one image. Received none.")
    num_rows = -(-len(tiles) // num_columns)
    figure = _figure(num_columns * 1.9, num_rows * 0.85)
    axes = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (image, caption) in zip(axes, tiles, strict=False):
        is_color = image.ndim == 3 and image.shape[2] == 3
        rgb = image[..., ::-1] if is_color else image.reshape(image.shape[:2])
        axis.imshow(rgb, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_title(caption, fontsize=7, pad=2, parse_math=False)
    _save(figure, path)


def plot_curves(
    path: str | os.PathLike[str],
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    *,
    x_label: str = "epoch",
) -> None:
    """Write a PNG with line plots side by side.

    Args:
        path: of the PNG file.
        panels: the title of each plot with its lines: name -> (x values, y values).
        x_label: what the x values are.

    Raises:
        ValueError: there is no panel.
        ImportError: matplotlib is not installed.
    """
    if not panels:
        raise ValueError("`panels` must hold at least one plot. Received none.")
    figure = _figure(4.5 * len(panels), 3.2)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for name, (x, y) in lines.items():
            axis.plot(x, y, marker="." if len(x) < 50 else "", label=name)
        axis.set(title=title, xlabel=x_label, ylim=(0, None))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    _save(figure, path)


def plot_bars(path: str | os.PathLike[str], values: Mapping[str, float], label: str) -> None:
    """Write a PNG with one horizontal bar for each value, the first on top.

    Args:
        path: of the PNG file.
        values: name -> length of the bar, at least 0.
        label: what the values are.

    Raises:
        ValueError: there is no value.
        ImportError: matplotlib is not installed.
    """
    if not values:
        raise ValueError("`values` must hold at least one bar. Received none.")
    figure = _figure(7.0, 0.6 + 0.32 * len(values))
    axis = figure.subplots()
    bars = axis.barh(list(values), list(values.values()))
    axis.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set_xlabel(label)
    _save(figure, path)


def _figure(width: float, height: float) -> Any:
    # Figure without pyplot: no window, no global state, safe in threads.
    with explain_missing():
        from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")
