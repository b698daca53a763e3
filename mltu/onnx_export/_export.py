"""Exports a Keras model to an ONNX file with a model card, compared with the model."""

from __future__ import annotations

import logging
import os
import platform
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mltu import __version__
from mltu._extras import explain_missing
from mltu.configs import BaseModelConfigs
from mltu.datasets import read_csv
from mltu.decoders import kind_of_outputs
from mltu.inference import CARD_FORMAT, ModelCard, check_card_fields, prepare_image
from mltu.onnx_export._compare import (
    TOLERANCE,
    Array,
    ExportMetrics,
    ValidationImages,
    compare,
    gather,
    keras_outputs,
)
from mltu.onnx_export._convert import run_child, write_metadata, write_source
from mltu.onnx_export._int8 import Int8Report, quantize_onnx
from mltu.utils.files import StrPath, atomic_path
from mltu.utils.plain_json import to_plain
from mltu.utils.text_order import turn_text

if TYPE_CHECKING:
    import keras

COMMAND = "mltu export"  # exports a run folder, see `export_run`

_OPSET = 18  # the newest of tf2onnx; below it, some models are not converted
_LOGGER = logging.getLogger(__name__)
_VERSIONS = ("keras", "tensorflow", "jax", "torch", "tf2onnx", "onnx", "onnxruntime", "numpy")
_NUM_IMAGES = 2048  # to compare on


def export_onnx(
    model: keras.Model,
    path: StrPath,
    *,
    metadata: Mapping[str, Any] | None = None,
    validation: Any = None,
    opset: int | None = None,
    tolerance: float = TOLERANCE,
    num_images: int = _NUM_IMAGES,
    timeout: float = 600,
) -> ExportMetrics:
    """Export a model in a child process; the file is kept only if it reads like the model.

    The file takes float32 inputs of any batch size, in the range that the model was trained on
    (0..255 in the tutorials). If the width of the input is free, the file is compared at a second
    width too. The child process runs TensorFlow on the CPU, whatever the backend of
    the model is. On any failure, an older file at `path` stays as it was.

    Args:
        model: a built Keras model with one input.
        path: of the `.onnx` file.
        metadata: stored in the file as JSON, one entry per key, such as `{"vocab": "abc"}`. Fields
            of `mltu.inference.ModelCard` override what the steps of `validation` say.
        validation: images to compare on: a `DataProvider`, whose steps are described in the file
            so that a reader can be made from it alone; a pair (images, labels); or images, shape
            (images, *input_shape). By default random values 0..255.
        opset: of the ONNX file; 18 if None, the newest of the converter.
        tolerance: largest accepted difference of the CER and of outputs, for these in proportion
            beyond 1.
        num_images: largest number of images of `validation` to compare on.
        timeout: seconds for the child process.

    Returns:
        The metrics of the comparison, which are also stored in the file.

    Raises:
        RuntimeError: the model cannot be exported, or the file reads differently; the text contains
            the whole error of the child process.
        ImportError: a package is missing, with its pip line; or a class of the model.
        OSError: the file cannot be written.
        TimeoutError: the child process took too long.
        ValueError: the model is not built or has several inputs or outputs; an entry of the
            metadata, `vocab`, or the shape of `validation` does not match it.
        TypeError: the metadata cannot be stored as JSON.
    """
    check_packages()
    _check_model(model)
    fields = dict(metadata or {})
    images = None if validation is None else gather(validation, fields.get("vocab"), num_images)
    if images is not None:
        _check_shapes(model, images)
    fields = to_plain({**_describe(model, images), **fields})
    check_card_fields(fields, "the export")
    _check_vocab(model, fields.get("vocab"))
    _check_folder(Path(path).parent)
    # TensorFlow reads a path as a pattern, so the model does not go beside `path`.
    with atomic_path(path) as temporary, tempfile.TemporaryDirectory() as folder:
        try:
            job = write_source(model, Path(folder))
            run_child({**job, "target": str(temporary), "opset": opset or _OPSET}, timeout)
            metrics = _compare_all(model, temporary, images, fields.get("vocab"), tolerance)
            write_metadata(temporary, {**fields, **metrics.to_fields()})
        except Exception as error:
            raise _explain(model, error, opset) from error
    _LOGGER.info("%s: %s", os.fspath(path), metrics.to_text())
    return metrics


def _check_model(model: keras.Model) -> None:
    inputs, outputs = (getattr(model, name, None) or [] for name in ("inputs", "outputs"))
    if not inputs or not outputs:
        raise ValueError(
            f"`model` must be a built model with known inputs. Received {model.name!r}, a "
            f"{type(model).__name__}. Give a Sequential a keras.Input; wrap a model with a `call` "
            "of its own: inputs = keras.Input(shape); keras.Model(inputs, model(inputs))."
        )
    if len(inputs) > 1 or len(outputs) > 1:
        raise ValueError(
            f"`model` must have one input and one output. Received {model.name!r}, with the inputs "
            f"{[each.name for each in inputs]} and the outputs {list(model.output_names)}. Export "
            "the part that reads: keras.Model(model.inputs[0], model.outputs[0])."
        )


