"""What a GPU makes of this library: its tests there, the speed of training, and what feeds it.

python benchmarks/gpu.py [--backends torch jax] [--parts tests training data] [--seconds 300]

Each backend and part has a process of its own; none begins after the seconds are over. "training"
is images/s of `fit` with `CTCLoss`, and the share of what this device reached in a large matrix
product (arithmetic) and in an addition to a large array (memory), measured just before. Every
line but those of pytest is JSON. It needs neither TensorFlow nor a network.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ("losses", "metrics", "native_layers", "model_utils", "warm_start", "resume")
NETWORKS = ("row_reader", "column_reader", "text_reader")
VOCAB = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
HEIGHT, WIDTH, CHANNELS, LENGTH = 32, 128, 3, 10
PASSES = 5  # of each activation: written and read forward, read twice and written once backward
ACTIVATION_BYTES = 2  # in bfloat16


def count_work(model):
    """Count the multiply-adds and the activations of a model for one image, forward."""
    from keras import layers

    products = activations = 0
    for layer in model.layers:
        shape = layer.output.shape[1:]
        activations += math.prod(shape)
        if isinstance(layer, layers.Conv2D):
            products += math.prod(shape[:2]) * math.prod(layer.kernel.shape)
        elif isinstance(layer, layers.Dense):
            products += math.prod(shape[:-1]) * math.prod(layer.kernel.shape)
        elif isinstance(layer, layers.Bidirectional):
            cells = (layer.forward_layer.cell, layer.backward_layer.cell)
            weights = [x for cell in cells for x in (cell.kernel, cell.recurrent_kernel)]
            products += shape[0] * sum(math.prod(x.shape) for x in weights)
    return products, activations


def build(name):
    """Return a network of `mltu.models`, as its users get it."""
    import mltu.models

    return getattr(mltu.models, name)((HEIGHT, WIDTH, CHANNELS), len(VOCAB))


def measure_device(size):
    """Return multiply-adds per second and bytes per second that the device reaches."""
    import keras
    from keras import ops

    def seconds(function, repetitions=20):
        float(ops.max(function()))
        start = time.perf_counter()
        for _ in range(repetitions):
            result = function()
        float(ops.max(ops.cast(result[:1], "float32")))  # waits for all of them
        return (time.perf_counter() - start) / repetitions

    matrix = keras.random.normal((size, size), dtype="bfloat16")
    vector = ops.zeros((size * size,), "float32")
    products = size**3 / seconds(lambda: ops.matmul(matrix, matrix))
    return products, 2 * 4 * size**2 / seconds(lambda: vector + 1.0)


def speed_of(name, batch, steps):
    """Return the seconds of a step of `fit`, in mixed bfloat16."""
    import keras
    import numpy as np
    from fit_speed import seconds_of_epoch

    from mltu.losses import CTCLoss
    from mltu.models import use_native_layers

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, HEIGHT, WIDTH, CHANNELS), np.uint8)
    labels = rng.integers(0, len(VOCAB), (batch, LENGTH), np.int32)

    model = build(name)
    use_native_layers(model)
    is_logits = name == "text_reader"
    model.compile(keras.optimizers.Adam(1e-3), loss=CTCLoss(from_logits=is_logits))
    # The first epoch compiles.
    seconds = seconds_of_epoch(model, images, labels, steps, epochs=2)
    return seconds / steps, *count_work(model)


def training(args):
    """Print the speed of each network at each batch size."""
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    products_limit, bytes_limit = measure_device(args.matrix)
    backend = keras.backend.backend()
    limits = {"products_per_second": products_limit, "bytes_per_second": bytes_limit}
    print(json.dumps({"backend": backend, **limits}), flush=True)
    for name in args.networks:
        for batch in args.batches:
            step, products, activations = speed_of(name, batch, args.steps)
            images = batch / step
            result = {
                "backend": backend, "network": name, "batch": batch,
                "images_per_second": round(images), "share_of_arithmetic":
                    round(3 * products * images / products_limit, 3), "share_of_memory":
                    round(PASSES * ACTIVATION_BYTES * activations * images / bytes_limit, 3),
            }  # fmt: skip
            print(json.dumps(result), flush=True)


def commands(args):
    """Return the commands to run, the most telling first, each with its backend."""
    own = [sys.executable, __file__, "--child"]
    options = [f"--steps={args.steps}", f"--matrix={args.matrix}", "--networks", *args.networks]
    options += ["--batches", *map(str, args.batches)]
    found = []
    for backend in args.backends:
        if "training" in args.parts:
            found.append((backend, [*own, *options]))
        if "tests" in args.parts:
            files = [f"Tests/test_{name}.py" for name in TESTS]
            tests = ["-m", "pytest", "-q", "-m", "backend and not slow", "-p", "no:cacheprovider"]
            found.append((backend, [sys.executable, *tests, *files]))
    if "data" in args.parts:
        cores = os.cpu_count() or 1
        counts = [str(2**i) for i in range(cores.bit_length())]
        program = str(ROOT / "benchmarks" / "data_scaling.py")
        found.insert(1, ("torch", [sys.executable, program, "--processes", *counts]))
    return found


def main():
    """Run the parts, as long as there is time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    installed = [name for name in ("torch", "jax") if find_spec(name)]
    parts = ["training", "data", "tests"]
    parser.add_argument("--backends", nargs="+", default=installed)
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--batches", nargs="+", type=int, default=[64, 256, 1024])
    parser.add_argument("--steps", type=int, default=40, help="of an epoch")
    parser.add_argument("--matrix", type=int, default=8192, help="side of the matrix product")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        training(args)
        return
    end, failed = time.monotonic() + args.seconds, 0
    for backend, command in commands(args):
        left = end - time.monotonic()
        if left < 5:
            print(json.dumps({"left_out": command[1:4], "backend": backend}), flush=True)
            continue
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        try:
            failed |= subprocess.run(
                command, cwd=ROOT, timeout=left, check=False,
                env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": paths},
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            print(json.dumps({"cut_after_seconds": round(left), "backend": backend}), flush=True)
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
