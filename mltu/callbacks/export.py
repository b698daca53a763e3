"""Model2onnx: the export, proven before the first epoch."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mltu._extras import explain_missing
from mltu.onnx_export import export_onnx

with explain_missing():
    import keras


class Model2onnx(keras.callbacks.Callback):
    """Export the best model to ONNX when the training ends, beside its checkpoint.

    Before the first epoch the untrained model is exported once and removed again, so that whatever
    would make the export fail does so in the first minute. At the end the weights of the
    checkpoint are restored into the model, the `.onnx` is written, run and compared with Keras.

    Args:
        saved_model_path: the checkpoint, a `.keras`, `.h5` or `.weights.h5` path, as given to
            `ModelCheckpoint`. It is never written to. `run/model.keras` gives `run/model.onnx`.
        metadata: stored in the file, such as `{"vocab": vocab}`; see `export_onnx`.
        opset: of the ONNX file; the exporter's own default if None.

    Raises:
        ValueError: `saved_model_path` has another suffix.
        RuntimeError: from `fit`, when the export fails; see `export_onnx`.
    """

    def __init__(
        self,
        saved_model_path: str | os.PathLike[str],
        metadata: Mapping[str, Any] | None = None,
        *,
        opset: int | None = None,
    ) -> None:
        super().__init__()
        self.saved_model_path = Path(saved_model_path)
        self.onnx_path = onnx_path_for(self.saved_model_path)
        self.metadata = dict(metadata or {})
        self.opset = opset
        self._checkpoint_before: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Prove that this model can be exported on this machine."""
        self._checkpoint_before = _modification_time(self.saved_model_path)
        trial = self.onnx_path.with_name(f".{self.onnx_path.stem}.trial.onnx")
        try:
            self._export(trial)
        finally:
            trial.unlink(missing_ok=True)

    def on_train_end(self, logs: Any = None) -> None:
        """Restore the best weights and export them."""
        if _modification_time(self.saved_model_path) == self._checkpoint_before:
            warnings.warn(
                f"No checkpoint was written to {str(self.saved_model_path)!r} during this "
                "training, so the ONNX file gets the weights of the last step. Add a "
                "ModelCheckpoint with this path before Model2onnx.",
                stacklevel=2,
            )
        else:
            self.model.load_weights(self.saved_model_path)
        self._export(self.onnx_path)

    def _export(self, path: Path) -> None:
        export_onnx(self.model, path, metadata=self.metadata, opset=self.opset)


def onnx_path_for(saved_model_path: Path) -> Path:
    """Return the path of the ONNX file that belongs beside a checkpoint.

    Raises:
        ValueError: the checkpoint has another suffix than `.keras`, `.h5` or `.weights.h5`.
    """
    for suffix in (".weights.h5", ".h5", ".keras"):
        if saved_model_path.name.endswith(suffix):
            return saved_model_path.with_name(f"{saved_model_path.name.removesuffix(suffix)}.onnx")
    raise ValueError(
        "`saved_model_path` must end in '.keras', '.h5' or '.weights.h5'. "
        f"Received {str(saved_model_path)!r}."
    )


def _modification_time(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None
