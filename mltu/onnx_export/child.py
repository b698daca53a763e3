"""What the child process does: load what the training wrote, and convert it. It sees no GPU."""

from __future__ import annotations

import importlib
import json
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from mltu._extras import explain_missing
from mltu.onnx_export.classes import Needed

REPLY = "mltu.onnx_export.child: "  # Begins the line of the answer, behind whatever others print.


def convert(job: Mapping[str, Any]) -> None:
    """Convert a stored model to an ONNX file.

    Args:
        job: `kind`, `"saved_model"` or `"keras"`; `source` and `target`, paths; `shape` and
            `name` of the input; `opset`, or None for the converter's own default; for `"keras"` the
            `classes` to import.

    Raises:
        ImportError: TensorFlow, tf2onnx or onnx is missing; or a class of the model.
        RuntimeError: the model has operations that ONNX does not have.
        Exception: what the loader or the converter raised.
    """
    with explain_missing():  # The converter first: where it is missing, that shows in a second.
        import onnx
        import tf2onnx
        import tensorflow as tf  # isort: skip

    signature = [tf.TensorSpec(job["shape"], tf.float32, name=job["name"])]
    if job["kind"] == "saved_model":
        stored = tf.saved_model.load(job["source"])
        function = stored.serve
    else:
        stored = _load_keras(job["source"], job["classes"])
        function = tf.function(lambda inputs: stored(inputs, training=False))
    proto, _ = tf2onnx.convert.from_function(function, signature, opset=job["opset"])
    _check_operations(proto, onnx.defs)
    onnx.save(proto, job["target"])


def _load_keras(path: str, classes: Sequence[Needed]) -> Any:
    """Load a `.keras` file with the code in it: the parent wrote it a moment ago."""
    with explain_missing():
        import keras

    custom_objects = {}
    for module, name, stored_name in classes:
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ImportError(
                f"The model holds {name!r} of the module {module!r}, which the child process "
                f"cannot import ({error}). Define it at the top of a module of its own, beside "
                "your script, and import it from there."
            ) from error
        custom_objects[name] = custom_objects[stored_name] = found
    return keras.models.load_model(path, custom_objects, compile=False, safe_mode=False)


def _check_operations(proto: Any, definitions: Any) -> None:
    """Refuse a graph with operations that the converter left as they were."""
    versions = {opset.domain: opset.version for opset in proto.opset_import}
    unknown = sorted(
        f"{node.op_type} (in {node.name})"
        for node in proto.graph.node
        if node.domain in ("", "ai.onnx")
        and not definitions.has(node.op_type, max_inclusive_version=versions.get("", 1))
    )
    if unknown:
        raise RuntimeError(
            f"ONNX has no such operation as {', '.join(unknown[:5])}. Build the layer from other "
            "operations, or leave it out of the exported model."
        )


def main(arguments: list[str]) -> int:
    """Do the job of the command line and print an answer; the exit status is 0 if it was done."""
    try:
        convert(json.loads(arguments[0]))
        answer: dict[str, Any] = {}
    except Exception as error:
        answer = {
            "error": [kind.__name__ for kind in type(error).__mro__],
            "message": str(error) or type(error).__name__,
            "package": getattr(error, "name", None),
            "traceback": traceback.format_exc(),
        }
    print(f"\n{REPLY}{json.dumps(answer)}", flush=True)
    return 1 if answer else 0
