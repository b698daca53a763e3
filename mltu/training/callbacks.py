"""What runs beside a training: the rate, the checkpoint, the logs, the export, the state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mltu._extras import explain_missing
from mltu.callbacks import (
    ConvergenceWatch,
    FollowSchedule,
    KeepState,
    Model2onnx,
    TrainLogger,
    tensorboard,
)
from mltu.training.settings import ReaderConfigs

with explain_missing():
    from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
    from keras.optimizers.schedules import CosineDecay

_WARMUP = 300  # steps, or a tenth of the training
_PATIENCE = 2000  # steps: for hundreds of them CTC answers blanks alone, and all seems to stand


def make_callbacks(
    run: Path, configs: ReaderConfigs, steps_per_epoch: int, validation: Any, *, export: bool
) -> list[Any]:
    """Make the callbacks in their order: Model2onnx behind the checkpoint, KeepState last."""
    num_steps = steps_per_epoch * configs.train_epochs
    warmup = min(_WARMUP, num_steps // 10)
    schedule = CosineDecay(
        0.0, num_steps - warmup, warmup_target=configs.learning_rate, warmup_steps=warmup
    )
    patience = max(10, -(-_PATIENCE // steps_per_epoch))
    callbacks: list[Any] = [
        FollowSchedule(schedule),
        EarlyStopping(monitor="val_CER", patience=patience, mode="min"),
        ReduceLROnPlateau(
            monitor="val_CER", factor=0.9, min_delta=1e-10, patience=patience // 2, mode="min"
        ),
        ModelCheckpoint(
            str(run / "model.keras"), monitor="val_CER", mode="min", save_best_only=True
        ),
        TrainLogger(run),
        *tensorboard(run / "logs", update_freq=1),
        ConvergenceWatch(validation, log_path=run / "watch.log"),
    ]
    if export:
        metadata = {"vocab": configs.vocab, "color": configs.color}
        callbacks.append(Model2onnx(run / "model.keras", metadata, validation=validation))
    return [*callbacks, KeepState(run / "state", settings={"vocab": configs.vocab})]
