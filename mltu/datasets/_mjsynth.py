"""MJSynth: nine million lines of an annotation file, read by their bytes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mltu.datasets._samples import Samples
from mltu.utils.checks import shorten
from mltu.utils.text_columns import TextColumn

_BLOCK = 1 << 23  # Bytes looked at together: the work memory is about 15 times as much.
_NEWLINE, _DOT, _SLASH, _UNDERSCORE = b"\n./_"
_IS_SPACE = np.array([code < 128 and chr(code).isspace() for code in range(256)])
_DIGITS = "0123456789"
_IS_DIGIT = np.array([chr(code) in _DIGITS for code in range(256)])
_WORD = re.compile(r"[^\t-\r\x1c-\x20]+")  # Without the white space of ASCII.

Places = npt.NDArray[np.int64]


def read_mjsynth(root: str | os.PathLike[str], part: str = "train") -> Samples:
    """Read an annotation file of MJSynth (Synth90k), or of a data set in its layout.

    Its lines look like `./2425/1/115_Lube_45484.jpg 45484`; the label is what stands between the
    first two underscores of the file name. Paths and labels share the bytes of the file: nine
    million lines take seconds, and some 500 MB.

    Args:
        root: the folder that holds the annotation files, such as `Datasets/90kDICT32px`.
        part: `"train"`, `"val"` or `"test"`, for `annotation_<part>.txt`.

    Returns:
        (path, label) of each line, in the order of the file; paths start with `root`.

    Raises:
        FileNotFoundError: the annotation file is missing; it is named.
        ValueError: a line has another form or is not in UTF-8, quoted with its number; or there
            is no line.

    Source: Jaderberg et al., 2014, https://www.robots.ox.ac.uk/~vgg/data/text/
    """
    annotation = Path(root) / f"annotation_{part}.txt"
    if not annotation.is_file():
        raise FileNotFoundError(
            f"`root` must be a folder with the annotation file annotation_{part}.txt. "
            f"There is no file {str(annotation)!r}. Unpack the archive, and give the folder that "
            "holds it."
        )
    text = annotation.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    offsets = np.uint32 if len(text) < 2**32 else np.uint64
    blocks = []
    position = num_lines = 0
    while position < len(text):
        end = text.find(b"\n", position + _BLOCK) + 1 or len(text)
        block = text[position:end]
        found = _parse(block, str(annotation), num_lines)
        blocks.append((found + position).astype(offsets))
        num_lines += block.count(b"\n")
        position = end
    if not sum(block.shape[1] for block in blocks):
        raise ValueError(f"{str(annotation)!r} must name at least one image. Received no line.")
    starts, ends, label_starts, label_ends = np.concatenate(blocks, axis=1)
    paths = TextColumn(text, starts, ends, os.path.join(root, ""))
    if np.any(np.frombuffer(text, np.uint8)[starts] == _SLASH):  # An absolute path has no root.
        relative = TextColumn(text, starts, ends)
        paths = TextColumn.from_strings(os.path.join(root, path) for path in relative)
    return Samples(paths, TextColumn(text, label_starts, label_ends))


def _parse(block: bytes, source: str, num_lines: int) -> Places:
    """Find the paths and labels in whole lines.

    Args:
        block: lines that end in a line feed, the last one perhaps without it.
        source: the file's name, for errors.
        num_lines: the number of lines before the block, for errors.

    Returns:
        Shape (4, samples): start and end of the path, start and end of the label, in bytes.
    """
    codes = np.frombuffer(block, np.uint8)
    line_ends = np.flatnonzero(codes == _NEWLINE)
    if not block.endswith(b"\n"):
        line_ends = np.append(line_ends, len(block))
    line_starts = np.concatenate([[0], line_ends[:-1] + 1])
    starts, ends = _strip(codes, line_starts, line_ends)
    lines = np.flatnonzero(starts < ends)  # Blank ones are left out.
    starts, text_ends = starts[lines], ends[lines]
    spaces = _IS_SPACE[codes]
    ends = np.minimum(_next(spaces, starts), text_ends)
    # Behind the path there is a number or nothing.
    odd = (ends < text_ends) & (
        (_next(spaces, ends + 1) < text_ends) | ~_IS_DIGIT[codes[text_ends - 1]]
    )

    slashes = np.append(-1, np.flatnonzero(codes == _SLASH))
    last_slash = slashes[np.searchsorted(slashes, ends) - 1]
    name_starts = np.maximum(starts, last_slash + 1)
    label_starts = _next(codes == _UNDERSCORE, name_starts) + 1
    label_ends = _next(codes == _UNDERSCORE, label_starts)

    if np.any(odd) or np.any(label_ends >= ends) or not _is_utf8(block):
        for number in lines.tolist():
            line = block[line_starts[number] : line_ends[number]]
            _check_line(line, source, num_lines + number + 1)
    # There is a second byte to look at, since each path has two underscores.
    starts += 2 * ((codes[starts] == _DOT) & (codes[starts + 1] == _SLASH))
    return np.stack([starts, ends, label_starts, label_ends])


def _next(is_mark: npt.NDArray[np.bool_], places: Places) -> Places:
    """Return the first marked place at or after each of `places`; the length where none is."""
    marks = np.append(np.flatnonzero(is_mark), len(is_mark))
    return marks[np.minimum(np.searchsorted(marks, places), len(marks) - 1)]


def _strip(codes: npt.NDArray[np.uint8], starts: Places, ends: Places) -> tuple[Places, Places]:
    """Move the bounds inwards over white space, which is rarely there: one look, no step."""
    while (step := (starts < ends) & _IS_SPACE[codes[ends - 1]]).any():
        ends = ends - step
    # A line of white space alone has become empty; its start may be that of no byte.
    while (step := (starts < ends) & _IS_SPACE[codes[np.minimum(starts, len(codes) - 1)]]).any():
        starts = starts + step
    return starts, ends


def _is_utf8(content: bytes) -> bool:
    try:
        return content.isascii() or bool(content.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _check_line(line: bytes, source: str, number: int) -> None:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{source!r} must be a file in UTF-8. Received {shorten(line.rstrip())} in line "
            f"{number}: {error}"
        ) from error
    path, *rest = _WORD.findall(text)
    is_number = not rest or (len(rest) == 1 and rest[0][-1] in _DIGITS)
    if len(path.rpartition("/")[2].split("_")) < 3 or not is_number:
        raise ValueError(
            f"{source!r} must have lines like './2425/1/115_Lube_45484.jpg 45484'."
            f" Received {shorten(text.rstrip())} in line {number}."
        )
