"""How soon a fresh interpreter has read a word, and how much memory it took; Keras beside.

python benchmarks/cold_start.py [--rounds 7]

A process imports the library, loads the shipped reader and reads one word in an image file; the
same with a Keras file of the same network, and with an interpreter that does nothing. They take
turns; values are medians over the rounds, after one that fills the file cache. The memory is the
peak of the resident set, where there is /proc. The last line printed is JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from mltu.synthetic import render_word, shipped_fonts

OURS = """
import sys
from mltu.inferenceModel import TextRecognizer
print(TextRecognizer(force_cpu=True).predict(sys.argv[1]).text)
"""
KERAS = """
import sys, os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import cv2, keras, numpy as np
from mltu.utils.text_utils import ctc_decoder
model = keras.models.load_model(sys.argv[2], compile=False)
image = cv2.resize(cv2.imread(sys.argv[1]), (128, 32))
outputs = model.predict(image[None].astype(np.float32), verbose=0)
vocab = open(sys.argv[3], encoding="utf-8").read()
print(ctc_decoder(outputs, vocab)[0])
"""
WRITE = """
import sys
from mltu import TextRecognizer
from mltu.models import load_pretrained
load_pretrained("words").save(sys.argv[1])
with open(sys.argv[2], "w", encoding="utf-8") as file:
    file.write(TextRecognizer().card.vocab)
"""
PEAK = """
import os
if os.path.exists("/proc/self/status"):
    with open("/proc/self/status") as file:
        print(*[line.split()[1] for line in file if line.startswith("VmHWM")], file=sys.stderr)
"""


def run(code, arguments):
    """Return the seconds of a process, its peak in MB or None, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    seconds = time.perf_counter() - start
    peak = (done.stderr.split() or [""])[-1]
    return seconds, float(peak) * 1.024e-3 if peak.isdigit() else None, done.stdout.strip()


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        names = ("word.png", "model.keras", "vocab.txt")
        image, keras_file, vocab = (str(Path(name) / file) for file in names)
        cv2.imwrite(image, render_word("Reading", shipped_fonts()[0], np.random.default_rng(0)))
        run(WRITE, [keras_file, vocab])
        ways = {
            "empty interpreter": (f"import sys\n{PEAK}", []),
            "mltu": (f"{OURS}\n{PEAK}", [image]),
            "Keras": (f"{KERAS}\n{PEAK}", [image, keras_file, vocab]),
        }
        rounds = {key: [] for key in ways}
        for round_ in tqdm(range(args.rounds + 1), "Rounds"):
            for key, way in ways.items():
                found = run(*way)
                if round_:
                    rounds[key].append(found)
    metrics = {}
    for key, found in rounds.items():
        peaks = [peak for _, peak, _ in found if peak is not None]
        metrics[key] = {
            "seconds": round(float(np.median([seconds for seconds, _, _ in found])), 3),
            "peak_mb": round(float(np.median(peaks))) if peaks else None,
            "read": found[0][2],
        }
        print(f"{key:18} {metrics[key]}")
    print(json.dumps(metrics))


if __name__ == "__main__":
    main()
