"""A drawn validation set, and what the averaged weights read of it."""

from contextlib import contextmanager

import keras
import numpy as np
from drawing import CHANNELS, HEIGHT, WIDTHS, chunk_shape, place

from mltu.utils.text_utils import edit_distance

SEED = 10**9  # beyond those of training


def draw_set(images, num_images, seed=SEED):
    """Draw a set that is the same in every run, as batches of (images, texts)."""
    groups = {}
    for number in range(num_images):
        image, text = images.draw(np.random.default_rng([seed, number]))
        kind = int(np.searchsorted(WIDTHS, image.shape[1]))
        if kind < len(WIDTHS):
            canvas = np.empty((HEIGHT, WIDTHS[kind], CHANNELS), np.uint8)
            place(image, canvas, (canvas.shape[1] - image.shape[1]) // 2)
            groups.setdefault(kind, []).append((canvas, text))
    for kind, group in groups.items():
        size = 2 * chunk_shape(WIDTHS[kind]).num_images
        for start in range(0, len(group), size):
            canvases, texts = zip(*group[start : start + size], strict=True)
            batch = np.stack(canvases)
            # One shape for each width, since each is compiled.
            yield np.resize(batch, (size, *batch.shape[1:])), texts


def greedy_texts(logits, vocab):
    """Return the most probable class of each step as text, repeats and blanks left out."""
    texts = []
    for row in logits.argmax(axis=-1):
        kept = row[np.append(True, row[1:] != row[:-1])]
        texts.append("".join(vocab[c] for c in kept if c < len(vocab)))
    return texts


def validate(trainer, batches, statistics, vocab):
    """Return the CER and the share of texts read exactly, of the averaged weights.

    Args:
        trainer: as `make_trainer` returns it.
        batches: of (images, texts) to read.
        statistics: other such batches, for the normalization.
        vocab: the characters of the classes.
    """
    edits = length = exact = count = 0
    with averaged(trainer, statistics):
        for images, texts in batches:
            for found, text in zip(
                greedy_texts(trainer.predict(images)[: len(texts)], vocab), texts, strict=True
            ):
                edits += edit_distance(found, text)
                length += len(text)
                exact += found == text
                count += 1
    return {"val_cer": round(edits / length, 5), "val_exact": round(exact / count, 4)}


@contextmanager
def averaged(trainer, statistics):
    """Let the model hold the averaged weights and their statistics for a while."""
    trainer.sync()
    variables = trainer.model.variables
    own = [keras.ops.convert_to_numpy(v).copy() for v in variables]
    for variable, average in zip(trainer.model.trainable_variables, trainer.averages, strict=True):
        variable.assign(average)
    refresh_statistics(trainer.model, statistics)
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)


def refresh_statistics(model, batches):
    """Take the means and variances of batch normalization from some batches of (images, texts).

    Those of training belong to the weights of each of its last steps, and to no average.
    """
    layers = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    momentum = [layer.momentum for layer in layers]
    for number, (images, _) in enumerate(batches, start=1):
        for layer in layers:
            layer.momentum = 1 - 1 / number  # so that all batches count alike
        model(images.astype("float32"), training=True)
    for layer, value in zip(layers, momentum, strict=True):
        layer.momentum = value
