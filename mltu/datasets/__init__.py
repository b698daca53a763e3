"""Readers and writers of data sets, which load as compact columns of (data, label)."""

from mltu.datasets._folder import find_images, read_folder
from mltu.datasets._iam import IamSplit, read_iam_lines, read_iam_words, split_iam
from mltu.datasets._lmdb import LmdbImages, pack_lmdb, read_lmdb
from mltu.datasets._mjsynth import read_mjsynth
from mltu.datasets._open import load_samples, open_samples, open_validation, validate_samples
from mltu.datasets._samples import LazyColumn, Samples
from mltu.datasets._tables import read_csv, read_table, read_tsv, write_csv

__all__ = [
    "IamSplit",
    "LazyColumn",
    "LmdbImages",
    "Samples",
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
    "read_table",
    "read_tsv",
    "split_iam",
    "validate_samples",
    "write_csv",
]
