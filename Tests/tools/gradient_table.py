"""Print the largest error of CTCLoss and its gradient by backend and dtype, against float64.

python Tests/tools/gradient_table.py [--seeds 5]

Each row: 8 labels with repetitions, one of them empty, over 32 time steps and 5 classes, for each
seed. The gradient arrives in the dtype of the logits, so its own rounding counts: 2**-8 of
bfloat16, 2**-11 of float16.
"""

import argparse
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def largest_errors(kind, seeds):
    """Return the largest relative error of a value and absolute error of a gradient."""
    import numpy as np
    from gradients import value_and_gradient
    from keras import ops
    from oracles import ctc_loss_and_gradient
    from test_losses import pad, random_case

    from mltu.losses import CTCLoss

    loss, errors = CTCLoss(from_logits=True, reduction="none"), []
    for seed in range(seeds):
        logits, labels, dtype = random_case(kind, seed)
        targets = pad(labels, 12, 4)
        values, gradients = value_and_gradient(
            lambda point, y=targets, dtype=dtype: loss(y, ops.cast(point, dtype)), logits
        )
        for x, y, value, gradient in zip(logits, labels, values, gradients, strict=True):
            answer, slope = ctc_loss_and_gradient(x, y)
            errors.append((abs(value - answer) / answer, np.abs(gradient - slope).max()))
    return [float(error) for error in np.max(errors, axis=0)]


def main():
    """Run each backend in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        kinds = ("float32", "1e4", "bfloat16", "float16")
        print(json.dumps({kind: largest_errors(kind, args.seeds) for kind in kinds}))
        return
    print("| backend | logits | value, relative | gradient, absolute |\n|---|---|---|---|")
    for backend in filter(find_spec, ("tensorflow", "jax", "torch")):
        printed = subprocess.run(
            [sys.executable, __file__, "--serve", f"--seeds={args.seeds}"], check=True, text=True,
            env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )  # fmt: skip
        for kind, (value, gradient) in json.loads(printed.stdout.splitlines()[-1]).items():
            name = "float32, +-10,000" if kind == "1e4" else kind
            print(f"| {backend} | {name} | {value:.1e} | {gradient:.1e} |")


if __name__ == "__main__":
    main()
