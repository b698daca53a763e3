"""ConvergenceWatch: says once, in one paragraph, why a model does not learn.

It takes snapshots in training, and `diagnose` looks for a cause in them. The phase in which a CTC
model emits only blanks is normal and ends when the outputs begin to follow the images, so a cause
is named only where there is evidence that the model is not learning.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mltu._extras import explain_missing
from mltu.callbacks._schedule import num_executed
from mltu.decoders import greedy_path, kind_of_outputs
from mltu.losses import CTCLoss, ctc_batch_loss
from mltu.models._fused_layers import layers_within
from mltu.utils.checks import check_count
from mltu.utils.files import StrPath
from mltu.utils.gpus import has_unhidden_gpu, num_gpus
from mltu.utils.text_utils import edit_distance

with explain_missing():
    import keras
    from keras import ops

if TYPE_CHECKING:
    Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]  # images and labels

_LOGGER = logging.getLogger("mltu.callbacks.watch")

_RIGHT_TO_LEFT = 'Arabic and Hebrew labels need LabelIndexer(vocab, order="visual").'

_SAMPLE_SIZE = 256  # samples whose labels are compared with the outputs
_PROBE_SIZE = 32  # of them, samples that each snapshot reads
_NUM_BATCHES = 8  # of `data`, from which the sample is taken
_NUM_WEIGHTS = 4096  # of each variable, enough to see whether it changes
_NUM_ROLLS = 16
_LAGGING = 0.95  # momentum; averages that reach back further do not follow a CTC training
_LEARNING = 4.0  # standard deviations; an advantage above it is no accident
_STATE = (
    "_step", "_epoch", "_num_batches", "_sum_before", "_loss_sum", "_first_loss", "_asked_at",
    "_first_weights",
)  # fmt: skip


class Snapshot(NamedTuple):
    """Measurements of a training run at one step; None for those that are unknown.

    Attributes:
        step: batches since training began.
        loss: mean since the last snapshot.
        learning_rate: at this step.
        weight_change: size of the change of the weights since training began, as a share of
            their size then (Euclidean norms).
        cer: character error rate of the probe samples, or of the epoch so far.
        blank_share: share of the probe samples for which the model emits only blanks.
    """

    step: int
    loss: float
    learning_rate: float
    weight_change: float
    cer: float | None = None
    blank_share: float | None = None


class Diagnosis(NamedTuple):
    """A cause by its stable name, and one paragraph with the evidence and what to change.

    `should_stop` is True if the model will not learn with these settings.
    """

    name: str
    text: str
    should_stop: bool = True


def diagnose(
    snapshots: Sequence[Snapshot],
    first_loss: float,
    patience: int,
    measure_advantage: Callable[[], float | None],
) -> Diagnosis | None:
    """Find the cause if a model does not learn.

    Args:
        snapshots: the snapshots so far, evenly spaced.
        first_loss: the loss of the first step.
        patience: steps without progress before looking for a cause.
        measure_advantage: returns by how many standard deviations the label of an image fits the
            model's output better than other labels do; None if unknown. It is called only if the
            diagnosis depends on it, since it takes a second.

    Returns:
        None as long as nothing suggests that the model is not learning.
    """
    if len(snapshots) < 3:
        return None
    last = snapshots[-1]
    if last.weight_change <= 1e-4 and (last.cer is None or last.cer >= 0.1):
        loss = f"the loss was {first_loss:.3g} at the start and is {last.loss:.3g}"
        return _rate_without_effect(last, loss)

    highest = max(1.5 * first_loss, first_loss + 1)
    if all(s.loss > highest and (s.cer is None or s.cer >= 0.9) for s in snapshots[-3:]):
        evidence = f"The loss began at {first_loss:.3g} and stays above that, at "
        return _rate_too_high(last, evidence + _loss_range(snapshots))

    window = _last_steps(snapshots, patience)
    if not _is_stuck(window):
        return None
    advantage = measure_advantage()
    if advantage is None or advantage > _LEARNING:
        # The model is starting to learn, or that is unknown: use four times the patience.
        window = _last_steps(snapshots, 4 * patience)
        if not _is_stuck(window):
            return None

    loss = f"the loss stays at {_loss_range(window)}"
    if last.weight_change < 1e-2:
        return _rate_without_effect(last, loss)
    if max(s.weight_change for s in snapshots) > 3:
        return _rate_too_high(last, f"The model reads nothing and {loss}")
    steps = f"between steps {window[0].step} and {last.step}"
    rates = f"try a tenth and ten times the learning rate of {last.learning_rate:.2g}"
    if min(s.blank_share or 0 for s in window) >= 0.95:
        return Diagnosis(
            "blank_collapse",
            f"The model emits only blanks and has stopped learning: {steps} {loss}. Check "
            "that the images belong to their labels and reach the first layer scaled to 0..1, and "
            "that there is batch normalization and no more than 20 % dropout before the LSTM; "
            f"{rates}, with a warm-up; use fewer time steps, or start with short words. "
            f"{_RIGHT_TO_LEFT}",
        )
    return Diagnosis(
        "no_progress",
        f"No progress {steps}: the CER is still {last.cer:.0%}, and {loss}. Look at the images and "
        "labels as the model gets them, `provider[0]`; check that the model can overfit 100 "
        f"samples (if not, the fault is in the model); {rates}, with a warm-up.",
    )


def _last_steps(snapshots: Sequence[Snapshot], num_steps: int) -> Sequence[Snapshot]:
    """Return the snapshots of the last steps; an empty list if the run is shorter."""
    first = snapshots[-1].step - num_steps
    return [s for s in snapshots if s.step > first] if first >= 0 else []


def _is_stuck(window: Sequence[Snapshot]) -> bool:
    """Return whether the CER is stuck and the loss falls by less than 2 % between the halves."""
    half = len(window) // 2
    earlier, later = (sum(s.loss for s in part) for part in (window[:half], window[-half:]))
    reads_nothing = all(s.cer is not None and s.cer >= 0.9 for s in window)
    return half > 0 and reads_nothing and later > 0.98 * earlier


def _rate_without_effect(last: Snapshot, evidence: str) -> Diagnosis:
    return Diagnosis(
        "rate_without_effect",
        f"The learning rate of {last.learning_rate:.2g} has no effect: after {last.step} "
        f"steps the weights have changed by {last.weight_change:.2g} of their size, and "
        f"{evidence}. Try 1e-3 with Adam; check that the schedule does not reach 0 too soon, and "
        "that the layers are trainable.",
    )


def _rate_too_high(last: Snapshot, evidence: str) -> Diagnosis:
    return Diagnosis(
        "rate_too_high",
        f"The learning rate of {last.learning_rate:.2g} is too high. {evidence}; by step "
        f"{last.step} the weights have changed by {last.weight_change:.2g} times their size. Start "
        "again with a tenth of the rate, warm it up from 0 over the first few hundred steps, and "
        "give the optimizer clipnorm=1.0.",
    )


def diagnose_gap(cer: float, validation_cer: float, momentum: float) -> Diagnosis | None:
    """Find the cause if a model reads its training data but not the validation data.

    Args:
        cer: in training, of an epoch.
        validation_cer: after it.
        momentum: the largest of the trainable batch normalization layers; 0 without any.
    """
    if not (cer <= 0.5 and validation_cer >= 0.9):
        return None
    cause = (
        "Check that the provider of the validation data has the same preprocessors, transformers "
        "and vocabulary as that of the training data, and that its images are of the same kind; if "
        "so, the model memorizes: use more data, augmentation or dropout."
    )
    if momentum > _LAGGING:
        cause = (
            f"In training, batch normalization uses the statistics of each batch; in validation, "
            f"averages over the last {3 / (1 - momentum):.0f} steps or so, which are not those of "
            f"the present weights: the momentum of {momentum:g} is too high for this run. Use "
            "BatchNormalization(momentum=0.9), as `mltu.models` does. Otherwise: "
        ) + cause
    return Diagnosis(
        "validation_gap",
        f"The model reads its training data (CER {cer:.0%}) but not the validation data (CER "
        f"{validation_cer:.0%}). {cause}",
        should_stop=False,
    )


def _loss_range(snapshots: Sequence[Snapshot]) -> str:
    values = [s.loss for s in snapshots[-10:]]
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return low if low == high else f"{low} to {high}"


class ConvergenceWatch(keras.callbacks.Callback):
    """Detect a model that does not learn, say once why and what to change, and stop training.

    It detects: NaN or infinite loss; a learning rate that is too high or without effect; blank
    collapse (the model emits only blanks and its outputs do not begin to follow the images); no
    progress at all; a model that reads the training data but not the validation data (if both have
    the metric `CER`), and whether batch normalization can be why; a GPU that the backend does not
    see. To find faults in the data, use
    `mltu.data_check` before training.

    The model has to end in (batch, time, classes), the blank last; labels are padded by the blank
    or by negative numbers. Each step costs reading the loss once, every `every` steps costs a
    prediction for 32 samples. Training itself stays bit for bit the same.

    Args:
        data: the source of up to 256 samples: a `DataProvider` or another PyDataset, or
            a pair of arrays (images, labels). The validation data is best, since the model cannot
            memorize it. Without data, only loss, learning rate, weights and a metric `CER`
            are watched.
        stop: True to stop a run that will not learn with these settings.
        patience: steps without any progress before it is reported; four times as many without
            `data`. Raise it for models with many time steps.
        every: steps from one snapshot to the next.
        log_path: a file to which the paragraphs are appended, besides the logger
            `mltu.callbacks.watch`.

    Attributes:
        diagnoses: the diagnoses so far, in order.

    Raises:
        ValueError: `patience` or `every` is below 1, or `data` has no samples; from `fit`, the
            model has other outputs.
        TypeError: `data` is of another kind.
    """

    def __init__(
        self,
        data: keras.utils.PyDataset | Pair | None = None,
        *,
        stop: bool = False,
        patience: int = 2000,
        every: int = 100,
        log_path: StrPath | None = None,
    ) -> None:
        super().__init__()
        check_count("patience", patience, 1)
        check_count("every", every, 1)
        is_pair = isinstance(data, tuple | list) and len(data) == 2
        if data is not None and not is_pair and not isinstance(data, keras.utils.PyDataset):
            raise TypeError(
                "`data` must be a PyDataset, such as a DataProvider, or a pair of arrays (images, "
                f"labels). Received {type(data).__name__}. Pass the first batch of other data."
            )
        if data is not None and not len(data[0] if is_pair else data):
            raise ValueError("`data` must contain at least one sample. Received an empty data set.")
        self.data = data
        self.stop = stop
        self.patience = patience
        self.every = every
        self.log_path = None if log_path is None else Path(log_path)
        self.diagnoses: list[Diagnosis] = []

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Take the sample, and check the device and the shape of the outputs."""
        self.diagnoses = []
        self._snapshots: list[Snapshot] = []
        self._step = self._epoch = self._num_batches = 0
        self._sum_before = self._loss_sum = 0.0
        self._asked_at = 0
        self._was_built = self.model.built
        self._first_weights = self._weights()
        backend = keras.backend.backend()
        if has_unhidden_gpu() and not num_gpus(backend):
            self._report(_unseen_gpu(backend))
        if self.data is not None:
            self._images, self._labels = _take_sample(self.data)
            self._probe = slice(None, None, max(1, len(self._images) // _PROBE_SIZE))
            outputs = self._predict(self._images[self._probe])
            shape = outputs.shape
            if len(shape) != 3:
                raise ValueError(
                    "`model` must have one output of shape (batch, time, classes). Received the "
                    f"output shape {shape}. Remove ConvergenceWatch, or omit its `data`."
                )
            if isinstance(loss := getattr(self.model, "loss", None), CTCLoss):
                loss.check(self._labels[self._probe], outputs)  # It cannot where XLA compiles it.
            is_character = (self._labels >= 0) & (self._labels < shape[2] - 1)
            self._texts = [
                tuple(row[kept].astype(int).tolist())
                for row, kept in zip(self._labels, is_character, strict=True)
            ]

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Reset the mean of the loss, as Keras does."""
        self._epoch = epoch
        self._num_batches = 0
        self._sum_before = 0.0

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note the first of the batches that Keras executes together."""
        self._batch = batch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Check the loss; every so many steps, take a snapshot and look for a cause."""
        if not logs or "loss" not in logs or self._is_explained():
            return
        # Keras gives the mean of the epoch so far. `batch` does not begin at 0 where a run
        # was resumed, so batches are counted here.
        count = num_executed(self._batch, batch, self.params)
        if not self._was_built:
            self._was_built, self._first_weights = True, self._weights()
        self._num_batches += count
        loss_sum = float(logs["loss"]) * self._num_batches
        loss, self._sum_before = loss_sum - self._sum_before, loss_sum
        self._step += count
        self._loss_sum += loss
        if self._step == count:
            self._first_loss = loss / count
        if not np.isfinite(loss):
            self._report(
                Diagnosis(
                    "non_finite_loss",
                    f"The loss is {loss:g} at step {self._step} (batch {batch + 1} of epoch "
                    f"{self._epoch + 1}), at a learning rate of {self._learning_rate():.2g}; "
                    "from then on the weights are useless. Go back to the last checkpoint, divide "
                    "the rate by 10, and give the optimizer clipnorm=1.0. If it happens in the "
                    "first steps, look for NaN or infinite values in the images, and use float32 "
                    "instead of float16.",
                )
            )
        elif self._step % self.every < count:
            self._take_snapshot(logs.get("CER"))
            self._report(
                diagnose(self._snapshots, self._first_loss, self.patience, self._measure_advantage)
            )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Compare the error rates of training and validation, where they are logged."""
        is_said = any(diagnosis.name == "validation_gap" for diagnosis in self.diagnoses)
        if logs and "CER" in logs and "val_CER" in logs and not is_said:
            momenta = [
                layer.momentum
                for layer in layers_within(self.model)
                if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
            ]
            self._report(
                diagnose_gap(float(logs["CER"]), float(logs["val_CER"]), max(momenta, default=0))
            )

    def get_state(self) -> dict[str, Any]:
        """Return what a resumed training needs; the sample is taken again."""
        state = {name: vars(self)[name] for name in _STATE if name in vars(self)}
        snapshots = [list(snapshot) for snapshot in self._snapshots]
        return {**state, "looks": snapshots, "diagnoses": [list(d) for d in self.diagnoses]}

    def set_state(self, state: Mapping[str, Any], position: str) -> None:
        """Continue from what `get_state` returned."""
        for name in _STATE:
            if name in state:
                setattr(self, name, state[name])
        num_fields = len(Snapshot._fields)  # States of earlier versions have more.
        self._snapshots = [Snapshot(*values[:num_fields]) for values in state["looks"]]
        self.diagnoses = [Diagnosis(*values) for values in state["diagnoses"]]

    def _take_snapshot(self, cer: Any) -> None:
        cer, blank_share = None if cer is None else float(cer), None
        if self.data is not None:
            texts = self._texts[self._probe]
            outputs = self._predict(self._images[self._probe])
            read = [tuple(result.classes.tolist()) for result in greedy_path(outputs)]
            cer = sum(map(edit_distance, read, texts)) / max(1, sum(map(len, texts)))
            blank_share = read.count(()) / len(read)
        before = self._first_weights
        size = max(float(np.linalg.norm(before)), 1e-12)
        change = float(np.linalg.norm(self._weights() - before)) / size
        loss = self._loss_sum / (self._step - (self._snapshots[-1].step if self._snapshots else 0))
        self._loss_sum = 0.0
        self._snapshots.append(
            Snapshot(self._step, loss, self._learning_rate(), change, cer, blank_share)
        )

    def _measure_advantage(self) -> float | None:
        """Compare the loss of each sample's own label with the losses of other samples' labels.

        None without data, and until a quarter of the patience has passed since the last result.
        """
        is_recent = self._asked_at > 0 and self._step < self._asked_at + self.patience // 4
        if self.data is None or is_recent or len(self._labels) < 3:
            return None
        self._asked_at = self._step
        size = min(len(self._images), _PROBE_SIZE)
        parts = range(0, len(self._images), size)
        outputs = np.concatenate([self._predict(self._images[i : i + size]) for i in parts])
        is_logits = kind_of_outputs(outputs) == "logits"
        logits = ops.cast(outputs if is_logits else np.log(outputs + 1e-12), "float32")
        labels = self._labels.astype("int32")
        own, *others = (
            float(ops.mean(ctc_batch_loss(ops.convert_to_tensor(np.roll(labels, roll, 0)), logits)))
            for roll in range(min(_NUM_ROLLS, len(self._labels) - 1) + 1)
        )
        spread = float(np.std(others))
        # Outputs that do not depend on the image give equal losses, down to rounding.
        is_rounding = spread <= 1e-9 * max(own, *others)
        return 0.0 if is_rounding else (float(np.mean(others)) - own) / spread

    def _predict(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        was_training = getattr(self.model, "training", None)  # PyTorch's mode of a module.
        outputs = np.asarray(self.model.predict_on_batch(images))
        if keras.backend.backend() == "torch":
            self.model.train(bool(was_training))
        return outputs

    def _weights(self) -> npt.NDArray[np.float64]:
        flat = [
            ops.convert_to_numpy(ops.reshape(variable, (-1,))[:_NUM_WEIGHTS])
            for variable in self.model.trainable_variables
        ]
        return np.concatenate(flat).astype(np.float64) if flat else np.ones(1)

    def _learning_rate(self) -> float:
        return float(ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def _is_explained(self) -> bool:
        return any(diagnosis.should_stop for diagnosis in self.diagnoses)

    def _report(self, diagnosis: Diagnosis | None) -> None:
        """Log a diagnosis, unless an earlier one explains it; stop training if requested."""
        if diagnosis is None or self._is_explained():
            return
        self.diagnoses.append(diagnosis)
        _LOGGER.warning("%s", diagnosis.text)
        if self.log_path is not None:
            self.log_path.parent.mkdir(parents=True, exist_ok=True)
            with self.log_path.open("a", encoding="utf-8") as file:
                file.write(f"{diagnosis.name}: {diagnosis.text}\n")
        if self.stop and diagnosis.should_stop:
            self.model.stop_training = True


def _take_sample(
    data: keras.utils.PyDataset | Pair,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Take samples spread over the data; from batches, those with the shapes of the first."""
    if isinstance(data, keras.utils.PyDataset):
        batches = [data[int(number)] for number in _spread(len(data), _NUM_BATCHES)]
        most = -(-_SAMPLE_SIZE // len(batches))
        parts = [(np.asarray(x)[:most], np.asarray(y)[:most]) for x, y, *_ in batches]
        shapes = [(x.shape[1:], y.shape[1:]) for x, y in parts]
        parts = [part for part, shape in zip(parts, shapes, strict=True) if shape == shapes[0]]
        images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    else:
        images, labels = (np.asarray(part) for part in data)
    count = min(len(images), _SAMPLE_SIZE)
    # TensorFlow traces the model for each batch size, so the sample consists of whole batches.
    chosen = _spread(len(images), count - count % _PROBE_SIZE if count > _PROBE_SIZE else count)
    return images[chosen], labels[chosen]


def _spread(length: int, count: int) -> npt.NDArray[np.intp]:
    return np.linspace(0, length - 1, min(length, count)).astype(np.intp)


def _unseen_gpu(backend: str) -> Diagnosis:
    package = {"tensorflow": "tensorflow[and-cuda]", "jax": "jax[cuda12]"}.get(backend, backend)
    return Diagnosis(
        "unseen_gpu",
        f"This machine has an NVIDIA GPU, but {backend} does not see it and trains on the CPU, "
        f'often ten times slower. Install the build for GPUs (pip install "{package}"), restart '
        "the notebook or process, and compare the driver that nvidia-smi shows with the one that "
        "the build needs. On Windows, TensorFlow sees a GPU only in WSL2. To train on the CPU on "
        "purpose, set CUDA_VISIBLE_DEVICES=-1.",
        should_stop=False,
    )
