"""What decides how a training goes on: taken out of Keras objects and put back, bit for bit."""

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
import numpy.typing as npt

import mltu
from mltu._extras import explain_missing
from mltu.resume._file import Arrays, KeptState, from_plain, to_plain

with explain_missing():
    import keras
    from keras.callbacks import CSVLogger, EarlyStopping

_NUM_SHOWN = 5


def collect_variables(model: Any, arrays: Arrays) -> dict[str, list[list[Any]]]:
    """Copy all variables of a compiled, built model.

    These are the weights, moving averages and dropout's seed generators; those of the optimizer,
    its step and rate among them; the sums of the metrics; Keras's global seed generator, if used;
    and the state of PyTorch's generators on that backend.

    Args:
        model: on JAX, synchronized with its trainer, as `Callback.model` is.
        arrays: receives the values.

    Returns:
        For each group the name, shape and dtype of each variable.
    """
    groups = _groups(model)
    for group, variables in groups.items():
        for i, variable in enumerate(variables):
            arrays[f"{group}.{i}"] = keras.ops.convert_to_numpy(variable)
    arrays.update(_torch_chance())
    return {group: [_describe(v) for v in variables] for group, variables in groups.items()}


def check_variables(model: Any, state: KeptState) -> None:
    """Raise ValueError if a state belongs to another model; what differs is named."""
    stored = {**state.facts["variables"]}
    differences = []
    for group, variables in _groups(model, bool(stored["chance"])).items():
        ours, kept = [_describe(v) for v in variables], stored[group]
        pairs = zip_longest(kept, ours)
        differences += [
            f"{_words(a)} in the {group} is now {_words(b)}" for a, b in pairs if a != b
        ]
    if differences:
        more = len(differences) - _NUM_SHOWN
        raise ValueError(
            f"`model` must be the one of {str(state.path)!r}, compiled the same way. Received "
            f"another: {'; '.join(differences[:_NUM_SHOWN])}{f' and {more} more' * (more > 0)}. "
            "Build it with the settings of that run, or begin a new run in another folder."
        )


def restore_variables(model: Any, state: KeptState) -> None:
    """Put the variables of a state into a model that `check_variables` has accepted."""
    for group, variables in _groups(model, bool(state.facts["variables"]["chance"])).items():
        for i, variable in enumerate(variables):
            value = state.arrays[f"{group}.{i}"]
            if value.dtype.kind == "V":  # NumPy files know no bfloat16 and store its bytes.
                value = value.view(keras.ops.convert_to_numpy(variable).dtype)
            variable.assign(value)
    restore_chance(state)


def restore_chance(state: KeptState) -> None:
    """Put back PyTorch's own generators, from which Keras's dropout draws on that backend."""
    kept = [value for key, value in sorted(state.arrays.items()) if key.startswith("torch.")]
    if kept and keras.backend.backend() == "torch":
        import torch

        states = [torch.from_numpy(value.copy()) for value in kept]
        torch.set_rng_state(states[0])
        if len(states) == torch.cuda.device_count() + 1:
            torch.cuda.set_rng_state_all(states[1:])


def collect_callbacks(
    callbacks: Sequence[Any], texts: Sequence[dict[str, str]], arrays: Arrays
) -> list[list[Any]]:
    """Copy the state of each callback.

    A callback with the methods `kept_state()`, which returns plain values and arrays, and
    `restore_kept_state(state, position)` speaks for itself. Of the others these attributes are
    kept: truth values, numbers, None, NumPy arrays, and lists, tuples and dicts of them; but no
    argument of the constructor, and text only if it has changed since the training began (what
    has not changed is a setting, such as a path).

    Args:
        callbacks: all but the one that keeps the state.
        texts: what `collect_texts` returned when the training began.
        arrays: receives the arrays.

    Returns:
        For each callback its class and its state.
    """
    collected: list[list[Any]] = []
    for number, (callback, before) in enumerate(zip(callbacks, texts, strict=True)):
        key = f"callback.{number}"
        if hasattr(callback, "kept_state"):
            kept = to_plain(callback.kept_state(), arrays, key)
        elif isinstance(callback, CSVLogger):
            kept = {"dict": [["size", Path(callback.filename).stat().st_size]]}
        else:
            kept = _collect_attributes(callback, before, arrays, key)
        collected.append([type(callback).__name__, kept])
    return collected


def collect_texts(callbacks: Sequence[Any]) -> list[dict[str, str]]:
    """Return the attributes of each callback that hold text, to see later which have changed."""
    return [
        {name: repr(value) for name, value in vars(callback).items() if _has_text(value)}
        for callback in callbacks
    ]


def restore_callbacks(callbacks: Sequence[Any], state: KeptState) -> None:
    """Put their state into callbacks, matched by class and order; those without one begin anew.

    One that has the method `begin_late()` is told so by it.
    """
    remaining = [(name, from_plain(kept, state.arrays)) for name, kept in state.facts["callbacks"]]
    for callback in callbacks:
        name = type(callback).__name__
        found = next((pair for pair in remaining if pair[0] == name), None)
        if found is None:
            if hasattr(callback, "begin_late"):
                callback.begin_late()
            continue
        remaining.remove(found)
        if hasattr(callback, "restore_kept_state"):
            callback.restore_kept_state(found[1], state.position)
        elif isinstance(callback, CSVLogger):
            callback.csv_file.truncate(found[1]["size"])
            callback.append_header = found[1]["size"] == 0
        else:
            vars(callback).update(found[1])
            if state.finished and isinstance(callback, EarlyStopping):
                callback.wait = callback.stopped_epoch = 0  # Who goes on asks for its patience.
    if missing := [name for name, kept in remaining if kept]:
        warnings.warn(
            "The state of these callbacks is not used, since they are missing now: "
            f"{', '.join(missing)}.",
            stacklevel=2,
        )


def library_versions() -> dict[str, str]:
    """Return the versions of what computes a training, and the name of the backend."""
    backend = keras.backend.backend()
    framework = import_module(backend)
    return {
        "mltu": mltu.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "keras": keras.__version__,
        "backend": f"{backend} {framework.__version__}",
    }


def _torch_chance() -> Arrays:
    if keras.backend.backend() != "torch":
        return {}
    import torch

    states = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
    return {f"torch.{i:03}": state.numpy() for i, state in enumerate(states)}


def _groups(model: Any, with_chance: bool = False) -> dict[str, list[Any]]:
    return {
        "model": list(model.variables),
        "optimizer": list(model.optimizer.variables),
        "metric": list(model.metrics_variables),
        "chance": _global_seed(with_chance),
    }


def _global_seed(make: bool) -> list[Any]:
    """Return the state of the generator that layers without one of their own draw from."""
    # There is no public door to it. It is not made here unless a state has one to put into it.
    from keras.src.backend.common.global_state import get_global_attribute
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator

    generator = get_global_attribute(GLOBAL_SEED_GENERATOR)
    if generator is None and make:
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


def _collect_attributes(
    callback: Any, before: dict[str, str], arrays: Arrays, key: str
) -> dict[str, Any]:
    settings = {"params", "_model", *inspect.signature(type(callback).__init__).parameters}
    kept = []
    for name, value in vars(callback).items():
        found: dict[str, npt.NDArray[Any]] = {}
        if name in settings:
            continue
        try:
            plain = to_plain(value, found, f"{key}.{name}")
        except TypeError:
            continue  # An object: its callback has to speak for itself.
        if not _has_text(value) or before.get(name) != repr(value):
            kept.append([name, plain])
            arrays.update(found)
    return {"dict": kept}


def _has_text(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_text, value.values()))
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and any(map(_has_text, value))
    )
