"""Compiles a reader and trains it with its callbacks: schedule, checkpoint, logs, export, state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mltu._extras import explain_missing
from mltu.callbacks import (
    ConvergenceWatch,
    FollowSchedule,
    KeepState,
    Model2onnx,
    TrainLogger,
    fit_resumable,
    tensorboard,
)
from mltu.losses import CTCLoss
from mltu.metrics import CWERMetric
from mltu.models import Processes, use_native_layers
from mltu.models._adapt import output_layer
from mltu.models._distribute import LocalCheckpoint
from mltu.plots import plot_history
from mltu.utils.files import StrPath, naming_full_disk

with explain_missing():
    import keras
    from keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau

if TYPE_CHECKING:
    from mltu.data import DataProvider

_PATIENCE = 2000  # steps: CTC emits only blanks for the first few hundred, and looks stuck


def start_with_blanks(model: keras.Model, label_length: float = 8) -> None:
    """Make an untrained model emit as many blanks as a trained one.

    CTC gives every time step to a character or to the blank. Where the last layer knows their
    shares from the start, the first hundreds of steps need not unlearn random text, and tutorial 01
    reads after 17,000 images instead of 43,000.

    Args:
        model: its last Dense layer gives the logits or probabilities, those of the blank last, of
            one time step or of several.
        label_length: characters of a usual label, above 0.

    Raises:
        ValueError: there is no such layer, the model is not built, or `label_length` is not above
            0.
    """
    if not label_length > 0:
        raise ValueError(f"`label_length` must be above 0. Received {label_length!r}.")
    if not model.built:
        raise ValueError(
            f"`model` must be built. Received {model.name!r}, which is not. Give it a keras.Input, "
            "or call it on a batch first."
        )
    *_, num_steps, num_classes = model.output_shape
    # Where the width is free, two of three steps are blank, as with letters of usual shape.
    blanks_per_character = max(num_steps / label_length - 1, 1) if num_steps else 2
    blank_bias = np.log(blanks_per_character * (num_classes - 1))
    layer = output_layer(model)
    if layer.units % num_classes or not layer.use_bias:
        raise ValueError(
            f"`model` must have a Dense layer with a bias and {num_classes} units, one per class. "
            f"Received {model.name!r} without one."
        )
    is_blank = np.arange(layer.units) % num_classes == num_classes - 1
    bias = keras.ops.convert_to_numpy(layer.bias)
    layer.bias.assign(np.where(is_blank, np.float32(blank_bias), bias))


def compile_reader(
    model: keras.Model,
    learning_rate: float,
    vocab: str | Sequence[str] = "",
    *,
    is_new: bool = True,
) -> None:
    """Prepare a model of `mltu.models`, or a similar one, for training.

    It starts with blanks, uses the layers of its backend where they are faster, and is compiled
    with Adam, `CTCLoss` and `CWERMetric`.

    Args:
        model: as in `start_with_blanks`.
        learning_rate: above 0.
        vocab: of the labels; its space, if it has one, separates the words of the WER.
        is_new: False for a model that is trained already, which does not start with blanks.
    """
    if is_new:
        start_with_blanks(model)
    use_native_layers(model)
    optimizer = keras.optimizers.Adam(learning_rate)
    last = [layer for layer in model.layers if not isinstance(layer, keras.layers.Reshape)][-1]
    from_logits = getattr(last, "activation", None) is keras.activations.linear
    loss = CTCLoss(from_logits=from_logits)
    model.compile(optimizer=optimizer, loss=loss, metrics=[CWERMetric(vocab)])


def fit_reader(
    model: keras.Model,
    training: DataProvider,
    validation: DataProvider,
    run: StrPath,
    *,
    epochs: int,
    learning_rate: float,
    metadata: Mapping[str, Any],
    callbacks: Sequence[keras.callbacks.Callback] = (),
    keep_best: bool = True,
    resume: bool = False,
    export: bool = True,
    int8: bool = False,
    processes: Processes | None = None,
    progress: bool = True,
) -> dict[str, list[float]]:
    """Train a compiled model, and write its files to a run folder; it can be stopped and resumed.

    The learning rate rises to its peak and falls along a cosine.

    Args:
        model: compiled, as by `compile_reader`.
        training: a `DataProvider`.
        validation: another, not shuffled.
        run: the folder for `model.keras`, `model.onnx`, `logs.log`, `logs`, `curves.png`, `state`.
        epochs: how many, including those before it was resumed.
        learning_rate: the peak.
        metadata: of the ONNX file, as in `Model2onnx`; `vocab` is needed.
        callbacks: more of them, which come first.
        keep_best: True to keep the weights with the lowest `val_CER`, and to stop early if it has
            not fallen for 2,000 steps and ten epochs; False for the weights of the last epoch,
            which were not selected on the validation samples.
        resume: True to continue from `state`.
        export: True to write `model.onnx`, after a trial export before the first epoch.
        int8: True to write `model.int8.onnx` too.
        processes: what `distribute` returned, None if it was not called. Of several processes rank
            0 alone writes, no `model.onnx` and no `state`: the run cannot be resumed.
        progress: True for progress bars, False for a line for each epoch.

    Returns:
        The metrics of each epoch, by name, as Keras gives them.

    Raises:
        ValueError: the run cannot be continued with this model, these settings or these processes.
        ImportError: a package is missing, with its pip line.
        KeyboardInterrupt: after Ctrl-C; `resume=True` continues.
    """
    folder, processes = Path(run), processes or Processes(0, 1, 1)
    if resume and processes.world_size > 1:
        raise ValueError(
            f"A run of several processes cannot be resumed; there are {processes.world_size}. "
            "Start a new run, or continue in one process."
        )
    with explain_missing():
        import matplotlib  # noqa: F401  # Fail now rather than at the curves in the end.
    num_steps = len(training) * epochs
    callbacks = [*callbacks, FollowSchedule.warmup_cosine(learning_rate, num_steps)]
    if keep_best:
        patience = max(10, -(-_PATIENCE // len(training)))
        callbacks += [
            EarlyStopping(monitor="val_CER", patience=patience, mode="min"),
            ReduceLROnPlateau(
                monitor="val_CER", factor=0.9, min_delta=1e-10, patience=patience // 2, mode="min"
            ),
        ]
    if processes.rank == 0:
        checkpoint = LocalCheckpoint if processes.world_size > 1 else ModelCheckpoint
        best = checkpoint(
            # Keras formats the path with the number of the epoch.
            str(folder / "model.keras").replace("{", "{{").replace("}", "}}"),
            monitor="val_CER", mode="min", save_best_only=keep_best,
        )  # fmt: skip
        # With few validation samples epochs tie, and a later one of the cosine is the better model.
        best.monitor_op = keras.ops.less_equal
        callbacks += [best, TrainLogger(folder), *tensorboard(folder / "logs", update_freq=1)]
    verbose = (1 if progress else 2) if processes.rank == 0 else 0
    options: dict[str, Any] = {"validation_data": validation, "epochs": epochs, "verbose": verbose}
    history: dict[str, list[float]]
    if processes.world_size > 1:
        history = model.fit(training, shuffle=False, callbacks=callbacks, **options).history
    else:
        callbacks.append(ConvergenceWatch(validation, log_path=folder / "watch.log"))
        if export:  # After the checkpoint callback, whose file it reads.
            callbacks.append(
                Model2onnx(folder / "model.keras", dict(metadata), validation=validation, int8=int8)
            )
        callbacks.append(KeepState(folder / "state", settings={"vocab": metadata["vocab"]}))
        with naming_full_disk(folder):  # What Keras writes; resumed, it writes that again.
            history = fit_resumable(
                model, training, resume=resume, callbacks=callbacks, **options
            ).history
    if processes.rank == 0:
        plot_history(folder / "curves.png", history)
    return history
