"""The examination of a data set before training: every image and label is looked at once."""

from .check import check_data
from .findings import Example, Finding, Severity
from .report import DataReport
from .sheet import write_sheet

__all__ = ["DataReport", "Example", "Finding", "Severity", "check_data", "write_sheet"]
