"""A small training with all that has a state, for the tests of resume; also a script of its own.

python Tests/tools/resumable_training.py RUN [--resume] [--export] [--workers N] [--prove]
    [--processes N] [--slow SECONDS]
"""

import argparse
import os
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
import numpy as np
from keras import layers

from mltu.augmentors import RandomBrightness
from mltu.callbacks import FollowSchedule, KeepState, Model2onnx, TrainLogger, fit_resumable
from mltu.dataProvider import DataProvider
from mltu.losses import CTCLoss
from mltu.metrics import CWERMetric
from mltu.resume import find_state
from mltu.transformers import LabelIndexer, LabelPadding

VOCAB, EPOCHS, NUM_SAMPLES, BATCH_SIZE = "abc", 4, 46, 8


class Killed(BaseException):
    """Stands for the death of the process."""


class DieAt(keras.callbacks.Callback):
    """Stop without a word after some batches of an epoch, or at its end."""

    def __init__(self, epoch, step=None):
        super().__init__()
        self.at = (epoch, step)

    def get_state(self):
        return {}

    def set_state(self, state, position):
        pass

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self._epoch, batch + 1) == self.at:
            raise Killed

    def on_epoch_end(self, epoch, logs=None):
        if (epoch, None) == self.at:
            raise Killed


class Say(keras.callbacks.Callback):
    """Tell the process that watches this one where it is."""

    def on_train_begin(self, logs=None):
        print("begin", flush=True)

    def on_train_end(self, logs=None):
        print("end", flush=True)


class WriteWeights(keras.callbacks.Callback):
    """Write all variables before the state says that the run is finished."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_train_end(self, logs=None):
        np.savez(self.path, *all_variables(self.model))


def all_variables(model):
    """Copy the variables of a model and its optimizer, dropout's seeds among them."""
    variables = [*model.variables, *model.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def as_it_is(data, label, seconds=0):
    time.sleep(seconds)
    return data, label


def make_data(num_samples=NUM_SAMPLES):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (num_samples, 8, 24, 1), dtype=np.uint8)
    labels = ["".join(rng.choice(list(VOCAB), rng.integers(1, 4))) for _ in images]
    return [[image, label] for image, label in zip(images, labels, strict=True)]


def make_provider(samples, workers, seconds=0, **options):
    return DataProvider(
        samples, [partial(as_it_is, seconds=seconds)], batch_size=BATCH_SIZE, workers=workers,
        seed=3, **options,
        transformers=[LabelIndexer(VOCAB), LabelPadding(max_word_length=4, padding_value=3)],
    )  # fmt: skip


def make_model(units=4, use_ema=False, dropout=1, **normalization):
    """Build a reader; `dropout` is a factor of its usual rates."""
    keras.utils.set_random_seed(1)
    inputs = layers.Input((8, 24, 1), name="input")
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(**normalization)(x)
    x = layers.Dropout(0.3 * dropout)(layers.Activation("relu")(x))
    x = layers.Reshape((12, 16))(layers.Permute((2, 1, 3))(x))
    lstm = layers.LSTM(units, return_sequences=True, dropout=0.2 * dropout)
    x = layers.Bidirectional(lstm)(x)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax", name="output")(x))
    optimizer = keras.optimizers.Adam(0.01, use_ema=use_ema, ema_momentum=0.9)
    model.compile(optimizer, CTCLoss(), metrics=[CWERMetric(VOCAB)])
    return model


def make_callbacks(run, *extra, every_steps=2, settings=None, best=False):
    run.mkdir(parents=True, exist_ok=True)
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 30)
    options = {"monitor": "val_loss", "mode": "min"}
    return [
        FollowSchedule(schedule),
        keras.callbacks.EarlyStopping(patience=9, restore_best_weights=best, **options),
        keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=1, min_delta=2.0, **options),
        keras.callbacks.ModelCheckpoint(str(run / "model.keras"), save_best_only=True, **options),
        keras.callbacks.CSVLogger(str(run / "epochs.csv"), append=True),
        TrainLogger(run),
        *extra,
        KeepState(run / "state", every_steps=every_steps, settings=settings or {"vocab": VOCAB}),
    ]


def train(
    run, *extra, workers=0, resume=False, epochs=EPOCHS, verbose=0, model=None, data=None, **options
):
    """Train, or go on; return the variables and the history."""
    run, samples = Path(run), make_data()
    model = model or make_model()
    history = fit_resumable(
        model,
        make_provider(samples[:38], workers, augmentors=[RandomBrightness()], **(data or {})),
        validation_data=make_provider(samples[38:], 0, shuffle=False),
        epochs=epochs,
        callbacks=make_callbacks(run, *extra, **options),
        resume=resume,
        verbose=verbose,
    )
    return all_variables(model), history.history


def be_deterministic():
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def prove(run, workers):
    """Train, die and resume in this interpreter: all must be equal to the bit."""
    whole, history = train(run / "whole", workers=workers)
    for name, moment in (("step", (1, 3)), ("end", (1, None))):
        with suppress(Killed):
            train(run / name, DieAt(*moment), workers=workers)
        assert find_state(run / name / "state").step == (2 if name == "step" else 4)
        ours, our_history = train(run / name, workers=workers, resume=True)
        assert all(np.array_equal(a, b) for a, b in zip(ours, whole, strict=True)), name
        assert our_history == history
        tables = [(folder / "epochs.csv").read_bytes() for folder in (run / name, run / "whole")]
        assert tables[0] == tables[1]
    print("exact")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--say", action="store_true", help="print when it begins and ends")
    parser.add_argument("--export", action="store_true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--prove", action="store_true", help="die and resume, in one process")
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("--slow", type=float, default=0, help="seconds for each sample")
    args = parser.parse_args()
    be_deterministic()
    if args.prove:
        prove(args.run, args.workers)
        return
    extra = [Say()] if args.say or args.export else []
    extra += [Model2onnx(args.run / "model.keras")] if args.export else []
    extra += [WriteWeights(args.run / "weights.npz")]
    if args.resume and (state := find_state(args.run / "state")) and state.finished:
        print("It is finished.")
        return
    data = {"processes": args.processes, "seconds": args.slow}
    _, history = train(args.run, *extra, workers=args.workers, resume=args.resume, data=data)
    print("done", history["loss"], flush=True)


if __name__ == "__main__":
    main()
