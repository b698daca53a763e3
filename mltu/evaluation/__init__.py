"""Evaluation: error rates with intervals, confidence, the worst samples, and an HTML report."""

from mltu.evaluation._confidence import (
    Calibration,
    Coverage,
    ReliabilityBin,
    calibration_error,
    coverage_curve,
    fit_temperature,
    reliability_bins,
    widest_coverage,
)
from mltu.evaluation._rates import (
    Confusion,
    Estimate,
    Evaluation,
    confusions,
    evaluate_readings,
    worst_samples,
)
from mltu.evaluation._report import Sample, write_report
from mltu.evaluation._wrong_labels import DoubtfulLabel, LabelReview, review_labels

__all__ = [
    "Calibration",
    "Confusion",
    "Coverage",
    "DoubtfulLabel",
    "Estimate",
    "Evaluation",
    "LabelReview",
    "ReliabilityBin",
    "Sample",
    "calibration_error",
    "confusions",
    "coverage_curve",
    "evaluate_readings",
    "fit_temperature",
    "reliability_bins",
    "review_labels",
    "widest_coverage",
    "worst_samples",
    "write_report",
]
