"""Evaluation: what readings are worth, where they go wrong, and a report that shows it."""

from mltu.evaluation.characters import Confusion, confusions
from mltu.evaluation.confidence import Coverage, ReliabilityBin, coverage_curve, reliability_bins
from mltu.evaluation.figures import Evaluation, Figure, evaluate_readings
from mltu.evaluation.report import write_report
from mltu.evaluation.samples import Sample
from mltu.evaluation.worst import worst_samples

__all__ = [
    "Confusion",
    "Coverage",
    "Evaluation",
    "Figure",
    "ReliabilityBin",
    "Sample",
    "confusions",
    "coverage_curve",
    "evaluate_readings",
    "reliability_bins",
    "worst_samples",
    "write_report",
]
