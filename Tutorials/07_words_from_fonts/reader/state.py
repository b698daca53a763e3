"""The state of a training in three files, none above 16 MB for two million weights."""

import json
import os
from pathlib import Path

import keras
import numpy as np


def save_state(folder, trainer, record):
    """Write weights and averages in float32, the optimizer in half of it, and `record` last.

    Each file is old or new, never in part; after a cut between two of them they are of different
    minutes, which a training does not mind.
    """
    trainer.sync()
    _save(folder / "weights.npz", trainer.model.variables)
    _save(folder / "average.npz", trainer.averages)
    _save(folder / "optimizer.npz", trainer.optimizer.variables, halve=True)
    _replace(folder / "state.json", lambda path: Path(path).write_text(json.dumps(record)))


def load_state(folder, trainer):
    """Read what `save_state` wrote."""
    start_from(folder, trainer)
    _load(folder / "optimizer.npz", trainer.optimizer.variables)
    trainer.load()


def start_from(folder, trainer):
    """Take the weights of another run and nothing else."""
    _load(folder / "weights.npz", trainer.model.variables)
    _load(folder / "average.npz", trainer.averages)
    trainer.load()


def load_average(folder, model):
    """Give a model the averaged weights of a run."""
    _load(folder / "weights.npz", model.variables)
    _load(folder / "average.npz", model.trainable_variables)


def _save(path, variables, halve=False):
    arrays = [keras.ops.convert_to_numpy(v) for v in variables]
    arrays = [_halved(x) if halve and x.ndim else x for x in arrays]
    _replace(path, lambda part: np.savez(part, *arrays))


def _load(path, variables):
    with np.load(path) as stored:
        arrays = [stored[f"arr_{i}"] for i in range(len(stored.files))]
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(_whole(array) if array.dtype == np.uint16 else array)


def _halved(values):
    """Round float32 to bfloat16, which keeps its range: squares of gradients are tiny."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x8000) >> 16).astype(np.uint16)


def _whole(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _replace(path, write):
    part = path.with_name(f"part-{path.name}")
    write(part)
    os.replace(part, path)
