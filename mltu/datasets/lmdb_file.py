"""One LMDB file in the layout of scene text: its keys, and its single opening in a process.

The keys are `num-samples` (decimal digits), and `image-000000001` and `label-000000001` (UTF-8) for
the first sample, and so on. An environment may be open only once in a process, so all columns of
one file share it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from mltu._extras import explain_missing

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
