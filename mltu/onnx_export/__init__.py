"""Exports Keras models to verified ONNX files; the only package that uses exporters."""

from mltu.onnx_export._compare import TOLERANCE, ExportMetrics
from mltu.onnx_export._convert import write_metadata
from mltu.onnx_export._export import check_packages, export_onnx, export_run
from mltu.onnx_export._int8 import Int8Report, Variant, quantize_onnx

__all__ = [
    "TOLERANCE",
    "ExportMetrics",
    "Int8Report",
    "Variant",
    "check_packages",
    "export_onnx",
    "export_run",
    "quantize_onnx",
    "write_metadata",
]
