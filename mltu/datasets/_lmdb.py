"""One LMDB file in the layout of scene text: its keys, and its single opening in a process.

The keys are `num-samples` (decimal digits), and `image-000000001` and `label-000000001` (UTF-8) for
the first sample, and so on. An environment may be open only once in a process, so all columns of
one file share it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from mltu._extras import explain_missing
from mltu.datasets._samples import LazyColumn, Samples
from mltu.utils.checks import check_count
from mltu.utils.image_size import decoding_risk
from mltu.utils.text_columns import Integers, TextColumn, TextColumnBuilder, as_indices

if TYPE_CHECKING:
    import lmdb

NUM_SAMPLES = "num-samples"
TOTAL = "mltu-total"  # What `pack_lmdb` notes: how many samples there shall be, ...
DIGEST = "mltu-digest"  # ... and what their names and labels are.

_ENTRY_SIZE = 16  # bytes of the file that each entry takes at least
_NUM_DIGITS = 18  # Of a number; whoever has more samples has no room for them.


class LmdbFile:
    """An LMDB opened for reading; safe to use from several threads. `open_lmdb` makes it.

    A file that was cut off is refused. One that was altered inside can end the process: LMDB maps
    it into memory and trusts the numbers of pages that stand there. Of strangers, take images.

    Args:
        path: the folder that holds `data.mdb`.
    """

    def __init__(self, path: str) -> None:
        with explain_missing():
            import lmdb
        self.pid, self.identity = os.getpid(), _identity(path)
        self._error = lmdb.Error
        self._environment: lmdb.Environment = lmdb.open(
            path, readonly=True, lock=False, readahead=False, create=False
        )
        self._check_whole(os.path.join(path, "data.mdb"))

    def _check_whole(self, file: str) -> None:
        """Refuse a file that was cut off: to read behind its end would kill the process."""
        num_pages, stat = self._environment.info()["last_pgno"] + 1, self._environment.stat()
        expected = max(num_pages * stat["psize"], stat["entries"] * _ENTRY_SIZE)
        found = os.path.getsize(file)
        if found < expected:
            self._environment.close()
            raise OSError(
                f"The LMDB {file!r} must have at least {expected} bytes. Received {found}; it was "
                "cut off or altered. Fetch it again."
            )

    def get(self, key: str) -> bytes | None:
        """Return a copy of what is stored under a key, None if nothing is.

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
        """Return the number that is stored under a key, None if nothing is.

        Raises:
            ValueError: it is no number, or that of more samples than the file has entries.
        """
        value = self.get(key)
        if value is not None and (not value.isdigit() or len(value) > _NUM_DIGITS):
            raise ValueError(
                f"The LMDB {self._environment.path()!r} must have a number under {key!r}. "
                f"Received {value[:_NUM_DIGITS]!r}."
            )
        number = None if value is None else int(value)
        if key == NUM_SAMPLES and number is not None and number > self.num_keys():
            raise ValueError(
                f"The LMDB {self._environment.path()!r} must have at least as many entries as "
                f"{key!r} says. Received {number}, and {self.num_keys()} entries. Pack it again."
            )
        return number

    def num_keys(self) -> int:
        """Return the number of keys in the file."""
        return int(self._environment.stat()["entries"])

    def close(self) -> None:
        """Free the file; done by itself when the last column is gone."""
        self._environment.close()


_OPEN: WeakValueDictionary[str, LmdbFile] = WeakValueDictionary()
_LOCK = threading.Lock()


def open_lmdb(path: str | os.PathLike[str]) -> LmdbFile:
    """Open an LMDB for reading, or return the one that is open in this process.

    One that was deleted and packed again is another file; samples of the former keep that open.

    Raises:
        FileNotFoundError: there is no LMDB.
        OSError: it is none that can be read, or it is open for writing in this process.
    """
    with explain_missing():
        import lmdb
    if not (Path(path) / "data.mdb").is_file():
        raise FileNotFoundError(
            "`path` must be a folder with an LMDB. "
            f"There is no file {os.path.join(path, 'data.mdb')!r}."
        )
    place = os.path.realpath(path)
    with _LOCK:
        file = _OPEN.get(place)
        if file is not None and file.identity != _identity(place):
            file = None
        if file is not None and file.pid != os.getpid():  # Inherited through a fork.
            file.close()
            file = None
        if file is None:
            try:
                file = _OPEN[place] = LmdbFile(place)
            except lmdb.Error as error:
                raise OSError(f"The LMDB {place!r} cannot be opened: {error}") from error
        return file


def _identity(path: str) -> tuple[int, int]:
    """Return what tells the file in a folder from another one that takes its place."""
    found = os.stat(os.path.join(path, "data.mdb"))
    return found.st_dev, found.st_ino


def image_key(number: int) -> str:
    """Return the key of an image; `number` starts at 1."""
    return f"image-{number:09d}"


def label_key(number: int) -> str:
    """Return the key of a label; `number` starts at 1."""
    return f"label-{number:09d}"


def decode_label(label: bytes | None, key: str) -> str:
    """Return a label as text.

    Raises:
        ValueError: it is missing or not in UTF-8; the key is named.
    """
    if label is None:
        raise ValueError(f"label under {key!r}: there is none")
    try:
        return label.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"label under {key!r}: {label[:40]!r} is not UTF-8") from error


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


_FIRST_MAP_SIZE = 1 << 26  # Doubled whenever it is full; Windows gives the file this size at once.