def _check_shapes(model: keras.Model, images: ValidationImages) -> None:
    wanted = model.inputs[0].shape[1:]
    for shape in {batch.shape[1:] for batch in images.batches}:
        if len(shape) != len(wanted) or any(
            side not in (size, None) for size, side in zip(shape, wanted, strict=True)
        ):
            raise ValueError(
                f"`validation` must have inputs of shape {wanted}, as `model` takes them. "
                f"Received {shape}. Pass what the model is trained with."
            )


def check_packages() -> None:
    """Raise an ImportError if the export lacks a package, before anything is computed."""
    for package in ("tensorflow", "tf2onnx", "onnx"):
        if find_spec(package) is None:
            raise ImportError(
                f"The ONNX export needs the package `{package}` on every backend. Install it: pip "
                'install "mltu[tensorflow]". Or train with --no-export (without Model2onnx) now, '
                f"and export on another machine: {COMMAND} <run folder>",
                name=package,
            )


def _describe(model: keras.Model, images: ValidationImages | None) -> dict[str, Any]:
    """Return what is known about the model, as fields of a model card."""
    card: dict[str, Any] = {
        "format": CARD_FORMAT,
        "versions": _versions(),
        "num_parameters": model.count_params(),
    }
    shape = model.inputs[0].shape
    if len(shape) == 4:
        height, width, channels = shape[1:]
        sizes = {"height": height, "width": width, "channels": channels}
        card |= {key: size for key, size in sizes.items() if size is not None}
        card |= {"layout": "NHWC"} | ({"color": "GRAY"} if channels == 1 else {})
    if images is not None:
        card |= images.prepared
        (outputs,) = keras_outputs(model, images.batches[:1])
        card["outputs"] = kind_of_outputs(outputs)
    if len(model.outputs[0].shape) == 3:
        card |= {"blank": model.outputs[0].shape[2] - 1, "decoder": "ctc greedy"}
        card["rows"] = _num_rows(model)
    return card


def _num_rows(model: keras.Model) -> int:
    """Return how many rows of the feature map the time steps go through, one after another."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.Reshape):
            try:
                before, after = layer.input.shape, layer.output.shape
            except (AttributeError, ValueError):  # It is called outside a graph, or repeatedly.
                continue
            if len(before) == 4 and before[1] and after[2:] == before[3:]:
                return int(before[1])
    return 1


def _versions() -> dict[str, str]:
    versions = {"mltu": __version__, "python": platform.python_version()}
    for package in _VERSIONS:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def _check_vocab(model: keras.Model, vocab: Sequence[str] | None) -> None:
    shape = model.outputs[0].shape
    if vocab is not None and len(shape) == 3 and shape[2] != len(vocab) + 1:
        raise ValueError(
            f"`vocab` must have {shape[2] - 1} characters, one for each class of `model` but the "
            f"blank. Received {len(vocab)}. Pass the vocabulary that the labels were indexed with."
        )


def _check_folder(folder: Path) -> None:
    """Create the folder and write to it, so that errors there say what to do."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        raise OSError(
            f"`path` must be in a writable folder. Received {str(folder)!r}: {error}. Choose "
            "another folder, or check its permissions and the free disk space."
        ) from error


def _compare_all(
    model: keras.Model, path: Path, images: ValidationImages | None, vocab: Any, tolerance: float
) -> ExportMetrics:
    """Compare on the images, or on random values; if the width is free, at a second width too."""
    first, *second = _noise(model.inputs[0].shape)
    if images is None:
        metrics = replace(compare(model, path, [first], tolerance=tolerance), num_images=0)
    else:
        texts = None if vocab is None else images.texts
        metrics = compare(model, path, images.batches, texts, vocab or "", tolerance)
    if second:
        compare(model, path, second, tolerance=tolerance)
    return metrics


def _noise(shape: Sequence[int | None]) -> list[Array]:
    """Return random values 0..255 for an input, at two widths if its width is free."""
    sides = [side or 32 for side in shape[1:]]
    all_sides = [sides]
    if len(shape) == 4 and shape[2] is None:
        all_sides.append([sides[0], 2 * sides[1], sides[2]])
    rng = np.random.default_rng(0)
    return [rng.uniform(0, 255, (2, *sides)).astype(np.float32) for sides in all_sides]


