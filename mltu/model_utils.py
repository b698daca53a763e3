"""The building blocks of the tutorial's models, under the path that its users import."""

from mltu.models import activation_layer, residual_block

__all__ = ["activation_layer", "residual_block"]
