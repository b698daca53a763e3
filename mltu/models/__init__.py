"""Reader networks, new and trained, their building blocks, fused kernels and distribution."""

from mltu.models._blocks import activation_layer, batch_norm, residual_block
from mltu.models._distribute import Processes, distribute
from mltu.models._fused_layers import use_native_layers
from mltu.models._networks import column_reader, row_reader, strong_reader, text_reader
from mltu.models._onnx_weights import refresh_statistics
from mltu.models._pretrained import load_pretrained
from mltu.models._warm_start import WarmStart, warm_start

__all__ = [
    "Processes",
    "WarmStart",
    "activation_layer",
    "batch_norm",
    "column_reader",
    "distribute",
    "load_pretrained",
    "refresh_statistics",
    "residual_block",
    "row_reader",
    "strong_reader",
    "text_reader",
    "use_native_layers",
    "warm_start",
]
