"""mltu: train your own readers of words, captchas and other sequences, and deploy them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mltu.dataProvider import DataProvider
    from mltu.inference import TextRecognizer
    from mltu.training import train_reader

__version__ = "2.0.0"
__all__ = ["DataProvider", "TextRecognizer", "__version__", "train_reader"]

# Imported at first use, so that `import mltu` stays the standard library alone.
_MODULES = {
    "DataProvider": "mltu.dataProvider",
    "TextRecognizer": "mltu.inferenceModel",
    "train_reader": "mltu.training",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'mltu' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
