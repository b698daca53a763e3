"""Recognizers of other programs, each as a process that `rivals.py` starts and asks.

python rival_readers.py NAME

A line of JSON, [paths, size of a batch], is answered with the texts and the seconds that they took
from the files on. Needs the packages of that program and OpenCV, and nothing of mltu.
"""

import functools
import json
import subprocess
import sys
import time


def serve(read):
    """Answer requests until there are no more; `read` takes paths, at most a batch of them."""
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        paths, size = json.loads(line)
        start, texts = time.perf_counter(), []
        for first in range(0, len(paths), size):
            texts += read(paths[first : first + size])
        answer = {"texts": texts, "seconds": time.perf_counter() - start}
        print(json.dumps(answer), flush=True)


def mltu(retry_below=None):
    """Return how the shipped reader of mltu reads."""
    from mltu.inferenceModel import TextRecognizer

    reader = TextRecognizer(sys.argv[2], force_cpu=True, retry_below=retry_below)

    def read(paths):
        return [reading.text for reading in reader.predict_batch(paths, on_error="keep")]

    return read


def ppocr_v4():
    """Return how the recognizer of rapidocr-onnxruntime reads, PP-OCRv4 mobile, 10.9 MB."""
    import cv2
    from rapidocr_onnxruntime import RapidOCR

    recognizer = RapidOCR(rec_batch_num=64).text_rec
    return lambda paths: [text for text, _ in recognizer([cv2.imread(path) for path in paths])[0]]


def ppocr_v6():
    """Return how the recognizer of rapidocr reads, PP-OCRv6 small, 21 MB."""
    import cv2
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Rec.rec_batch_num": 64, "Global.log_level": "error"})
    return lambda paths: list(engine.recognize_txt([cv2.imread(path) for path in paths]).txts)


def tesseract():
    """Return how the program reads, told that each image is one line of English."""

    def read_one(path):
        command = ["tesseract", path, "-", "--psm", "7", "-l", "eng"]
        done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
        return " ".join(done.stdout.split())

    return lambda paths: [read_one(path) for path in paths]


READERS = {
    "mltu": mltu,
    "mltu, one view": functools.partial(mltu, 0),  # Doubtful images are not read again.
    "PP-OCRv4": ppocr_v4,
    "PP-OCRv6 small": ppocr_v6,
    "Tesseract": tesseract,
}

if __name__ == "__main__":
    serve(READERS[sys.argv[1]]())
