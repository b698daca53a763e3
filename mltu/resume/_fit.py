"""fit_resumable: `model.fit` that can be continued in the right epoch and batch."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mltu._extras import explain_missing
from mltu.resume import _state
from mltu.resume._callback import KeepState
from mltu.resume._file import KeptState, find_state

with explain_missing():
    from keras.callbacks import CallbackList, CSVLogger, History

_REFUSED = ("initial_epoch", "steps_per_epoch", "x", "y", "batch_size", "validation_split")


def fit_resumable(
    model: Any,
    provider: Any,
    *,
    epochs: int = 1,
    callbacks: Sequence[Any],
    resume: bool = False,
    verbose: Any = "auto",
    **options: Any,
) -> Any:
    """Call `model.fit` so that it can be continued, or continue it in the right epoch and batch.

    On the CPU with deterministic operations the weights, the logs and the history of a training
    that was killed and resumed are those of one that never was, bit for bit. For TensorFlow that
    takes `tf.config.experimental.enable_op_determinism()`. The global generators of Python and of
    NumPy are not kept: nothing in Keras or mltu draws from them while it trains this way.

    Ctrl-C stops after the running batch (after the validation, once it runs) and saves the state;
    a second one stops at once.

    Args:
        model: compiled, and built the same way in each process.
        provider: a `DataProvider`. It shuffles, so Keras does not.
        epochs: the number of the last epoch; may be raised to continue a finished training.
        callbacks: as for `fit`; `KeepState` stands last.
        resume: True to continue from the newest state of `KeepState`'s folder. Where there is
            none, the training was stopped before its first batch, and begins.
        verbose: as for `fit`.
        **options: of `fit`, such as `validation_data`.

    Returns:
        Keras's `History`, with the epochs from before the interruption.

    Raises:
        ValueError: `KeepState` does not stand last; or the state is that of another model, data
            set or vocabulary, or of a finished training.
        FileExistsError: there is a state already, and `resume` is False.
        KeyboardInterrupt: after Ctrl-C; it says where the training goes on.
    """
    keep = _last(callbacks)
    if refused := [name for name in _REFUSED if name in options] + ["shuffle"] * bool(
        options.pop("shuffle", False)
    ):
        raise ValueError(
            "`options` must leave epochs, batches and their order to `provider`. "
            f"Received {', '.join(f'`{name}`' for name in refused)}."
        )
    if getattr(model, "optimizer", None) is None:
        raise ValueError("`model` must be compiled with an optimizer. Received one without.")
    state = _state_to_continue(keep, resume, epochs)
    # All variables must be there to be compared with those of the state, before the first fit.
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    model.test_on_batch(*provider[0])
    siblings = list(callbacks[:-1])
    if not any(isinstance(callback, History) for callback in siblings):
        siblings.append(History())
    if state is not None:
        _check(state, model, provider, keep, siblings)
    before = state.facts["provider"] if state else provider.get_state()
    provider.set_state({**before, "step": 0})
    chain = _Chain(
        [*siblings, keep], add_progbar=verbose != 0, model=model, verbose=verbose, epochs=epochs,
        steps=len(provider),
    )  # fmt: skip
    keep.connect(provider, siblings, state)
    with _stopping_between_batches(keep):
        return _run(model, provider, chain, keep, state, epochs, options)


def _last(callbacks: Sequence[Any]) -> KeepState:
    places = [i for i, callback in enumerate(callbacks) if isinstance(callback, KeepState)]
    if places != [len(callbacks) - 1]:
        raise ValueError(
            "`callbacks` must end in their only KeepState, so that it keeps what the others have "
            f"done. Received {[type(callback).__name__ for callback in callbacks]}."
        )
    keep: KeepState = callbacks[-1]
    return keep


def _state_to_continue(keep: KeepState, resume: bool, epochs: int) -> KeptState | None:
    state = find_state(keep.folder)
    if state is not None and not resume:
        raise FileExistsError(
            f"`folder` must be new to begin a training. Received {str(keep.folder)!r}, which holds "
            f"the state of one at {state.position}. Give resume=True to continue it."
        )
    if state is not None and state.finished and epochs <= state.facts["epochs"]:
        raise ValueError(
            f"`epochs` must be more than the {state.facts['epochs']} of the finished training in "
            f"{str(keep.folder)!r}. Received {epochs}."
        )
    return state


def _check(
    state: KeptState, model: Any, provider: Any, keep: KeepState, siblings: Sequence[Any]
) -> None:
    """Refuse what cannot go on, before a callback has touched a file."""
    _state.check_variables(model, state)
    kept = state.facts["settings"]
    for name in sorted({*kept, *keep.settings}):
        if kept.get(name) != keep.settings.get(name):
            raise ValueError(
                f"`settings` must be those of the run in {str(keep.folder)!r}: {name!r} was "
                f"{kept.get(name)!r}. Received {keep.settings.get(name)!r}. "
                "Take it from the configs of that run."
            )
    sizes = (provider.num_samples, provider.step + len(provider))
    if sizes != (state.facts["provider"]["samples"], state.num_steps):
        raise ValueError(
            f"`provider` must have the {state.facts['provider']['samples']} samples in "
            f"{state.num_steps} batches of the run in {str(keep.folder)!r}. "
            f"Received {sizes[0]} in {sizes[1]}."
        )
    if any(isinstance(callback, CSVLogger) and not callback.append for callback in siblings):
        raise ValueError("`append` of CSVLogger must be True to go on in its file. Received False.")
    now, before = _state.library_versions(), state.facts["versions"]
    if changed := [key for key in now if now[key] != before.get(key)]:
        words = ", ".join(f"{key} was {before.get(key)} and is {now[key]}" for key in changed)
        warnings.warn(
            f"The training goes on, but not to the bit as it would have: {words}.",
            stacklevel=3,
        )


class _Chain(CallbackList):
    """Callbacks that see one training where Keras runs two fits."""

    opens, closes, shift = True, True, 0

    def on_train_begin(self, logs: Any = None) -> None:
        if self.opens:
            super().on_train_begin(logs)

    def on_train_end(self, logs: Any = None) -> None:
        if self.closes:
            super().on_train_end(logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        super().on_train_batch_begin(batch + self.shift, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        super().on_train_batch_end(batch + self.shift, logs)


def _run(
    model: Any,
    provider: Any,
    chain: _Chain,
    keep: KeepState,
    state: KeptState | None,
    epochs: int,
    options: Mapping[str, Any],
) -> Any:
    """Run the rest of a begun epoch, then the others: a fit asks only once how long an epoch is."""
    first = state.epoch if state else 0
    is_stopped = bool(state and state.facts["stopped"] and not state.finished)
    if state is not None and state.step:
        provider.set_position(provider.epoch, state.step)
        chain.closes, chain.shift = False, state.step
        model.fit(
            provider, initial_epoch=first, epochs=first + 1, callbacks=chain, shuffle=False,
            **options,
        )  # fmt: skip
        is_stopped = bool(model.stop_training)
        # A fit ends by writing the moving averages of the optimizer, if it has any, to the weights.
        if (after := find_state(keep.folder)) is not None:
            _state.restore_variables(model, after)
        first += 1
        chain.opens, chain.closes, chain.shift = False, True, 0
    last = first if is_stopped else max(first, epochs)
    model.fit(provider, initial_epoch=first, epochs=last, callbacks=chain, shuffle=False, **options)
    model.stop_training = model.stop_training or is_stopped
    return model.history


@contextmanager
def _stopping_between_batches(keep: KeepState) -> Iterator[None]:
    """Let the first Ctrl-C wait for a moment at which the state is whole."""

    def ask(signum: int, frame: Any) -> None:
        if keep.interrupted:
            raise KeyboardInterrupt
        keep.interrupted = True

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # Another thread, or another handler than Python's own: it stays.
        return
    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
