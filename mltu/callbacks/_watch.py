"""ConvergenceWatch: says once, in one paragraph, why a training does not learn."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu import convergence
from mltu._extras import explain_missing
from mltu.callbacks._schedule import num_executed
from mltu.convergence import Diagnosis, Evidence, Look
from mltu.decoders import kind_of_outputs
from mltu.losses import CTCLoss
from mltu.utils.checks import check_count

with explain_missing():
    import keras
    from keras import ops

_LOGGER = logging.getLogger(__name__)

_SAMPLE_SIZE = 256  # looked at before training, and again where a verdict depends on it
_PROBE_SIZE = 32  # read at every look
_NUM_BATCHES = 8  # of `data`, from which the sample is drawn
_NUM_WEIGHTS = 4096  # of each variable, enough to see whether it moves
_NUM_ROLLS = 16
_KEPT = (
    *("_step", "_epoch", "_num_batches", "_sum_before", "_loss_sum", "_first_loss", "_asked_at"),
    "_first_weights",
)


class ConvergenceWatch(keras.callbacks.Callback):
    """Recognise a training that does not learn, say once why and what to change, and stop it.

    Recognised are: NaN or infinite loss; equal images; labels longer than the time steps; a
    learning rate that is too high or without effect; labels of other images; blank collapse; no
    progress at all; a GPU that is there but not seen by the backend. Of the causes of not learning
    only the first is named, since the others follow from it. A model that answers only blanks is
    left alone as long as its loss falls or its outputs begin to follow the images.

    The model has to end in (batch, time, classes), the blank last; labels are padded by the blank
    or by negative numbers. Each step costs one look at the loss, every `every` steps one
    prediction for 32 samples. Nothing of the training changes: not its weights, nor its chance.

    Args:
        data: where up to 256 samples are taken from: a `DataProvider` or another PyDataset, or
            a pair of arrays (images, labels). Best is the validation data, since answers there
            are not learned by heart. Without data, only loss, rate, weights and a metric `CER`
            are looked at.
        stop: True to stop the training where it cannot learn as it stands.
        patience: steps without any progress before that is said; it takes four times as long
            where `data` is missing. Raise it for models of many time steps.
        every: steps from one look to the next.
        log_path: a file to which the paragraphs are appended, beside the logger
            `mltu.callbacks.watch`.

    Raises:
        ValueError: `patience` or `every` is below 1, or `data` has no samples; from `fit`, the
            model has other outputs.
        TypeError: `data` is of another kind.
    """

    def __init__(
        self,
        data: Any = None,
        *,
        stop: bool = False,
        patience: int = 2000,
        every: int = 100,
        log_path: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        check_count("patience", patience, 1)
        check_count("every", every, 1)
        is_pair = isinstance(data, tuple | list) and len(data) == 2
        if data is not None and not is_pair and not isinstance(data, keras.utils.PyDataset):
            raise TypeError(
                "`data` must be a PyDataset, such as a DataProvider, or a pair of arrays (images, "
                f"labels). Received {type(data).__name__}. Take the first batch of other kinds."
            )
        if data is not None and not len(data[0] if is_pair else data):
            raise ValueError("`data` must hold at least one sample. Received none.")
        self.data = data
        self.stop = stop
        self.patience = patience
        self.every = every
        self.log_path = None if log_path is None else Path(log_path)
        self.diagnoses: list[Diagnosis] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Take the sample, and look at what is known before the first step."""
        self.diagnoses = []
        self._looks: list[Look] = []
        self._step = self._epoch = self._num_batches = 0
        self._sum_before = self._loss_sum = 0.0
        self._asked_at = 0
        self._first_weights = self._weights()
        if convergence.gpu_in_machine() and not _gpu_in_backend():
            self._say(convergence.unseen_gpu(keras.backend.backend()))
        if self.data is not None:
            self._images, labels = _take_sample(self.data)
            _, time_steps, num_classes = self._check_outputs()
            self._labels = np.asarray(labels)
            self._texts = convergence.true_texts(self._labels, num_classes - 1)
            self._say(convergence.constant_images(self._images))
            self._say(convergence.too_few_steps(self._texts, time_steps))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin a new mean of the loss, as Keras does."""
        self._epoch = epoch
        self._num_batches = 0
        self._sum_before = 0.0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Note where the batches begin that Keras takes at once."""
        self._batch = batch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Look at the loss; every so many steps, look at weights and answers too."""
        if not logs or "loss" not in logs or self._is_explained():
            return
        # Keras gives the mean of the epoch so far. `batch` does not begin at 0 where a training
        # was resumed, so batches are counted here.
        count = num_executed(self._batch, batch, self.params)
        self._num_batches += count
        loss_sum = float(logs["loss"]) * self._num_batches
        loss, self._sum_before = loss_sum - self._sum_before, loss_sum
        self._step += count
        self._loss_sum += loss
        if self._step == count:
            self._first_loss = loss / count
        if not np.isfinite(loss):
            where = f"batch {batch + 1} of epoch {self._epoch + 1}"
            self._say(convergence.non_finite_loss(loss, self._step, where, self._rate()))
        elif self._step % self.every < count:
            self._look(logs.get("CER"))
            ask = self._find_evidence
            self._say(convergence.diagnose(self._looks, self._first_loss, self.patience, ask))

    def kept_state(self) -> dict[str, Any]:
        """Return what a resumed training goes on from; its sample is taken anew."""
        kept = {name: vars(self)[name] for name in _KEPT if name in vars(self)}
        looks = [list(look) for look in self._looks]
        return {**kept, "looks": looks, "diagnoses": [list(found) for found in self.diagnoses]}

    def restore_kept_state(self, state: Mapping[str, Any], position: str) -> None:
        """Go on from what `kept_state` returned."""
        for name in _KEPT:
            if name in state:
                setattr(self, name, state[name])
        self._looks = [Look(*look) for look in state["looks"]]
        self.diagnoses = [Diagnosis(*found) for found in state["diagnoses"]]

    def _look(self, cer: Any) -> None:
        """Add a look: the loss since the last one, the rate, the weights and the answers."""
        figures: dict[str, float | None] = {"cer": None if cer is None else float(cer)}
        if self.data is not None:
            chosen = _evenly(len(self._images), _PROBE_SIZE)
            answers = convergence.best_answers(self._predict(self._images[chosen]))
            figures.update(convergence.answer_figures(answers, [self._texts[i] for i in chosen]))
        moved = _distance(self._weights(), self._first_weights)
        loss = self._loss_sum / (self._step - (self._looks[-1].step if self._looks else 0))
        self._looks.append(Look(self._step, loss, self._rate(), moved, **figures))
        self._loss_sum = 0.0

    def _find_evidence(self) -> Evidence:
        """Ask the whole sample; unknown before a quarter of the patience has passed again."""
        is_recent = self._asked_at > 0 and self._step < self._asked_at + self.patience // 4
        if self.data is None or is_recent:
            return Evidence()
        self._asked_at = self._step
        count = len(self._images)
        size = min(count, _PROBE_SIZE)  # of all batches, since TensorFlow traces each size anew
        batches = np.arange(-(-count // size) * size).reshape(-1, size) % count
        outputs = np.concatenate([self._predict(self._images[batch]) for batch in batches])[:count]
        match = None
        if len(self._texts) >= convergence.MIN_NUM:
            rng = np.random.default_rng(0)
            match = convergence.match_of_images_and_labels(self._images, self._texts, rng)
        return Evidence(match, _advantage(outputs, self._labels))

    def _predict(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        was_training = getattr(self.model, "training", None)  # PyTorch's mode of a module.
        outputs = np.asarray(self.model.predict_on_batch(images))
        if keras.backend.backend() == "torch":
            self.model.train(bool(was_training))
        return outputs

    def _check_outputs(self) -> tuple[int, int, int]:
        chosen = _evenly(len(self._images), _PROBE_SIZE)
        shape = self._predict(self._images[chosen]).shape
        if len(shape) != 3:
            raise ValueError(
                "`model` must have one output of shape (batch, time, classes). Received the "
                f"output shape {shape}. Leave ConvergenceWatch out, or watch without `data`."
            )
        return shape

    def _weights(self) -> npt.NDArray[np.float64]:
        flat = [
            ops.convert_to_numpy(ops.reshape(variable, (-1,))[:_NUM_WEIGHTS])
            for variable in self.model.trainable_variables
        ]
        return np.concatenate(flat).astype(np.float64) if flat else np.ones(1)

    def _rate(self) -> float | None:
        rate = getattr(self.model.optimizer, "learning_rate", None)
        return None if rate is None else float(ops.convert_to_numpy(rate))

    def _is_explained(self) -> bool:
        return any(diagnosis.is_hopeless for diagnosis in self.diagnoses)

    def _say(self, diagnosis: Diagnosis | None) -> None:
        """Log a diagnosis, unless a cause was named that explains it; stop if that was asked."""
        if diagnosis is None or self._is_explained():
            return
        self.diagnoses.append(diagnosis)
        _LOGGER.warning("%s", diagnosis.text)
        if self.log_path is not None:
            self.log_path.parent.mkdir(parents=True, exist_ok=True)
            with self.log_path.open("a", encoding="utf-8") as file:
                file.write(f"{diagnosis.name}: {diagnosis.text}\n")
        if self.stop and diagnosis.is_hopeless:
            self.model.stop_training = True


def _gpu_in_backend() -> bool:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return bool(jax.default_backend() != "cpu")
    if backend == "torch":
        import torch

        return bool(torch.cuda.is_available())
    return True


def _take_sample(data: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Take samples from all over the data; of batches, those shaped like the first."""
    if not isinstance(data, keras.utils.PyDataset):
        images, labels = (np.asarray(part) for part in data)
        chosen = _evenly(len(images), _SAMPLE_SIZE)
        return images[chosen], labels[chosen]
    numbers = _evenly(len(data), _NUM_BATCHES)
    each = -(-_SAMPLE_SIZE // len(numbers))
    batches = [data[int(number)] for number in numbers]
    parts = [(np.asarray(b[0])[:each], np.asarray(b[1])[:each]) for b in batches]
    shape = parts[0][0].shape[1:]
    parts = [part for part in parts if part[0].shape[1:] == shape]
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def _evenly(length: int, count: int) -> npt.NDArray[np.intp]:
    return np.unique(np.linspace(0, length - 1, min(length, count)).astype(np.intp))


def _distance(weights: npt.NDArray[np.float64], before: npt.NDArray[np.float64]) -> float:
    return float(np.linalg.norm(weights - before) / max(float(np.linalg.norm(before)), 1e-12))


def _advantage(outputs: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float | None:
    """Compare the CTC loss of the own labels with that of other samples' labels."""
    loss = CTCLoss(from_logits=kind_of_outputs(outputs) == "logits")
    num_rolls = min(_NUM_ROLLS, len(labels) - 1)
    losses = []
    for roll in range(num_rolls + 1):
        moved = np.roll(labels, roll, axis=0)
        losses.append(-float(ops.convert_to_numpy(loss(moved, outputs))))
    if num_rolls < 2:
        return None
    # Outputs that do not depend on the image give equal losses, down to rounding.
    return convergence.deviations(losses[0], losses[1:]) or 0.0
