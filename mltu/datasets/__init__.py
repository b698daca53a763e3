"""Readers and writers of data sets: files on disk <-> compact columns of (data, label).

Floor 1: NumPy and the standard library; LMDB and OpenCV are imported where they are used.
"""

from .folder import read_folder
from .iam import read_iam_words
from .lmdb_check import check_lmdb
from .lmdb_reader import LmdbImages, read_lmdb
from .lmdb_writer import pack_lmdb
from .loading import check_samples, load_samples
from .mjsynth import read_mjsynth
from .samples import LazyColumn, Samples
from .tables import read_csv, read_tsv, write_csv

__all__ = [
    "LazyColumn",
    "LmdbImages",
    "Samples",
    "check_lmdb",
    "check_samples",
    "load_samples",
    "pack_lmdb",
    "read_csv",
    "read_folder",
    "read_iam_words",
    "read_lmdb",
    "read_mjsynth",
    "read_tsv",
    "write_csv",
]
