"""Feed damaged input to mltu: `python Tests/tools/fuzz.py TARGET... --seconds N --seed S`.

Input number i is a function of (seed, i) and the seeds of the target. It is run in a child process
with limits on its memory and on the processor time of one input; the input in hand lies in a file,
so that a crash or a hang leaves it. Allowed are a value, OSError, ValueError and TypeError with a
message in three beats. Everything else is a finding, kept in `--folder`; the last line is JSON, in
which those that cannot be mended (fuzz_targets.KNOWN) stand apart.
"""

import argparse
import faulthandler
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

MLTU = f"{ROOT}/mltu/"
SECONDS = 5  # of the processor, for one input
STALLED = 60  # seconds of the clock after which a child that does not move is killed
MEMORY = 1536 << 10  # KiB by which the process may grow for one input
ADDRESSES = 6 << 30  # bytes that it may map at all, beyond what it starts with
COUNT_FILE, INPUT_FILE, STACK_FILE, FOUND_FILE = "count", "input", "stack", "found.jsonl"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="+", help="names out of fuzz_targets.TARGETS, or all")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where findings are kept; a temporary one if not given")
    parser.add_argument("--start", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.start is not None:
        child(options)
        return
    folder = Path(options.folder or tempfile.mkdtemp(prefix="fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(watch(options, folder)))


# The parent -----------------------------------------------------------------------------------


def watch(options, folder):
    """Run children until the time is over; return what was found."""
    begin, number, deaths = time.monotonic(), 0, {}
    end = begin + options.seconds * len(names(options.targets))
    for name in (FOUND_FILE, INPUT_FILE):
        (folder / name).write_text("")
    first = True
    while first or time.monotonic() < end - 1:
        first = False
        code = run_child(options, folder, number, end)
        number = int((folder / COUNT_FILE).read_text() or number) + 1
        if code not in (0, None):
            note_death(folder, code, number - 1, deaths)
    found = [json.loads(line) for line in (folder / FOUND_FILE).read_text().splitlines()]
    found += deaths.values()
    known = [finding for finding in found if is_known(finding["key"])]
    seconds = time.monotonic() - begin
    return {
        "targets": names(options.targets), "seconds": round(seconds, 1), "inputs": number,
        "inputs_per_s": round(number / seconds, 1), "folder": str(folder),
        "findings": [finding for finding in found if finding not in known], "known": known,
    }  # fmt: skip


def is_known(key):
    from fuzz_targets import KNOWN

    return any(re.search(pattern, key) for pattern in KNOWN)


def run_child(options, folder, start, end):
    """Start a child and wait for its end; one that does not move is killed."""
    (folder / COUNT_FILE).write_text(str(start))
    left = max(end - time.monotonic(), 1) / len(names(options.targets))
    command = [sys.executable, __file__, *options.targets, "--folder", str(folder)]
    command += ["--seconds", str(left), "--seed", str(options.seed), "--start", str(start)]
    with open(folder / STACK_FILE, "w") as stack, open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(command, stdout=nowhere, stderr=stack)
    moved, count = time.monotonic(), None
    while process.poll() is None:
        time.sleep(0.1)
        now = (folder / COUNT_FILE).read_text()
        if now != count:
            moved, count = time.monotonic(), now
        elif time.monotonic() - moved > STALLED:
            process.kill()
    return process.returncode


def note_death(folder, code, number, deaths):
    """Keep the input at which a child died, once for each place in the code."""
    stack = (folder / STACK_FILE).read_text(errors="replace")
    frames = [line.strip() for line in stack.splitlines() if line.startswith("  File ")]
    own = [line for line in frames if MLTU in line] or frames[:1] or [stack[-200:]]
    cause = signal.Signals(-code).name if code < 0 else f"exit {code}"
    kind = "hang" if cause in ("SIGPROF", "SIGKILL") else "crash"
    key = f"{kind} {cause} {own[0]}"
    if key in deaths:
        deaths[key]["times"] += 1
        return
    data = (folder / INPUT_FILE).read_bytes()
    path = folder / f"{kind}-{zlib.crc32(data):08x}.bin"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(stack)
    deaths[key] = {"key": key, "number": number, "input": str(path), "bytes": len(data), "times": 1}
    print(json.dumps(deaths[key]), flush=True)


def names(targets):
    from fuzz_targets import TARGETS

    return list(TARGETS) if targets == ["all"] else targets


# The child ------------------------------------------------------------------------------------


def child(options):
    import cv2
    from fuzz_targets import TARGETS

    cv2.setNumThreads(1)
    logging.disable()
    warnings.simplefilter(
        "error", RuntimeWarning
    )  # A warning of NumPy is the trace of a wrong number.
    trial = Trial(Path(options.folder), options.start)
    from numpy.random import default_rng

    chosen = names(options.targets)
    seeds = {name: TARGETS[name].seeds() for name in chosen}
    limits()
    end, number = time.monotonic() + options.seconds * len(chosen), options.start
    while time.monotonic() < end:
        name = chosen[number % len(chosen)]
        rng, own = default_rng([options.seed, number]), seeds[name]
        turn = number // len(chosen)
        data = own[turn % len(own)]
        if turn >= len(own):  # First the seeds as they are.
            data = TARGETS[name].change(data, own, TARGETS[name].tokens, rng)
        trial.run(name, data)
        number += 1


def peak():
    """Return the most memory that the process has held, in KiB."""
    import resource  # Here, since Windows has none.

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def limits():
    """Bound the memory of the process, and let it tell where it stands when it is killed."""
    import resource

    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + ADDRESSES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable(all_threads=False)
    # By its default action the signal ends the process, in the midst of native code too.
    faulthandler.register(signal.SIGPROF, all_threads=False, chain=True)


class Trial:
    """Runs inputs one by one and notes each kind of finding once."""

    def __init__(self, folder, number):
        self.folder, self.number = folder, number
        self.known = set()
        self.most = peak() + MEMORY // 2
        found = folder / FOUND_FILE
        if found.exists():
            self.known = {json.loads(line)["key"] for line in found.read_text().splitlines()}
        self.input = open(folder / INPUT_FILE, "wb", buffering=0)  # noqa: SIM115
        self.count = open(folder / COUNT_FILE, "w+b", buffering=0)  # noqa: SIM115
        self.work = tempfile.TemporaryDirectory(prefix="fuzz-work-", dir=folder)

    def run(self, name, data):
        """Run one input, and keep it if what happens is not allowed."""
        from fuzz_targets import TARGETS

        os.pwrite(self.input.fileno(), data, 0)
        os.ftruncate(self.input.fileno(), len(data))
        os.pwrite(self.count.fileno(), b"%d" % self.number, 0)
        self.number += 1
        before = peak()
        signal.setitimer(signal.ITIMER_PROF, SECONDS * TARGETS[name].calls)
        fault = try_input(name, data, self.work.name)
        signal.setitimer(signal.ITIMER_PROF, 0)
        grown = peak() - before
        if grown > MEMORY:  # Whatever else it did.
            fault = f"memory: {grown >> 10} MiB more"
        if fault is not None:
            self._keep(name, fault, data)
        if before + grown > self.most:  # A high mark would hide the next.
            self.work.cleanup()
            os._exit(0)

    def _keep(self, name, fault, data):
        key = f"{name}: {fault.splitlines()[0]}"[:300]
        if key in self.known:
            return
        self.known.add(key)
        path = self.folder / f"{name}-{zlib.crc32(data):08x}.bin"
        path.write_bytes(data)
        finding = {"key": key, "number": self.number - 1, "input": str(path), "bytes": len(data)}
        with open(self.folder / FOUND_FILE, "a") as file:
            file.write(json.dumps({**finding, "fault": f"{fault[:300]}\n{fault[-600:]}"}) + "\n")


def try_input(name, data, folder):
    """Return None if the target does with `data` what it may do, otherwise what it did instead.

    The first line names the place in mltu, so that one fault is found once.
    """
    from fuzz_targets import TARGETS, FormError, known_form

    try:
        TARGETS[name].run(data, folder)
    except (OSError, ValueError, TypeError) as error:
        try:
            known_form(error)
        except FormError as wrong:
            return told(error, f"form: {str(wrong)[:120]}")
        return None
    except FormError as error:
        return told(error.__cause__, f"form: {str(error)[:120]}")
    except Exception as error:
        return told(error, f"{type(error).__name__}: {str(error)[:80]}")
    return None


def told(error, what):
    """Say where in mltu an error was raised, and then what it is."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if MLTU in f.filename] or frames
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
    return f"{type(error).__name__} in {place}\n{what}\n{traceback.format_exc(limit=-4)}"


if __name__ == "__main__":
    main()
