"""What stands in an ONNX file beside the graph: a JSON text for each key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mltu._extras import explain_missing


def write_metadata(path: Path, fields: Mapping[str, Any]) -> None:
    """Store values in an ONNX file; other keys that it has stay.

    Raises:
        TypeError: a value cannot be stored as JSON.
        OSError: the file cannot be written.
    """
    with explain_missing():
        import onnx

    proto = onnx.load(str(path))
    entries = {entry.key: entry.value for entry in proto.metadata_props}
    entries |= {key: json.dumps(value, ensure_ascii=False) for key, value in fields.items()}
    onnx.helper.set_model_props(proto, entries)
    onnx.save(proto, str(path))
