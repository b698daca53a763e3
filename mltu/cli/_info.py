"""mltu info: describes an ONNX file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from mltu.cli._common import find_model, print_json, text_or_json

_LONGEST = 70  # characters of a line's value


@click.command("info", short_help="Describe an ONNX file.")
@click.argument("model", required=False)
@text_or_json
def command(model: str | None, form: str) -> None:
    """Describe MODEL: an ONNX file, a run folder, or a shipped reader (default: words).

    Works for any ONNX file; what is known depends on its metadata.

    \b
    mltu info run
    mltu info words --format json
    """
    facts = _describe(find_model(model))
    if form == "json":
        print_json(facts)
    else:
        click.echo("\n".join(_as_text(facts)))


def _describe(path: Path) -> dict[str, Any]:
    """Return what is known of the file; `card` is None if it has none, and `no_card` says why.

    Raises:
        FileNotFoundError, ValueError: the file is missing, or onnxruntime cannot load it.
    """
    from mltu.inference import OnnxInferenceModel, read_card

    model = OnnxInferenceModel(path, force_cpu=True)
    file, meta = Path(model.model_path), model.model.get_modelmeta()
    facts: dict[str, Any] = {
        "path": str(file),
        "bytes": file.stat().st_size,
        "producer": f"{meta.producer_name} {meta.version}".strip(),
        "inputs": [_shape(value) for value in model.model.get_inputs()],
        "outputs": [_shape(value) for value in model.model.get_outputs()],
        "card": None,
        "no_card": None,
    }
    try:
        facts["card"] = dataclasses.asdict(read_card(meta.custom_metadata_map, repr(str(file))))
    except ValueError as error:
        facts["no_card"] = str(error)
        facts["metadata"] = model.metadata
    return facts


def _shape(value: Any) -> dict[str, Any]:
    return {"name": value.name, "shape": list(value.shape), "type": value.type}


def _as_text(facts: dict[str, Any]) -> list[str]:
    lines = [f"{facts['path']}: {facts['bytes']:,} bytes"]
    for kind in ("inputs", "outputs"):
        lines += [_line(kind[:-1], f"{v['name']} {v['shape']} {v['type']}") for v in facts[kind]]
    if facts["card"] is None:
        lines.append(_line("metadata", ", ".join(map(str, facts["metadata"])) or "none"))
        return [*lines, f"No model card. {facts['no_card']}"]
    for key, value in facts["card"].items():
        if isinstance(value, dict):
            title = "metrics, on its validation images" if key == "metrics" else key
            lines += [f"{title}:", *(_line(f"  {name}", one) for name, one in value.items())]
        elif value is not None:
            lines.append(_line(key, value))
    return lines


def _line(name: str, value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    # A vocabulary of thousands is in the JSON; control characters are never printed.
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"
    return f"{name:14} {cut}"