def pack_lmdb(
    samples: Any,
    path: str | os.PathLike[str],
    *,
    commit_every: int = 1000,
    progress: bool = True,
) -> Path:
    """Copy images and labels into an LMDB in the layout of scene text, which `read_lmdb` reads.

    Image files are copied byte for byte. The samples are stored in groups, each together with the
    new `num-samples`, so the file is whole at any time. Called again with the same samples after
    an interruption of any kind, it goes on where it was; when all is done it returns at once.

    Args:
        samples: anything that a `DataProvider` takes, with paths or bytes of image files as data
            and text as labels.
        path: the folder of the LMDB, made if it does not exist.
        commit_every: samples stored together, at least 1; so many are held in memory.
        progress: show a progress bar.

    Returns:
        `path`.

    Raises:
        ValueError: `path` holds an LMDB of other samples; a file is empty; there is no sample.
        FileNotFoundError: a file is missing; it is named. What was stored before stays.
        TypeError: a label is not text, or data is neither a path nor bytes. Nothing is stored.
        OSError: the LMDB is damaged, or open in this process.
    """
    from mltu.datasets._open import load_samples  # It reads LMDBs itself.

    check_count("commit_every", commit_every, 1)
    columns, folder = load_samples(samples), Path(path)
    if not columns:
        raise ValueError("`samples` must hold at least one sample. Received an empty list.")
    digest, total = _digest(columns), len(columns)
    num_done = _num_packed(folder, digest)
    if num_done == total:
        return folder
    with (
        _open_to_write(folder) as environment,
        tqdm(
            total=total, initial=num_done, desc="Packing", unit="images", disable=not progress
        ) as bar,
    ):
        notes = {TOTAL: b"%d" % total, DIGEST: digest.encode()}
        for start in range(num_done, total, commit_every):
            end = min(start + commit_every, total)
            items = dict(_items(columns[start:end], start))
            _commit(environment, {**items, **notes, NUM_SAMPLES: b"%d" % end})
            bar.update(end - start)
    return folder


def _digest(samples: Samples) -> str:
    """Return what tells one list of samples from another: its names (or bytes) and labels.

    Raises:
        TypeError, ValueError: a sample cannot be stored; see `pack_lmdb`.
    """
    total = sha256()
    for row in range(len(samples)):
        data, label = samples.source(row), samples.labels[row]
        if not isinstance(data, str | bytes | os.PathLike):
            raise TypeError(
                "`samples` must have paths or the bytes of image files as data. Received "
                f"{type(data).__name__} in row {row}. Encode an array with `cv2.imencode`."
            )
        if not isinstance(label, str):
            raise TypeError(
                f"`samples` must have text as labels. Received {label!r} of type "
                f"{type(label).__name__} in row {row}, for {_named(data)}."
            )
        name = data if isinstance(data, bytes) else _utf8(os.fspath(data))
        for part in (name, _label_bytes(label, row)):
            total.update(b"%d:" % len(part) + part)
    return total.hexdigest()


def _num_packed(folder: Path, digest: str) -> int:
    """Return how many of the samples are stored; 0 where there is no LMDB yet.

    Raises:
        ValueError: the LMDB holds other samples.
    """
    content = folder / "data.mdb"
    if not content.is_file() or not content.stat().st_size:
        return 0
    file = open_lmdb(folder)
    if not file.num_keys():  # Interrupted before the first group.
        return 0
    found, num_done = file.get(DIGEST), file.count(NUM_SAMPLES)
    if found != digest.encode():
        raise ValueError(
            f"`path` must be a new folder or an LMDB packed from these very samples. {folder} "
            "holds others. Choose another folder, or delete this one first."
        )
    return num_done or 0


def _open_to_write(folder: Path) -> lmdb.Environment:
    with explain_missing():
        import lmdb
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return lmdb.open(str(folder), map_size=_FIRST_MAP_SIZE)
    except lmdb.Error as error:
        raise OSError(
            f"`path` {str(folder)!r} must be an LMDB that can be written to. Received: {error} "
            "Samples that were read from it keep it open; let go of them first."
        ) from error


def _items(samples: Samples, start: int) -> Iterator[tuple[str, bytes]]:
    """Give the keys and contents of some samples, the first of which is number `start` + 1."""
    for row, (data, label) in enumerate(samples, start):
        content = data if isinstance(data, bytes) else _read_file(data, row)
        if not content:
            raise ValueError(
                "`samples` must have image files that are not empty. Received no byte from "
                f"{_named(samples.source(row - start))} in row {row}. Fetch it again, or take it "
                "out of the samples."
            )
        yield image_key(row + 1), content
        yield label_key(row + 1), _label_bytes(label, row)


def _read_file(path: str | os.PathLike[str], row: int) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"`samples` must name files that exist. There is no file {os.fspath(path)!r}, named in "
            f"row {row}. Relative paths start at the working directory, {os.getcwd()!r}."
        ) from error


def _commit(environment: lmdb.Environment, items: dict[str, bytes]) -> None:
    """Store items, all or none; the map is made larger until they fit."""
    import lmdb

    while True:
        try:
            with environment.begin(write=True) as transaction:
                for key, content in items.items():
                    transaction.put(key.encode(), content)
            return
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"])


def _label_bytes(label: str, row: int) -> bytes:
    try:
        return label.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"`samples` must have labels that can be stored as UTF-8. Received {label!r} in row "
            f"{row}: {error}"
        ) from error


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _named(data: Any) -> str:
    return f"{len(data)} bytes" if isinstance(data, bytes) else repr(os.fspath(data))


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
    from mltu.datasets._open import load_samples

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
