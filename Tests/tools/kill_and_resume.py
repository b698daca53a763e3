"""Kill a small training with `kill -9` at chosen moments, resume it, compare with one left alone.

    python Tests/tools/kill_and_resume.py [--kills 20] [--seed 0] [--no-export]

Some kills fall anywhere; the others wait for a state to be written, for the best model to be
written, or for the export, and strike then. After each the run is resumed; its variables must be
those of the undisturbed training to the bit, its logs complete and its files readable. Prints a
table, and a JSON line at the end.
"""

import argparse
import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import resumable_training  # noqa: E402

from mltu.resume._file import find_state  # noqa: E402

with suppress(ImportError):
    import tensorflow  # noqa: F401  Keras looks for it in every process, on each backend.

KINDS = ("anywhere", "state", "anywhere", "model.keras", "state", "export", "anywhere")
NUM_EPOCHS = 4


class Training:
    """`resumable_training.py` in a process of its own, forked where Keras is imported already."""

    def __init__(self, run, *options):
        reading, writing = os.pipe()
        self.process = os.fork()
        if not self.process:
            os.dup2(writing, 1)
            os.dup2(os.open(f"{run}.out", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
            sys.argv = ["resumable_training.py", str(run), *options]
            status = 1
            try:
                resumable_training.main()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(status)
        os.close(writing)
        self.stdout, self.status = os.fdopen(reading), None

    def poll(self):
        if self.status is None:
            done, status = os.waitpid(self.process, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if done else None
        return self.status

    def wait(self):
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        return self.status

    def kill(self):
        if self.poll() is None:
            os.kill(self.process, signal.SIGKILL)


def wait_for(process, word):
    return any(line.strip() == word for line in process.stdout)


def watch(process, changed, times):
    """Wait until something has changed so many times, or the training ends."""
    before, seen = changed(), 0
    while process.poll() is None:
        if (now := changed()) != before:
            before, seen = now, seen + bool(now)
            if seen == times:
                return
        time.sleep(0.0002)


def strike(process, run, kind, rng, seconds):
    """Kill the training at a moment of this kind; return a word about the moment."""
    wait_for(process, "begin")
    if kind == "anywhere":
        times = rng.randint(0, NUM_EPOCHS - 1)
        delay = rng.uniform(0, seconds["epoch" if times else "first epoch"])
        if times:
            watch(process, lambda: _written(run / "epochs.csv"), times)
        time.sleep(delay)
        moment = f"{times} epochs and {delay:.2f} s"
    elif kind == "state":
        times = rng.randint(1, 12)
        watch(process, (run / "state" / "state.unfinished").exists, times)
        moment = f"write number {times}"
    elif kind == "model.keras":
        times = rng.randint(1, 4)
        watch(process, lambda: _written(run / "model.keras"), times)
        moment = f"change number {times}"
    else:
        if is_last := rng.random() < 0.6:
            wait_for(process, "end")
        delay = rng.uniform(0, seconds["last export" if is_last else "first export"])
        time.sleep(delay)
        moment = f"{'last' if is_last else 'first'}, {delay:.2f} s into it"
    process.kill()
    return moment if process.wait() < 0 else f"{moment}: had ended"


def _written(path):
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


def at_death(run):
    """Describe what the killed process left."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # A state that cannot be read warns.
        state = find_state(run / "state")
    left = []
    if (run / "state" / "state.unfinished").exists():
        left.append("an unfinished state")
    if (run / "model.keras").exists() and not zipfile.is_zipfile(run / "model.keras"):
        left.append("half a model.keras")
    left += [path.name for path in run.iterdir() if path.name.startswith(".")]
    return (state.position if state else "nothing kept"), ", ".join(left)


def faults(run, whole):
    """List what is not as in the undisturbed training."""
    found = []
    ours, theirs = np.load(run / "weights.npz"), np.load(whole / "weights.npz")
    if not all(np.array_equal(ours[key], theirs[key]) for key in theirs.files):
        found.append("variables differ")
    log = (run / "logs.log").read_text(encoding="utf-8")
    if re.findall(r"INFO Epoch (\d+);", log) != [str(i + 1) for i in range(NUM_EPOCHS)]:
        found.append("logs.log incomplete")
    if (run / "epochs.csv").read_bytes() != (whole / "epochs.csv").read_bytes():
        found.append("epochs.csv differs")
    with (run / "epochs.csv").open(encoding="utf-8") as file:
        if [row["epoch"] for row in csv.DictReader(file)] != [str(i) for i in range(NUM_EPOCHS)]:
            found.append("epochs.csv incomplete")
    with zipfile.ZipFile(run / "model.keras") as archive:
        if archive.testzip() is not None:
            found.append("model.keras damaged")
    if not find_state(run / "state").finished:
        found.append("not finished")
    if (whole / "model.onnx").exists():
        # In another process: threads of onnxruntime must not be there at the next fork.
        code = (
            "import sys, numpy, onnxruntime\n"
            "for path in sys.argv[1:]:\n"
            "    session = onnxruntime.InferenceSession(path)\n"
            "    print(session.run(None, {'input': numpy.ones((1, 8, 24, 1), 'f')})[0].tobytes())"
        )
        paths = [str(path / "model.onnx") for path in (run, whole)]
        done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True)
        outputs = done.stdout.splitlines()
        if len(outputs) != 2 or outputs[0] != outputs[1]:
            found.append("model.onnx differs")
    return found


def train_whole(run, option):
    """Train without a disturbance; return how long its parts take."""
    process = Training(run, option)
    wait_for(process, "begin")
    begun = time.monotonic()
    while not (run / "logs.log").exists() or "Epoch 1;" not in (run / "logs.log").read_text():
        time.sleep(0.02)
        if process.poll() is not None:
            raise SystemExit((run.parent / f"{run.name}.out").read_text()[-2000:])
    first = time.monotonic()
    wait_for(process, "end")
    last = time.monotonic()
    assert process.wait() == 0
    return {
        "first export": first - begun,
        "first epoch": first - begun,
        "epoch": (last - first) / (NUM_EPOCHS - 1),
        "last export": time.monotonic() - last,
    }


def main(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-export", action="store_true")
    args = parser.parse_args(arguments)
    kinds = [kind for kind in KINDS if not (args.no_export and kind == "export")]
    rng = random.Random(args.seed)
    folder = Path(tempfile.mkdtemp(prefix="kill_and_resume."))
    seconds = {}
    print("| # | killed at | moment | state kept | left behind | after resume |\n|" + "---|" * 6)
    good = 0
    for number in range(args.kills):
        run, kind = folder / f"run{number}", kinds[number % len(kinds)]
        option = "--export" if kind == "export" else "--say"
        whole = folder / f"whole{option}"
        if option not in seconds:
            seconds[option] = train_whole(whole, option)
        moment = strike(Training(run, option), run, kind, rng, seconds[option])
        position, left = at_death(run)
        resumed = Training(run, option, "--resume")
        resumed.wait()
        output = (folder / f"{run.name}.out").read_text()
        found = faults(run, whole) if resumed.wait() == 0 else [f"failed: {output[-300:]}"]
        good += not found
        result = "; ".join(found) or "equal to the bit, logs complete, files readable"
        row = (str(number + 1), kind, moment, position, left or "-", result)
        print(f"| {' | '.join(row)} |", flush=True)
    shutil.rmtree(folder)
    print(json.dumps({"kills": args.kills, "exact": good, "seed": args.seed}))
    return good == args.kills


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
