"""Exact resume: a killed run continues in the same epoch and batch, bit for bit."""

from mltu.resume._callback import KeepState
from mltu.resume._file import TrainingState, find_state
from mltu.resume._fit import fit_resumable

__all__ = ["KeepState", "TrainingState", "find_state", "fit_resumable"]