def _explain(model: keras.Model, error: Exception, opset: int | None) -> Exception:
    """Return an error of the same class that names the model."""
    text = f"`model` {model.name!r} could not be exported to ONNX: {error}"
    if opset is not None and opset < _OPSET:
        text += f"\nUse a higher opset than {opset}: {_OPSET}, the default, has more operations."
    if isinstance(error, ImportError):
        return ImportError(text, name=error.name)
    kinds = (TimeoutError, OSError)
    return next((kind(text) for kind in kinds if isinstance(error, kind)), RuntimeError(text))


# What the tutorials do, unless `configs.yaml` has other values.
_PREPARED = {"color": "BGR", "resize": "stretch", "scaling": "in_model"}


def export_run(
    run: StrPath,
    *,
    opset: int | None = None,
    int8: bool = False,
    trust: bool = False,
) -> tuple[ExportMetrics, Int8Report | None]:
    """Export the `model.keras` of a run folder to `model.onnx`.

    The vocabulary and the size come from `configs.yaml`, as do `color`, `resize`, `padding_color`,
    `widen_to`, `scaling` and `label_order` if it has them; otherwise images are stretched BGR in
    0..255, as in the tutorials.
    The comparison uses the images of `val.csv` that exist.

    Args:
        run: the folder.
        opset: as in `export_onnx`.
        int8: True to write `model.int8.onnx` too.
        trust: True to load a model that contains code (a Lambda layer) and run it. Only for your
            own files.

    Returns:
        The metrics of the comparison, and the report of int8 or None.

    Raises:
        FileNotFoundError: the folder lacks `model.keras` or `configs.yaml`.
        ValueError: the model cannot be loaded, or `int8` is True and no image of `val.csv` exists.
        RuntimeError: and others, as in `export_onnx`.
    """
    folder = Path(run)
    for name in ("model.keras", "configs.yaml"):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"`run` must be a run folder with model.keras and configs.yaml. {str(folder)!r} "
                f"has no {name}. Pass the folder that training printed."
            )
    check_packages()
    configs = BaseModelConfigs.load(folder / "configs.yaml")
    fields = _fields(configs)
    images = _read_images(folder / "val.csv", fields)
    if int8 and images is None:
        raise ValueError(
            "`int8` must be False without validation images to calibrate on. None of the images in "
            f"{str(folder / 'val.csv')!r} exists on this machine. Copy them here, or export "
            "without int8."
        )
    model = _load(folder / "model.keras", trust)
    target = folder / "model.onnx"
    metrics = export_onnx(
        model,
        target,
        metadata=fields,
        validation=images,
        opset=opset,
    )
    return metrics, quantize_onnx(target, images) if int8 else None


def _fields(configs: BaseModelConfigs) -> dict[str, Any]:
    """Return the values of `configs.yaml`, or else the tutorials' own, as fields of a card."""
    keys = (
        "vocab", "height", "width", "color", "resize", "padding_color", "widen_to", "scaling",
        "label_order",
    )  # fmt: skip
    stored = {**_PREPARED, **{key: value for key, value in vars(configs).items() if key in keys}}
    missing = [key for key in keys[:3] if key not in stored]
    if missing:
        raise ValueError(
            f"`run` must have a configs.yaml with `{missing[0]}`. Received one with "
            f"{sorted(vars(configs))}. Add the value that the model was trained with."
        )
    return stored


def _load(path: Path, trust: bool) -> keras.Model:
    with explain_missing():
        import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=not trust)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Keras cannot load the model of `run`, {str(path)!r}: {error}. Import the module "
            "that defines its classes first; for a Lambda layer of your own, pass `trust=True` "
            "(--trust)."
        ) from error


def _read_images(path: Path, fields: dict[str, Any]) -> ValidationImages | None:
    """Read the validation images as the run did; None if the list or its images are missing."""
    if not path.is_file():
        return None
    fields = check_card_fields(fields, "configs.yaml")
    card = ModelCard(
        format=CARD_FORMAT, layout="NHWC", decoder="ctc greedy", blank=len(fields["vocab"]),
        channels=1 if fields["color"] == "GRAY" else 3, **fields,
    )  # fmt: skip
    by_shape: dict[tuple[int, ...], list[tuple[Any, str]]] = defaultdict(list)
    for source, label in read_csv(path)[:_NUM_IMAGES]:
        try:
            image = prepare_image(source, card)
        except (OSError, ValueError):  # The metrics say how many images were compared.
            continue
        text = turn_text(label) if card.label_order == "visual" else label
        by_shape[image.shape].append((image, text))
    pairs = [tuple(zip(*group, strict=True)) for group in by_shape.values()]
    parts = [gather(pair, num_images=_NUM_IMAGES) for pair in pairs]
    batches = [batch for part in parts for batch in part.batches]
    texts = [text for part in parts for text in part.texts or ()]
    return ValidationImages(batches, texts) if batches else None
