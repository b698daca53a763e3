"""How long the README's main job takes to read with 10 % CER, now and as another checkout does it.

python benchmarks/time_to_cer.py [--before FOLDER] [--target 0.1] [--png time_to_cer.png]
    [--data Datasets/generated_words/44000_2000]

The runs take turns of 100 batches; seconds count training alone, from the first batch on
and with its compilation. The CER after a turn is that of 512 validation words, at the end that of
all. The last line printed is JSON.
"""

import argparse
import json
import os
import runpy
import sys
import tempfile
import time
from pathlib import Path

from tqdm import tqdm
from turns import Server

ROOT = Path(__file__).resolve().parents[1]
TURN, NUM_WORDS = 100, 512  # batches; validation words


def serve(tree, arguments):
    """Run `train.py` of a checkout, and print where it stands after each turn."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what training prints
    tutorial = tree / "Tutorials" / "01_image_to_word"
    sys.path[:0] = [str(tree), str(tutorial)]
    import keras

    from mltu import resume
    from mltu.callbacks import Model2onnx
    from mltu.utils.text_utils import ctc_decoder, get_cer

    class TakeTurns(keras.callbacks.Callback):
        def __init__(self, validation, vocab):
            super().__init__()
            self.validation, self.vocab = validation, vocab
            self.seconds = self.num_batches = 0

        def on_train_begin(self, logs=None):
            self.wait({})

        def on_train_batch_end(self, batch, logs=None):
            self.num_batches += 1
            if self.num_batches % TURN == 0:
                self.seconds += time.perf_counter() - self.start
                self.wait(self.standing(NUM_WORDS))

        def on_train_end(self, logs=None):
            print(json.dumps({**self.standing(None), "end": True}), file=answers, flush=True)

        def standing(self, num_words):
            return {
                "seconds": self.seconds,
                "batches": self.num_batches,
                "CER": self.cer(num_words),
            }

        def wait(self, answer):
            print(json.dumps(answer), file=answers, flush=True)
            if not sys.stdin.readline():
                os._exit(0)  # nobody asks any more
            self.start = time.perf_counter()

        def cer(self, num_words):
            words, labels = [], []
            for index in range(len(self.validation)):
                if num_words and len(words) >= num_words:
                    break
                images, indices = self.validation[index]
                words += ctc_decoder(self.model.predict_on_batch(images), self.vocab)
                labels += ["".join(self.vocab[i] for i in row if i < len(self.vocab))
                           for row in indices]  # fmt: skip
            return get_cer(words, labels)

    fit = resume.fit_resumable

    def fit_with_turns(*data, callbacks, validation_data, **options):
        turns = TakeTurns(validation_data, callbacks[-1].settings["vocab"])
        options["validation_data"] = validation_data
        callbacks = [entry for entry in callbacks if not isinstance(entry, Model2onnx)]
        fit(*data, callbacks=[turns, *callbacks], **options)
        os._exit(0)  # without the rest of the script, which reads the ONNX file

    resume.fit_resumable = fit_with_turns
    sys.argv = ["train.py", *arguments]
    runpy.run_path(str(tutorial / "train.py"), run_name="__main__")


def main():
    """Let the runs take turns to their end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="another checkout of this project")
    parser.add_argument("--target", type=float, default=0.1)
    parser.add_argument("--data", type=Path, default=ROOT / "Datasets/generated_words/44000_2000")
    parser.add_argument("--png", help="draw CER against seconds")
    args = parser.parse_args()
    from mltu.plots import plot_curves

    candidates = {"before": [args.before]} if args.before else {}
    candidates |= {"now": [ROOT], "now, float32": [ROOT, "precision=float32"]}
    with tempfile.TemporaryDirectory() as folder:
        servers = {
            name: Server([__file__, "--serve", *options, f"data={args.data}",
                          f"model_path={Path(folder) / name}"])
            for name, options in tqdm(candidates.items(), "Starting")
        }  # fmt: skip
        curves = {name: [] for name in servers}
        running, progress = dict(servers), tqdm(desc="Turns")
        while running:
            for name in list(running):
                curves[name].append(running[name].ask())
                if curves[name][-1].get("end"):
                    running.pop(name).close()
                progress.update()
                progress.set_postfix({n: c[-1]["CER"] for n, c in curves.items() if c})
    if args.png:
        lines = {name: ([point["seconds"] for point in curve], [point["CER"] for point in curve])
                 for name, curve in curves.items()}  # fmt: skip
        plot_curves(args.png, {"CER": lines}, x_label="seconds of training")
    print(json.dumps({name: summarize(curve, args.target) for name, curve in curves.items()}))


def summarize(curve, target):
    """Say when the target was reached, None if never, and what the end was."""
    reached = next((point["seconds"] for point in curve if point["CER"] <= target), None)
    return {"seconds_to_target": reached, "seconds": curve[-1]["seconds"], "CER": curve[-1]["CER"]}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), sys.argv[3:])
    else:
        main()
