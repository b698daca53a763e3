"""A whole training: from a data set to a run folder with the ONNX file in it."""

from mltu.training.data import UnfitDataError
from mltu.training.reader import TrainedReader, resume_reader, train_reader
from mltu.training.settings import ReaderConfigs

__all__ = ["ReaderConfigs", "TrainedReader", "UnfitDataError", "resume_reader", "train_reader"]
