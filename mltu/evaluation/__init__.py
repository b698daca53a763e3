"""Evaluation: what readings are worth, where they go wrong, and a report that shows it."""

from mltu.evaluation.calibration import Calibration, fit_temperature
from mltu.evaluation.characters import Confusion, confusions
from mltu.evaluation.confidence import (
    Coverage,
    ReliabilityBin,
    calibration_error,
    coverage_curve,
    reliability_bins,
    widest_coverage,
)
from mltu.evaluation.figures import Evaluation, Figure, evaluate_readings
from mltu.evaluation.report import write_report
from mltu.evaluation.samples import Sample
from mltu.evaluation.worst import worst_samples

__all__ = [
    "Calibration",
    "Confusion",
    "Coverage",
    "Evaluation",
    "Figure",
    "ReliabilityBin",
    "Sample",
    "calibration_error",
    "confusions",
    "coverage_curve",
    "evaluate_readings",
    "fit_temperature",
    "reliability_bins",
    "widest_coverage",
    "worst_samples",
    "write_report",
]
