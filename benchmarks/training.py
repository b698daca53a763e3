"""How fast tutorial 01 trains: our loss and metric on each backend, beside what costs nothing.

python benchmarks/training.py [--backends tensorflow jax torch] [--rounds 5] [--steps 16]
    [--batch 64] [--policy mixed_bfloat16] [--classic FOLDER] [--png training.png]

Each backend has a process of its own, which keeps its models and waits; the candidates take turns
within a round. Values are medians over the rounds: images/s of an epoch of `fit` (after which it
waits up to two seconds for its queue), and ratios of two candidates of the same round. "stand-in"
is the same model with the mean square as its loss; "plain PyTorch" is a loop without Keras, with
torch.nn.CTCLoss; "Keras 2.15" is the same network as it was trained there, in an environment of its
own, which is made in the folder of `--classic` where there is none (1.4 GB). The last line printed
is JSON.
"""

import argparse
import json
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from bars import plot_bars
from tqdm import tqdm
from turns import Server, make_environment

from mltu.synthetic import load_words, render_word, sample_word, shipped_fonts

ROOT = Path(__file__).resolve().parents[1]
VOCAB = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
HEIGHT, WIDTH, LENGTH, RATE = 32, 128, 24, 1e-3
WHOLE = "CTC + metrics"
PLAIN, CLASSIC = "plain PyTorch", "Keras 2.15"
CLASSIC_PACKAGE = "tensorflow-cpu==2.15.1"


def make_data(num_samples):
    """Render words: uint8 images (samples, 32, 128, 3) and int32 labels (samples, 24), padded."""
    rng, words, font = np.random.default_rng(0), load_words(), shipped_fonts()[0]
    images, labels = [], np.full((num_samples, LENGTH), len(VOCAB), np.int32)
    for row in labels:
        word = sample_word(rng, words)[:LENGTH]
        row[: len(word)] = [VOCAB.index(char) for char in word]
        images.append(cv2.resize(render_word(word, font, rng), (WIDTH, HEIGHT)))
    return np.stack(images), labels


def keras_variants(batch, steps, policy):
    """Compile the tutorial's model with each loss; a variant returns the seconds of an epoch."""
    import keras
    from fit_speed import seconds_of_epoch
    from keras import ops

    from mltu.losses import CTCLoss
    from mltu.metrics import CWERMetric
    from mltu.models import row_reader, use_native_layers

    keras.mixed_precision.set_global_policy(policy)
    images, labels = make_data(batch)

    def mean_square(_, outputs):
        return ops.mean(ops.square(outputs), axis=(1, 2))

    def generic_ctc(labels, outputs):
        labels = ops.cast(labels, "int32")
        blank = outputs.shape[2] - 1
        lengths = ops.sum(ops.cast(labels != blank, "int32"), axis=1)
        time_steps = ops.zeros_like(lengths) + ops.shape(outputs)[1]
        logits = ops.log(ops.cast(outputs, "float32") + 1e-7)
        return ops.ctc_loss(labels, logits, lengths, time_steps, mask_index=blank)

    losses = {
        "stand-in": (mean_square, []),
        "CTC": (CTCLoss(), []),
        WHOLE: (CTCLoss(), [CWERMetric(VOCAB)]),
        "keras.ops.ctc_loss": (generic_ctc, []),
    }
    variants = {}
    for name, (loss, metrics) in losses.items():
        keras.utils.set_random_seed(0)
        model = row_reader((HEIGHT, WIDTH, 3), len(VOCAB), dropout=0.0)
        use_native_layers(model)
        model.compile(keras.optimizers.Adam(RATE), loss=loss, metrics=metrics)
        variants[name] = partial(seconds_of_epoch, model, images, labels, steps)
    return variants


