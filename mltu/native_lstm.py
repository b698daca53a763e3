"""PyTorch's own LSTM loop inside the LSTM layers of Keras, which step in Python on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from mltu._extras import explain_missing

with explain_missing():
    import keras
    from keras import ops


def use_native_lstm(model: Any) -> int:
    """Let the LSTM layers of a model run PyTorch's own loop on the CPU, in a tenth of the time.

    Values and variables stay the same, and so does a saved file: it holds plain layers, so call
    this again on a loaded model. A layer works as before on other backends, on GPUs, where Keras
    has a fast way itself, and with a mask, recurrent dropout or activations other than tanh and
    sigmoid.

    Args:
        model: a Keras model, or a layer with others in it; changed in place.

    Returns:
        The number of layers that were changed.
    """
    if keras.backend.backend() != "torch":
        return 0
    found = {id(layer): layer for layer in _lstms(model)}.values()
    for layer in found:
        layer.inner_loop = partial(_inner_loop, layer, type(layer).inner_loop)
    return len(found)


def _lstms(layer: Any) -> Iterator[Any]:
    if type(layer) is keras.layers.LSTM:
        yield layer
    wrapped = (getattr(layer, name, None) for name in ("forward_layer", "backward_layer", "layer"))
    for inner in (*getattr(layer, "layers", ()), *wrapped):
        if inner is not None:
            yield from _lstms(inner)


def _inner_loop(
    layer: Any, slow: Any, sequences: Any, initial_state: Any, mask: Any, training: bool = False
) -> tuple[Any, Any, list[Any]]:
    """Stand in for `keras.layers.RNN.inner_loop`: last output, all outputs, states."""
    standard = (layer.activation, layer.recurrent_activation) == (
        keras.activations.tanh,
        keras.activations.sigmoid,
    )
    if mask is not None or layer.recurrent_dropout or not standard or sequences.is_cuda:
        loop: tuple[Any, Any, list[Any]] = slow(
            layer, sequences, initial_state, mask, training=training
        )
        return loop
    import torch

    cell = layer.cell
    kernel, recurrent = (ops.convert_to_tensor(x) for x in (cell.kernel, cell.recurrent_kernel))
    # The gates of both stand in the same order.
    weights = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T}
    if cell.use_bias:
        bias = ops.convert_to_tensor(cell.bias)
        weights |= {"bias_ih_l0": bias, "bias_hh_l0": torch.zeros_like(bias)}
    if training and layer.dropout:
        sequences = sequences * cell.get_dropout_mask(sequences[:, 0, :])[:, None, :]
    if layer.go_backwards:
        sequences = sequences.flip(1)
    lstm = torch.nn.LSTM(
        *kernel.shape[:1], layer.units, bias=cell.use_bias, batch_first=True, device="meta"
    )
    states = tuple(ops.convert_to_tensor(state)[None].to(kernel.dtype) for state in initial_state)
    outputs, states = torch.func.functional_call(
        lstm, weights, (sequences.to(kernel.dtype), states)
    )
    last = outputs[:, -1]
    return (
        last,
        outputs if layer.return_sequences else last[:, None],
        [state[0] for state in states],
    )
