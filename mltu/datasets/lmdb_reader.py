"""read_lmdb: the labels of an LMDB as text, its images as a column that reads when asked."""

from __future__ import annotations

import logging
import os
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt

from mltu.datasets.lmdb_file import (
    NUM_SAMPLES,
    TOTAL,
    LmdbFile,
    decode_label,
    image_key,
    label_key,
    open_lmdb,
)
from mltu.datasets.samples import LazyColumn, Samples
from mltu.utils.text_columns import Integers, TextColumn, TextColumnBuilder, as_indices

_LOGGER = logging.getLogger(__name__)


class LmdbImages(LazyColumn):
    """The image files in an LMDB: entry i is read, as bytes, when it is asked for.

    It can be pickled, and used after a fork: each process opens the file for itself.

    Args:
        path: the folder that holds `data.mdb`.
        numbers: of the images, from 1, shape (images,).
    """

    def __init__(self, path: str | os.PathLike[str], numbers: Integers) -> None:
        self._path = os.path.abspath(path)
        self._numbers = numbers
        self._file: LmdbFile | None = None

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> bytes | Self:
        """Read the bytes of an image file, or take a part without reading.

        Raises:
            IndexError: there is no such entry.
            ValueError: the image is missing in the LMDB; its key is named.
            OSError: the LMDB is damaged or gone.
        """
        if isinstance(index, slice):
            return type(self)(self._path, self._numbers[index])
        key = image_key(self._numbers[index])
        file = self._file
        if file is None or file.pid != os.getpid():
            file = self._file = open_lmdb(self._path)
        content = file.get(key)
        if content is None:
            raise ValueError(
                f"The LMDB {self._path!r} must have an image under {key!r}. There is none. Pack it "
                "again, or take the sample out of the data set."
            )
        return content

    def __repr__(self) -> str:
        return f"LmdbImages({self._path!r}, {len(self)} images)"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def take(self, indices: npt.ArrayLike) -> Self:
        """Return the column of the images at `indices`, integers of shape (n,); nothing read."""
        return type(self)(self._path, self._numbers[as_indices(indices)])

    def name(self, index: int) -> str:
        """Return what messages call an image, such as `/data/words.lmdb: image-000000042`."""
        return f"{self._path}: {image_key(self._numbers[index])}"


def read_lmdb(path: str | os.PathLike[str]) -> Samples:
    """Read an LMDB in the layout of scene text: all labels now, each image when it is asked for.

    Args:
        path: the folder that holds `data.mdb`.

    Returns:
        (bytes of the image file, label) of each sample; `data` is an `LmdbImages` column. A file
        that `pack_lmdb` has not finished gives what it holds, with a warning in the log.

    Raises:
        FileNotFoundError: there is no LMDB.
        ValueError: `num-samples` or a label is missing, or a label is not in UTF-8; the key is
            named.
        OSError: the file is damaged.

    Source: Shi et al., 2017, https://github.com/bgshih/crnn, `tool/create_dataset.py`
    """
    file = open_lmdb(path)
    num_samples, total = file.count(NUM_SAMPLES), file.count(TOTAL)
    if num_samples is None:
        raise ValueError(
            f"The LMDB {os.fspath(path)!r} must have the key 'num-samples'. Received one without "
            "it, laid out in another way than that of scene text."
        )
    if total is not None and num_samples < total:
        _LOGGER.warning(
            "The LMDB %r holds %d of %d samples; `pack_lmdb` with the same samples finishes it.",
            os.fspath(path), num_samples, total,
        )  # fmt: skip
    images = LmdbImages(path, np.arange(1, num_samples + 1, dtype=np.uint32))
    return Samples(images, _read_labels(file, num_samples, os.fspath(path)))


def _read_labels(file: LmdbFile, num_samples: int, path: str) -> TextColumn:
    builder = TextColumnBuilder()
    for number in range(1, num_samples + 1):
        key = label_key(number)
        try:
            builder.append(decode_label(file.get(key), key))
        except ValueError as error:
            raise ValueError(
                f"The LMDB {path!r} must have {num_samples} labels in UTF-8. Received the {error}. "
                "`check_lmdb` names all faults."
            ) from error
    return builder.build()
