"""What runs beside the training: thin shells that Keras calls during `fit`."""

from mltu.callbacks.board import tensorboard
from mltu.callbacks.export import Model2onnx, onnx_path_for
from mltu.callbacks.resumable_fit import fit_resumable
from mltu.callbacks.resume import KeepState
from mltu.callbacks.schedule import FollowSchedule
from mltu.callbacks.train_logger import TrainLogger
from mltu.callbacks.watch import ConvergenceWatch

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
