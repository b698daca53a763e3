"""Warm starts: loads the weights of an earlier model that fit, and lists the rest."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.models._adapt import with_classes
from mltu.utils.files import StrPath

with explain_missing():
    import keras


class WarmStart(NamedTuple):
    """Paths of the variables that were loaded and of those that were not, and new characters."""

    loaded: list[str]
    skipped: list[str]
    new_characters: str

    def __str__(self) -> str:
        text = f"Loaded {len(self.loaded)} variables"
        if self.skipped:
            text += f"; {len(self.skipped)} keep their initial values: {', '.join(self.skipped)}"
        if self.new_characters:
            text += f"; new characters: {self.new_characters!r}"
        return f"{text}."


def warm_start(
    model: keras.Model,
    path: StrPath,
    *,
    vocab: str | None = None,
    old_vocab: str | None = None,
) -> WarmStart:
    """Load the weights of an earlier run that fit a model.

    Layers are matched by class and order, their variables by shape. With both vocabularies, the
    output layer, a Dense with one unit per character and a last one for the blank, receives the
    units of the common characters and of the blank.

    Args:
        model: a built functional or sequential Keras model; changed in place.
        path: a `.keras`, `.weights.h5` or legacy `.h5` file.
        vocab: vocabulary of the model.
        old_vocab: vocabulary of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: Keras cannot read the file, nothing in it fits, only one vocabulary is given,
            or a vocabulary does not match the output layer.
    """
    path = os.fspath(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no weights file at `path`, {path!r}.")
    if (vocab is None) != (old_vocab is None):
        raise ValueError("`vocab` and `old_vocab` must be given together or not at all.")
    output = model.layers[-1]
    source, units = model, None
    if vocab is not None and old_vocab is not None:
        _check_units(output, vocab)
        units = len(old_vocab) + 1
        source = with_classes(model, len(vocab) + 1, units)
    earlier = _load_floats(source, path)
    bias = getattr(source.layers[-1], "bias", None)
    if units is not None and bias is not None and bias.path not in earlier:
        raise ValueError(
            f"`old_vocab` does not match {path!r}, whose output layer must be a Dense of {units} "
            f"units for its {units - 1} characters and the blank. Omit both vocabularies if the "
            "file has no such layer."
        )
    own = {id(variable) for variable in output.variables}
    loaded, skipped = [], []
    for variable, target in zip(source.variables, model.variables, strict=True):
        values = earlier.get(variable.path)
        if values is not None and vocab is not None and id(target) in own:
            values = _translate(values, target, vocab, old_vocab or "")
        if values is None or values.shape != tuple(target.shape):
            skipped += [target.path] if _is_float(target) else []
            continue
        target.assign(values)
        loaded.append(target.path)
    if not loaded:
        raise ValueError(f"No variable in {path!r} fits the model. Build it like the saved one.")
    return WarmStart(loaded, skipped, "".join(sorted(set(vocab or "") - set(old_vocab or ""))))


def _check_units(output: keras.Layer, vocab: str) -> None:
    if not isinstance(output, keras.layers.Dense) or output.units != len(vocab) + 1:
        raise ValueError(
            f"`vocab` must match the last layer: its characters and the blank need a Dense of "
            f"{len(vocab) + 1} units. Received {output.name!r} with "
            f"{getattr(output, 'units', 'no')} units."
        )


def _load_floats(model: keras.Model, path: str) -> dict[str, npt.NDArray[Any]]:
    """Return the float variables in the file that fit the model; the model is not changed."""
    floats = [variable for variable in model.variables if _is_float(variable)]
    before = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    for variable in floats:
        variable.assign(np.full(variable.shape, np.nan, "float32"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what does not fit, which we list ourselves
            model.load_weights(path, skip_mismatch=True)
        found = {variable.path: keras.ops.convert_to_numpy(variable) for variable in floats}
    except Exception as error:
        raise ValueError(f"Keras cannot read weights from `path`, {path!r}: {error}") from error
    finally:
        for variable, values in zip(model.variables, before, strict=True):
            variable.assign(values)
    return {name: values for name, values in found.items() if not np.isnan(values).any()}


def _translate(
    values: npt.NDArray[Any], target: keras.Variable, vocab: Sequence[str], old_vocab: Sequence[str]
) -> npt.NDArray[Any] | None:
    """Reorder the units of the old output layer by the new vocabulary."""
    result = np.array(keras.ops.convert_to_numpy(target))
    if values.shape[:-1] != result.shape[:-1]:
        return None
    old_index = {char: i for i, char in enumerate(old_vocab)}
    for i, char in enumerate(vocab):
        if char in old_index:
            result[..., i] = values[..., old_index[char]]
    result[..., -1] = values[..., -1]
    return result


def _is_float(variable: keras.Variable) -> bool:
    return "float" in keras.backend.standardize_dtype(variable.dtype)
