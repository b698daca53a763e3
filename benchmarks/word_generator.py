"""How fast words are drawn: SceneWords against render_word and against reading JPEG files.

python benchmarks/word_generator.py [--atlas FOLDER] [--images 1000] [--rounds 7] [--png FILE]
    [--training] [--precision mixed_bfloat16]

Grey words of 32 pixels height on one thread; the files, 31 px high and in the file cache, are read
by cv2.imread and resized to 128x32. The candidates take turns within a round, and figures are
medians over the rounds of the thread's own seconds, so other processes matter little. The profile
tells what share of its time SceneWords spends in each stage. `--training` trains the strong reader
too, in turns fed by SceneWords and by one batch that is there already. The last line is JSON.
"""

import argparse
import json
import tempfile
import time
from collections import Counter

import cv2
import numpy as np

from mltu.datasets import read_mjsynth
from mltu.plots import plot_bars
from mltu.synthetic import (
    ALPHABET,
    FontAtlas,
    SceneWords,
    load_words,
    render_word,
    sample_word,
    shipped_fonts,
    write_mjsynth,
)
from mltu.synthetic.drawing import colour, photograph, place, set_letters, store

WIDTH, HEIGHT = 128, 32


def draw_scenes(scene, labels, rng):
    """Draw as a training does, channel and all."""
    for label in labels:
        scene(None, label, rng)


def render(labels, rng):
    """Draw with the simple generator and the shipped fonts."""
    fonts = shipped_fonts()
    for label in labels:
        render_word(label, fonts[int(rng.integers(len(fonts)))], rng, height=HEIGHT)


def read(paths):
    """Read and resize, which is what a training on files does."""
    for path in paths:
        cv2.resize(cv2.imread(path), (WIDTH, HEIGHT))


def measure(ways, rounds):
    """Return the thread's seconds of each way in each round; they take turns."""
    seconds = {name: [] for name in ways}
    for turn in range(rounds + 1):  # the first unmeasured: glyphs, pages and files get cached
        for name, way in ways.items():
            rng = np.random.default_rng(turn)
            start = time.thread_time()
            way(rng)
            if turn:
                seconds[name].append(time.thread_time() - start)
    return {name: np.array(times) for name, times in seconds.items()}


def profile(scene, labels):
    """Return the share of each stage in the time of `SceneWords.draw`."""
    spent, rng, fonts = Counter(), np.random.default_rng(0), len(scene.atlas)

    def timed(name, function, *arguments):
        start = time.thread_time()
        result = function(*arguments)
        spent[name] += time.thread_time() - start
        return result

    for label in labels:
        font = int(rng.integers(fonts))
        layers = timed("letters", set_letters, rng, scene.atlas, font, label)
        placed = timed("placing", place, rng, layers, HEIGHT)
        image = timed("colouring", colour, rng, placed, scene._textures)
        timed("photographing", store, rng, timed("photographing", photograph, rng, image))
    return {name: round(value / spent.total(), 3) for name, value in spent.items()}


def measure_training(atlas, rounds, precision, steps=10, batch=64):
    """Return the images/s of a training by where its images come from."""
    import keras

    from mltu.dataProvider import DataProvider
    from mltu.losses import CTCLoss
    from mltu.metrics import CWERMetric
    from mltu.models import strong_reader, use_native_layers
    from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = time.perf_counter() - self.start

    class Repeat(keras.utils.PyDataset):
        def __len__(self):
            return steps

        def __getitem__(self, index):
            return first

    keras.config.set_dtype_policy(precision)
    scene = SceneWords(atlas, HEIGHT, channels=1, words=load_words(), max_word_length=20)
    characters = len(ALPHABET)
    drawn = DataProvider(
        [("", "")] * steps * batch, [], batch_size=batch, skip_validation=True, workers=1,
        augmentors=[scene],
        transformers=[
            ImageResizer(WIDTH, HEIGHT), LabelIndexer(ALPHABET), LabelPadding(20, characters)
        ],
    )  # fmt: skip
    first, clock = drawn[0], Clock()
    model = strong_reader((HEIGHT, WIDTH, 1), characters)
    use_native_layers(model)
    model.compile(keras.optimizers.AdamW(1e-3), CTCLoss(), metrics=[CWERMetric()])
    speeds = {"SceneWords": [], "one batch": []}
    for turn in range(rounds + 1):  # the first compiles
        for name, data in (("SceneWords", drawn), ("one batch", Repeat())):
            model.fit(data, verbose=0, callbacks=[clock])
            if turn:
                speeds[name].append(steps * batch / clock.seconds)
    medians = {f"training on {name}": round(float(np.median(x))) for name, x in speeds.items()}
    ratio = np.median(np.divide(speeds["SceneWords"], speeds["one batch"]))
    return medians | {"ratio": round(float(ratio), 3)}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atlas", help="folder of a font atlas; the shipped fonts if not given")
    parser.add_argument("--images", type=int, default=1000, help="in each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--png", help="write the comparison as a picture")
    parser.add_argument("--training", action="store_true", help="measure a training as well")
    parser.add_argument("--precision", default="float32", help="the dtype policy of that training")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    atlas = FontAtlas.load(args.atlas) if args.atlas else FontAtlas.build(shipped_fonts())
    scene, rng = SceneWords(atlas, HEIGHT, channels=1), np.random.default_rng(0)
    labels = [sample_word(rng, load_words()) for _ in range(args.images)]
    with tempfile.TemporaryDirectory() as folder:
        root = write_mjsynth(
            f"{folder}/words", num_train=args.images, num_validation=0, workers=0, atlas=atlas
        )
        paths = [path for path, _ in read_mjsynth(root, "train")]
        ways = {
            "SceneWords": lambda rng: draw_scenes(scene, labels, rng),
            "render_word": lambda rng: render(labels, rng),
            "cv2.imread and resize": lambda rng: read(paths),
        }
        seconds = measure(ways, args.rounds)
    speed = {name: round(args.images / float(np.median(times))) for name, times in seconds.items()}
    ratios = {
        name: round(float(np.median(times / seconds["SceneWords"])), 3)
        for name, times in seconds.items()
    }
    if args.png:
        plot_bars(args.png, speed, "images/s on one thread")
    result = {"fonts": len(atlas), "images_per_second": speed, "SceneWords_is_times": ratios}
    result["shares"] = profile(scene, labels)
    if args.training:
        result["training"] = measure_training(atlas, args.rounds, args.precision)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
