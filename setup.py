"""The extras; everything else stands in pyproject.toml."""

from pathlib import Path

from setuptools import setup

lines = Path(__file__).with_name("requirements.txt").read_text(encoding="utf-8").splitlines()
training = [line for line in lines if line and not line.startswith("#")]
common = [line for line in training if not line.startswith("tensor")]
serve = ["fastapi>=0.115", "python-multipart>=0.0.20", "uvicorn>=0.32"]

setup(
    extras_require={
        "tensorflow": training,
        "jax": [*common, "jax"],
        "torch": [*common, "torch"],
        "gpu": [line.replace("tensorflow>", "tensorflow[and-cuda]>") for line in training],
        "lmdb": ["lmdb>=1.5"],
        "serve": serve,
        "dev": [
            *training,
            *serve,
            "albumentations",
            "build",
            "httpx",
            "hypothesis",
            "lmdb>=1.5",
            "mypy",
            "pandas-stubs",
            "playwright",
            "pytest",
            "ruff",
            "types-PyYAML",
            "types-tqdm",
        ],
    }
)
