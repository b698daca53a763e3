"""A run folder that was trained without an export, or whose export failed, gets its ONNX file."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from mltu._extras import explain_missing
from mltu.configs import BaseModelConfigs
from mltu.datasets import read_csv
from mltu.inferenceModel import prepare_image
from mltu.model_card import FORMAT, ModelCard, check_fields
from mltu.onnx_export.comparison import ExportFigures
from mltu.onnx_export.export import check_packages, export_onnx
from mltu.onnx_export.int8 import Int8Report, quantize_onnx
from mltu.onnx_export.validation import ValidationImages, gather

# What the tutorials do; `configs.yaml` may say otherwise in the same words.
_PREPARED = {"color": "BGR", "resize": "stretch", "scaling": "inside"}


def export_run(
    run: str | os.PathLike[str],
    *,
    opset: int | None = None,
    dynamic_width: bool = False,
    int8: bool = False,
    trust: bool = False,
    num_images: int = 2048,
    timeout: float = 600,
) -> tuple[ExportFigures, Int8Report | None]:
    """Export the `model.keras` of a run folder to its `model.onnx`.

    The vocabulary and the size come from `configs.yaml`, and so do `color`, `resize`,
    `padding_color` and `scaling` where it has them; otherwise images are stretched BGR in 0..255,
    as in the tutorials. The images of `val.csv` serve for the comparison where they are found.

    Args:
        run: the folder.
        opset: as in `export_onnx`.
        dynamic_width: as in `export_onnx`.
        int8: True to write `model.int8.onnx` too.
        trust: True to load a model that holds code of its own (a Lambda layer), which runs. Only
            for files of your own making.
        num_images: of `val.csv`, for the comparison.
        timeout: seconds for the child process.

    Returns:
        The figures of the comparison, and those of int8 or None.

    Raises:
        FileNotFoundError: the folder lacks `model.keras` or `configs.yaml`.
        ValueError: the model cannot be loaded, or int8 is wanted and no image of `val.csv` is here.
        RuntimeError: and others, as in `export_onnx`.
    """
    folder = Path(run)
    for name in ("model.keras", "configs.yaml"):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"`run` must be a run folder with model.keras and configs.yaml. {str(folder)!r} "
                f"has no {name}. Give the folder that train.py printed at its end."
            )
    check_packages()
    configs = BaseModelConfigs.load(folder / "configs.yaml")
    fields = _fields(configs)
    images = _read_images(folder / "val.csv", fields, num_images)
    if int8 and images is None:
        raise ValueError(
            "`int8` must be False without validation images to calibrate on. Received "
            f"{str(folder / 'val.csv')!r}, of whose images none is on this machine. Copy them "
            "here, or export without int8."
        )
    model = _load(folder / "model.keras", trust)
    target = folder / "model.onnx"
    figures = export_onnx(
        model,
        target,
        metadata=fields,
        validation=images,
        opset=opset,
        dynamic_width=dynamic_width,
        timeout=timeout,
    )
    return figures, quantize_onnx(target, images) if int8 else None


def _fields(configs: Any) -> dict[str, Any]:
    """Return what `configs.yaml` says, and the habit of the tutorials, as fields of a card."""
    keys = ("vocab", "height", "width", "color", "resize", "padding_color", "scaling")
    stored = {**_PREPARED, **{key: value for key, value in vars(configs).items() if key in keys}}
    missing = [key for key in keys[:3] if key not in stored]
    if missing:
        raise ValueError(
            f"`run` must have a configs.yaml with `{missing[0]}`. Received one with "
            f"{sorted(vars(configs))}. Write in what the model was trained with."
        )
    return stored


def _load(path: Path, trust: bool) -> Any:
    with explain_missing():
        import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=not trust)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`run` must hold a model that Keras can load. Received {str(path)!r}: {error}. "
            "Import the module that defines its classes before; for a Lambda layer of your own "
            "give `trust=True` (--trust)."
        ) from error


def _read_images(path: Path, fields: dict[str, Any], num_images: int) -> ValidationImages | None:
    """Read validation images as the run did; None where the list or its images are not here."""
    if not path.is_file():
        return None
    card = ModelCard(
        format=FORMAT, layout="NHWC", decoder="ctc greedy", blank=len(fields["vocab"]),
        channels=1 if fields["color"] == "GRAY" else 3, **check_fields(fields, "configs.yaml"),
    )  # fmt: skip
    by_shape: dict[tuple[int, ...], list[tuple[Any, str]]] = defaultdict(list)
    for source, label in read_csv(path)[:num_images]:
        try:
            image = prepare_image(source, card)
        except (OSError, ValueError):  # The figures say how many images were compared.
            continue
        by_shape[image.shape].append((image, label))
    pairs = [tuple(zip(*group, strict=True)) for group in by_shape.values()]
    parts = [gather(pair, num_images=num_images) for pair in pairs]
    batches = [batch for part in parts for batch in part.batches]
    texts = [text for part in parts for text in part.texts or ()]
    return ValidationImages(batches, texts) if batches else None
