"""The state of a training run: a folder of files, none above 16 MB for two million weights.

A run has one such folder, `state-` and the number of steps; while it is replaced, two.
"""

import json
import os
import shutil

import numpy as np


def save_state(run, trainer, record):
    """Write weights and averages in float32, the optimizer in half of it, and `record`.

    All files get their place at once: after a cut at any instant the run has the new state or the
    one before it.
    """
    trainer.sync()
    before = _states(run)
    part = run / "part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    _save(part / "weights.npz", trainer.model.variables)
    _save(part / "average.npz", trainer.averages)
    _save(part / "optimizer.npz", trainer.optimizer.variables, halve=True)
    (part / "state.json").write_text(json.dumps(record))
    for path in part.iterdir():  # on the disk before the name says so
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    name = f"state-{record['steps']:09d}"
    if before and before[-1].name == name:
        shutil.rmtree(part)  # nothing was trained since
        return
    part.rename(run / name)
    for old in before:
        shutil.rmtree(old, ignore_errors=True)


def read_record(run):
    """Return the record of the newest state, or None if there is none."""
    states = _states(run)
    return json.loads((states[-1] / "state.json").read_text()) if states else None


def load_state(run, trainer):
    """Read what `save_state` wrote."""
    start_from(run, trainer)
    _load(_newest(run) / "optimizer.npz", trainer.optimizer.variables)
    trainer.load()


def start_from(run, trainer):
    """Take the weights of another run and nothing else."""
    folder = _newest(run)
    _load(folder / "weights.npz", trainer.model.variables)
    _load(folder / "average.npz", trainer.averages)
    trainer.load()


def load_average(run, model):
    """Give a model the averaged weights of a run."""
    folder = _newest(run)
    _load(folder / "weights.npz", model.variables)
    _load(folder / "average.npz", model.trainable_variables)


def _states(run):
    return sorted(path for path in run.glob("state-*") if path.is_dir())


def _newest(run):
    """Return the folder of the newest state, or `run` itself, as in a bundle."""
    states = _states(run)
    return states[-1] if states else run


def _save(path, variables, halve=False):
    import keras  # late, so that a record is read before a framework has started

    arrays = [keras.ops.convert_to_numpy(v) for v in variables]
    arrays = [_halved(x) if halve and x.ndim else x for x in arrays]
    np.savez(path, *arrays)


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
