"""LMDB: one file with all images and labels, in the common layout of scene text data sets.

The keys are `num-samples` (decimal digits), and `image-000000001` and `label-000000001` (UTF-8) for
the first sample, and so on.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mltu._extras import explain_missing
from mltu.datasets._samples import LazyColumn, Samples
from mltu.utils.checks import check_count, shorten
from mltu.utils.files import StrPath, naming_full_disk, read_bytes
from mltu.utils.text_columns import Integers, as_column, as_indices

if TYPE_CHECKING:
    import lmdb

_LOGGER = logging.getLogger(__name__)

_NUM_SAMPLES = "num-samples"
_TOTAL = "mltu-total"  # Written by `pack_lmdb`: the number of samples there will be, ...
_DIGEST = "mltu-digest"  # ... and a digest of their names and labels.

_ENTRY_SIZE = 16  # minimum number of bytes that an entry takes in the file
_NUM_DIGITS = 18  # digits of a count; no disk has room for more samples
_FIRST_MAP_SIZE = 1 << 26  # Doubled whenever it is full; Windows gives the file this size at once.


# Reading


class LmdbFile:
    """An LMDB opened for reading; safe to use from several threads. Use `LmdbFile.open`.

    A truncated file is refused. A file that was altered inside can end the process, since LMDB maps
    it into memory and trusts the page numbers in it.

    Args:
        path: the folder that holds `data.mdb`.

    Raises:
        OSError: the file is truncated.
    """

    _opened: ClassVar[WeakValueDictionary[str, LmdbFile]] = WeakValueDictionary()
    _lock = threading.Lock()

    def __init__(self, path: str) -> None:
        import lmdb

        self.pid, self.identity = os.getpid(), _identity(path)
        self._error = lmdb.Error
        self._environment: lmdb.Environment = lmdb.open(
            path, readonly=True, lock=False, readahead=False, create=False
        )
        stat = self._environment.stat()
        self.num_entries = int(stat["entries"])
        num_pages = self._environment.info()["last_pgno"] + 1
        # Reading past the end of the file would kill the process.
        expected = max(num_pages * stat["psize"], self.num_entries * _ENTRY_SIZE)
        size = os.path.getsize(os.path.join(path, "data.mdb"))
        if size < expected:
            self._environment.close()
            raise OSError(
                f"The LMDB {path!r} is truncated or altered: it must have at least {expected} "
                f"bytes. Received {size}. Download or copy it again."
            )

    @classmethod
    def open(cls, path: StrPath) -> LmdbFile:
        """Open an LMDB, or return the handle that this process has: LMDB allows only one.

        An LMDB that was deleted and packed again counts as a different file.

        Raises:
            FileNotFoundError: there is no LMDB.
            OSError: it cannot be read, or it is open for writing in this process.
        """
        with explain_missing():
            import lmdb
        if not (Path(path) / "data.mdb").is_file():
            raise FileNotFoundError(
                "`path` must be a folder with an LMDB. "
                f"There is no file {os.path.join(path, 'data.mdb')!r}."
            )
        place = os.path.realpath(path)
        with cls._lock:
            file = cls._opened.get(place)
            if file is not None and file.identity == _identity(place):
                if file.pid == os.getpid():
                    return file
                file._environment.close()  # Inherited through a fork.
            try:
                file = cls._opened[place] = cls(place)
            except lmdb.Error as error:
                raise OSError(f"The LMDB {place!r} cannot be opened: {error}") from error
            return file

    def get(self, key: str) -> bytes | None:
        """Return a copy of the value of a key, or None.

        Raises:
            OSError: the file is damaged.
        """
        try:
            with self._environment.begin() as transaction:
                return transaction.get(key.encode())
        except self._error as error:
            path = self._environment.path()
            raise OSError(f"The LMDB {path!r} cannot be read at {key!r}: {error}") from error

    def count(self, key: str) -> int | None:
        """Return the number that is stored under a key, or None.

        Raises:
            ValueError: it is not a number, or there are more samples than entries.
        """
        value = self.get(key)
        if value is None:
            return None
        if not value.isdigit() or len(value) > _NUM_DIGITS:
            raise ValueError(
                f"The LMDB {self._environment.path()!r} must have a number under {key!r}. "
                f"Received {value[:_NUM_DIGITS]!r}."
            )
        if key == _NUM_SAMPLES and int(value) > self.num_entries:
            raise ValueError(
                f"The LMDB {self._environment.path()!r} must have at least the number of entries "
                f"under {key!r}, {int(value)}. Received {self.num_entries} entries. Pack it again."
            )
        return int(value)


def _identity(path: str) -> tuple[int, int]:
    """Return an identity of the file in a folder, which changes if the file is replaced."""
    stat = os.stat(os.path.join(path, "data.mdb"))
    return stat.st_dev, stat.st_ino


class LmdbImages(LazyColumn):
    """The image files in an LMDB: entry i is read on access, as bytes.

    It can be pickled, and used after a fork: each process opens its own handle.

    Args:
        path: the folder that holds `data.mdb`.
        numbers: numbers of the images, from 1, shape (images,).
    """

    def __init__(self, path: StrPath, numbers: Integers) -> None:
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
        """Read the bytes of an image file; a slice returns a column without reading.

        Raises:
            IndexError: there is no such entry.
            ValueError: the LMDB has no such image.
            OSError: the LMDB is damaged or was deleted.
        """
        if isinstance(index, slice):
            return type(self)(self._path, self._numbers[index])
        key = _image_key(self._numbers[index])
        file = self._file
        if file is None or file.pid != os.getpid():
            file = self._file = LmdbFile.open(self._path)
        content = file.get(key)
        if content is None:
            raise ValueError(
                f"The LMDB {self._path!r} must have an image under {key!r}. There is none. Pack it "
                "again, or remove the sample from the data set."
            )
        return content

    def __repr__(self) -> str:
        return f"LmdbImages({self._path!r}, {len(self)} images)"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def take(self, indices: npt.ArrayLike) -> Self:
        """Return the column of the images at `indices`, shape (n,), without reading them."""
        return type(self)(self._path, self._numbers[as_indices(indices)])

    def name(self, index: int) -> str:
        """Return the name of an image for messages: `/data/words.lmdb: image-000000042`."""
        return f"{self._path}: {_image_key(self._numbers[index])}"


def read_lmdb(path: StrPath) -> Samples:
    """Read an LMDB in the layout of scene text: all labels now, each image on access.

    Args:
        path: the folder that holds `data.mdb`.

    Returns:
        (bytes of the image file, label) of each sample; `data` is an `LmdbImages` column. A file
        that `pack_lmdb` did not finish gives the samples it has, with a warning in the log.

    Raises:
        FileNotFoundError: there is no LMDB.
        ValueError: `num-samples` or a label is missing, or a label is not UTF-8; the key is named.
        OSError: the file is damaged.

    Source: Shi et al., 2017, https://github.com/bgshih/crnn, `tool/create_dataset.py`
    """
    file = LmdbFile.open(path)
    num_samples, total = file.count(_NUM_SAMPLES), file.count(_TOTAL)
    if num_samples is None:
        raise ValueError(
            f"The LMDB {os.fspath(path)!r} must have the key 'num-samples'. There is no such key, "
            "so it does not have the layout of scene text data sets."
        )
    if total is not None and num_samples < total:
        _LOGGER.warning(
            "The LMDB %r holds %d of %d samples; run `pack_lmdb` on the same samples to finish it.",
            os.fspath(path),
            num_samples,
            total,
        )
    images = LmdbImages(path, np.arange(1, num_samples + 1, dtype=np.uint32))
    return Samples(images, as_column(_labels(file, num_samples, path)))


def _labels(file: LmdbFile, num_samples: int, path: StrPath) -> Iterator[str]:
    for number in range(1, num_samples + 1):
        key = _label_key(number)
        label = file.get(key)
        if label is None:
            raise ValueError(
                f"The LMDB {os.fspath(path)!r} must have {num_samples} labels. There is no {key!r}."
            )
        try:
            yield label.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"The LMDB {os.fspath(path)!r} must have labels in UTF-8. Received "
                f"{shorten(label)} under {key!r}."
            ) from error


def _image_key(number: int) -> str:
    return f"image-{number:09d}"


def _label_key(number: int) -> str:
    return f"label-{number:09d}"


# Writing


def pack_lmdb(
    samples: Any,
    path: StrPath,
    *,
    commit_every: int = 1000,
    verify: bool = False,
    progress: bool = True,
) -> Path:
    """Copy images and labels into an LMDB in the layout of scene text, which `read_lmdb` reads.

    Image files are copied byte for byte. The samples are stored in groups, each together with the
    new `num-samples`, so the file is consistent at any time. Called again with the same samples
    after an interruption of any kind, it continues where it stopped; if everything is packed, it
    returns immediately.

    Args:
        samples: anything that a `DataProvider` takes, with paths or bytes of image files as data
            and text as labels.
        path: the folder of the LMDB, created if it does not exist.
        commit_every: number of samples stored together and so in memory at a time, at least 1.
        verify: read everything back at the end and compare it with the originals.
        progress: show a progress bar.

    Returns:
        `path`.

    Raises:
        ValueError: `path` holds an LMDB of other samples; a file is empty; there are no samples;
            or `verify` finds a difference.
        FileNotFoundError: a file is missing; it is named. Samples stored before remain.
        TypeError: a label is not text, or data is neither a path nor bytes. Nothing is stored.
        OSError: the LMDB is damaged, or open in this process.
    """
    from mltu.datasets._open import load_samples  # It imports this module to read an LMDB.

    check_count("commit_every", commit_every, 1)
    columns, folder = load_samples(samples), Path(path)
    if not columns:
        raise ValueError("`samples` must contain at least one sample. Received an empty list.")
    digest, total = _digest(columns), len(columns)
    num_packed = _num_packed(folder, digest)
    if num_packed < total:
        notes = {_TOTAL: b"%d" % total, _DIGEST: digest.encode()}
        with (
            naming_full_disk(folder),
            _open_to_write(folder) as environment,
            tqdm(total=total, initial=num_packed, desc="Packing", disable=not progress) as bar,
        ):
            for start in range(num_packed, total, commit_every):
                end = min(start + commit_every, total)
                items = dict(_items(columns, start, end))
                _commit(environment, {**items, **notes, _NUM_SAMPLES: b"%d" % end})
                bar.update(end - start)
    if verify:
        _verify(folder, columns, progress)
    return folder


def _digest(samples: Samples) -> str:
    """Return a digest of the names (or bytes) and labels of the samples, in their order.

    Raises:
        TypeError, ValueError: a sample cannot be stored; see `pack_lmdb`.
    """
    digest = sha256()
    for row in range(len(samples)):
        data, label = samples.source(row), samples.labels[row]
        if not isinstance(data, str | bytes | os.PathLike):
            raise TypeError(
                "The data of `samples` must be paths or the bytes of image files. Received "
                f"{type(data).__name__} in row {row}. Encode an array with `cv2.imencode`."
            )
        if not isinstance(label, str):
            raise TypeError(
                f"The labels of `samples` must be text. Received {label!r} of type "
                f"{type(label).__name__} in row {row}, for {_described(data)}."
            )
        name = data if isinstance(data, bytes) else str(data).encode("utf-8", "surrogatepass")
        try:
            parts = name, label.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"The labels of `samples` must be valid UTF-8. Received {label!r} in row {row}: "
                f"{error}"
            ) from error
        for part in parts:
            digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()


def _num_packed(folder: Path, digest: str) -> int:
    """Return how many of the samples are stored; 0 if there is no LMDB yet.

    Raises:
        ValueError: the LMDB holds other samples.
    """
    content = folder / "data.mdb"
    if not content.is_file() or not content.stat().st_size:
        return 0
    file = LmdbFile.open(folder)
    if not file.num_entries:  # Interrupted before the first group.
        return 0
    if file.get(_DIGEST) != digest.encode():
        raise ValueError(
            f"`path` must be a new folder, or an LMDB packed from exactly these samples. {folder} "
            "holds others. Choose another folder, or delete this one first."
        )
    return file.count(_NUM_SAMPLES) or 0


def _open_to_write(folder: Path) -> lmdb.Environment:
    with explain_missing():
        import lmdb
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return lmdb.open(str(folder), map_size=_FIRST_MAP_SIZE)
    except lmdb.Error as error:
        raise OSError(
            f"The LMDB {str(folder)!r} cannot be opened for writing: {error} `Samples` "
            "objects read from it keep it open; release them (`del samples`) first."
        ) from error


def _items(samples: Samples, start: int, end: int) -> Iterator[tuple[str, bytes]]:
    """Yield the keys and values of the samples `start` to `end`."""
    for row in range(start, end):
        content = _content(samples.data[row])
        if not content:
            raise ValueError(
                "The image files of `samples` must not be empty. Received no bytes from "
                f"{_described(samples.source(row))} in row {row}. Replace the file, or remove the "
                "sample."
            )
        yield _image_key(row + 1), content
        yield _label_key(row + 1), samples.labels[row].encode("utf-8")


def _content(data: StrPath | bytes) -> bytes:
    return data if isinstance(data, bytes) else read_bytes(data, "an image")


def _described(data: Any) -> str:
    return f"{len(data)} bytes" if isinstance(data, bytes) else repr(os.fspath(data))


def _commit(environment: lmdb.Environment, items: dict[str, bytes]) -> None:
    """Store all items or none; the map is doubled until they fit.

    Raises:
        OSError: they cannot be written.
    """
    import lmdb

    path = environment.path()
    while True:
        try:
            with environment.begin(write=True) as transaction:
                for key, content in items.items():
                    transaction.put(key.encode(), content)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"])
        except lmdb.Error as error:  # A full disk may be EIO, after a part was written.
            needed = sum(map(len, items.values()))
            is_full = isinstance(error, lmdb.DiskError) or shutil.disk_usage(path).free < needed
            code = errno.ENOSPC if is_full else errno.EIO
            raise OSError(code, f"The LMDB cannot be written: {error}", path) from error


def _verify(folder: Path, samples: Samples, progress: bool) -> None:
    packed = read_lmdb(folder)
    for row in tqdm(range(len(samples)), "Verifying", disable=not progress):
        is_same = packed.data[row] == _content(samples.data[row])
        if not is_same or packed.labels[row] != samples.labels[row]:
            raise ValueError(
                f"{packed.source(row)} or its label differs from sample {row}, "
                f"{_described(samples.source(row))}. Delete the LMDB and pack it again."
            )
