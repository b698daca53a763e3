"""Trained readers as Keras models, to be trained further."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mltu._extras import explain_missing
from mltu.configs import BaseModelConfigs
from mltu.inference import TextRecognizer, pretrained_names
from mltu.inference._weights import resolve_model
from mltu.models._adapt import dtype_policy, in_precision, with_color, with_vocab
from mltu.models._networks import NETWORKS, Shape
from mltu.models._onnx_weights import OnnxWeights
from mltu.transformers import LabelIndexer
from mltu.utils.files import StrPath

with explain_missing():
    import keras

_TOLERANCE = 1e-2  # of logits or probabilities; they differ by about 1e-5


class Pretrained(NamedTuple):
    """A trained reader.

    Attributes:
        model: not compiled.
        vocab: the characters of its classes; None if unknown.
        network: its name among those of `mltu train --model`; None if unknown.
        prepared: how images are prepared for it: `height`, `width`, `color`, `resize`,
            `padding_color`, `widen_to`, as in `mltu.inference.ModelCard`, as far as known.
    """

    model: keras.Model
    vocab: str | None
    network: str | None
    prepared: Mapping[str, Any]


def load_pretrained(
    source: StrPath = "words", *, vocab: str | None = None, color: bool | None = None
) -> keras.Model:
    """Load a trained reader as a Keras model, on any backend, to be trained further.

    Of an ONNX file, which has no Keras model in it, the network of `mltu.models` is built again and
    gets the weights of the file; both are run once to prove that they read alike. How the model is
    used to get its images is in the card of the file, `mltu.inference.TextRecognizer(source).card`.

    Args:
        source: the name of a shipped reader, such as `"words"`; a run folder; a `.keras` file, or
            an `.onnx` file that was exported from a network of `mltu.models`.
        vocab: of the model, if it shall read other characters. Those that `source` knows keep
            their weights; a new one starts with those of its other case, or else as the average
            character.
        color: True for a model of BGR images, also where `source` reads grey ones; False for one of
            grey images; None for that of `source`.

    Returns:
        A model that is not compiled.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not such a model, its own vocabulary is unknown, it reads colours
            and shall read grey images, or `vocab` is empty or repeats characters.
    """
    found = open_pretrained(source, vocab)
    channels = found.model.input_shape[-1]
    if color is None or channels == (3 if color else 1):
        return found.model
    if not color or found.network not in NETWORKS:
        raise ValueError(
            f"`color` must be {channels == 3} for {os.fspath(source)!r}, which reads images of "
            f"{channels} channels. Received {color}."
        )
    return with_color(found.model, NETWORKS[found.network].build)


def open_pretrained(source: StrPath, vocab: str | None = None) -> Pretrained:
    """Load a trained reader, and how images are prepared for it; see `load_pretrained`."""
    path = resolve_model(source)
    if path.is_dir():
        path /= "model.keras" if (path / "model.keras").is_file() else "model.onnx"
    if not path.is_file():
        raise FileNotFoundError(
            f"`source` must be a run folder, a model file or one of {', '.join(pretrained_names())}"
            f". There is no file {os.fspath(path)!r}."
        )
    found = _open_onnx(path) if path.suffix == ".onnx" else _open_keras(path)
    if vocab is None or vocab == found.vocab:
        return found
    LabelIndexer(vocab)  # It refuses an empty vocabulary and repeated characters.
    if found.vocab is None:
        raise ValueError(
            f"`source` must have a known vocabulary to read another one. Received {str(path)!r} "
            "without a configs.yaml beside it. Pass its run folder, or its ONNX file."
        )
    return found._replace(model=with_vocab(found.model, vocab, found.vocab), vocab=vocab)


_PREPARED = ("height", "width", "color", "resize", "padding_color", "widen_to")


def _open_keras(path: Path) -> Pretrained:
    try:
        model = keras.models.load_model(path, compile=False)
    except (KeyError, OSError, TypeError, ValueError) as error:  # KeyError: of another zip file.
        raise ValueError(f"Keras cannot load `source`, {str(path)!r}: {error}") from error
    known: dict[str, Any] = {}
    if (configs := path.with_name("configs.yaml")).is_file():
        known = vars(BaseModelConfigs.load(configs))
    vocab = known.get("vocab")
    prepared = {key: known[key] for key in _PREPARED if key in known}
    text = None if vocab is None else "".join(vocab)
    return Pretrained(model, text, known.get("model"), prepared)


def _open_onnx(path: Path) -> Pretrained:
    reader = TextRecognizer(path, force_cpu=True, num_threads=1)
    card = asdict(reader.card)
    width = reader.input_shape[1]
    shape = card["height"], width if isinstance(width, int) else None, card["channels"]
    try:
        sides = [side or 64 for side in shape]
        noise = np.random.default_rng(0).uniform(0, 255, (2, *sides)).astype(np.float32)
        (expected,) = reader.model.run(None, {reader.input_name: noise})
        with dtype_policy("float32"):  # Mixed precision is too coarse for the proof.
            network, model = _rebuild(OnnxWeights(path), shape, len(card["vocab"]))
            outputs = keras.ops.convert_to_numpy(model(noise))
        difference = float(np.abs(outputs - expected).max())
        if not difference <= _TOLERANCE:
            raise ValueError(f"its outputs differ by {difference:.3g} from the network's.")
    except ValueError as error:
        raise ValueError(
            f"`source` must be exported from a network of mltu.models. Received {str(path)!r}: "
            f"{error} Pass the model.keras of its run."
        ) from error
    model = in_precision(model, keras.config.dtype_policy())
    return Pretrained(model, card["vocab"], network, {key: card[key] for key in _PREPARED})


def _rebuild(weights: OnnxWeights, shape: Shape, num_characters: int) -> tuple[str, keras.Model]:
    """Return the network that the weights belong to, with these weights."""
    for name in reversed(NETWORKS):  # The shipped ones come last.
        try:
            model = NETWORKS[name].build(shape, num_characters)
        except ValueError:  # Its height or width does not suit this network.
            continue
        if weights.fit(model):
            weights.assign(model)
            return name, model
    raise ValueError("it has the convolutions of no network in mltu.models.")
