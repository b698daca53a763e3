"""From a Keras model to a checked ONNX file; the only room that knows exporters."""

from mltu.onnx_export.calibration import calibrate_onnx
from mltu.onnx_export.comparison import TOLERANCE, ExportFigures
from mltu.onnx_export.export import check_packages, export_onnx
from mltu.onnx_export.int8 import Int8Report, Variant, quantize_onnx
from mltu.onnx_export.runs import export_run

__all__ = [
    "TOLERANCE",
    "ExportFigures",
    "Int8Report",
    "Variant",
    "calibrate_onnx",
    "check_packages",
    "export_onnx",
    "export_run",
    "quantize_onnx",
]
