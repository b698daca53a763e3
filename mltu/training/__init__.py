"""Complete training runs: from a data set to a run folder with an ONNX file."""

from mltu.configs import ReaderConfigs
from mltu.training._choice import Choice, choose_settings, faster_precision
from mltu.training._data import DatasetError
from mltu.training._fit import compile_reader, fit_reader, start_with_blanks
from mltu.training._folds import read_out_of_fold
from mltu.training._learning_curve import CurvePoint, LearningCurve, measure_learning_curve
from mltu.training._reader import TrainedReader, resume_reader, train_reader
from mltu.training._run import (
    continue_configs,
    evaluate_export,
    load_saved_samples,
    require_new_run,
    save_samples,
)
from mltu.training._speed import TrainingSpeed, measure_speed

__all__ = [
    "Choice",
    "CurvePoint",
    "DatasetError",
    "LearningCurve",
    "ReaderConfigs",
    "TrainedReader",
    "TrainingSpeed",
    "choose_settings",
    "compile_reader",
    "continue_configs",
    "evaluate_export",
    "faster_precision",
    "fit_reader",
    "load_saved_samples",
    "measure_learning_curve",
    "measure_speed",
    "read_out_of_fold",
    "require_new_run",
    "resume_reader",
    "save_samples",
    "start_with_blanks",
    "train_reader",
]
