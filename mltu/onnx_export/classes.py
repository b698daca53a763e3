"""The classes that a `.keras` file needs beyond those of Keras itself."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

Needed = tuple[str, str, str]  # Module, name there, and the name in the file.


def stored_classes(
    path: str | os.PathLike[str], registered: Mapping[str, Any] | None = None
) -> list[Needed]:
    """List what must be imported before a `.keras` file can be loaded, without loading it.

    The loss and the metrics do not count: a model can be loaded without compiling it.

    Args:
        path: of the file.
        registered: functions and classes that Keras knows by their name in the file; of functions
            the file says nothing else.

    Returns:
        Module, name there and name in the file of each class and function that is not of Keras,
        sorted. The module of the training script or notebook is `"__main__"`.
    """
    with zipfile.ZipFile(path) as file:
        config = json.loads(file.read("config.json"))
    config.pop("compile_config", None)
    found = {_needed(entry, registered or {}) for entry in _walk(config) if "module" in entry}
    return sorted(entry for entry in found if entry is not None)


def _needed(entry: dict[str, Any], registered: Mapping[str, Any]) -> Needed | None:
    module, name = entry["module"], entry.get("class_name")
    if name == "function":
        name = entry.get("config")
        if not isinstance(name, str) or name not in registered:
            return None
        return registered[name].__module__, registered[name].__name__, name
    if not isinstance(name, str) or str(module).partition(".")[0] in ("keras", "builtins"):
        return None
    # Keras leaves out the module of the script, which nobody could import.
    return module or "__main__", name, entry.get("registered_name") or name


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _walk(item)
