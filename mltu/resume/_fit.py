"""fit_resumable: a `model.fit` that can resume in the right epoch and batch."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mltu._extras import explain_missing
from mltu.resume import _state
from mltu.resume._callback import KeepState
from mltu.resume._file import TrainingState, find_state

with explain_missing():
    import keras
    from keras.callbacks import Callback, CallbackList, CSVLogger, History
    from keras.src.backend import compute_output_spec

if TYPE_CHECKING:
    from mltu.data import DataProvider

_REFUSED = ("initial_epoch", "steps_per_epoch", "x", "y", "batch_size", "validation_split")


def fit_resumable(
    model: keras.Model,
    provider: DataProvider,
    *,
    epochs: int = 1,
    callbacks: Sequence[Callback],
    resume: bool = False,
    verbose: str | int = "auto",
    **options: Any,
) -> History:
    """Call `model.fit` so that it can be resumed, or resume it in the right epoch and batch.

    On the CPU with deterministic operations the weights, the logs and the history of a run that was
    killed and resumed equal those of an uninterrupted run, bit for bit. For TensorFlow that
    takes `tf.config.experimental.enable_op_determinism()`. The global generators of Python and of
    NumPy are not saved: nothing in Keras or mltu samples from them while it trains this way.

    Ctrl-C stops after the running batch (after the validation, once it runs) and saves the state;
    a second one stops immediately.

    Args:
        model: compiled, and built the same way in each process.
        provider: a `DataProvider`. It shuffles, so Keras does not.
        epochs: the number of the last epoch; may be raised to continue a finished run.
        callbacks: as for `fit`; `KeepState` is the last one.
        resume: True to continue from the newest state of `KeepState`'s folder. Without a state
            there, the run was stopped before its first batch and starts from the beginning.
        verbose: as for `fit`.
        **options: other arguments of `fit`, such as `validation_data`.

    Returns:
        Keras's `History`, with the epochs from before the interruption.

    Raises:
        ValueError: `KeepState` is not the last one; or the state is that of another model, data
            set or vocabulary, or of a finished run.
        FileExistsError: there is a state already, and `resume` is False.
        KeyboardInterrupt: after Ctrl-C; it says where training continues.
    """
    keep = _last_callback(callbacks)
    refused = [name for name in _REFUSED if name in options]
    if options.pop("shuffle", False):
        refused.append("shuffle")
    if refused:
        raise ValueError(
            "`options` must not set what `provider` controls: epochs, batches and their order. "
            f"Received {', '.join(f'`{name}`' for name in refused)}."
        )
    if getattr(model, "optimizer", None) is None:
        raise ValueError("`model` must be compiled with an optimizer. Received one without.")
    state = _state_to_continue(keep, resume, epochs)
    _create_variables(model, *provider[0])
    others = list(callbacks[:-1])
    if not any(isinstance(callback, History) for callback in others):
        others.append(History())
    if state is not None:
        _require_same_run(state, model, provider, keep, others)
    provider_state = state.facts["provider"] if state else provider.get_state()
    provider.set_state({**provider_state, "step": 0})
    shared = _SharedCallbacks(
        [*others, keep], add_progbar=verbose != 0, model=model, verbose=verbose, epochs=epochs,
        steps=len(provider),
    )  # fmt: skip
    keep.connect(provider, others, state)
    with _stopping_between_batches(keep):
        return _fit(model, provider, shared, keep, state, epochs, options)


def _create_variables(model: keras.Model, images: Any, labels: Any) -> None:
    """Create those of loss, metrics and optimizer before the first fit, to compare with a state."""
    outputs = getattr(model, "outputs", None) or []
    in_scope = getattr(model, "_distribute_strategy", None)  # of TensorFlow; Keras enters it then
    if keras.backend.backend() == "tensorflow" and len(outputs) == 1 and not in_scope:
        # `test_on_batch` would trace the whole network once more, which takes seconds.
        y_true = keras.KerasTensor(labels.shape, keras.backend.standardize_dtype(labels.dtype))
        y_pred = keras.KerasTensor((len(images), *outputs[0].shape[1:]), outputs[0].dtype)
        for compute in (model.compute_metrics, model._compute_loss):
            compute_output_spec(compute, None, y_true, y_pred, sample_weight=None)
    else:
        model.test_on_batch(images, labels)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _last_callback(callbacks: Sequence[Callback]) -> KeepState:
    positions = [i for i, callback in enumerate(callbacks) if isinstance(callback, KeepState)]
    if positions != [len(callbacks) - 1]:
        raise ValueError(
            "`callbacks` must have exactly one KeepState, as the last entry, so that it saves the "
            f"state of the others. Received {[type(callback).__name__ for callback in callbacks]}."
        )
    keep: KeepState = callbacks[-1]
    return keep


def _state_to_continue(keep: KeepState, resume: bool, epochs: int) -> TrainingState | None:
    state = find_state(keep.folder)
    if state is not None and not resume:
        raise FileExistsError(
            f"`folder` must be new to start training. Received {str(keep.folder)!r}, which has "
            f"the state of a run at {state.position}. Pass resume=True to continue it."
        )
    if state is not None and state.finished and epochs <= state.facts["epochs"]:
        raise ValueError(
            f"`epochs` must be more than the {state.facts['epochs']} of the finished run in "
            f"{str(keep.folder)!r}. Received {epochs}."
        )
    return state


def _require_same_run(
    state: TrainingState,
    model: keras.Model,
    provider: DataProvider,
    keep: KeepState,
    others: Sequence[Callback],
) -> None:
    """Refuse what cannot be continued, before a callback has touched a file."""
    _state.check_variables(model, state)
    saved = state.facts["settings"]
    for name in sorted({*saved, *keep.settings}):
        if saved.get(name) != keep.settings.get(name):
            raise ValueError(
                f"`settings` must be those of the run in {str(keep.folder)!r}: {name!r} was "
                f"{saved.get(name)!r}. Received {keep.settings.get(name)!r}. "
                "Take it from the configs of that run."
            )
    num_samples, num_steps = provider.num_samples, provider.step + len(provider)
    if (num_samples, num_steps) != (state.facts["provider"]["samples"], state.num_steps):
        raise ValueError(
            f"`provider` must have the {state.facts['provider']['samples']} samples in "
            f"{state.num_steps} batches of the run in {str(keep.folder)!r}. "
            f"Received {num_samples} in {num_steps}."
        )
    if any(isinstance(callback, CSVLogger) and not callback.append for callback in others):
        raise ValueError("`append` of CSVLogger must be True to continue its file. Received False.")
    now, before = _state.library_versions(), state.facts["versions"]
    if changed := [name for name in now if now[name] != before.get(name)]:
        words = ", ".join(f"{name} was {before.get(name)} and is {now[name]}" for name in changed)
        warnings.warn(
            f"The training continues, but its result may differ in the last bits: {words}.",
            stacklevel=3,
        )


class _SharedCallbacks(CallbackList):
    """The callbacks of a resumed training, which Keras runs as two fits: the first is shorter.

    A fit asks only once how many batches an epoch has. So the rest of an interrupted epoch is a
    separate fit; callbacks see one begin, one end, and the true batch numbers.
    """

    begins, ends, first_batch = True, True, 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.begins:
            super().on_train_begin(logs)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.ends:
            super().on_train_end(logs)

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_batch_begin(batch + self.first_batch, logs)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch + self.first_batch, logs)


def _fit(
    model: keras.Model,
    provider: DataProvider,
    callbacks: _SharedCallbacks,
    keep: KeepState,
    state: TrainingState | None,
    epochs: int,
    options: Mapping[str, Any],
) -> History:
    """Run the rest of an interrupted epoch, if there is one, and then the other epochs."""

    def fit(first: int, last: int) -> None:
        model.fit(
            provider, initial_epoch=first, epochs=last, callbacks=callbacks, shuffle=False,
            **options,
        )  # fmt: skip

    first = state.epoch if state else 0
    is_stopped = bool(state and state.facts["stopped"] and not state.finished)
    if state is not None and state.step:
        provider.set_position(provider.epoch, state.step)
        callbacks.ends, callbacks.first_batch = False, state.step
        fit(first, first + 1)
        is_stopped = bool(model.stop_training)
        # At its end, fit overwrites the weights with the optimizer's moving averages, if any.
        if (after := find_state(keep.folder)) is not None:
            _state.restore_variables(model, after)
        first += 1
        callbacks.begins, callbacks.ends, callbacks.first_batch = False, True, 0
    fit(first, first if is_stopped else max(first, epochs))
    model.stop_training = model.stop_training or is_stopped
    return model.history


@contextmanager
def _stopping_between_batches(keep: KeepState) -> Iterator[None]:
    """Delay the first Ctrl-C until the state is complete."""

    def request_stop(_signum: int, _frame: object) -> None:
        if keep.interrupted:
            raise KeyboardInterrupt
        keep.interrupted = True

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # Another thread, or another handler than Python's own: it stays.
        return
    signal.signal(signal.SIGINT, request_stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
