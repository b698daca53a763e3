"""check_lmdb: everything in an LMDB is read back, decoded and compared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from tqdm import tqdm

from mltu._extras import explain_missing
from mltu.datasets.lmdb_file import (
    NUM_SAMPLES,
    TOTAL,
    LmdbFile,
    decode_label,
    image_key,
    label_key,
    open_lmdb,
)
from mltu.datasets.loading import load_samples
from mltu.utils.image_size import decoding_risk

_NUM_NAMED = 10  # How many faults an error names.


def check_lmdb(
    path: str | os.PathLike[str], samples: Any | None = None, *, progress: bool = True
) -> int:
    """Read an LMDB in the layout of scene text as a whole, and name what is wrong with it.

    Every image has to be there and to be decoded by OpenCV, every label to be there in UTF-8.

    Args:
        path: the folder that holds `data.mdb`.
        samples: what was packed; with it, bytes and labels have to be equal to the originals.
        progress: show a progress bar.

    Returns:
        The number of samples.

    Raises:
        FileNotFoundError: there is no LMDB.
        ValueError: there are faults; the first ten are named.
        OSError: the file is damaged.
    """
    file = open_lmdb(path)
    num_samples, total = file.count(NUM_SAMPLES), file.count(TOTAL)
    faults = []
    if num_samples is None:
        faults.append(f"{NUM_SAMPLES!r}: there is none")
    elif num_samples < (total or 0):
        faults.append(f"{NUM_SAMPLES!r}: {num_samples} of {total} are packed")
    originals = None if samples is None else load_samples(samples)
    if originals is not None and len(originals) != num_samples:
        faults.append(f"{NUM_SAMPLES!r}: {num_samples} instead of {len(originals)}")
        originals = None
    rows = tqdm(range(num_samples or 0), "Checking", unit="images", disable=not progress)
    for row in rows:
        original = None if originals is None else originals[row]
        faults += _faults(file, row + 1, original)
    if faults:
        raise ValueError(
            f"The LMDB {os.fspath(path)!r} must hold images that OpenCV can decode, and their "
            f"labels. Received {len(faults)} faults, among them: "
            f"{'; '.join(faults[:_NUM_NAMED])}."
        )
    return num_samples or 0


def _faults(file: LmdbFile, number: int, original: tuple[Any, Any] | None) -> Iterator[str]:
    """Give what is wrong with one sample, in words."""
    image, label = file.get(image_key(number)), file.get(label_key(number))
    if image is None:
        yield f"image under {image_key(number)!r}: there is none"
    elif not _is_image(image):
        yield f"image under {image_key(number)!r}: {len(image)} bytes that OpenCV cannot decode"
    elif original is not None and image != _content(original[0]):
        yield f"image under {image_key(number)!r}: other bytes than the original"
    try:
        text = decode_label(label, label_key(number))
    except ValueError as error:
        yield str(error)
        return
    if original is not None and text != original[1]:
        yield f"label under {label_key(number)!r}: {text!r} instead of {original[1]!r}"


def _is_image(content: bytes) -> bool:
    with explain_missing():
        import cv2
    if decoding_risk(content) is not None:
        return False
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) is not None
    except cv2.error:
        return False


def _content(data: Any) -> bytes | None:
    """Return the bytes of the original; None where its file is gone."""
    if isinstance(data, bytes):
        return data
    try:
        with open(data, "rb") as file:
            return file.read()
    except OSError:
        return None
