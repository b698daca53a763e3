"""Model2onnx: exports the best model, after a trial export before the first epoch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mltu._extras import explain_missing
from mltu.onnx_export import ExportMetrics, Int8Report, export_onnx, quantize_onnx
from mltu.onnx_export._export import COMMAND
from mltu.utils.files import StrPath, atomic_path
from mltu.utils.old_arguments import explains_old_arguments

with explain_missing():
    import keras

_NUM_TRIAL_IMAGES = 32


@explains_old_arguments
class Model2onnx(keras.callbacks.Callback):
    """Export the best model to ONNX when training ends, next to its checkpoint.

    Before the first epoch (after the first batch if that builds the model) the untrained model is
    exported once and the file removed, so that an export that would fail does so in the first
    minute. At the end the weights of the checkpoint are restored into the model, and the `.onnx` is
    written, run and compared with Keras. Put this callback after the ModelCheckpoint.

    Args:
        saved_model_path: the checkpoint, a `.keras`, `.h5` or `.weights.h5` path, as given to
            `ModelCheckpoint`. It is never written to. `run/model.keras` gives `run/model.onnx`.
        metadata: stored in the file, such as `{"vocab": vocab}`; see `export_onnx`.
        validation: images to compare on: the validation provider, whose steps then go into the
            file, or a pair (images, labels); see `export_onnx`.
        opset: opset of the ONNX file, as in `export_onnx`.
        at_best: True to export each new best checkpoint too. If that fails, a warning says so
            and training continues.
        int8: True to write `run/model.int8.onnx` too, calibrated on `validation`.
        timeout: seconds for each export's child process.

    Attributes:
        metrics: metrics of the last export; None before.
        int8_report: report of the last quantization; None before.

    Raises:
        ValueError: `saved_model_path` has another suffix, or `int8` comes without `validation`.
        RuntimeError: from `fit`, when the export fails; see `export_onnx`.
    """

    def __init__(
        self,
        saved_model_path: StrPath,
        metadata: Mapping[str, Any] | None = None,
        *,
        validation: Any = None,
        opset: int | None = None,
        at_best: bool = False,
        int8: bool = False,
        timeout: float = 600,
    ) -> None:
        super().__init__()
        if int8 and validation is None:
            raise ValueError(
                "`int8` must be False without images to calibrate on. Received True and no "
                "`validation`. Pass the validation provider as `validation`."
            )
        self.saved_model_path = Path(saved_model_path)
        self.onnx_path = onnx_path_for(self.saved_model_path)
        self.metadata = dict(metadata or {})
        self.validation = validation
        self.opset = opset
        self.at_best = at_best
        self.int8 = int8
        self.timeout = timeout
        self.metrics: ExportMetrics | None = None
        self.int8_report: Int8Report | None = None
        self._checkpoint_before: int | None = None
        self._checkpoint_seen: int | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Check that this model can be exported on this machine."""
        self._checkpoint_before = self._checkpoint_seen = _modification_time(self.saved_model_path)
        self._is_tried = False
        if self.model.built:
            self._try()

    def _try(self) -> None:
        self._is_tried = True
        trial = self.onnx_path.with_name(f".{self.onnx_path.stem}.trial.onnx")
        try:
            self._export(trial, num_images=_NUM_TRIAL_IMAGES)
        finally:
            trial.unlink(missing_ok=True)
            trial.with_suffix(".int8.onnx").unlink(missing_ok=True)
        self._say(f"The ONNX export works; {self.onnx_path} is written at the end.")

    def on_resume_without_state(self) -> None:
        """Accept any checkpoint as one of this run, which began without this callback."""
        self._checkpoint_before = None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Ignore a checkpoint written within an epoch: the weights change before its end."""
        if not self._is_tried:
            self._try()
        if self.at_best:
            self._checkpoint_seen = _modification_time(self.saved_model_path)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Export a checkpoint that was written at the end of this epoch, if asked."""
        written = _modification_time(self.saved_model_path)
        if not self.at_best or written == self._checkpoint_seen:
            return
        self._checkpoint_seen = written
        try:
            self._export(self.onnx_path)
        except Exception as error:
            warnings.warn(
                f"The best model so far, of epoch {epoch + 1}, was not exported; training "
                f"continues. {error}",
                stacklevel=2,
            )

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Restore the best weights and export them."""
        if _modification_time(self.saved_model_path) == self._checkpoint_before:
            warnings.warn(
                f"No checkpoint was written to {str(self.saved_model_path)!r} during this "
                "training, so the ONNX file gets the weights of the last step. Add a "
                "ModelCheckpoint with this path before Model2onnx.",
                stacklevel=2,
            )
            saved = None
        else:
            self.model.load_weights(self.saved_model_path)
            saved = self.saved_model_path
        try:
            self._export(self.onnx_path)
        except Exception as error:
            saved = saved or self._save()
            is_run = saved.name == "model.keras" and saved.with_name("configs.yaml").is_file()
            command = f"{COMMAND} {str(saved.parent)!r}, or " if is_run else ""
            raise RuntimeError(
                f"The training is done and its model is safe in {str(saved)!r}; only the ONNX "
                f"export failed. Fix the cause and run the export again: {command}load the "
                "model by keras.models.load_model(path, compile=False) and call "
                f"mltu.onnx_export.export_onnx. The cause: {error}"
            ) from error
        if self.metrics is not None:
            self._say(f"{self.onnx_path}: {self.metrics.to_text()}")
        if self.int8_report is not None:
            self._say(self.int8_report.to_text())

    def _export(self, path: Path, **options: Any) -> None:
        self.metrics = export_onnx(
            self.model,
            path,
            metadata=self.metadata,
            validation=self.validation,
            opset=self.opset,
            timeout=self.timeout,
            **options,
        )
        if self.int8:
            self.int8_report = quantize_onnx(path, self.validation, **options)

    def _save(self) -> Path:
        """Save a model without a checkpoint of this run; never overwrite another file."""
        path = self.onnx_path.with_name(f"{self.onnx_path.stem}.last.keras")
        with atomic_path(path) as temporary:
            self.model.save(temporary)
        return path

    def _say(self, text: str) -> None:
        """Print a line to where `fit` prints."""
        if (self.params or {}).get("verbose", 1):
            print(text)


def onnx_path_for(saved_model_path: StrPath) -> Path:
    """Return the path of the ONNX file of a checkpoint, in the same folder.

    Raises:
        ValueError: the checkpoint has another suffix than `.keras`, `.h5` or `.weights.h5`.
    """
    path = Path(saved_model_path)
    for suffix in (".weights.h5", ".h5", ".keras"):
        if path.name.endswith(suffix):
            return path.with_name(f"{path.name.removesuffix(suffix)}.onnx")
    raise ValueError(
        "`saved_model_path` must end in '.keras', '.h5' or '.weights.h5'. "
        f"Received {str(saved_model_path)!r}."
    )


def _modification_time(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None
