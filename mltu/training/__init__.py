"""A whole training: from a data set to a run folder with the ONNX file in it."""

from mltu.training.choice import Choice, choose_settings
from mltu.training.data import UnfitDataError
from mltu.training.fitting import compile_reader, fit_reader
from mltu.training.outcome import evaluate_export
from mltu.training.reader import TrainedReader, resume_reader, train_reader
from mltu.training.run_folder import continue_configs, keep_samples, kept_samples, refuse_old_run
from mltu.training.settings import ReaderConfigs

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
