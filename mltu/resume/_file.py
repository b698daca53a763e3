"""The training state on disk: one file of plain arrays and JSON; the last two are kept."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mltu.utils.files import StrPath, naming_full_disk

Arrays = dict[str, npt.NDArray[Any]]

_NEWEST, _PREVIOUS, _UNFINISHED = "state.npz", "state.before.npz", "state.unfinished"
_FACTS = "facts.json"


@dataclass(frozen=True)
class TrainingState:
    """Where a run stopped, and everything that determines how it continues.

    Attributes:
        path: the file.
        epoch: the epoch to continue in, counted from 0 as Keras does.
        step: how many batches of that epoch are done; 0 between two epochs.
        num_steps: number of batches per epoch.
        finished: True if training finished.
        facts: everything as plain values, the above included.
        arrays: the variables by key.
    """

    path: Path
    epoch: int
    step: int
    num_steps: int
    finished: bool
    facts: dict[str, Any]
    arrays: Arrays

    @property
    def position(self) -> str:
        """Where training continues, in words, counted from 1 as progress bars do."""
        return f"epoch {self.epoch + 1}, batch {self.step + 1} of {self.num_steps}"


def write_state(folder: StrPath, facts: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write a state to the folder; the newest one there becomes the previous one.

    The folder has a complete file at every moment, even if the process or the machine dies. One
    process at a time may write to it. `facts` are plain values, with `epoch`, `step`, `num_steps`
    and `finished`; `arrays` have any dtype of NumPy but objects.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # A fixed name, unlike `atomic_path`: the leftover of a killed process is overwritten.
    unfinished = folder / _UNFINISHED
    text = json.dumps(facts).encode()
    try:
        with naming_full_disk(folder / _NEWEST), unfinished.open("wb") as file:
            np.savez(file, **{_FACTS: np.frombuffer(text, np.uint8)}, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        unfinished.unlink(missing_ok=True)  # It may be what fills the disk.
        raise
    if (folder / _NEWEST).exists():
        (folder / _NEWEST).replace(folder / _PREVIOUS)
    unfinished.replace(folder / _NEWEST)


def find_state(folder: StrPath) -> TrainingState | None:
    """Read the newest complete state of a folder.

    Args:
        folder: the folder that `write_state` wrote to.

    Returns:
        The state, or None if there is none. If the newest one is truncated or altered, by its
        checksums, a warning names it and the previous one is read.

    Raises:
        ValueError: none of the files can be read; each is named with its fault.
    """
    faults = []
    for name in (_NEWEST, _PREVIOUS):
        path = Path(folder) / name
        if not path.exists():
            continue
        try:
            state = _read(path)
        except Exception as error:  # Damage shows in zipfile, zlib, NumPy and JSON, as anything.
            faults.append(f"{str(path)!r}: {type(error).__name__} {str(error)[:200]}")
            continue
        if faults:
            warnings.warn(
                f"The newest state cannot be read ({faults[0]}). The previous one is used: "
                f"{state.position}.",
                stacklevel=2,
            )
        return state
    if faults:
        raise ValueError(
            f"`folder` must contain a readable state. Received {'; '.join(faults)}. "
            "Start training again in another folder."
        )
    return None


def newest_stamp(folder: StrPath) -> tuple[int, int] | None:
    """Return time, in ns, and size of the newest state, which tell who wrote it; None without."""
    try:
        found = (Path(folder) / _NEWEST).stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size


def mark_finished(folder: StrPath) -> None:
    """Note in the newest state that training came to its own end."""
    if (state := find_state(folder)) is not None:
        write_state(folder, {**state.facts, "finished": True}, state.arrays)


def to_plain(value: Any, arrays: Arrays, key: str) -> Any:
    """Return a value in JSON types; arrays go to `arrays`, under keys that begin with `key`.

    Raises:
        TypeError: `value` is not None, a truth value, number, text or array, or a list, tuple or
            dict of them.
    """
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufcUSV":
        arrays[key] = np.asarray(value)
        return {"scalar" if isinstance(value, np.generic) else "array": key}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is dict:
        return {"dict": to_plain([list(item) for item in value.items()], arrays, key)}
    if type(value) in (list, tuple):
        parts = [to_plain(part, arrays, f"{key}.{i}") for i, part in enumerate(value)]
        return parts if type(value) is list else {"tuple": parts}
    raise TypeError(
        f"`value` must consist of plain values and arrays. Received {type(value).__name__}."
    )


def from_plain(stored: Any, arrays: Arrays) -> Any:
    """Return the value that `to_plain` stored."""
    if isinstance(stored, list):
        return [from_plain(part, arrays) for part in stored]
    if not isinstance(stored, dict):
        return stored
    ((kind, content),) = stored.items()
    if kind in ("array", "scalar"):
        return arrays[content] if kind == "array" else arrays[content][()]
    parts = from_plain(content, arrays)
    return tuple(parts) if kind == "tuple" else dict(parts)


def _read(path: Path) -> TrainingState:
    with zipfile.ZipFile(path) as archive:
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"the checksum of {damaged} is wrong")
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    facts = json.loads(arrays.pop(_FACTS).tobytes())
    epoch, step, num_steps = (int(facts[name]) for name in ("epoch", "step", "num_steps"))
    return TrainingState(path, epoch, step, num_steps, bool(facts["finished"]), facts, arrays)
