"""YAML of plain values: no object tags, no aliases, and text that round-trips unchanged."""

from __future__ import annotations

from typing import Any

import yaml


def read_yaml(content: bytes | str) -> Any:
    """Return what YAML holds.

    Raises:
        ValueError: it is not YAML of plain values.
    """
    try:
        return _Loader(content).get_single_data()
    except Exception as error:  # PyYAML lets through whatever `!!int ""` and the like raise.
        raise ValueError(str(error)[:500]) from error


def write_yaml(value: object) -> str:
    """Return plain values as YAML, in their order."""
    return str(yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False))


class _Loader(yaml.SafeLoader):
    """Safe YAML without links: a few lines of them can stand for a billion values, or for itself.

    `save` writes none.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f"the alias *{event.anchor}; write out its value",
                event.start_mark,
            )  # fmt: skip
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Safe YAML that escapes the line breaks of Unicode, which PyYAML reads back as spaces."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if not {"\x85", "\u2028", "\u2029"}.isdisjoint(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
