"""Saves and restores the complete training state, bit for bit: variables and callbacks."""

from __future__ import annotations

import inspect
import platform
import re
import warnings
from collections.abc import Sequence
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

import mltu
from mltu._extras import explain_missing
from mltu.resume._file import Arrays, TrainingState, from_plain, to_plain

with explain_missing():
    import keras
    from keras.callbacks import Callback, CSVLogger, EarlyStopping

_NUM_SHOWN = 5
_RNG = "chance"  # in the file: Keras's global seed generator


def collect_variables(model: keras.Model, arrays: Arrays) -> dict[str, list[list[Any]]]:
    """Copy all variables of a compiled, built model to `arrays`, and return their descriptions.

    These are the weights, moving averages and dropout's seed generators; those of the optimizer,
    its step and learning rate among them; the sums of the metrics; Keras's global seed generator,
    if used; and the state of PyTorch's generators on that backend.
    """
    groups = _groups(model)
    for group, variables in groups.items():
        for i, variable in enumerate(variables):
            arrays[f"{group}.{i}"] = keras.ops.convert_to_numpy(variable)
    arrays.update(_torch_rng_states())
    return {group: [_describe(v) for v in variables] for group, variables in groups.items()}


def check_variables(model: keras.Model, state: TrainingState) -> None:
    """Raise ValueError with the differences if a state belongs to another model."""
    stored = state.facts["variables"]
    differences = []
    for group, variables in _groups(model, has_rng=bool(stored[_RNG])).items():
        ours = [_describe(v) for v in variables]
        differences += [
            f"{_words(before)} in the {group} is now {_words(now)}"
            for before, now in zip_longest(stored[group], ours)
            if before != now
        ]
    if not differences:
        return
    more = len(differences) - _NUM_SHOWN
    and_more = f" and {more} more" if more > 0 else ""
    raise ValueError(
        f"`model` must match {str(state.path)!r} and be compiled the same way. The two differ: "
        f"{'; '.join(differences[:_NUM_SHOWN])}{and_more}. Build it with the settings of that "
        "run, or start a new run in another folder."
    )


def restore_variables(model: keras.Model, state: TrainingState) -> None:
    """Put the variables of a state into a model that `check_variables` has accepted."""
    has_rng = bool(state.facts["variables"][_RNG])
    for group, variables in _groups(model, has_rng).items():
        for i, variable in enumerate(variables):
            value = state.arrays[f"{group}.{i}"]
            if value.dtype.kind == "V":  # NumPy files know no bfloat16 and store its bytes.
                value = value.view(keras.ops.convert_to_numpy(variable).dtype)
            variable.assign(value)
    restore_torch_rng(state)


def restore_torch_rng(state: TrainingState) -> None:
    """Restore PyTorch's own generators, from which Keras's dropout samples on that backend."""
    saved = [value for key, value in sorted(state.arrays.items()) if key.startswith("torch.")]
    if saved and keras.backend.backend() == "torch":
        import torch

        states = [torch.from_numpy(value.copy()) for value in saved]
        torch.set_rng_state(states[0])
        if len(states) == torch.cuda.device_count() + 1:
            torch.cuda.set_rng_state_all(states[1:])


def _torch_rng_states() -> Arrays:
    if keras.backend.backend() != "torch":
        return {}
    import torch

    states = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
    return {f"torch.{i:03}": state.numpy() for i, state in enumerate(states)}


def _groups(model: keras.Model, has_rng: bool = False) -> dict[str, list[Any]]:
    return {
        "model": list(model.variables),
        "optimizer": list(model.optimizer.variables),
        "metric": list(model.metrics_variables),
        _RNG: _global_seed(has_rng),
    }


def _global_seed(create: bool) -> list[Any]:
    """Return the state of the global generator, for layers without their own seed generator."""
    # Keras has no public access to it. It is created only if a saved state has one to restore.
    from keras.src.backend.common.global_state import get_global_attribute
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator

    generator = get_global_attribute(GLOBAL_SEED_GENERATOR)
    if generator is None and create:
        generator = global_seed_generator()
    return [] if generator is None else [generator.state]


