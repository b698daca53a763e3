"""Compares an ONNX file with its model on validation images, from a provider or arrays."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.decoders import ctc_decoder, kind_of_outputs, to_probabilities
from mltu.evaluation import fit_temperature
from mltu.inference import OnnxInferenceModel
from mltu.onnx_export._convert import in_float32, on_the_cpu
from mltu.utils.checks import check_count
from mltu.utils.error_rates import get_cer
from mltu.utils.files import StrPath
from mltu.utils.pipeline_step import as_step

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

# The largest difference between the outputs of Keras and of the ONNX file. Rounding alone came to
# 1.2e-4 in one of 803 images after 24 epochs on MJSynth: the longer a training, the sharper the
# outputs; inputs times 1.000001 changed them as much.
TOLERANCE = 1e-3

_BATCH_SIZE = 64
_NUM_CALIBRATED = 1024  # images; the outputs of more would fill the memory


@dataclass(frozen=True, slots=True)
class ValidationImages:
    """Images prepared for the model, with their texts.

    Attributes:
        batches: of images, shape (batch, height, width, channels) each.
        texts: of all images; None where the labels or the vocabulary are unknown.
        prepared: how the provider's steps prepare images, as fields of a model card.
    """

    batches: list[Array]
    texts: list[str] | None
    prepared: dict[str, Any] = field(default_factory=dict)

    @property
    def num_images(self) -> int:
        """Number of images in all batches."""
        return sum(map(len, self.batches))


def gather(
    validation: Any, vocab: str | Sequence[str] | None = None, num_images: int = 2048
) -> ValidationImages:
    """Take the first images of a provider, a pair of arrays, or one array.

    Args:
        validation: a `DataProvider` or another sequence of batches (images, labels); a pair
            (images, labels); or images, shape (images, height, width, channels). Labels are texts
            or indices padded with `len(vocab)`. `ValidationImages` are returned as they are.
        vocab: the characters; by default those of the provider's `LabelIndexer`.
        num_images: largest number to take, at least 1.

    Raises:
        TypeError: `validation` is something else.
        ValueError: it has no images, another number of labels, or a vocabulary unlike `vocab`; or
            `num_images` is too small.
    """
    check_count("num_images", num_images, 1)
    prepared: dict[str, Any] = {}
    # A list of two tuples is a sequence of two batches.
    is_pair = isinstance(validation, tuple) or (
        isinstance(validation, list) and not all(isinstance(item, tuple) for item in validation)
    )
    if isinstance(validation, ValidationImages):
        return validation
    if isinstance(validation, np.ndarray):
        pairs = iter([(validation, None)])
    elif is_pair and len(validation) == 2:
        pairs = iter([(np.asarray(validation[0]), validation[1])])
    elif hasattr(validation, "__getitem__") and hasattr(validation, "__len__"):
        # Other sequences of batches than a provider have no steps.
        steps = [getattr(validation, name, []) for name in ("data_preprocessors", "transformers")]
        prepared = describe_steps([*steps[0], *steps[1]])
        pairs = (validation[i] for i in range(len(validation)))
    else:
        raise TypeError(
            "`validation` must be a DataProvider, a pair (images, labels) or an array of images. "
            f"Received {type(validation).__name__}."
        )
    if vocab is not None and "".join(prepared.get("vocab", vocab)) != "".join(vocab):
        raise ValueError(
            "`vocab` must match the provider's LabelIndexer, or the file would emit the wrong "
            f"characters. Received {''.join(vocab)!r} and {prepared['vocab']!r}."
        )
    batches, texts = _take(pairs, prepared.get("vocab", vocab), num_images)
    if not batches:
        raise ValueError("`validation` must contain at least one image. Received an empty set.")
    return ValidationImages(batches, texts, prepared)


def describe_steps(steps: Sequence[Any]) -> dict[str, Any]:
    """Return how the steps of a provider prepare images, in the keys of a model card.

    Steps that do not describe themselves are named in a warning, and the resizing is left out, so
    that nobody makes a reader from the file that would prepare images in another way.
    """
    prepared: dict[str, Any] = {"scaling": "in_model"}
    unknown = []
    for step in map(as_step, steps):
        prepared.update(step.describe())
        if not step.describes_itself:
            unknown.append(step)
    if unknown:
        prepared.pop("resize", None)
        warnings.warn(
            f"The ONNX file cannot describe the steps {unknown}: to read with it, subclass "
            "OnnxInferenceModel and prepare images as they do.",
            stacklevel=2,
        )
    return prepared


def _take(
    pairs: Iterator[tuple[Any, Any]], vocab: str | Sequence[str] | None, num_images: int
) -> tuple[list[Array], list[str] | None]:
    batches: list[Array] = []
    texts: list[str] | None = []
    for images, labels in pairs:
        if labels is not None and len(labels) != len(images):
            raise ValueError(
                "`validation` must have a label for each image. "
                f"Received {len(images)} images and {len(labels)} labels."
            )
        images = np.asarray(images)[:num_images]
        num_images -= len(images)
        batches += [images[i : i + _BATCH_SIZE] for i in range(0, len(images), _BATCH_SIZE)]
        new_texts = _texts(labels, vocab, len(images))
        texts = None if texts is None or new_texts is None else [*texts, *new_texts]
        if num_images <= 0:
            break
    return batches, texts


def _texts(labels: Any, vocab: str | Sequence[str] | None, num_images: int) -> list[str] | None:
    """Return the labels of a batch as texts, or None if they or the vocabulary are unknown."""
    if labels is None:
        return None
    labels = labels[:num_images]
    if all(isinstance(label, str) for label in labels):
        return [str(label) for label in labels]
    if vocab is None:
        return None
    size = len(vocab)
    return ["".join(vocab[int(i)] for i in label if 0 <= i < size) for label in labels]


@dataclass(frozen=True, slots=True)
class ExportMetrics:
    """The result of comparing an ONNX file with its model.

    Attributes:
        difference: largest absolute difference between the outputs.
        num_images: number of images compared; 0 if random values were used instead.
        cer_keras: pooled CER of the model; None without labels.
        cer_onnx: pooled CER of the file; None without labels.
        temperature: calibrates the confidences, see `fit_temperature`; None without labels.
        calibration_error: of the confidences at that temperature, in 0..1, on the same images.
    """

    difference: float
    num_images: int
    cer_keras: float | None = None
    cer_onnx: float | None = None
    temperature: float | None = None
    calibration_error: float | None = None

    def to_text(self) -> str:
        """Return one line to print."""
        text = f"largest difference of the outputs {self.difference:.1e}"
        if not self.num_images:
            return f"{text} on random values (pass `validation=` to compare on images)"
        if self.cer_keras is not None and self.cer_onnx is not None:
            text = f"CER {self.cer_keras:.4f} in Keras, {self.cer_onnx:.4f} in ONNX; {text}"
        if self.temperature is not None and self.calibration_error is not None:
            text += f", temperature {self.temperature:.2f} (calibration error "
            text += f"{self.calibration_error:.3f})"
        return f"{text}, {self.num_images} images"

    def to_dict(self) -> dict[str, float | int | None]:
        """Return the metrics by name."""
        return asdict(self)

    def to_fields(self) -> dict[str, Any]:
        """Return the fields of the model card."""
        found: dict[str, Any] = {"metrics": self.to_dict()}
        if self.temperature is not None:
            found["temperature"] = self.temperature
        return found


def compare(
    model: keras.Model,
    path: StrPath,
    batches: Sequence[Array],
    texts: Sequence[str] | None = None,
    vocab: str | Sequence[str] = "",
    tolerance: float = TOLERANCE,
) -> ExportMetrics:
    """Run the model and the file on the same images.

    Args:
        model: a Keras model.
        path: of the ONNX file.
        batches: of images, shape (batch, ...) each.
        texts: of the images, for the CER.
        vocab: to decode with.
        tolerance: of the CER and of the outputs, for these times the largest output above 1.

    Raises:
        RuntimeError: the two differ by more than the tolerance.
        ValueError: onnxruntime cannot load the file.
    """
    difference, largest = 0.0, 1.0
    readings: tuple[list[str], list[str]] = ([], [])
    kept: list[Array] = []
    leads: list[Array] = []
    file = OnnxInferenceModel(path, force_cpu=True)
    for images, ours in zip(batches, keras_outputs(model, batches), strict=True):
        theirs = file.model.run(None, {file.input_name: np.asarray(images, np.float32)})[0]
        # NaN stays NaN in `np.maximum`, and so fails the check below.
        difference = float(np.maximum(difference, _difference(ours, theirs)))
        largest = max(largest, float(np.abs(ours).max(initial=0.0)))
        if texts is not None:
            readings[0].extend(ctc_decoder(ours, vocab))
            readings[1].extend(ctc_decoder(theirs, vocab))
            leads.append(_leads(ours))
            if sum(map(len, kept)) < _NUM_CALIBRATED:
                kept.append(to_probabilities(theirs, kind_of_outputs(theirs)))
    # Float32 has a relative precision: logits of 1000 cannot agree to the fourth decimal.
    _check("difference of the outputs", difference, tolerance * largest)
    num_images = sum(map(len, batches))
    if texts is None:
        return ExportMetrics(difference, num_images)
    cers = [get_cer(read, list(texts)) for read in readings]
    # If two classes tie, rounding decides which one is emitted: one character more or less.
    num_ties = sum(int((lead <= 2 * difference).sum()) for lead in leads)
    rounding = 2 * num_ties / max(1, sum(map(len, texts)))
    _check("difference of the CER", abs(cers[0] - cers[1]), tolerance + rounding)
    calibrated = fit_temperature(kept, list(texts)[: sum(map(len, kept))], vocab)
    return ExportMetrics(
        difference,
        num_images,
        cer_keras=cers[0],
        cer_onnx=cers[1],
        temperature=calibrated.temperature,
        calibration_error=calibrated.error_after,
    )


def keras_outputs(model: keras.Model, batches: Sequence[Array]) -> Iterator[Array]:
    """Compute the outputs of a model in full float32, whatever its policy or the GPU's default."""
    with explain_missing():
        import keras

    inputs = (np.asarray(images, np.float32) for images in batches)
    if keras.backend.backend() != "tensorflow":
        with _full_precision(keras.backend.backend()), in_float32(model):
            for images in inputs:
                yield keras.ops.convert_to_numpy(model(images, training=False))
        return
    import tensorflow as tf

    # Compiled once for all batches. `predict` would run on the GPU if there is one, and a call of
    # the `tf.function` itself would warn from the fifth export on that it is traced too often.
    compiled = None
    for images in inputs:
        with on_the_cpu(model), in_float32(model):
            if compiled is None:
                sides = model.inputs[0].shape[1:]
                sides = sides if len(sides) == images.ndim - 1 else images.shape[1:]
                compiled = tf.function(
                    lambda images: model(images, training=False),
                    input_signature=[tf.TensorSpec((None, *sides), tf.float32)],
                ).get_concrete_function()
            outputs = compiled(tf.constant(images))
        yield outputs.numpy()


@contextmanager
def _full_precision(backend: str) -> Iterator[None]:
    """Disable the short mantissas (TF32) of GPUs within the block."""
    if backend == "jax":
        import jax

        with jax.default_matmul_precision("highest"):
            yield
        return
    import torch

    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.no_grad():
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])


def _difference(ours: Array, theirs: Array) -> float:
    if ours.shape != theirs.shape:
        raise RuntimeError(
            f"The outputs of `model` have the shape {ours.shape}, those of the ONNX file "
            f"{theirs.shape}. The file was discarded."
        )
    return float(np.abs(ours - theirs).max(initial=0.0))


def _leads(outputs: Array) -> Array:
    """Return the margin of the most probable class over the second, for each step."""
    best = np.partition(outputs, -2, axis=2)[:, :, -2:]
    return np.asarray(best[:, :, 1] - best[:, :, 0])


def _check(name: str, received: float, tolerance: float) -> None:
    if not received <= tolerance:
        raise RuntimeError(
            f"The ONNX file differs from `model`: the {name} is {received:.3g}, more than "
            f"{tolerance:.3g}, and the file was discarded. If the model computes with less "
            "precision than float32, pass a larger `tolerance`."
        )
