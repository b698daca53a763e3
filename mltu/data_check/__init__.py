"""The examination of a data set before training: every image and label is looked at once."""

from mltu.data_check.check import check_data
from mltu.data_check.findings import Example, Finding, Severity
from mltu.data_check.report import DataReport
from mltu.data_check.sheet import write_sheet

__all__ = ["DataReport", "Example", "Finding", "Severity", "check_data", "write_sheet"]
