"""Trained readers that come with the library, as ONNX files.

`weights/README.md` is their model card: data, licence, metrics and limits.
"""

from __future__ import annotations

import os
from pathlib import Path

_FOLDER = Path(__file__).with_name("weights")


def pretrained_names() -> list[str]:
    """List the names that `find_pretrained` knows, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.onnx"))


def find_pretrained(name: str = "words") -> Path:
    """Return the ONNX file of a trained reader; `TextRecognizer` takes its name, too.

    Args:
        name: `"words"`: single words of [0-9A-Za-z]; `"words_small"`: the same by a network of
            a quarter of the size, which reads less well.

    Raises:
        ValueError: there is no reader of this name; those that are there are listed.
    """
    if name not in (names := pretrained_names()):
        raise ValueError(f"`name` must be one of {names}. Received {name!r}.")
    return _FOLDER / f"{name}.onnx"


def resolve_model(model: str | os.PathLike[str] | None) -> Path:
    """Return the file of a shipped reader for its name, or for None; any other path as it is.

    Raises:
        ValueError: there is a model of the same name in the working directory.
    """
    if model is None:
        return find_pretrained()
    if model not in pretrained_names():
        return Path(model)
    if (Path(model) / "model.onnx").exists():
        raise ValueError(
            f"`model` must be one of two readers. Received {model!r}, which comes with mltu, and "
            f"is a folder with a model.onnx here. Write './{model}' for the folder."
        )
    return find_pretrained(os.fspath(model))