def _describe(variable: Any) -> list[Any]:
    # Automatic names are numbered through the process: `dense_3` here is `dense` elsewhere.
    name = re.sub(r"_\d+(?=[/_]|$)", "", variable.path)
    return [name, list(variable.shape), keras.backend.standardize_dtype(variable.dtype)]


def _words(description: list[Any] | None) -> str:
    if description is None:
        return "absent"
    name, shape, dtype = description
    return f"{name!r} {tuple(shape)} {dtype}"


def collect_callbacks(
    callbacks: Sequence[Callback], texts: Sequence[dict[str, str]], arrays: Arrays
) -> list[list[Any]]:
    """Return the class and the state of each callback; arrays go to `arrays`.

    A callback with the methods `get_state()`, which returns plain values and arrays, and
    `set_state(state, position)` decides itself. Of the others these attributes are saved: truth
    values, numbers, None, NumPy arrays, and lists, tuples and dicts of them; but no argument of the
    constructor, and text only if it has changed since training began (`texts`): text that has
    not changed is a setting, such as a path.
    """
    collected: list[list[Any]] = []
    for number, (callback, before) in enumerate(zip(callbacks, texts, strict=True)):
        key = f"callback.{number}"
        if hasattr(callback, "get_state"):
            state = to_plain(callback.get_state(), arrays, key)
        elif isinstance(callback, CSVLogger):
            state = {"dict": [["size", Path(callback.filename).stat().st_size]]}
        else:
            state = _collect_attributes(callback, before, arrays, key)
        collected.append([type(callback).__name__, state])
    return collected


def collect_texts(callbacks: Sequence[Callback]) -> list[dict[str, str]]:
    """Return the text attributes of each callback, to detect later which have changed."""
    return [
        {name: repr(value) for name, value in vars(callback).items() if _has_text(value)}
        for callback in callbacks
    ]


def restore_callbacks(callbacks: Sequence[Callback], state: TrainingState) -> None:
    """Restore the state of callbacks, matched by class and order; those without one start fresh.

    Of these, a callback with the method `on_resume_without_state()` has it called.
    """
    remaining = [
        (name, from_plain(plain, state.arrays)) for name, plain in state.facts["callbacks"]
    ]
    for callback in callbacks:
        name = type(callback).__name__
        match = next((pair for pair in remaining if pair[0] == name), None)
        if match is None:
            if hasattr(callback, "on_resume_without_state"):
                callback.on_resume_without_state()
            continue
        remaining.remove(match)
        _, saved = match
        if hasattr(callback, "set_state"):
            callback.set_state(saved, state.position)
        elif isinstance(callback, CSVLogger):
            callback.csv_file.truncate(saved["size"])
            callback.append_header = saved["size"] == 0
        else:
            vars(callback).update(saved)
            if state.finished and isinstance(callback, EarlyStopping):
                callback.wait = callback.stopped_epoch = 0  # Extending a run resets the patience.
    if missing := [name for name, saved in remaining if saved]:
        warnings.warn(
            "The saved state of these callbacks is not used, because they are missing now: "
            f"{', '.join(missing)}.",
            stacklevel=2,
        )


def _collect_attributes(
    callback: Callback, before: dict[str, str], arrays: Arrays, key: str
) -> dict[str, Any]:
    settings = {"params", "_model", *inspect.signature(type(callback).__init__).parameters}
    collected = []
    for name, value in vars(callback).items():
        own_arrays: Arrays = {}
        if name in settings:
            continue
        try:
            plain = to_plain(value, own_arrays, f"{key}.{name}")
        except TypeError:
            continue  # An object: its callback needs a `get_state`.
        if not _has_text(value) or before.get(name) != repr(value):
            collected.append([name, plain])
            arrays.update(own_arrays)
    return {"dict": collected}


def _has_text(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_text, value.values()))
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and any(map(_has_text, value))
    )


def library_versions() -> dict[str, str]:
    """Return the name of the backend and the versions of the libraries that training uses."""
    backend = keras.backend.backend()
    framework = import_module(backend)
    return {
        "mltu": mltu.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "keras": keras.__version__,
        "backend": f"{backend} {framework.__version__}",
    }