def plain_variant(batch, steps):
    """Write the same network and its training loop without Keras."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, channels, filters, stride, skip_conv):
            super().__init__()
            self.first = nn.Conv2d(channels, filters, 3, stride, 1)
            self.second = nn.Conv2d(filters, filters, 3, 1, 1)
            self.norms = nn.ModuleList([nn.BatchNorm2d(filters) for _ in range(2)])
            self.skip = nn.Conv2d(channels, filters, 1, stride) if skip_conv else nn.Identity()
            self.activate = nn.LeakyReLU(0.1)

        def forward(self, x):
            out = self.activate(self.norms[0](self.first(x)))
            return self.activate(self.norms[1](self.second(out)) + self.skip(x))

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            blocks = [(3, 16, 1, True), (16, 16, 2, True), (16, 16, 1, False), (16, 32, 2, True),
                      (32, 32, 1, False), (32, 64, 1, True), (64, 64, 1, False)]  # fmt: skip
            self.blocks = nn.Sequential(*(Block(*block) for block in blocks))
            self.lstm = nn.LSTM(64, 64, batch_first=True, bidirectional=True)
            self.output = nn.Linear(128, len(VOCAB) + 1)

        def forward(self, images):
            x = self.blocks(images.permute(0, 3, 1, 2).float() / 255)
            x = x.permute(0, 2, 3, 1).flatten(1, 2)
            return self.output(self.lstm(x)[0]).log_softmax(-1).transpose(0, 1)

    torch.manual_seed(0)
    images, labels = map(torch.from_numpy, make_data(batch))
    reader, loss = Reader(), nn.CTCLoss(blank=len(VOCAB))
    optimizer = torch.optim.Adam(reader.parameters(), RATE)
    lengths = (labels != len(VOCAB)).sum(1)

    def loop():
        start = time.perf_counter()
        for _ in range(steps):
            outputs = reader(images)
            time_steps = torch.full((batch,), outputs.shape[0])
            value = loss(outputs, labels, time_steps, lengths)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            value.item()  # as `fit` does, which shows it
        return time.perf_counter() - start

    return loop


def serve(backend, batch, steps, policy):
    """Take the names of variants from stdin, print the seconds of each; compile them first."""
    variants = keras_variants(batch, steps, policy)
    if backend == "torch":
        variants[PLAIN] = plain_variant(batch, steps)
    for run in variants.values():
        run()
    print(json.dumps(list(variants)), flush=True)
    for line in sys.stdin:
        print(variants[line.strip()](), flush=True)


def start_classic(folder, batch, steps):
    """Start Keras 2.15 on the same images, in an environment of its own."""
    python = make_environment(folder, [CLASSIC_PACKAGE])
    images, labels = make_data(batch)
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data.npz"
        np.savez(data, images=images, labels=labels, blank=len(VOCAB))
        script = Path(__file__).with_name("classic_training.py")
        return Server([script, data, steps, RATE], python=python, PYTHONPATH="")


def measure(servers, rounds):
    """Return the seconds of each candidate in each round: {(backend, variant): (rounds,)}."""
    candidates = [(backend, name) for backend in servers for name in servers[backend].ready]
    seconds = {candidate: [] for candidate in candidates}
    for _ in tqdm(range(rounds), "Rounds"):
        for backend, name in candidates:
            seconds[backend, name].append(servers[backend].ask(name))
    return {candidate: np.array(times) for candidate, times in seconds.items()}


def ratios_of(seconds):
    """Say for each backend what share of each reference's speed loss and metric leave."""
    ratios = {}
    for backend in dict.fromkeys(backend for backend, _ in seconds):
        whole = seconds[backend, WHOLE]
        references = {
            "stand-in": seconds.get((backend, "stand-in")),
            "keras.ops.ctc_loss": seconds.get((backend, "keras.ops.ctc_loss")),
            PLAIN: seconds.get(("torch", PLAIN)),
            CLASSIC: seconds.get((CLASSIC, WHOLE)),
        }
        ratios[backend] = {
            name: round(float(np.median(times / whole)), 3)
            for name, times in references.items()
            if times is not None
        }
    return ratios


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    installed = [name for name in ("tensorflow", "jax", "torch") if find_spec(name)]
    parser.add_argument("--backends", nargs="+", choices=installed, default=installed)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=16, help="batches of one turn")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--policy", default="float32", help="the dtype policy of Keras")
    parser.add_argument("--classic", type=Path, metavar="FOLDER", help="measure Keras 2.15 too")
    parser.add_argument("--png", help="write the comparison as a picture")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve, args.batch, args.steps, args.policy)
        return
    options = [f"--batch={args.batch}", f"--steps={args.steps}",
               f"--policy={args.policy}"]  # fmt: skip
    servers = {
        name: Server([__file__, "--serve", name, *options], KERAS_BACKEND=name)
        for name in tqdm(args.backends, "Compiling")
    }
    if args.classic:
        servers[CLASSIC] = start_classic(args.classic, args.batch, args.steps)
    seconds = measure(servers, args.rounds)
    for server in servers.values():
        server.close()
    speed = {
        name if name == PLAIN else f"{backend}: {name}": round(
            args.batch * args.steps / float(np.median(times)), 1
        )
        for (backend, name), times in seconds.items()
    }
    if args.png:
        plot_bars(args.png, speed, "images/s")
    print(json.dumps({"images_per_second": speed, "ratios": ratios_of(seconds)}))


if __name__ == "__main__":
    main()
