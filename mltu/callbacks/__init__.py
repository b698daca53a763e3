"""Keras callbacks: logs, learning rate schedule, convergence watch, ONNX export, exact resume."""

from mltu.callbacks._model2onnx import Model2onnx, onnx_path_for
from mltu.callbacks._schedule import FollowSchedule
from mltu.callbacks._train_logger import TrainLogger, tensorboard
from mltu.callbacks._watch import ConvergenceWatch
from mltu.resume import KeepState, fit_resumable

__all__ = [
    "ConvergenceWatch",
    "FollowSchedule",
    "KeepState",
    "Model2onnx",
    "TrainLogger",
    "fit_resumable",
    "onnx_path_for",
    "tensorboard",
]
