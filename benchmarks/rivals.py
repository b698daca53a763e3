"""The shipped reader beside PP-OCRv4, PP-OCRv6 small and Tesseract: error rates and speed.

python benchmarks/rivals.py SET ... --environment FOLDER [--model words] [--limit 100]
    [--speed-images 64] [--rounds 5]

Sets are those of `real_words.py`. The others run in a virtual environment of their own, which is
made in FOLDER where there is none (540 MB: rapidocr-onnxruntime and rapidocr contain their models);
Tesseract where the program is installed. Each reads all images of each set from the files on, in
batches of 64. Then they take turns on the first images of each set, one by one and in batches;
seconds are medians over the rounds, ratios those within a round. All use as many threads as they
choose by themselves. The last line printed is JSON.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from real_words import load_set, measure, name_of
from rival_readers import READERS
from tqdm import tqdm
from turns import Server, make_environment

BATCHES = (1, 64)
PACKAGES = ("rapidocr-onnxruntime", "rapidocr", "onnxruntime", "opencv-python-headless")
RATES = ("cer", "folded_cer", "cer_of_scene_text", "accuracy_ignoring_case")
HERE = Path(__file__).resolve().parent


def start(names, model, environment):
    """Start the readers, each in a process."""
    servers = {}
    for name in names:
        is_other = name.startswith("PP-OCR")
        python = make_environment(environment, PACKAGES) if is_other else sys.executable
        more = {"PYTHONPATH": "" if is_other else str(HERE.parent)}
        arguments = [HERE / "rival_readers.py", name, model]
        servers[name] = Server(arguments, python=python, **more)
    return servers


def read(server, paths):
    """Let a reader read files in the largest batches, with a bar of progress."""
    texts, size = [], max(BATCHES)
    for first in tqdm(range(0, len(paths), size), leave=False):
        texts += server.ask(json.dumps([paths[first : first + size], size]))["texts"]
    return texts


def time_readers(servers, paths, rounds):
    """Return milliseconds for an image, and how many times as fast mltu is."""
    found = {}
    for size in BATCHES:
        request = json.dumps([paths, size])
        seconds = {name: [] for name in servers}
        for round_ in tqdm(range(rounds + 1), f"Rounds of {size}", leave=False):
            for name, server in servers.items():
                took = server.ask(request)["seconds"]
                if round_:  # The first warms up.
                    seconds[name].append(took / len(paths))
        for name, values in seconds.items():
            ratios = np.array(values) / np.array(seconds["mltu"])
            found[f"{name}, {size}"] = {
                "ms": round(float(np.median(values)) * 1e3, 2),
                "times_mltu": round(float(np.median(ratios)), 2),
            }
    return found


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET")
    parser.add_argument("--environment", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--model", default="words", help="a shipped reader or an ONNX file")
    parser.add_argument("--limit", type=int, help="images of each set")
    parser.add_argument("--speed-images", type=int, default=64, help="of each set; 0 for no times")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--readers", nargs="*", choices=READERS, default=list(READERS))
    args = parser.parse_args()
    names = [name for name in args.readers if name != "Tesseract" or shutil.which("tesseract")]
    servers = start(names, args.model, args.environment)
    metrics = {}
    for path in args.sets:
        set_name, samples = name_of(path), list(load_set(path))[: args.limit]
        files, truths = (list(column) for column in zip(*samples, strict=True))
        files = [str(Path(file).resolve()) for file in files]
        rates = metrics[set_name] = {}
        for name, server in servers.items():
            values = measure(read(server, files), truths)
            rates[name] = {rate: [round(x, 5) for x in values[rate]] for rate in RATES}
            shown = ", ".join(f"{rate} {values[rate]}" for rate in RATES)
            print(f"{set_name:16} {name:15} {shown}")
        if args.speed_images and "mltu" in servers:
            times = time_readers(servers, files[: args.speed_images], args.rounds)
            rates["milliseconds"] = times
            print(f"{set_name:16} milliseconds    {json.dumps(times)}")
    for server in servers.values():
        server.close()
    print(json.dumps(metrics))


if __name__ == "__main__":
    main()
