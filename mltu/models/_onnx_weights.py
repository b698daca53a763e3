"""Reads the weights of an ONNX file back into the Keras network that it was exported from.

The export folds batch normalization into the convolutions and drops the names of layers. A
convolution is found again by the longest chain of convolutions that leads to it, which counts it,
and its shape: two of equal depth, such as those beside a shortcut, differ in their kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.models._adapt import output_layer

with explain_missing():
    import keras
    from keras import layers

Array = npt.NDArray[Any]
_Place = tuple[int, tuple[int, ...]]  # depth of a convolution and shape of its kernel, as in Keras


class OnnxWeights:
    """The weights of an ONNX file, in the layout of Keras and float32.

    Args:
        path: of a file that was exported from a network of `mltu.models`.

    Attributes:
        convolutions: (kernel, bias) of each.
        lstms: (kernel, recurrent kernel, bias) of the forward and the backward layer of each.
        dense: (kernel, bias) of the last layer.

    Raises:
        ValueError: it has other layers.
    """

    def __init__(self, path: Path) -> None:
        with explain_missing():
            import onnx
        self._graph = onnx.load(path).graph
        self._tensors = {t.name: onnx.numpy_helper.to_array(t) for t in self._graph.initializer}
        self.convolutions: dict[_Place, tuple[Array, Array]] = {}
        self.lstms: list[list[Array]] = []
        dense: list[Array] = []
        depths: dict[str, int] = {}
        same: set[str] = set()
        outputs: dict[str, _Place] = {}  # of convolutions, and of what follows and is folded in
        for node in self._graph.node:
            if node.op_type == "Cast" and node.input[0] in self._tensors:
                halves = self._tensors[node.input[0]]
                self._tensors[node.output[0]] = halves.astype(np.float32)
            depth = max((depths.get(name, 0) for name in node.input), default=0)
            weights = [self._tensors[x] for x in node.input if x in self._tensors]
            place = next((outputs[x] for x in node.input if x in outputs), None)
            if node.op_type == "Concat" and set(node.input) == {self._graph.input[0].name}:
                same |= set(node.output)  # A grey image as a colour one: all channels are equal.
            elif same & set(node.input) and node.op_type != "Conv":
                same |= set(node.output)  # until the first convolution
            elif node.op_type == "Conv":
                depth += 1
                kernel = weights[0].transpose(2, 3, 1, 0)
                if node.input[0] in same:
                    kernel = kernel.sum(axis=2, keepdims=True)
                bias = weights[1] if len(weights) > 1 else np.zeros(kernel.shape[3], np.float32)
                outputs[node.output[0]] = depth, kernel.shape
                self.convolutions[depth, kernel.shape] = kernel, bias
            elif place and weights and node.op_type in ("Mul", "Add"):
                kernel, bias = self.convolutions[place]
                values = weights[0].ravel()
                if node.op_type == "Mul":
                    self.convolutions[place] = kernel * values, bias * values
                else:
                    self.convolutions[place] = kernel, bias + values
                outputs[node.output[0]] = place
            elif node.op_type == "LSTM":
                self.lstms.append(list(_lstm_weights(*weights[:3])))
            elif node.op_type == "MatMul":
                dense = weights
            elif node.op_type == "Add" and len(dense) == 1 and weights:
                dense.append(weights[0])
            depths |= dict.fromkeys(node.output, depth)
        if len(dense) != 2 or not self.lstms or not self.convolutions:
            raise ValueError("it has no convolution, no LSTM or no dense layer with a bias.")
        self.dense = dense

    def fit(self, model: keras.Model) -> bool:
        """Return whether the network has these convolutions."""
        return {place for place, _ in _convolutions(model)} == set(self.convolutions)

    def assign(self, model: keras.Model) -> None:
        """Give the weights to a network that they fit.

        Batch normalization becomes the addition of a bias; `refresh_statistics` makes it normalize.
        """
        norms = (x for x in model.layers if isinstance(x, layers.BatchNormalization))
        following = {id(x.input): x for x in norms}
        for place, layer in _convolutions(model):
            kernel, bias = self.convolutions[place]
            normalization = following.get(id(layer.output))
            if normalization is None:
                layer.set_weights([kernel, bias])
                continue
            layer.set_weights([kernel, np.zeros_like(bias)][: len(layer.weights)])
            one, zero = np.ones_like(bias), np.zeros_like(bias)
            normalization.set_weights([one, bias, zero, one - normalization.epsilon])
        recurrent = [x for x in model.layers if isinstance(x, layers.Bidirectional)]
        for layer, weights in zip(recurrent, self.lstms, strict=True):
            layer.set_weights(weights)
        output_layer(model).set_weights(self.dense)


def refresh_statistics(model: keras.Model, batches: Iterator[Array] | list[Array]) -> None:
    """Let batch normalization normalize what these images give, without a change of the outputs.

    Training with the statistics of batches then starts where inference is.

    Args:
        model: changed in place, but for layers without scale or center, which cannot be.
        batches: images, shape (batch, *input_shape).

    Raises:
        ValueError: there are no images.
    """
    norms = (x for x in model.layers if isinstance(x, layers.BatchNormalization))
    found = [x for x in norms if x.scale and x.center]
    if not found:
        return
    watch = keras.Model(model.inputs[0], [x.input for x in found])
    sums = [np.zeros((2, x.gamma.shape[0])) for x in found]
    counts = np.zeros(len(found))
    for batch in batches:
        for i, values in enumerate(keras.tree.flatten(watch.predict_on_batch(batch))):
            values = values.reshape(-1, values.shape[-1]).astype(np.float64)
            sums[i] += values.sum(0), (values**2).sum(0)
            counts[i] += len(values)
    if not counts.all():
        raise ValueError("`batches` must have at least one image. Received none.")
    for layer, (first, second), count in zip(found, sums, counts, strict=True):
        gamma, beta, old_mean, old_variance = layer.get_weights()
        mean = first / count
        variance = np.maximum(second / count - mean**2, 0)
        scale = gamma / np.sqrt(old_variance + layer.epsilon)
        layer.set_weights(
            [
                scale * np.sqrt(variance + layer.epsilon),
                beta + scale * (mean - old_mean),
                mean,
                variance,
            ]
        )


def _convolutions(model: keras.Model) -> Iterator[tuple[_Place, Any]]:
    depths: dict[int, int] = {}
    for layer in model.layers:  # Inputs come before what uses them.
        inputs = [] if isinstance(layer, layers.InputLayer) else keras.tree.flatten(layer.input)
        depth = max((depths[id(x)] for x in inputs), default=0)
        if isinstance(layer, layers.Conv2D):
            depth += 1
            yield (depth, tuple(layer.kernel.shape)), layer
        depths[id(layer.output)] = depth


def _lstm_weights(kernel: Array, recurrent: Array, bias: Array) -> Iterator[Array]:
    """Yield what Keras has: its gates are in the order input, forget, cell, output."""
    for direction in range(2):
        for values in (kernel[direction], recurrent[direction]):
            gates = np.split(values, 4)  # input, output, forget, cell
            yield np.concatenate([gates[i] for i in (0, 2, 3, 1)]).T
        gates = np.split(np.sum(np.split(bias[direction], 2), axis=0), 4)
        yield np.concatenate([gates[i] for i in (0, 2, 3, 1)])
