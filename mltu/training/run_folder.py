"""The folder of a run: that it is new, or how it goes on, and the samples it was trained on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from mltu.configs import BaseModelConfigs
from mltu.datasets import Samples, read_csv, write_csv
from mltu.state_file import find_state
from mltu.utils.text_columns import TextColumn

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
