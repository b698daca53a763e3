"""Files: read with an error that helps, written whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

StrPath = str | os.PathLike[str]


def use_utf8_output() -> None:
    """Let stdout and stderr write UTF-8, whatever the system's own encoding is.

    Windows has one of 256 characters where the output goes into a file or another program.
    """
    # File names are bytes on Linux, and go out as they came in; elsewhere half a character may
    # stand in one, which is shown by its number.
    errors = "surrogateescape" if os.name == "posix" else "backslashreplace"
    for stream in (sys.stdout, sys.stderr):
        # A service may start without them, and notebooks have their own.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors=errors)


def read_bytes(path: StrPath, kind: str) -> bytes:
    """Return what a file holds.

    Args:
        path: of the file.
        kind: what it should be, for the error: `"an image"`.

    Raises:
        FileNotFoundError: there is no file at the path.
        ValueError: no file can have such a name.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"`data` must be the path of {kind}. There is no file {os.fspath(path)!r}. "
            f"Relative paths start at the working directory, {os.getcwd()!r}."
        ) from error
    except ValueError as error:  # A NUL or a lone surrogate.
        raise ValueError(
            f"`data` must be the path of {kind}. Received {os.fspath(path)!r:.200}, a name that no "
            f"file can have: {error}. Look at the list that it came from."
        ) from error


@contextmanager
def atomic_path(path: StrPath) -> Iterator[Path]:
    """Give a temporary path with the same suffix that replaces `path` when the block ends well.

    The folder is made if it does not exist. When the block raises, the temporary file is removed
    and whatever stood at `path` before is untouched.

    Args:
        path: where the finished file shall stand.

    Yields:
        A path in the same folder, and so on the same file system, to write to.

    Raises:
        IsADirectoryError: a folder stands at `path`.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(
            f"`path` must be that of a file. Received {str(target)!r}, a folder. Name a file in it."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    suffixes = "".join(target.suffixes[-2:])
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        temporary = Path(folder) / f"new{suffixes}"
        yield temporary
        os.replace(temporary, target)


def refuse_working_folder(path: StrPath) -> Path:
    """Return the path of a folder that may be put in the place of another.

    Raises:
        FileExistsError: it is the working folder, which would be taken away below the user's feet.
    """
    if Path(path).resolve() == Path.cwd():
        raise FileExistsError(
            f"`folder` must be a new one. Received {os.fspath(path)!r}, in which you are. Name a "
            "folder in it, or go to another."
        )
    return Path(path)


@contextmanager
def atomic_folder(path: StrPath) -> Iterator[Path]:
    """Give a new folder that stands at `path` when the block ends well, and else is removed.

    Args:
        path: where the finished folder shall stand; nothing, or an empty folder, stands there.

    Yields:
        An empty folder in the same place to write to.

    Raises:
        OSError: a folder with content stands at `path`, or it is the working folder.
    """
    target = refuse_working_folder(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        temporary = Path(folder) / "new"
        temporary.mkdir()
        yield temporary
        if target.is_dir():
            target.rmdir()  # Windows renames onto nothing that exists.
        temporary.replace(target)
