"""A small training on any number of devices and processes; prints what it saw as JSON.

python Tests/tools/distributed_training.py [--devices N] [--batch-size 8] [--alone]
"""

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
BACKEND = os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NUM_SAMPLES, EPOCHS = 44, 3


def have_devices(number):
    """Let the CPU count as so many devices."""
    if BACKEND == "jax":
        import jax

        jax.config.update("jax_num_cpu_devices", number)
        return
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration() for _ in range(number)]
    )


class Seen:
    """Keep the numbers of the samples that were asked for."""

    def __init__(self):
        self.numbers = []

    def __call__(self, data, label):
        self.numbers.append(int(data[0, 0, 0]))
        return data, label


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=8, help="of each process")
    parser.add_argument("--alone", action="store_true", help="without an engine")
    args = parser.parse_args()
    have_devices(args.devices)

    from resumable_training import VOCAB, make_data, make_model

    from mltu.dataProvider import DataProvider
    from mltu.models import Processes, distribute
    from mltu.transformers import LabelIndexer, LabelPadding

    processes = Processes(0, 1, 1) if args.alone else distribute()
    samples, seen = make_data(NUM_SAMPLES), Seen()
    for number, (image, _) in enumerate(samples):
        image[0, 0, 0] = number
    provider = DataProvider(
        samples, [seen], batch_size=args.batch_size, workers=0, seed=3, drop_last=True,
        transformers=[LabelIndexer(VOCAB), LabelPadding(max_word_length=4, padding_value=3)],
    )  # fmt: skip
    provider = provider.shard(processes.rank, processes.world_size)

    synchronized = {"synchronized": True} if BACKEND == "tensorflow" else {}
    with processes.scope():
        model = make_model(dropout=0, **synchronized)
    history = model.fit(provider, epochs=EPOCHS, verbose=0, shuffle=False)
    provider.set_position(EPOCHS)  # what each epoch saw is a function of its number
    seen.numbers.clear()
    for index in range(len(provider)):
        provider[index]
    print(json.dumps({
        "processes": [processes.rank, processes.world_size, processes.num_devices],
        "history": {key: [float(x) for x in values] for key, values in history.history.items()},
        "seen": seen.numbers,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
