"""What a data set of MJSynth's size weighs, and how fast images come from LMDB and from a folder.

python benchmarks/dataset_memory.py [--lines 1000000 9000000] [--lmdb 20000] [--rounds 5]

Generated annotation files are read, each in a process of its own, and given to a DataProvider that
shuffles five epochs: the seconds, and how far the memory of the process grew at the end and at its
peak, in MB. A DataProvider delivers five epochs of rendered JPEGs by Keras's worker path: the
growth behind each. Then that many rendered JPEGs are
packed into an LMDB by a process that is killed halfway; packing goes on, everything is compared
with the originals, and both ways of reading are measured: one thread, random order, warm file
cache, in turns, medians over the rounds. Linux only. The last line printed is JSON.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import lmdb
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

from mltu.data import epoch_order
from mltu.dataProvider import DataProvider
from mltu.datasets import pack_lmdb, read_lmdb, read_mjsynth
from mltu.preprocessors import ImageReader
from mltu.synthetic import load_words, write_mjsynth
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding

VOCAB = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

PROCESSES = get_context("spawn")  # A fresh interpreter each.


def write_lines(path, num_lines):
    """Write an annotation file like that of MJSynth."""
    words = load_words()
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for i in range(num_lines):
            folder, index = f"{i // 2100}/{i // 300 % 7 + 1}", i * 31 % 88_172
            file.write(f"./{folder}/{i % 300}_{words[i % len(words)]}_{index}.jpg {index}\n")


def memory():
    """Return what this process holds and the most that it has held, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    sizes = dict(line.split(":") for line in lines if line.startswith("Vm"))
    return tuple(int(sizes[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))


def weigh(root, part):
    """Read an annotation file; to be run in a process of its own."""
    before = memory()[0]
    start = time.perf_counter()
    samples = read_mjsynth(root, part)
    seconds = time.perf_counter() - start
    now, peak = memory()
    provider = make_provider(samples)  # Imported before: its libraries are not counted.
    behind_epochs = []
    for epoch in range(1, 6):
        provider.set_position(epoch)
        behind_epochs.append(round(memory()[0] - before))
    return {
        "lines": len(samples),
        "seconds": round(seconds, 2),
        "growth_mb": round(now - before),
        "peak_mb": round(peak - before),
        "with_provider_over_5_epochs_mb": behind_epochs,
        "peak_with_provider_mb": round(memory()[1] - before),
    }


def make_provider(samples, **options):
    """Make a provider with the steps of the tutorial."""
    return DataProvider(
        samples, [ImageReader()], 64, skip_validation=True, **options,
        transformers=[ImageResizer(128, 32), LabelIndexer(VOCAB), LabelPadding(24, len(VOCAB))],
    )  # fmt: skip


def five_epochs(root):
    """Take five epochs as `fit` does and tell how far memory grew; in a process of its own."""
    adapter = PyDatasetAdapter(make_provider(read_mjsynth(root), workers=2))
    before, growth = memory()[0], []
    for _ in range(5):
        adapter.on_epoch_begin()
        for _ in zip(range(adapter.num_batches), adapter._get_iterator(), strict=False):
            pass
        adapter.on_epoch_end()
        growth.append(round(memory()[0] - before, 1))
    return growth


def weigh_all(counts):
    """Read a file of each size."""
    results = []
    for count in counts:
        with tempfile.TemporaryDirectory() as root:
            write_lines(Path(root) / "annotation_train.txt", count)
            with PROCESSES.Pool(1) as pool:
                results.append(pool.apply(weigh, (root, "train")))
        print(results[-1])
    return results


def pack_slowly(root, path):
    """Pack in small groups; to be run in a process that is killed."""
    pack_lmdb(read_mjsynth(root), path, commit_every=100, progress=False)


def num_packed(path):
    """Return how many samples an LMDB holds while another process writes to it."""
    try:
        with (
            lmdb.open(path, readonly=True, lock=False) as environment,
            environment.begin() as found,
        ):
            return int(found.get(b"num-samples", b"0"))
    except lmdb.Error:  # Not there yet, or being made larger.
        return 0


def kill_halfway(root, path, num_samples):
    """Kill a process that packs when half is done; return how many samples are there."""
    child = PROCESSES.Process(target=pack_slowly, args=(root, path))
    child.start()
    while child.is_alive() and num_packed(path) < num_samples / 2:
        time.sleep(0.001)
    child.kill()
    child.join()
    return num_packed(path)


def read_all(samples, order):
    """Decode every image once."""
    reader = ImageReader()
    for i in order:
        reader(*samples[i])


def compare(num_images, num_rounds):
    """Pack rendered images, and read them from both places."""
    with tempfile.TemporaryDirectory() as folder:
        root = write_mjsynth(f"{folder}/words", num_train=num_images, num_validation=1)
        with PROCESSES.Pool(1) as pool:
            growth = pool.apply(five_epochs, (root,))
        samples, path = read_mjsynth(root), f"{folder}/words.lmdb"
        num_before_kill = kill_halfway(root, path, len(samples))
        pack_lmdb(samples, path, verify=True)
        start = time.perf_counter()
        pack_lmdb(samples, f"{folder}/again.lmdb", progress=False)
        packing = time.perf_counter() - start
        sources = {"folder": samples, "lmdb": read_lmdb(path)}
        order = epoch_order(len(samples), 0, 1, True).tolist()
        for source in sources.values():  # Once unmeasured: file cache.
            read_all(source, order)
        seconds = {name: [] for name in sources}
        for _ in range(num_rounds):
            for name, source in sources.items():
                start = time.perf_counter()
                read_all(source, order)
                seconds[name].append(time.perf_counter() - start)
        size = (Path(path) / "data.mdb").stat().st_size
    speed = {name: round(num_images / statistics.median(times)) for name, times in seconds.items()}
    return {
        "images": num_images,
        "growth_over_5_epochs_mb": growth,
        "packed_when_killed": num_before_kill,
        "lmdb_mb": round(size / 2**20, 1),
        "packed_per_second": round(num_images / packing),
        "read_per_second": speed,
        "lmdb_over_folder": round(speed["lmdb"] / speed["folder"], 3),
    }


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, nargs="*", default=[1_000_000, 9_000_000])
    parser.add_argument("--lmdb", type=int, default=20_000, help="images to pack; 0 for none")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    result = {"mjsynth": weigh_all(args.lines)}
    if args.lmdb:
        result["images"] = compare(args.lmdb, args.rounds)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
