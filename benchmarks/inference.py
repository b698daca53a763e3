"""How fast a reader reads: the whole path beside the bare session, Keras and another library.

python benchmarks/inference.py [--run FOLDER | --model rows] [--images 256] [--rounds 7]
    [--png inference.png]

The path goes from files to texts with confidences: read, decode, resize, run, decode. The bare
session runs batches that are there already; Keras predicts them with the same model. `rapidocr` is
the recognizer of rapidocr-onnxruntime on the decoded crops, where it is installed (pip install
rapidocr-onnxruntime). Words are drawn in fonts and written as JPEG files first. The model is that
of a run folder; without one it is fresh from `mltu.models`, its texts as long as the words but
of low confidence in each step, which costs the confidence some time. Each library has its own
process, which waits while the others read. The candidates take turns within a round; values are
medians over the rounds. The last line printed is JSON.
"""

import argparse
import json
import shutil
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
from turns import Server

from mltu.synthetic import ALPHABET, TextImages, load_words, sample_word

BATCHES = (1, 8, 64)
MODELS = {  # The function of `mltu.models`, and the channels of its images.
    "rows": ("row_reader", 3),
    "columns": ("column_reader", 3),
    "strong": ("strong_reader", 1),
}


def write_words(folder, count):
    """Write JPEG files of drawn words; return their paths and labels."""
    drawn = TextImages(weights={"scene_word": 1})
    rng, words, paths, labels = np.random.default_rng(0), load_words(), [], []
    for i in range(count):
        image, label = drawn.draw(rng, sample_word(rng, words))
        paths.append(str(folder / f"{i}.jpg"))
        labels.append(label)
        cv2.imwrite(paths[-1], image)
    return paths, labels


def take_run(folder, run, paths, labels):
    """Write what `export` writes, with the model and the file of a run."""
    from mltu.inferenceModel import TextRecognizer, prepare_image
    from mltu.onnx_export import quantize_onnx

    for name in ("model.keras", "model.onnx"):
        shutil.copy(run / name, folder)
    card = TextRecognizer(folder, force_cpu=True).card
    images = np.stack([prepare_image(path, card) for path in paths]).astype(np.float32)
    quantize_onnx(folder / "model.onnx", (images, labels))
    np.save(folder / "images.npy", images)


def export(folder, name, paths, labels):
    """Write a fresh model, its file, its int8 variant and the images as they take them."""
    import keras

    from mltu import models
    from mltu.onnx_export import export_onnx, quantize_onnx

    keras.utils.set_random_seed(0)
    build, channels = MODELS[name]
    model = getattr(models, build)((32, 128, channels), len(ALPHABET))
    flag = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    images = [cv2.resize(cv2.imread(path, flag), (128, 32)) for path in paths]
    images = np.stack(images).reshape(-1, 32, 128, channels)
    _speak_as_trained(model, images, np.mean([len(label) for label in labels]))
    card = {"vocab": ALPHABET, "height": 32, "width": 128, "resize": "stretch",
            "scaling": "in_model", "color": "GRAY" if channels == 1 else "BGR"}  # fmt: skip
    export_onnx(model, folder / "model.onnx", metadata=card, validation=(images, labels))
    quantize_onnx(folder / "model.onnx", (images, labels))
    model.save(folder / "model.keras")
    np.save(folder / "images.npy", images.astype(np.float32))


def _speak_as_trained(model, images, length):
    """Set the bias of the blank so that texts are as long as words: a fresh model babbles."""
    from mltu.decoders import greedy_path

    logs = np.log(model.predict(images[:64].astype(np.float32), verbose=0))
    low, high = -10.0, 10.0
    for _ in range(20):
        bias = (low + high) / 2
        shifted = np.concatenate([logs[:, :, :-1], logs[:, :, -1:] + bias], axis=2)
        babbles = np.mean([len(row.classes) for row in greedy_path(shifted)]) > length
        low, high = (bias, high) if babbles else (low, bias)
    kernel, biases = model.get_layer("output").get_weights()
    biases[-1] += high
    model.get_layer("output").set_weights([kernel, biases])


def serve(kind, folder):
    """Read on request: a candidate, a batch size and a number of images; the seconds go back."""
    paths = [str(folder / f"{i}.jpg") for i in range(len(list(folder.glob("*.jpg"))))]
    ways = SERVERS[kind](folder, paths)
    print(json.dumps(list(ways)), flush=True)
    for line in sys.stdin:
        name, size, count = json.loads(line)
        start = time.perf_counter()
        for first in range(0, count, size):
            ways[name](slice(first, first + size))
        print(json.dumps(time.perf_counter() - start), flush=True)


def serve_mltu(folder, paths):
    """Return the path of both files, and the session of one on batches that are there already."""
    from mltu.inferenceModel import TextRecognizer

    readers = {
        "path": TextRecognizer(folder, force_cpu=True),
        "path int8": TextRecognizer(folder / "model.int8.onnx", force_cpu=True),
    }
    bare, images = readers["path"], np.load(folder / "images.npy")

    def read(reader, part):
        if part.stop - part.start > 1:
            return reader.predict_batch(paths[part])
        return reader.predict(paths[part.start])

    return {
        "bare session": lambda part: bare.model.run(None, {bare.input_name: images[part]}),
        **{name: partial(read, reader) for name, reader in readers.items()},
    }


def serve_keras(folder, paths):
    """Return `predict` of the model."""
    import keras

    model, images = (
        keras.models.load_model(folder / "model.keras", compile=False),
        np.load(folder / "images.npy"),
    )
    return {"Keras": lambda part: model.predict(images[part], verbose=0)}


def serve_rapidocr(folder, paths):
    """Return the recognizer of rapidocr-onnxruntime."""
    from rapidocr_onnxruntime import RapidOCR

    recognizer = RapidOCR(rec_batch_num=max(BATCHES)).text_rec
    crops = [cv2.imread(path) for path in paths]
    return {"rapidocr": lambda part: recognizer(crops[part])}


SERVERS = {"mltu": serve_mltu, "Keras": serve_keras, "rapidocr": serve_rapidocr}


def measure(servers, num_images, rounds):
    """Return the seconds for an image of each candidate and batch size, for each round."""
    ways = {name: server for server in servers for name in server.ready}
    seconds = {(name, size): [] for name in ways for size in BATCHES}
    for round_ in tqdm(range(rounds + 1), "Rounds"):
        for size in BATCHES:
            # One image at a time takes long with some, and fewer say as much.
            count = num_images if size > 1 else min(num_images, 64)
            for name, server in ways.items():
                took = server.ask(json.dumps([name, size, count]))
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
    parser.add_argument("--run", type=Path, help="folder with model.keras and model.onnx")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--png", type=Path, help="bars of the images/s in batches of 64")
    parser.add_argument("--serve", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve[0], Path(args.serve[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = write_words(folder, args.images)
        if args.run:
            take_run(folder, args.run, *words)
        else:
            export(folder, args.model, *words)
        kinds = [
            kind for kind in SERVERS if kind != "rapidocr" or find_spec("rapidocr_onnxruntime")
        ]
        servers = [Server([__file__, "--serve", kind, folder]) for kind in kinds]
        seconds = measure(servers, args.images, args.rounds)
        for server in servers:
            server.close()
    found = summarise(seconds)
    for size, metrics in found.items():
        print(f"batches of {size}: {json.dumps(metrics)}")
    if args.png:
        last = found[max(BATCHES)]["images_per_second"]
        plot_bars(args.png, last, f"images/s in batches of {max(BATCHES)}, CPU")
    print(json.dumps({"model": args.model, **found}))


if __name__ == "__main__":
    main()
