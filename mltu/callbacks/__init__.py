"""What runs beside the training: thin shells that Keras calls during `fit`."""

from mltu.callbacks.board import tensorboard
from mltu.callbacks.export import Model2onnx, onnx_path_for
from mltu.callbacks.schedule import FollowSchedule
from mltu.callbacks.train_logger import TrainLogger

__all__ = ["FollowSchedule", "Model2onnx", "TrainLogger", "onnx_path_for", "tensorboard"]
