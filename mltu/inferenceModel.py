"""An ONNX file ready to run, with NumPy and onnxruntime: to subclass, or as its card says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from mltu.model_card import ModelCard, read_card
from mltu.utils.text_utils import ctc_decoder


class OnnxInferenceModel:
    """An ONNX model to subclass: write `predict`, and calling the object calls it.

    Args:
        model_path: the `.onnx` file, or a folder that holds `default_model_name`.
        force_cpu: True to stay on the CPU; False takes CUDA where onnxruntime offers it.
        default_model_name: the file to take when `model_path` is a folder.

    Attributes:
        model: the `onnxruntime.InferenceSession`; run it with
            `self.model.run(None, {self.input_name: array})`.
        input_shapes: the shape of each input as the file has it; free sides are None or a name.
        input_names: of all inputs.
        output_names: of all outputs.
        input_shape: of the first input, without the batch: `[32, 128, 3]`.
        input_name: of the first input.
        output_name: of the first output.
        metadata: what the file says of itself; values are parsed as JSON, and stay text where
            they are none. Nothing in it is ever evaluated.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a model that onnxruntime can load.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] = "",
        force_cpu: bool = False,
        default_model_name: str = "model.onnx",
    ) -> None:
        self.model_path = _find(Path(model_path), default_model_name)
        self.model = _load(self.model_path, _providers(force_cpu))
        inputs, outputs = self.model.get_inputs(), self.model.get_outputs()
        self.input_shapes = [list(value.shape) for value in inputs]
        self.input_names = [value.name for value in inputs]
        self.output_names = [value.name for value in outputs]
        self.input_shape = self.input_shapes[0][1:]
        self.input_name = self.input_names[0]
        self.output_name = self.output_names[0]
        stored = _stored_texts(self.model, self.model_path)
        self.metadata = {key: _parse(value) for key, value in stored.items()}

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Read one input; a subclass writes this."""
        raise NotImplementedError(f"{type(self).__name__} must define `predict`.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call `predict` with the same arguments."""
        return self.predict(*args, **kwargs)


class CardReader(OnnxInferenceModel):
    """A reader that prepares images and reads outputs as the card in its file says.

    Args:
        model_path: the `.onnx` file, or a folder that holds `model.onnx`.
        force_cpu: as in `OnnxInferenceModel`.

    Attributes:
        card: the `mltu.model_card.ModelCard` of the file; the others as in `OnnxInferenceModel`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no model, or its card lacks something or does not suit the model.
    """

    def __init__(self, model_path: str | os.PathLike[str], force_cpu: bool = False) -> None:
        super().__init__(model_path, force_cpu)
        self.card = read_card(_stored_texts(self.model, self.model_path), repr(self.model_path))
        _check_shapes(self)

    def predict(self, image: Any) -> tuple[str, float]:
        """Read one image: a path, the bytes of an image file, or a uint8 array in BGR or grey.

        Returns:
            The text and the probability of its best path, in 0..1.

        Raises:
            FileNotFoundError: there is no file at the path.
            ValueError: the image cannot be decoded.
            TypeError: `image` is none of the above.
        """
        batch = prepare_image(image, self.card)[None].astype(np.float32)  # (1, h, w, channels)
        outputs = self.model.run(None, {self.input_name: batch})[0]  # (1, time, classes)
        if self.card.outputs == "logits":
            powers = np.exp(outputs - outputs.max(axis=2, keepdims=True))
            outputs = powers / powers.sum(axis=2, keepdims=True)
        return ctc_decoder(outputs, self.card.vocab)[0], float(outputs.max(axis=2).prod())


def load_reader(path: str | os.PathLike[str], *, force_cpu: bool = False) -> CardReader:
    """Make a working reader from an ONNX file alone: no Keras, no settings.

    Args:
        path: the `.onnx` file, or a folder with `model.onnx` in it.
        force_cpu: True to stay on the CPU; False takes CUDA where onnxruntime offers it.

    Returns:
        An object whose `predict(image)` returns (text, probability).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no model, or its card lacks something or does not suit the model.
    """
    return CardReader(path, force_cpu)


def prepare_image(image: Any, card: ModelCard) -> npt.NDArray[Any]:
    """Bring an image into the form that a model takes.

    Args:
        image: a path, the bytes of an image file, or a uint8 array in BGR or grey.
        card: of the model.

    Returns:
        Values 0..255 or 0..1, shape (height, width, channels).

    Raises:
        FileNotFoundError: there is no file at the path.
        ValueError: the image cannot be decoded.
        TypeError: `image` is none of the above.
    """
    # Only here: a subclass of OnnxInferenceModel may run where OpenCV is not installed.
    import cv2

    from mltu.preprocessors import ImageReader
    from mltu.transformers import ImageResizer

    is_gray = card.color == "GRAY"
    reader = ImageReader(cv2.IMREAD_GRAYSCALE if is_gray else cv2.IMREAD_COLOR)
    resizer = ImageResizer(
        card.width,
        card.height,
        keep_aspect_ratio=card.resize == "fit",
        padding_color=card.padding_color,
    )
    resized, _ = resizer(reader.read(image), None)
    shaped = resized[:, :, None] if is_gray else resized
    return shaped / np.float32(255) if card.scaling == "1/255" else shaped


def _check_shapes(reader: CardReader) -> None:
    """Refuse a card that speaks of other images or classes than the model has."""
    card = reader.card
    width = card.width if isinstance(card.width, int) else None
    pairs = list(zip(reader.input_shape, (card.height, width, card.channels), strict=False))
    output_shape = reader.model.get_outputs()[0].shape
    if len(pairs) != 3 or len(output_shape) != 3:
        raise ValueError(
            "`model_path` must be a model from images (batch, height, width, channels) to classes "
            f"(batch, time, classes). Received {reader.model_path!r}, from "
            f"{reader.input_shapes[0]} to {output_shape}. Subclass OnnxInferenceModel to run it."
        )
    pairs.append((output_shape[2], len(card.vocab) + 1))
    for ours, theirs in pairs:
        if isinstance(ours, int) and theirs is not None and ours != theirs:
            raise ValueError(
                "`model_path` must be a file whose metadata suits its model. Received "
                f"{reader.model_path!r}: {theirs} in the metadata where the model has {ours}. "
                "Export it again."
            )


def _stored_texts(session: ort.InferenceSession, path: str) -> dict[str, str]:
    try:
        return dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`model_path` must be a model whose metadata is UTF-8. Received {path!r}: {error}. "
            "Export it again."
        ) from error


def _find(path: Path, default_name: str) -> str:
    file = path / default_name if path.is_dir() else path
    if not file.is_file():
        near = sorted(str(other) for other in file.parent.glob("*.onnx"))[:5]
        hint = f" Beside it stand {near}." if near else ""
        raise FileNotFoundError(
            f"`model_path` must be an .onnx file or a folder with {default_name!r} in it. "
            f"There is no file {str(file)!r}.{hint}"
        )
    return str(file)


def _providers(force_cpu: bool) -> list[str]:
    wanted = [] if force_cpu else ["CUDAExecutionProvider"]
    available = ort.get_available_providers()
    return [name for name in wanted if name in available] + ["CPUExecutionProvider"]


def _load(path: str, providers: list[str]) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(path, providers=providers)
    except Exception as error:  # onnxruntime has no common base class for its own errors.
        raise ValueError(
            f"`model_path` must be an ONNX model that onnxruntime {ort.__version__} can load. "
            f"Received {path!r}: {error}"
        ) from error


def _parse(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
