"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path with the same suffix that replaces `path` when the block ends well.

    The folder is made if it does not exist. When the block raises, the temporary file is removed
    and whatever stood at `path` before is untouched.

    Args:
        path: where the finished file shall stand.

    Yields:
        A path in the same folder, and so on the same file system, to write to.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    suffixes = "".join(target.suffixes[-2:])
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        temporary = Path(folder) / f"new{suffixes}"
        yield temporary
        os.replace(temporary, target)
