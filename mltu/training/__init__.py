"""A whole training: from a data set to a run folder with the ONNX file in it."""

from mltu.training._data import Choice, UnfitDataError, choose_settings
from mltu.training._fit import compile_reader, fit_reader
from mltu.training._reader import TrainedReader, resume_reader, train_reader
from mltu.training._run import (
    ReaderConfigs,
    continue_configs,
    evaluate_export,
    keep_samples,
    kept_samples,
    refuse_old_run,
)

__all__ = [
    "Choice",
    "ReaderConfigs",
    "TrainedReader",
    "UnfitDataError",
    "choose_settings",
    "compile_reader",
    "continue_configs",
    "evaluate_export",
    "fit_reader",
    "keep_samples",
    "kept_samples",
    "refuse_old_run",
    "resume_reader",
    "train_reader",
]
