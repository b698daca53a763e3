"""Run as a script: fit under the backend of KERAS_BACKEND and print what reached the model.

    python fit_bytes.py FOLDER

For each way to make the batches, the digests of three epochs as they came to `train_step`, and the
epochs that the provider counted meanwhile, as JSON.
"""

import hashlib
import json
import sys

import keras
from recorder import Recorder

from mltu.augmentors import RandomBrightness, RandomRotate
from mltu.dataProvider import DataProvider
from mltu.datasets import read_folder
from mltu.preprocessors import ImageReader
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

WAYS = [{"workers": number} for number in (0, 1, 2, 4)] + [{"processes": 2}]


class EpochSeen(keras.callbacks.Callback):
    """Write down which epoch the provider is in whenever Keras begins one."""

    def __init__(self, provider):
        super().__init__()
        self.provider = provider
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append((epoch + 1, self.provider.epoch))


def fit(folder, options):
    """Fit three epochs and describe them."""
    provider = DataProvider(
        read_folder(folder),
        [ImageReader()],
        batch_size=3,
        augmentors=[RandomBrightness(), RandomRotate()],
        transformers=[ImageResizer(16, 8), LabelIndexer("0123456789"), LabelPadding(2, 10)],
        **options,
    )
    model, seen = Recorder(), EpochSeen(provider)
    model.compile(run_eagerly=True)
    model.fit(provider, epochs=3, shuffle=False, verbose=0, callbacks=[seen])
    size = len(model.batches) // 3
    batches = [x + y for x, y in model.batches]
    epochs = [b"".join(batches[i * size : (i + 1) * size]) for i in range(3)]
    return {
        "digests": [hashlib.sha256(epoch).hexdigest() for epoch in epochs],
        "epochs": seen.epochs,
        "num_batches": len(model.batches),
        "bad": [sample.position for sample in provider.bad_samples],
    }


if __name__ == "__main__":
    print(json.dumps([fit(sys.argv[1], options) for options in WAYS]))
