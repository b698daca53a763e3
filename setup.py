"""The extras; everything else stands in pyproject.toml. `.ci/lowest` tries all lower bounds."""

from pathlib import Path

from setuptools import setup

lines = Path(__file__).with_name("requirements.txt").read_text(encoding="utf-8").splitlines()
training = [line for line in lines if line and not line.startswith("#")]
common = [line for line in training if not line.startswith("tensor")]
audio = ["soundfile>=0.12.1", "soxr>=0.5"]
lmdb = ["lmdb>=2.0"]
report = [line for line in training if line.startswith("jinja2")]
rtl = ["python-bidi>=0.6"]
serve = ["fastapi>=0.115", "python-multipart>=0.0.20", "uvicorn>=0.32"]
docs = ["mkdocs-material>=9.6", "mkdocstrings[python]>=0.29", "ruff"]  # Ruff lays out signatures.
tutorials = [*audio, "captcha>=0.7", "espeakng-loader>=0.2"]

setup(
    extras_require={
        "tensorflow": training,
        "jax": [*common, "jax"],
        "torch": [*common, "torch"],
        "gpu": [line.replace("tensorflow>", "tensorflow[and-cuda]>") for line in training],
        "audio": audio,
        "docs": docs,
        "lmdb": lmdb,
        "report": report,
        "rtl": rtl,
        "serve": serve,
        "tutorials": tutorials,
        "dev": [
            *training,
            *lmdb,
            *rtl,
            *serve,
            *tutorials,
            *docs,
            "albumentations",
            "build",
            "codespell",
            "import-linter",
            "httpx",
            "hypothesis",
            "ipykernel",
            "jupytext",
            "mypy",
            "nbclient",
            "pandas-stubs",
            "playwright",
            "pytest",
            "pytest-xdist",
            "pytest-cov",
            "ruff",
            "types-PyYAML",
            "types-tqdm",
        ],
    }
)
