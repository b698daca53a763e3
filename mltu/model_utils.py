"""Import path of the tutorials; the code is in `mltu.models`."""

from mltu.models import activation_layer, residual_block

__all__ = ["activation_layer", "residual_block"]
