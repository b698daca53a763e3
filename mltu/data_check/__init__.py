"""Checks a data set before training: every image and label, once."""

from mltu.data_check._check import check_data
from mltu.data_check._findings import Example, Finding, Severity
from mltu.data_check._report import DataReport, write_sheet

__all__ = ["DataReport", "Example", "Finding", "Severity", "check_data", "write_sheet"]
