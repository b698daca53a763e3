"""How many images a second are drawn into the shared memory, and what a core of them costs.

python measure.py [--pack FOLDER] [--processes 1 2] [--seconds 20]
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from drawing import HEIGHT, Drawers
from images import make_images


def cpu_seconds(process):
    """Return the processor time of a process, on Linux."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(drawers, seconds):
    """Return images drawn per second by width, and per second of processor time."""
    while drawers.take() is None:  # the processes start
        pass
    counts = np.zeros(len(drawers.shapes), int)
    start, spent = time.monotonic(), sum(map(cpu_seconds, drawers.processes))
    while time.monotonic() - start < seconds:
        if found := drawers.take(timeout=1.0):
            counts[found[0]] += len(found[1])
    spent = sum(map(cpu_seconds, drawers.processes)) - spent
    rates = counts / (time.monotonic() - start)
    return {
        "images/s": round(rates.sum()),
        "images per core and second": round(counts.sum() / spent),
        "by width": {s.width: round(rate) for s, rate in zip(drawers.shapes, rates, strict=True)},
        "columns/s": round(sum(s.width * r for s, r in zip(drawers.shapes, rates, strict=True))),
    }


def main():
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    images, vocab = make_images(args.pack, HEIGHT)
    for count in args.processes:
        drawers = Drawers(images, vocab, num_processes=count, seed=[0])
        print(json.dumps({"processes": count} | measure(drawers, args.seconds)), flush=True)
        drawers.close()


if __name__ == "__main__":
    main()
