"""Train the reader of words and lines on images that are drawn during training.

python train.py --output RUN (--images N | --seconds N) [--pack FOLDER] [--processes 1]

The rate rises, stays level and falls to nothing where the images or the seconds end. RUN keeps the
state; the same command goes on from there.
"""

import argparse
import json
import math
import signal
import time
from pathlib import Path

import numpy as np
from drawing import CHUNK_COLUMNS, HEIGHT, Drawers
from feeding import Feeder
from images import make_images
from state import read_record

MINUTE = 60.0
NUM_STATISTICS = 1024  # images
EASY = ("plain_word", "scan_word", "screen_word")


def parse_arguments(arguments=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--output", type=Path, required=True, help="Folder of the run.")
    add("--images", type=int, help="Images to train on, by all runs.")
    add("--easy", type=int, default=0, help="Images of easy kinds to start with.")
    add("--seconds", type=float, help="Wall time of this run, start included.")
    add("--cpu-seconds", type=float, help="Processor time of the training process.")
    add("--pack", type=Path, help="Folder of packed fonts and texts.")
    add("--kinds", nargs="*", metavar="KIND[=WEIGHT]",
        help="Kinds of images; all if not given.")  # fmt: skip
    add("--processes", type=int, default=1, help="Processes that draw.")
    add("--chunks", type=int, default=3, help="Chunks per batch.")
    add("--columns", type=int, default=CHUNK_COLUMNS, help="Columns of pixels in a chunk.")
    add("--rate", type=float, default=2e-3, help="Peak learning rate.")
    add("--warmup", type=float, default=0.02, help="Share in which it warms up.")
    add("--level", type=float, default=0.5, help="Share until which it stays constant.")
    add("--guide", type=float, default=1.0, help="Weight of the places of the letters at first.")
    add("--unguided", type=float, default=0.5, help="Share until which it falls to a tenth.")
    add("--replay", type=int, default=0, help="How often an old batch comes again, when new ones "
        "are drawn more slowly than training takes them.")  # fmt: skip
    add("--precision", default="mixed_bfloat16", help="Keras dtype policy.")
    add("--start", type=Path, help="Run folder to take the weights from.")
    add("--seed", type=int, default=0, help="Random seed.")
    add("--validate", type=float, default=0.0, help="Least seconds between validations.")
    add("--validation", type=int, default=768, help="Images drawn for validation.")
    args = parser.parse_args(arguments)
    if sum(x is not None for x in (args.images, args.seconds, args.cpu_seconds)) != 1:
        parser.error("one of --images, --seconds and --cpu-seconds is needed")
    return args


class Progress:
    """How far a run is, from 0 to 1, by images, wall time or processor time.

    Args:
        args: of the command line.
        begin: when the program started, by `time.monotonic`.
    """

    def __init__(self, args, begin):
        self._args, self._end = args, begin + (args.seconds or 0)
        self._first, self._first_cpu = time.monotonic(), time.process_time()
        self._reserve = 5.0

    def reserve(self, seconds):
        """Keep the time that the last validation and the last state take."""
        self._reserve = max(self._reserve, 5.0 + seconds)

    def __call__(self, num_images):
        if self._args.images:
            return num_images / self._args.images
        if self._args.cpu_seconds:
            return (time.process_time() - self._first_cpu) / self._args.cpu_seconds
        total = self._end - self._reserve - self._first
        return (time.monotonic() - self._first) / max(total, 1.0)


class Meter:
    """Counts what is trained between two lines of the log."""

    def __init__(self, feeder):
        self._feeder = feeder
        self.reset()

    def reset(self):
        """Begin to count."""
        self._start, self._waited = time.monotonic(), self._feeder.seconds_waited
        self._images, self._new, self._losses = 0, 0, []

    def add(self, num_images, is_new, loss):
        """Count a batch; its loss may still be on its way."""
        self._images += num_images
        self._new += num_images * is_new
        self._losses.append(loss)

    @property
    def seconds(self):
        """Since the last line."""
        return time.monotonic() - self._start

    def line(self):
        """Return speed, share of new images, share of time that was fed, and loss per character."""
        losses = [float(loss) for loss in self._losses]  # waits for the device
        seconds = self.seconds
        return {
            "loss": round(float(np.mean(losses)), 4),
            "images_per_second": round(self._images / seconds, 1),
            "new": round(self._new / max(self._images, 1), 3),
            "fed": round(1 - (self._feeder.seconds_waited - self._waited) / seconds, 3),
        }


def train(args, begin, until=math.inf):
    """Train until the images or the seconds are used up.

    Args:
        args: of the command line.
        begin: when the program started, by `time.monotonic`.
        until: images after which it ends before its schedule does.

    Returns:
        Whether it came to its end, and was not stopped.
    """
    images, vocab = make_images(args.pack, HEIGHT, args.kinds)
    args.output.mkdir(parents=True, exist_ok=True)
    record = read_record(args.output) or {"images": 0, "steps": 0}
    drawers = Drawers(
        images, vocab, num_processes=args.processes, seed=[args.seed, record["images"]],
        columns=args.columns,
    )  # fmt: skip
    import keras  # after the drawers have started, which draw meanwhile
    from network import text_reader
    from state import load_state, save_state, start_from
    from steps import make_trainer
    from validation import SEED, draw_set, validate

    keras.utils.set_random_seed(args.seed)
    keras.config.set_dtype_policy(args.precision)
    trainer = make_trainer(text_reader(len(vocab)))
    if record["steps"]:
        load_state(args.output, trainer)
    elif args.start:
        start_from(args.start, trainer)
    trainer.prepare([shape.batch(args.chunks) for shape in drawers.shapes])
    validation = list(draw_set(images, args.validation))
    statistics = list(draw_set(images, NUM_STATISTICS, SEED + 1))

    def log(**line):
        line["at"] = round(time.monotonic() - begin, 1)
        print(json.dumps(line), flush=True)
        with open(args.output / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    log(backend=keras.backend.backend(), parameters=trainer.model.count_params(),
        **{key: str(value) for key, value in vars(args).items() if value is not None})  # fmt: skip
    feeder = Feeder(drawers, args.chunks, args.replay, trainer.send, trainer.vary)
    feeder.start()
    progress, meter = Progress(args, begin), Meter(feeder)
    for name in (signal.SIGINT, signal.SIGTERM):  # a shell's background has the first ignored
        signal.signal(name, signal.default_int_handler)
    ended = False
    try:
        validated = time.monotonic()
        while (done := progress(record["images"])) < 1 and record["images"] < until:
            batch, size, is_new = feeder.get()
            rate = float(np.interp(done, [0, args.warmup, max(args.level, args.warmup), 1],
                                   [0, args.rate, args.rate, 0]))  # fmt: skip
            guide = float(np.interp(done, [0, args.unguided], [args.guide, args.guide * 0.1]))
            meter.add(size, is_new, trainer.step(batch, rate, guide))
            record["images"] += size
            record["steps"] += 1
            if meter.seconds > MINUTE:
                line, start = meter.line(), time.monotonic()
                if start - validated > args.validate:
                    line |= validate(trainer, validation, statistics, vocab)
                    validated = time.monotonic()
                save_state(args.output, trainer, record)
                progress.reserve(time.monotonic() - start)
                log(**record, progress=round(done, 4), rate=round(rate, 7), **line,
                    left_out=drawers.num_left_out)  # fmt: skip
                meter.reset()
        ended = True
    except KeyboardInterrupt:
        print("Stopped. The same command goes on.")
    save_state(args.output, trainer, record)
    log(**record, **validate(trainer, validation, statistics, vocab))
    feeder.stop()
    drawers.close()
    return ended


def main():
    """Train on easy kinds if they are asked for, then on all."""
    args, begin = parse_arguments(), time.monotonic()
    record = read_record(args.output)
    if (record or {"images": 0})["images"] < args.easy:
        easy = argparse.Namespace(**vars(args) | {"kinds": EASY, "chunks": 1})
        if not train(easy, begin, until=args.easy):
            return
    train(args, begin)


if __name__ == "__main__":
    main()
