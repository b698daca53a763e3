"""The folder of a run: settings, samples, how it goes on, and the outcome of its ONNX file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mltu.configs import BaseModelConfigs
from mltu.datasets import Samples, read_csv, write_csv
from mltu.evaluation import Evaluation, evaluate_readings
from mltu.inference import Reading, TextRecognizer
from mltu.models import column_reader, row_reader, strong_reader
from mltu.plots import Image, write_readings
from mltu.preprocessors import ImageReader
from mltu.resume import find_state
from mltu.utils.text_columns import TextColumn


class Network(NamedTuple):
    """A network that can be trained, with the peak learning rate that suits it."""

    build: Any
    channels: int
    learning_rate: float


NETWORKS = {
    "columns": Network(column_reader, 3, 2e-3),
    "rows": Network(row_reader, 3, 3e-3),
    "strong": Network(strong_reader, 1, 1.5e-3),
}


_STEPS = 5000  # of a training for which nobody said how long it should be
_EPOCHS = (10, 1000)


def enough_epochs(num_samples: int, batch_size: int) -> int:
    """Return how many epochs make 5,000 steps, in 10..1000: few images are shown more often."""
    steps_per_epoch = max(-(-num_samples // batch_size), 1)
    least, most = _EPOCHS
    return min(max(-(-_STEPS // steps_per_epoch), least), most)


class ReaderConfigs(BaseModelConfigs):
    """Settings of one run; `train_reader` fills in what it learns from the data.

    The names are those of tutorial 01. `data` and `validation` are the paths that the samples came
    from, if they came from one; `color` is that of the model's input, `"BGR"` or `"GRAY"`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model_path = str(Path("runs") / datetime.now().strftime("%Y%m%d%H%M%S"))
        self.data: str | None = None
        self.validation: str | None = None
        self.vocab = ""
        self.height = 32
        self.width = 128
        self.color = "BGR"
        self.max_text_length = 0
        self.model = "columns"
        self.batch_size = 32
        self.precision = "float32"
        self.learning_rate = 0.0
        self.train_epochs = 0
        self.train_workers = 2
        self.augment = True
        self.seed = 0


Configs = TypeVar("Configs", bound=BaseModelConfigs)

_MODELS = ("model.keras", "model.h5", "model.onnx", "state")
_LISTS = ("train.csv", "val.csv")


def refuse_old_run(run: str | os.PathLike[str]) -> None:
    """Make sure that no trained model and no list of samples would be written over.

    Raises:
        FileExistsError: the folder holds a model, the state of a training, or lists of samples that
            are not those of a training which was stopped before its first batch.
    """
    folder = Path(run)
    names = [*_MODELS, *([] if (folder / "configs.yaml").exists() else _LISTS)]
    if found := [name for name in names if (folder / name).exists()]:
        raise FileExistsError(
            f"`output` must be a new folder. Received {str(folder)!r}, which holds "
            f"{'a run' if found[0] in _MODELS else found[0]}. Take another one, or continue a run "
            "(--resume)."
        )


def continue_configs(
    run: str | os.PathLike[str], kind: type[Configs], epochs: int | None = None
) -> Configs:
    """Load the settings of a run that goes on.

    Args:
        run: the folder; its `configs.yaml` has `train_epochs`.
        kind: the class of the settings.
        epochs: more than the run has, to continue a finished one; None for those of the run.

    Raises:
        FileNotFoundError: the folder is none of a run.
        ValueError: the run is finished.
    """
    folder = Path(run)
    if not (folder / "configs.yaml").is_file():
        raise FileNotFoundError(
            f"`run` must be the folder of a training. Received {str(folder)!r}, which has no "
            "configs.yaml. Give the folder that a training wrote."
        )
    configs: Any = kind.load(folder / "configs.yaml")
    configs.model_path = str(folder)
    configs.train_epochs = max(configs.train_epochs, epochs or 0)
    state = find_state(folder / "state")
    if state is not None and state.finished and configs.train_epochs <= state.facts["epochs"]:
        raise ValueError(
            f"`epochs` must be more than the {state.facts['epochs']} of the finished training in "
            f"{str(folder)!r}. Received {configs.train_epochs}. Give a larger number (--epochs)."
        )
    return configs  # type: ignore[no-any-return]


def keep_samples(run: str | os.PathLike[str], training: Samples, validation: Samples) -> None:
    """Write train.csv and val.csv, where the samples are paths and can be listed."""
    parts = (training, validation)
    if all(_are_paths(samples.data) for samples in parts):
        for name, samples in zip(_LISTS, parts, strict=True):
            write_csv(Path(run) / name, samples)


def _are_paths(data: Sequence[Any]) -> bool:
    is_list = isinstance(data, list) and all(isinstance(x, str | os.PathLike) for x in data)
    return isinstance(data, TextColumn) or is_list


def kept_samples(run: str | os.PathLike[str]) -> tuple[Samples, Samples]:
    """Read the lists of a run: the samples to train on, and to validate on.

    Raises:
        FileNotFoundError: they are not there.
    """
    training, validation = (Path(run) / name for name in _LISTS)
    if not (training.is_file() and validation.is_file()):
        raise FileNotFoundError(
            "`run` must have train.csv and val.csv to be continued. Received "
            f"{os.fspath(run)!r} without them: it was stopped before its first batch, or its "
            "samples were no files. Begin it anew, or call `fit_reader(resume=True)` with them."
        )
    return read_csv(training), read_csv(validation)


_NUM_TILES = 48


def evaluate_export(
    run: str | os.PathLike[str], samples: Samples, *, progress: bool = True
) -> Evaluation:
    """Read the samples with the model.onnx of a run, and write readings.png beside it.

    The picture shows up to 48 of them, from all over.

    Args:
        run: the folder.
        samples: (path, label) of each; an image that cannot be read counts as read empty.
        progress: True for a progress bar.

    Raises:
        OSError, ValueError: there is no such model, or it is none for a `TextRecognizer`.
    """
    reader = TextRecognizer(run)
    readings = list(reader.predict_stream(samples.data, on_error="keep", progress=progress))
    _draw_readings(Path(run), samples, readings)
    return evaluate_readings([reading.text for reading in readings], list(samples.labels))


def _draw_readings(run: Path, samples: Samples, readings: Sequence[Reading]) -> None:
    read = ImageReader().read
    tiles: list[tuple[Image, tuple[str, float], str]] = []
    for i in range(0, len(samples), -(-len(samples) // _NUM_TILES) or 1):
        data, label = samples[i]
        if readings[i].error is None:
            tiles.append((read(data), (readings[i].text, readings[i].confidence), label))
    if tiles:
        write_readings(run / "readings.png", *zip(*tiles, strict=True))
