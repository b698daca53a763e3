"""Settings of a run: attributes of an object in memory, safe YAML on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import numpy as np
import yaml

from mltu.utils.files import atomic_path

_MAX_BITS = 10_000  # of a whole number; Python writes no more than 4,300 digits.


class BaseModelConfigs:
    """Attributes that can be saved next to the model and loaded again.

    Subclass it and set attributes in `__init__`; `model_path` names the run folder. Values are
    text, numbers, booleans, None, and lists or dicts of them; NumPy scalars and paths are stored
    as plain numbers and text. A vocabulary is a string or a list, whose order is kept.
    """

    def __init__(self) -> None:
        self.model_path: str | None = None

    def save(self, name: str = "configs.yaml") -> Path:
        """Write all attributes to `<model_path>/<name>` as UTF-8 YAML; the folder is made.

        Args:
            name: of the file.

        Returns:
            The path of the file.

        Raises:
            ValueError: `model_path` is not set.
            TypeError: an attribute cannot be stored; it is named.
        """
        if not self.model_path:
            raise ValueError(
                "`model_path` must be the run folder before the configs are saved. "
                f"Received {self.model_path!r}."
            )
        stored = {key: _plain(key, value) for key, value in vars(self).items()}
        path = Path(self.model_path) / name
        with atomic_path(path) as temporary:
            text = yaml.dump(stored, Dumper=_Dumper, allow_unicode=True, sort_keys=False)
            temporary.write_text(text, encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file that `save` wrote.

        Args:
            path: of the YAML file. It is read with the safe loader: no code in it can run.

        Returns:
            An object of this class with the attributes of the file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not a YAML mapping of plain values.
        """
        try:
            loader = _Loader(Path(path).read_text(encoding="utf-8"))
            stored = loader.get_single_data()
        except _LOAD_ERRORS as error:
            raise ValueError(
                "`path` must be a YAML file of plain values. "
                f"Received {str(path)!r}: {str(error)[:500]}"
            ) from error
        if not isinstance(stored, dict) or not all(isinstance(key, str) for key in stored):
            raise ValueError(
                "`path` must be a YAML file with one `name: value` per setting. "
                f"Received {str(path)!r}, which holds {type(stored).__name__} instead."
            )
        configs = cls()
        vars(configs).update(stored)
        return configs


# The last four come from values that are not what their tags say, such as `!!int ""`.
_LOAD_ERRORS = (
    yaml.YAMLError, ValueError, RecursionError, LookupError, AttributeError, TypeError,
    ArithmeticError,
)  # fmt: skip


class _Loader(yaml.SafeLoader):
    """Safe YAML without links: a few lines of them can stand for a billion values, or for itself.

    `save` writes none.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f"the link *{event.anchor}; write out what it stands for",
                event.start_mark,
            )  # fmt: skip
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Safe YAML that escapes the line breaks of Unicode, which PyYAML reads back as spaces."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if not {"\x85", "\u2028", "\u2029"}.isdisjoint(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _plain(name: str, value: Any) -> Any:
    """Return `value` in the types that safe YAML knows, or say which setting cannot be stored."""
    if isinstance(value, np.generic):
        return _plain(name, value.item())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple):
        return [_plain(name, item) for item in value]
    if isinstance(value, dict):
        return {_plain(name, key): _plain(name, item) for key, item in value.items()}
    if type(value) is int and value.bit_length() > _MAX_BITS:
        raise TypeError(
            f"`{name}` must be text, or numbers of at most {_MAX_BITS} bits. Received one of "
            f"{value.bit_length()} bits. Store it as text."
        )
    # Subclasses, such as the members of an IntEnum, are unknown to safe YAML.
    if value is None or type(value) in (str, bool, int, float):
        return value
    hint = " A set has no order: use a string or a list." if isinstance(value, set) else ""
    raise TypeError(
        f"`{name}` must be text, a number, a boolean, None, or a list or dict of them. "
        f"Received {type(value).__name__}.{hint}"
    )
