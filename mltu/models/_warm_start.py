"""Warm starts: what fits of an earlier model is loaded, what does not is listed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing

with explain_missing():
    import keras


class WarmStart(NamedTuple):
    """The variables that were loaded, those that were not, and the characters that are new."""

    loaded: list[str]
    left: list[str]
    new_characters: str

    def __str__(self) -> str:
        text = f"{len(self.loaded)} variables were loaded"
        if self.left:
            text += f"; {len(self.left)} start anew: {', '.join(self.left)}"
        if self.new_characters:
            text += f"; characters that the earlier model did not know: {self.new_characters!r}"
        return f"{text}."


def warm_start(
    model: Any,
    path: str | os.PathLike[str],
    *,
    vocab: str | None = None,
    old_vocab: str | None = None,
) -> WarmStart:
    """Load what fits of the weights of an earlier training into a model.

    Layers are matched by their kind and order, their variables by shape. With both vocabularies
    the output layer, a Dense of one unit for each character and a last one for the blank, gets the
    units of the characters that both know, and of the blank.

    Args:
        model: a built functional or sequential Keras model; changed in place.
        path: of a `.keras`, `.weights.h5` or legacy `.h5` file.
        vocab: of the model.
        old_vocab: of the file.

    Returns:
        What was loaded and what was not.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds no weights that Keras can read, nothing of it fits, only one
            vocabulary is given, or a vocabulary does not match the output layer.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"`path` must be a file of weights. There is none at {path!r}.")
    if (vocab is None) != (old_vocab is None):
        raise ValueError("`vocab` and `old_vocab` must be given both or not at all.")
    output = model.layers[-1]
    source, units = model, None
    if vocab is not None and old_vocab is not None:
        _check_units(output, vocab)
        units = len(old_vocab) + 1
        source = _with_output_units(model, units)
    earlier = _read(source, path)
    bias = getattr(source.layers[-1], "bias", None)
    if units is not None and bias is not None and bias.path not in earlier:
        raise ValueError(
            "`old_vocab` must be that of the file, whose output layer has a unit for each of its "
            f"characters and the blank. Received {units - 1} characters, and {path!r} has no Dense "
            f"of {units} units in that place. Leave both vocabularies out if it has none at all."
        )
    own = {id(variable) for variable in output.variables}
    loaded, left = [], []
    for variable, target in zip(source.variables, model.variables, strict=True):
        values = earlier.get(variable.path)
        if values is not None and vocab is not None and id(target) in own:
            values = _translate(values, target, vocab, old_vocab or "")
        if values is None or values.shape != tuple(target.shape):
            left += [target.path] if _is_float(target) else []
            continue
        target.assign(values)
        loaded.append(target.path)
    if not loaded:
        raise ValueError(f"`path` must fit the model in at least one layer. {path!r} fits in none.")
    return WarmStart(loaded, left, "".join(sorted(set(vocab or "") - set(old_vocab or ""))))


def _check_units(output: Any, vocab: str) -> None:
    if not isinstance(output, keras.layers.Dense) or output.units != len(vocab) + 1:
        raise ValueError(
            f"`vocab` must match the last layer, a Dense of {len(vocab) + 1} units for its "
            f"characters and the blank. Received {output.name!r} with "
            f"{getattr(output, 'units', 'no')} units."
        )


def _with_output_units(model: Any, units: int) -> Any:
    """Copy the model with another number of units in its last layer."""

    def clone(layer: Any) -> Any:
        settings = layer.get_config()
        if layer is model.layers[-1]:
            settings["units"] = units
        return type(layer).from_config(settings)

    return keras.models.clone_model(model, clone_function=clone)


def _read(model: Any, path: str | os.PathLike[str]) -> dict[str, npt.NDArray[Any]]:
    """Return the float variables that the file has for a model; the model stays as it was."""
    floats = [variable for variable in model.variables if _is_float(variable)]
    before = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    for variable in floats:
        variable.assign(np.full(variable.shape, np.nan, "float32"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of what does not fit; we list it.
            model.load_weights(os.fspath(path), skip_mismatch=True)
        found = {variable.path: keras.ops.convert_to_numpy(variable) for variable in floats}
    except Exception as error:
        raise ValueError(
            f"`path` must be a file of weights that Keras can read. Received {path!r}: {error}"
        ) from error
    finally:
        for variable, values in zip(model.variables, before, strict=True):
            variable.assign(values)
    return {name: values for name, values in found.items() if not np.isnan(values).any()}


def _translate(
    values: npt.NDArray[Any], target: Any, vocab: Sequence[str], old_vocab: Sequence[str]
) -> npt.NDArray[Any] | None:
    """Put the units of the old output layer where the new vocabulary has them."""
    result = np.array(keras.ops.convert_to_numpy(target))
    if values.shape[:-1] != result.shape[:-1]:
        return None
    old_places = {char: place for place, char in enumerate(old_vocab)}
    for place, char in enumerate(vocab):
        if char in old_places:
            result[..., place] = values[..., old_places[char]]
    result[..., -1] = values[..., -1]
    return result


def _is_float(variable: Any) -> bool:
    return "float" in keras.backend.standardize_dtype(variable.dtype)
