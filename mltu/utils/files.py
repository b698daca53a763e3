"""Reading and writing files: helpful errors, and atomic writes."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL_DISK = (
    "The disk is full. Free some space and run the command again; to continue a training run, use "
    "mltu train --resume RUN. Not written"
)
_LONGEST_NAME = 500  # characters of a path that names a file

StrPath = str | os.PathLike[str]


def use_utf8_output() -> None:
    """Make stdout and stderr write UTF-8, whatever the encoding of the system is.

    Output that goes to a file or another program has an 8-bit encoding on Windows.
    """
    # File names are bytes on Linux and are written as they were read; elsewhere they may contain
    # half a character, which is written as an escape.
    errors = "surrogateescape" if os.name == "posix" else "backslashreplace"
    for stream in (sys.stdout, sys.stderr):
        # Services may have none, and notebooks have other ones.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors=errors)


def read_bytes(path: StrPath, kind: str) -> bytes:
    """Return the content of a file.

    Args:
        path: of the file.
        kind: what it should be, for the error, such as `"an image"`.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: no file can have such a name.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (once for each image)
            return file.readall()
    except OSError as error:
        shown = os.fspath(path)
        if os.path.isdir(path):  # noqa: PTH112  A Path raises where the name is too long.
            raise IsADirectoryError(
                f"`data` must be the path of {kind}. Received the folder {shown!r}. Pass the files "
                "in it; `mltu read` takes folders too."
            ) from error
        if len(shown) > _LONGEST_NAME:
            raise ValueError(
                f"`data` must be the path of {kind}. Received a text of {len(shown)} characters, "
                f"{shown[:40]!r}... If it is base64, decode it: "
                "base64.b64decode(text.partition(',')[2] or text)."
            ) from error
        if not isinstance(error, FileNotFoundError):
            raise
        raise FileNotFoundError(
            f"`data` must be the path of {kind}. There is no file {shown!r}. "
            f"Relative paths start at the working directory, {str(Path.cwd())!r}."
        ) from error
    except ValueError as error:  # A NUL or a lone surrogate.
        raise ValueError(
            f"`data` must be the path of {kind}. Received {os.fspath(path)!r:.200}, which cannot "
            f"be the name of a file: {error}. Check the list that it came from."
        ) from error


def load_bytes(
    data: StrPath | bytes | bytearray | memoryview, kind: str, hint: str = ""
) -> tuple[bytes, str]:
    """Return the content of a file, and what to call it in errors.

    Args:
        data: its path, or its content.
        kind: as in `read_bytes`, which raises for a path.
        hint: end of the error for other types.

    Raises:
        TypeError: `data` is something else.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data), "bytes"
    if isinstance(data, str | os.PathLike):
        return read_bytes(data, kind), f"the file {os.fspath(data)!r}"
    raise TypeError(
        f"`data` must be the path of {kind}, the content of its file, or an array. "
        f"Received {type(data).__name__}.{hint}"
    )


@contextmanager
def naming_full_disk(path: StrPath) -> Iterator[None]:
    """Say of an error of a full disk which file or folder was written, and how to go on."""
    try:
        yield
    except OSError as error:
        is_short = error.errno is None and " requested and " in str(error)  # NumPy's, of an array
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)  # The second is that of a quota.
        if not is_short and (not is_full or error.strerror == _FULL_DISK):
            raise
        raise OSError(errno.ENOSPC, _FULL_DISK, os.fspath(path)) from error


@contextmanager
def atomic_path(path: StrPath) -> Iterator[Path]:
    """Yield a temporary path, with the same suffix, that replaces `path` at the end of the block.

    It is on the same file system. A missing folder is created, and links are followed. If the block
    raises, the temporary file is removed and a file at `path` stays as it was. A device, a pipe or
    an open file of this process, such as /dev/stdout, is written to, and not replaced. The new
    file has the permissions of the old one.

    Raises:
        IsADirectoryError: `path` is a folder.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(
            f"`path` must be a file. Received the folder {str(target)!r}. Name a file in it."
        )
    is_device = os.path.realpath(target.parent).startswith(("/dev/fd", "/proc/"))
    is_device |= os.path.realpath(target.parent) == "/dev"
    is_replaced = not is_device and (target.is_file() or not target.exists())
    if is_replaced:
        target = target.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
    suffixes = "".join(target.suffixes[-2:])
    place = target.parent if is_replaced else None  # None: that of the system
    with (
        naming_full_disk(target),
        tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=place) as folder,
    ):
        temporary = Path(folder) / f"new{suffixes}"
        yield temporary
        if is_replaced:
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
        else:
            with temporary.open("rb") as source, target.open("ab") as sink:
                shutil.copyfileobj(source, sink)


@contextmanager
def atomic_folder(path: StrPath, *, replace: bool = False) -> Iterator[Path]:
    """Yield a new folder that is moved to `path` at the end of the block, or removed if it raises.

    Args:
        path: of the folder.
        replace: what is in a folder at `path`.

    Raises:
        OSError: `path` is a folder with content, or the current working directory.
    """
    target = Path(path).resolve()
    if target == Path.cwd():
        raise FileExistsError(
            f"`folder` must be new. Received {os.fspath(path)!r}, the current working directory. "
            "Name a folder in it, or change to another directory."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        naming_full_disk(target),
        tempfile.TemporaryDirectory(
            prefix=f".{target.name}.",
            dir=target.parent,
            ignore_cleanup_errors=True,  # Windows keeps files that are mapped.
        ) as folder,
    ):
        new, old = Path(folder, "new"), Path(folder, "old")
        new.mkdir()
        yield new
        if replace and target.is_dir():
            target.replace(old)
        elif target.is_dir():
            target.rmdir()  # Windows renames onto nothing that exists.
        try:
            new.replace(target)
        except OSError:
            if old.exists():
                old.replace(target)
            raise
