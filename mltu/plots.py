"""Contact sheets of images and plots of training curves, written as PNG files.

matplotlib is part of the training extra, so it is imported only when something is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.utils.files import StrPath, atomic_path

Image = npt.NDArray[np.uint8]

COLUMN_WIDTH = 1.9  # inches
_DPI = 150

_LINE_ASPECT = 6.0  # Images wider than this times their height are taken for text lines.


def write_contact_sheet(
    path: StrPath,
    tiles: Sequence[tuple[Image, str]],
    *,
    num_columns: int = 6,
    column_width: float = COLUMN_WIDTH,
) -> None:
    """Write a PNG with a grid of small images, each with a caption above it.

    Args:
        path: The PNG file.
        tiles: Pairs of an image (uint8, BGR of shape (height, width, 3) or greyscale) and its
            caption.
        num_columns: Images per row, at least 1.
        column_width: Width of a column in inches, at 150 pixels per inch.

    Raises:
        ValueError: `tiles` is empty.
        ImportError: matplotlib is not installed.
    """
    if not tiles:
        raise ValueError("`tiles` must contain at least one image. Received an empty list.")
    num_rows = -(-len(tiles) // num_columns)
    figure = _figure(num_columns * column_width, num_rows * 0.85)
    axes = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (image, caption) in zip(axes, tiles, strict=False):
        image = shrink(image, column_width)
        is_color = image.ndim == 3 and image.shape[2] == 3
        rgb = image[..., ::-1] if is_color else image.reshape(image.shape[:2])
        axis.imshow(rgb, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        # File names that are not UTF-8 have characters that cannot be drawn.
        shown = caption.encode("utf-8", "backslashreplace").decode("utf-8")
        axis.set_title(shown, fontsize=7, pad=2, parse_math=False)
    _save(figure, path)


def shrink(image: Image, column_width: float = COLUMN_WIDTH) -> Image:
    """Scale an image down to the size at which a contact sheet shows it.

    Args:
        image: An image as `write_contact_sheet` takes it; a smaller one is returned unchanged.
        column_width: Width of a column in inches, at 150 pixels per inch.
    """
    scale = column_width * _DPI / image.shape[1]
    if scale >= 1:
        return image
    with explain_missing():
        import cv2
    size = int(column_width * _DPI), max(round(image.shape[0] * scale), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def write_readings(
    path: StrPath,
    images: Sequence[Image],
    readings: Sequence[tuple[str, float]],
    labels: Sequence[str],
) -> None:
    """Write a contact sheet of readings: text, confidence, and the label where it differs.

    Words are laid out in six columns, text lines in two wide ones.

    Args:
        path: The PNG file.
        images: Images as `write_contact_sheet` takes them.
        readings: Text and confidence, in [0, 1], of each image.
        labels: The true text of each image.

    Raises:
        ValueError: `images` is empty, or the three sequences differ in length.
        ImportError: matplotlib is not installed.
    """
    are_lines = (
        np.median([image.shape[1] / image.shape[0] for image in images] or [0]) > _LINE_ASPECT
    )
    captions = [
        f"{text or '(nothing)'} {confidence:.0%}"
        + ("" if text == label else f"\ntruth: {label}")  # Beside it, long words would be cut.
        for (text, confidence), label in zip(readings, labels, strict=True)
    ]
    layout: dict[str, Any] = {"num_columns": 2, "column_width": 6.0} if are_lines else {}
    write_contact_sheet(path, list(zip(images, captions, strict=True)), **layout)


def plot_curves(
    path: StrPath,
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    *,
    x_label: str = "epoch",
) -> None:
    """Write a PNG with line plots side by side.

    Args:
        path: The PNG file.
        panels: Maps the title of each plot to its lines: name -> (x values, y values).
        x_label: Label of the x axis.

    Raises:
        ValueError: `panels` is empty.
        ImportError: matplotlib is not installed.
    """
    if not panels:
        raise ValueError("`panels` must contain at least one plot. Received an empty dict.")
    figure = _figure(4.5 * len(panels), 3.2)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for name, (x, y) in lines.items():
            axis.plot(x, y, marker="." if len(x) < 50 else "", label=name)
        axis.set(title=title, xlabel=x_label, ylim=(0, None))
        axis.grid(alpha=0.3)
        if all(float(value).is_integer() for x, _ in lines.values() for value in x):
            axis.xaxis.get_major_locator().set_params(integer=True)  # There is no epoch 1.5.
        axis.legend(fontsize=7)
    _save(figure, path)


def plot_history(
    path: StrPath,
    history: Mapping[str, Sequence[float]],
    *,
    x: Sequence[float] | None = None,
    x_label: str = "epoch",
) -> None:
    """Write a PNG with the loss, CER and WER of a training run and of its validation.

    Args:
        path: The PNG file.
        history: The `history` of what `fit` returns: for `loss`, for `CER` and `WER` if the model
            has these metrics, and for `val_loss`, `val_CER` and `val_WER` if there was validation,
            one value per epoch.
        x: x value of each epoch, shape (epochs,); 1, 2, ... by default.
        x_label: Label of the x axis.

    Raises:
        ImportError: matplotlib is not installed.
    """
    epochs = range(1, len(history["loss"]) + 1) if x is None else x
    panels = {
        name: {part: (epochs, history[key]) for part, key in keys.items() if key in history}
        for name, keys in (
            (name, {"train": name, "val": f"val_{name}"}) for name in ("loss", "CER", "WER")
        )
        if name in history
    }
    plot_curves(path, panels, x_label=x_label)


def _figure(width: float, height: float) -> Any:
    # A Figure without pyplot opens no window, has no global state and is safe in threads.
    with explain_missing():
        from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, path: StrPath) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, format="png")
