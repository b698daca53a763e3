"""pack_lmdb: a data set goes into one LMDB, and goes on where it was interrupted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from mltu._extras import explain_missing
from mltu.datasets.lmdb_file import DIGEST, NUM_SAMPLES, TOTAL, image_key, label_key, open_lmdb
from mltu.datasets.loading import load_samples
from mltu.datasets.samples import Samples
from mltu.utils.checks import check_count

if TYPE_CHECKING:
    import lmdb

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
