"""Readers and writers of data sets: files on disk <-> compact columns of (data, label).

Floor 1: NumPy and the standard library; LMDB and OpenCV are imported where they are used.
"""

from mltu.datasets.folder import find_images, read_folder
from mltu.datasets.iam import IamSplit, read_iam_lines, read_iam_words, split_iam
from mltu.datasets.lmdb_check import check_lmdb
from mltu.datasets.lmdb_reader import LmdbImages, read_lmdb
from mltu.datasets.lmdb_writer import pack_lmdb
from mltu.datasets.loading import check_samples, load_samples
from mltu.datasets.mjsynth import read_mjsynth
from mltu.datasets.opening import open_samples, open_validation
from mltu.datasets.samples import LazyColumn, Samples
from mltu.datasets.tables import read_csv, read_tsv, write_csv

__all__ = [
    "IamSplit",
    "LazyColumn",
    "LmdbImages",
    "Samples",
    "check_lmdb",
    "check_samples",
    "find_images",
    "load_samples",
    "open_samples",
    "open_validation",
    "pack_lmdb",
    "read_csv",
    "read_folder",
    "read_iam_lines",
    "read_iam_words",
    "read_lmdb",
    "read_mjsynth",
    "read_tsv",
    "split_iam",
    "write_csv",
]
