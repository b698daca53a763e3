"""A trained reader for another vocabulary or height."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.models._fused_layers import layers_within
from mltu.models._networks import text_reader

with explain_missing():
    import keras

_GREY = (0.114, 0.587, 0.299)  # of B, G and R, as OpenCV makes images grey
_NOISE = 0.1  # standard deviation of new weights around those of the average character

Array = npt.NDArray[Any]


def output_layer(model: keras.Model) -> keras.layers.Dense:
    """Return the last Dense layer, which has one unit or several for each class.

    Raises:
        ValueError: there is none.
    """
    for layer in reversed(model.layers):
        if isinstance(layer, keras.layers.Dense):
            return layer
    raise ValueError(f"`model` must have a Dense layer. Received {model.name!r} without one.")


def with_classes(model: keras.Model, old: int, new: int) -> keras.Model:
    """Copy a model, with another number of classes and fresh weights.

    Args:
        model: its last Dense layer has a multiple of `old` units; only a Reshape may follow it.
        old: number of its classes.
        new: number of classes of the copy.
    """
    output = output_layer(model)
    last = model.layers[model.layers.index(output) + 1 :]

    def clone(layer: keras.Layer) -> keras.Layer:
        settings = layer.get_config()
        if layer is output:
            settings["units"] = layer.units // old * new
        elif layer in last and isinstance(layer, keras.layers.Reshape):
            settings["target_shape"] = (*layer.target_shape[:-1], new)
        return type(layer).from_config(settings)

    return keras.models.clone_model(model, clone_function=clone)


def with_height(model: keras.Model, height: int) -> keras.Model:
    """Copy a `text_reader` for higher images, in the middle of which it reads what it did before.

    Text that fills a part of the height is then as large as what the reader was trained on.

    Args:
        model: its convolution of whole columns gets rows of zeros above and below.
        height: at least that of the model, and divisible by 16.

    Raises:
        ValueError: it is another height.
    """
    own, width, channels = model.input_shape[1:]
    if height < own or height % 16:
        raise ValueError(
            f"`height` must be at least {own}, that of the reader to start from, and divisible by "
            f"16. Received {height}. Omit it, or start from another (--start-from)."
        )
    copy = text_reader((height, width, channels), model.output_shape[-1] - 1)

    def pad_rows(values: Array, shape: tuple[int, ...]) -> Array:
        extra = shape[0] - values.shape[0]
        return np.pad(values, ((extra // 2, extra - extra // 2), (0, 0), (0, 0), (0, 0)))

    return _with_weights(copy, model, pad_rows)


def with_color(model: keras.Model, build: Callable[..., keras.Model]) -> keras.Model:
    """Copy a reader of grey images for BGR ones, which it reads as it did their grey values.

    Args:
        model: of one channel.
        build: its function of `mltu.models`.
    """
    copy = build((*model.input_shape[1:3], 3), model.output_shape[-1] - 1)
    return _with_weights(copy, model, lambda values, _: values * np.reshape(_GREY, (3, 1)))


def _with_weights(
    copy: keras.Model, model: keras.Model, adapt: Callable[[Array, tuple[int, ...]], Array]
) -> keras.Model:
    """Give a copy the weights of a model; `adapt` changes those of another shape to that shape."""
    for layer, target in zip(model.layers, copy.layers, strict=True):
        weights = layer.get_weights()
        for i, (values, wanted) in enumerate(zip(weights, target.weights, strict=True)):
            if values.shape != tuple(wanted.shape):
                weights[i] = adapt(values, tuple(wanted.shape))
        target.set_weights(weights)
    return copy


@contextmanager
def dtype_policy(policy: Any) -> Iterator[None]:
    """Build layers with another dtype policy than the global one within the block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_precision(model: keras.Model, policy: Any) -> keras.Model:
    """Let a model compute in a precision, but for its last Dense layer and what follows."""
    dense = [i for i, layer in enumerate(model.layers) if isinstance(layer, keras.layers.Dense)]
    for layer in model.layers[: max(dense, default=0)]:
        for each in layers_within(layer):
            each.dtype_policy = keras.dtype_policies.get(policy)
    return model


def with_vocab(model: keras.Model, vocab: str, old_vocab: str) -> keras.Model:
    """Copy a trained reader for another vocabulary; see `load_pretrained`."""
    old, new = len(old_vocab) + 1, len(vocab) + 1
    if output_layer(model).units % old:
        raise ValueError(
            f"The output layer of {model.name!r} must have units for {old - 1} characters and the "
            f"blank. Received {output_layer(model).units}."
        )
    copy = with_classes(model, old, new)
    for layer, target in zip(model.layers, copy.layers, strict=True):
        weights = layer.get_weights()
        if layer is output_layer(model):
            weights = [_translated(values, vocab, old_vocab) for values in weights]
        target.set_weights(weights)
    return copy


def _translated(values: Array, vocab: str, old_vocab: str) -> Array:
    """Reorder the weights of the classes, (..., units), by another vocabulary."""
    index = {char: i for i, char in enumerate(old_vocab)}
    groups = values.reshape(*values.shape[:-1], -1, len(old_vocab) + 1)
    average = groups[..., :-1].mean(axis=-1)
    noise = np.random.default_rng(0).normal(0, _NOISE * groups.std(), (len(vocab), *average.shape))
    columns = []
    for i, char in enumerate(vocab):
        near = index.get(char, index.get(char.swapcase()))
        columns.append(average + noise[i] if near is None else groups[..., near])
    result = np.stack([*columns, groups[..., -1]], axis=-1)
    return result.reshape(*values.shape[:-1], -1)
