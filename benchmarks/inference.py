"""How fast a reader reads: the whole path beside the bare session, Keras and another library.

python benchmarks/inference.py [--model rows] [--images 256] [--rounds 7] [--png inference.png]

The path goes from files to texts with confidences: read, decode, resize, run, decode. The bare
session runs batches that are there already; Keras predicts them with the same model. `rapidocr` is
the recogniser of rapidocr-onnxruntime on the decoded crops, where it is installed (pip install
rapidocr-onnxruntime). Words are drawn in fonts and written as JPEG files first; the model is fresh
from `mltu.models`, trained on nothing, which takes the same time. The candidates take turns within
a round; figures are medians over the rounds. The last line printed is JSON.
"""

import argparse
import json
import os
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np
from tqdm import tqdm

from mltu import models
from mltu.inferenceModel import TextRecognizer
from mltu.onnx_export import export_onnx, quantize_onnx
from mltu.pictures import plot_bars
from mltu.synthetic import ALPHABET, FontAtlas, SceneWords, load_words, sample_word, shipped_fonts

BATCHES = (1, 8, 64)
MODELS = {
    "rows": models.row_reader,
    "columns": models.column_reader,
    "strong": models.strong_reader,
}
CHANNELS = {"rows": 3, "columns": 3, "strong": 1}


def write_words(folder, count):
    """Write JPEG files of drawn words; return their paths and labels."""
    scene = SceneWords(FontAtlas.build(shipped_fonts()), channels=3)
    rng, words, paths, labels = np.random.default_rng(0), load_words(), [], []
    for i in range(count):
        image, label = scene(None, sample_word(rng, words), rng)
        paths.append(str(folder / f"{i}.jpg"))
        labels.append(label)
        cv2.imwrite(paths[-1], image)
    return paths, labels


def export(folder, name, paths, labels):
    """Return a fresh model, its file and its int8 variant."""
    channels = CHANNELS[name]
    model = MODELS[name]((32, 128, channels), len(ALPHABET))
    flag = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    images = [cv2.resize(cv2.imread(path, flag), (128, 32)) for path in paths]
    images = np.stack(images).reshape(-1, 32, 128, channels)
    card = {"vocab": ALPHABET, "height": 32, "width": 128, "resize": "stretch",
            "scaling": "inside", "color": "GRAY" if channels == 1 else "BGR"}  # fmt: skip
    export_onnx(model, folder / "model.onnx", metadata=card, validation=(images, labels))
    quantize_onnx(folder / "model.onnx", (images, labels))
    return model, images.astype(np.float32)


def candidates(folder, model, images, paths):
    """Return for each candidate a function that reads one batch, given by its slice."""
    readers = {
        "path": TextRecognizer(folder, force_cpu=True),
        "path int8": TextRecognizer(folder / "model.int8.onnx", force_cpu=True),
    }
    bare = readers["path"]
    ways = {
        "bare session": lambda part: bare.model.run(None, {bare.input_name: images[part]}),
        **{
            name: lambda part, reader=reader: (
                reader.predict_batch(paths[part])
                if part.stop - part.start > 1
                else reader.predict(paths[part.start])
            )
            for name, reader in readers.items()
        },
        "Keras": lambda part: model.predict(images[part], verbose=0),
    }
    if find_spec("rapidocr_onnxruntime"):
        from rapidocr_onnxruntime import RapidOCR

        recognizer = RapidOCR(rec_batch_num=max(BATCHES)).text_rec
        crops = [cv2.imread(path) for path in paths]
        ways["rapidocr"] = lambda part: recognizer(crops[part])
    return ways


def measure(ways, num_images, rounds):
    """Return the seconds for an image of each candidate and batch size, for each round."""
    seconds = {(name, size): [] for name in ways for size in BATCHES}
    for round_ in tqdm(range(rounds + 1), "Rounds"):
        for size in BATCHES:
            for name, read in ways.items():
                # One image at a time takes long with some, and fewer say as much.
                count = num_images if size > 1 else min(num_images, 64)
                start = time.perf_counter()
                for first in range(0, count, size):
                    read(slice(first, first + size))
                took = time.perf_counter() - start
                if round_:  # The first warms up.
                    seconds[name, size].append(took / count)
    return seconds


def summarise(seconds):
    """Return medians, and ratios of candidates of the same round."""
    found = {}
    for size in BATCHES:
        path, bare = (np.array(seconds[name, size]) for name in ("path", "bare session"))
        rows = {name: np.array(values) for (name, n), values in seconds.items() if n == size}
        found[size] = {
            "ms_per_image": {name: round(float(np.median(v)) * 1e3, 3) for name, v in rows.items()},
            "images_per_second": {name: round(1 / float(np.median(v))) for name, v in rows.items()},
            "path_of_bare": round(float(np.median(bare / path)), 3),
            "ms_over_bare": round(float(np.median(path - bare)) * 1e3, 3),
            **{
                f"{ours}_over_{theirs}": round(float(np.median(rows[theirs] / rows[ours])), 2)
                for ours in ("path", "path int8")
                for theirs in ("Keras", "rapidocr")
                if theirs in rows
            },
        }
    return found


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=MODELS, default="rows")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--png", type=Path, help="bars of the images/s in batches of 64")
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths, labels = write_words(folder, args.images)
        model, images = export(folder, args.model, paths, labels)
        seconds = measure(candidates(folder, model, images, paths), len(paths), args.rounds)
    found = summarise(seconds)
    for size, figures in found.items():
        print(f"batches of {size}: {json.dumps(figures)}")
    if args.png:
        last = found[max(BATCHES)]["images_per_second"]
        plot_bars(args.png, last, f"images/s in batches of {max(BATCHES)}, {args.model}, CPU")
    print(json.dumps({"model": args.model, **found}))


if __name__ == "__main__":
    main()
