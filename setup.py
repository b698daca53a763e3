"""The extras; everything else stands in pyproject.toml."""

from pathlib import Path

from setuptools import setup

lines = Path(__file__).with_name("requirements.txt").read_text(encoding="utf-8").splitlines()
training = [line for line in lines if line and not line.startswith("#")]
common = [line for line in training if not line.startswith("tensor")]

setup(
    extras_require={
        "tensorflow": training,
        "jax": [*common, "jax"],
        "torch": [*common, "torch"],
        "gpu": [line.replace("tensorflow>", "tensorflow[and-cuda]>") for line in training],
        "lmdb": ["lmdb>=1.5"],
        "dev": [
            *training,
            "albumentations",
            "build",
            "hypothesis",
            "lmdb>=1.5",
            "mypy",
            "pandas-stubs",
            "pytest",
            "ruff",
            "types-PyYAML",
            "types-tqdm",
        ],
    }
)
