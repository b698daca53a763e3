"""The pretrained readers that ship with the library; `weights/README.md` is their model card."""

from __future__ import annotations

import os
from pathlib import Path

from mltu.utils.files import StrPath

_FOLDER = Path(__file__).with_name("weights")


def pretrained_names() -> list[str]:
    """List the names that `find_pretrained` knows, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.onnx"))


def find_pretrained(name: str = "words") -> Path:
    """Return the ONNX file of a shipped reader; `TextRecognizer` also takes its name.

    Args:
        name: `"words"`: words and lines of print, in the characters of `mltu.synthetic.LATIN`;
            `"words_small"`: single words of [0-9A-Za-z], by the network of tutorial 01.

    Raises:
        ValueError: there is no reader of this name.
    """
    if name not in (names := pretrained_names()):
        raise ValueError(f"Unknown reader {name!r}. Available: {', '.join(names)}.")
    return _FOLDER / f"{name}.onnx"


def resolve_model(model: StrPath | None) -> Path:
    """Resolve the name of a shipped reader, or None, to its file; return other paths unchanged.

    Raises:
        ValueError: a folder of the same name with a model in it is in the working directory.
    """
    if model is None:
        return find_pretrained()
    if model not in pretrained_names():
        return Path(model)
    if (Path(model) / "model.onnx").exists():
        raise ValueError(
            f"The model {model!r} is ambiguous: it is the name of a shipped reader and of a folder "
            f"here with a model.onnx. Write './{model}' for the folder."
        )
    return find_pretrained(os.fspath(model))
