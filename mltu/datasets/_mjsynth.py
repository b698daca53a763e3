"""MJSynth: nine million word images, listed in annotation files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mltu.datasets._samples import Samples
from mltu.datasets._tables import count_lines, read_lines
from mltu.utils.checks import shorten
from mltu.utils.files import StrPath


def read_mjsynth(root: StrPath, part: str = "train") -> Samples:
    """Read an annotation file of MJSynth (Synth90k), or of a data set in its layout.

    Its lines look like `./2425/1/115_Lube_45484.jpg 45484`; the label is the text between the first
    two underscores of the file name. Nine million lines take about 15 s and 550 MB.

    Args:
        root: the folder that holds the annotation files, such as `Datasets/90kDICT32px`.
        part: `"train"`, `"val"` or `"test"`, for `annotation_<part>.txt`.

    Returns:
        (path, label) of each line, in the order of the file; paths start with `root`.

    Raises:
        FileNotFoundError: the annotation file is missing.
        ValueError: a line has another form or is not UTF-8 (it is quoted with its number), or
            there is no line.

    Source: Jaderberg et al., 2014, https://www.robots.ox.ac.uk/~vgg/data/text/
    """
    annotation = Path(root) / f"annotation_{part}.txt"
    if not annotation.is_file():
        raise FileNotFoundError(
            f"`root` must be a folder with the annotation file annotation_{part}.txt. "
            f"There is no file {str(annotation)!r}. Unpack the archive, and pass the folder that "
            "contains it."
        )
    samples = Samples.from_pairs(_pairs(annotation), capacity=count_lines(annotation))
    if not samples:
        raise ValueError(f"{str(annotation)!r} must list at least one image. Received no line.")
    return samples.with_root(root)


def _pairs(annotation: Path) -> Iterator[tuple[str, str]]:
    for number, line in read_lines(annotation):
        words = line.split()
        if not words:
            continue
        parts = words[0].rpartition("/")[2].split("_", 2)
        has_number = len(words) == 1 or (len(words) == 2 and words[1].isdecimal())
        if len(parts) < 3 or not has_number:
            raise ValueError(
                f"{str(annotation)!r} must have lines like './2425/1/115_Lube_45484.jpg 45484'. "
                f"Received {shorten(line.rstrip())} in line {number}."
            )
        yield words[0].removeprefix("./"), parts[1]
