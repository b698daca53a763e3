"""The run folder: creating or continuing it, its samples, and evaluating its ONNX file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from mltu.augmentors import Augmentor, write_augmented_sheet
from mltu.configs import BaseModelConfigs
from mltu.datasets import Samples, read_csv, write_csv
from mltu.evaluation import Evaluation, evaluate_readings
from mltu.inference import Reading, TextRecognizer
from mltu.plots import Image, write_readings
from mltu.preprocessors import ImageReader
from mltu.resume import find_state
from mltu.utils.files import StrPath
from mltu.utils.text_columns import TextColumn

Configs = TypeVar("Configs", bound=BaseModelConfigs)

_MODELS = ("model.keras", "model.h5", "model.onnx", "state")
_LISTS = ("train.csv", "val.csv")
_NUM_TILES = 48  # of readings.png
_NUM_AUGMENTED = 6  # images of augmented.png


def require_new_run(run: StrPath) -> None:
    """Make sure that training would not overwrite a model or a list of samples.

    Raises:
        FileExistsError: the folder has a model, a training state, or lists of samples that
            are not those of a run which was stopped before its first batch.
    """
    folder = Path(run)
    names = [*_MODELS, *([] if (folder / "configs.yaml").exists() else _LISTS)]
    if existing := [name for name in names if (folder / name).exists()]:
        raise FileExistsError(
            f"`output` must be a new folder. Received {str(folder)!r}, which holds "
            f"{'a run' if existing[0] in _MODELS else existing[0]}. Choose another one, or "
            "continue the run (--resume)."
        )


def continue_configs(run: StrPath, kind: type[Configs], epochs: int | None = None) -> Configs:
    """Load the settings of a run to continue it.

    Args:
        run: the folder; its `configs.yaml` has `train_epochs`.
        kind: the class of the settings.
        epochs: more than the run has, to continue a finished one; None for those of the run.

    Raises:
        FileNotFoundError: not a run folder.
        ValueError: the run is finished.
    """
    folder = Path(run)
    if not (folder / "configs.yaml").is_file():
        raise FileNotFoundError(
            f"`run` must be a run folder. Received {str(folder)!r}, which has no configs.yaml."
        )
    configs: Any = kind.load(folder / "configs.yaml")
    configs.model_path = str(folder)
    if epochs is not None and epochs < configs.train_epochs:
        raise ValueError(
            f"`epochs` can only be raised: the learning rate schedule in {str(folder)!r} was "
            f"made for {configs.train_epochs} epochs. Received {epochs}. "
            f"To stop it early, press Ctrl-C and run: mltu export {folder}"
        )
    configs.train_epochs = epochs or configs.train_epochs
    state = find_state(folder / "state")
    if state is not None and state.finished and configs.train_epochs <= state.facts["epochs"]:
        raise ValueError(
            f"`epochs` must be more than the {state.facts['epochs']} of the finished run in "
            f"{str(folder)!r}. Received {configs.train_epochs}. Pass a larger number (--epochs)."
        )
    return configs  # type: ignore[no-any-return]


def save_samples(run: StrPath, training: Samples, validation: Samples) -> None:
    """Write train.csv and val.csv, unless the samples are not paths in memory."""
    parts = (training, validation)
    if all(_are_paths(samples.data) for samples in parts):
        for name, samples in zip(_LISTS, parts, strict=True):
            write_csv(Path(run) / name, samples)


def _are_paths(data: Sequence[Any]) -> bool:
    is_list = isinstance(data, list) and all(isinstance(x, str | os.PathLike) for x in data)
    return isinstance(data, TextColumn) or is_list


def load_saved_samples(run: StrPath) -> tuple[Samples, Samples]:
    """Read the lists of a run: the training samples and the validation samples.

    Raises:
        FileNotFoundError: the run has no such lists.
    """
    training, validation = (Path(run) / name for name in _LISTS)
    if not (training.is_file() and validation.is_file()):
        raise FileNotFoundError(
            "`run` must have train.csv and val.csv to be continued. Received "
            f"{os.fspath(run)!r} without them: it was stopped before its first batch, or its "
            "samples are not files. Start it again, or call `fit_reader(resume=True)` with them."
        )
    return read_csv(training), read_csv(validation)


def evaluate_export(run: StrPath, samples: Samples, *, progress: bool = True) -> Evaluation:
    """Read the samples with the model.onnx of a run, and write up to 48 of them to readings.png.

    Args:
        run: the folder.
        samples: (path, label) of each; an image that cannot be read counts as an empty reading.
        progress: True for a progress bar.

    Raises:
        OSError, ValueError: there is no such model, or a `TextRecognizer` cannot use it.
    """
    reader = TextRecognizer(run)
    readings = list(reader.predict_stream(samples.data, on_error="keep", progress=progress))
    _draw_readings(Path(run), samples, readings)
    return evaluate_readings([reading.text for reading in readings], list(samples.labels))


def draw_augmented(run: StrPath, samples: Samples, augmentors: Sequence[Augmentor]) -> None:
    """Write augmented.png: some images as they are, and as training varies them."""
    count, images = min(len(samples), _NUM_AUGMENTED), []
    for i in range(count):
        with suppress(OSError, ValueError):  # Training replaces images that cannot be read.
            images.append(ImageReader().read(samples.data[i * len(samples) // count]))
    if images:
        write_augmented_sheet(Path(run) / "augmented.png", images, augmentors)


def _draw_readings(run: Path, samples: Samples, readings: Sequence[Reading]) -> None:
    read = ImageReader().read
    tiles: list[tuple[Image, tuple[str, float], str]] = []
    for i in range(0, len(samples), -(-len(samples) // _NUM_TILES) or 1):
        data, label = samples[i]
        if readings[i].error is None:
            tiles.append((read(data), (readings[i].text, readings[i].confidence), label))
    if tiles:
        write_readings(run / "readings.png", *zip(*tiles, strict=True))
