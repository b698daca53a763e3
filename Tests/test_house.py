"""What each module imports, and what each package offers; the linter refuses unsafe calls."""

import importlib
import re
import sys

import pytest
from conftest import ROOT, run_python

FILES = sorted((ROOT / "mltu").rglob("*.py"))


# What must load without a framework: what inference, data sets and export in the parent need.
LIGHT = [
    "audio",
    "augmentors",
    "configs",
    "data",  # Worker processes import it.
    "data_check",
    "datasets",
    "decoders",
    "evaluation",
    "onnx_export",
    "preprocessors",
    "synthetic",
    "transformers",
    "utils.text_utils",
]
HEAVY = {"keras", "tensorflow", "torch", "jax", "pandas"}


def run(code):
    """Run code in a fresh interpreter and return what it printed."""
    return run_python("-c", code).stdout


# Fresh interpreters


def loaded_by(*modules):
    """Return the packages in `sys.modules` after each of the imports, in one interpreter."""
    code = "import sys\n" + "\n".join(f"import {module}" for module in modules)
    return set(run(f"{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})").split())


@pytest.mark.parametrize(
    ("module", "others"),
    [
        ("inferenceModel", {"cv2", "matplotlib", "PIL"}),
        ("audio", {"soundfile", "soxr"}),
        ("evaluation", {"cv2", "jinja2", "onnxruntime"}),
    ],
)
def test_packages_are_loaded_when_they_are_needed(module, others):
    assert loaded_by(f"mltu.{module}").isdisjoint(HEAVY | others)


def test_the_lower_floors_load_nothing_heavy():
    """All in one interpreter: if the sum is light, so is each."""
    loaded = loaded_by(*(f"mltu.{name}" for name in LIGHT))
    assert loaded.isdisjoint(HEAVY)
    assert "cv2" in loaded


def test_mltu_itself_loads_the_standard_library_only():
    before = set(run("import sys; print(*sys.modules)").split())
    after = set(run("import sys, mltu; print(*sys.modules)").split())
    new = {name.partition(".")[0] for name in after - before}
    assert "mltu" in new
    assert new - {"mltu"} <= set(sys.stdlib_module_names)


def test_the_main_names_come_from_the_top_and_only_when_asked_for():
    code = (
        "import sys, mltu\nassert {'DataProvider', 'train_reader'} <= set(dir(mltu))\n"
        "mltu.TextRecognizer\n"
        "print(mltu.TextRecognizer.__name__, *{name.partition('.')[0] for name in sys.modules})"
    )
    name, *loaded = run(code).split()
    assert name == "TextRecognizer"
    assert HEAVY.isdisjoint(loaded)
    import mltu
    from mltu import DataProvider, train_reader

    assert train_reader.__module__.startswith("mltu.training")
    assert DataProvider is mltu.DataProvider
    with pytest.raises(AttributeError, match="'mltu' has no attribute 'Reader'"):
        mltu.Reader  # noqa: B018


@pytest.mark.parametrize(
    ("package", "module", "way_out"),
    [
        ("keras", "losses", 'pip install "mltu[tensorflow]"'),
        ("keras", "dataProvider", 'pip install "mltu[tensorflow]"'),
        ("cv2", "preprocessors", "opencv-python-headless"),
        ("cv2", "augmentors", "opencv-python-headless"),
    ],
)
def test_a_missing_package_is_named_with_its_pip_line(package, module, way_out):
    code = f"""
import sys
sys.modules[{package!r}] = None
try:
    import mltu.{module}
except ImportError as error:
    print(error.name, error, type(error.__cause__).__name__)
"""
    printed = run(code)
    assert printed.startswith(f"{package} mltu needs the package `{package}` here")
    assert way_out in printed
    assert printed.endswith("ModuleNotFoundError\n")


def test_other_import_errors_pass_unchanged():
    from mltu._extras import explain_missing

    original = ImportError("something else", name="unheard_of")
    with pytest.raises(ImportError) as caught, explain_missing():
        raise original
    assert caught.value is original


def test_each_hook_into_keras_has_its_test():
    page = (ROOT / "docs" / "keras_internals.md").read_text(encoding="utf-8")
    named = re.findall(r"`(Tests/\w+\.py)::(\w+)`", page)
    assert len(named) > 10
    for file, test in named:
        assert f"def {test}" in (ROOT / file).read_text(encoding="utf-8"), (file, test)
    code = "".join(file.read_text(encoding="utf-8") for file in FILES)
    assert all(name in page for name in re.findall(r"keras\.src\.[\w.]+", code))


# Imports as written


def test_what_a_package_offers_is_there():
    for file in sorted((ROOT / "mltu").glob("*/__init__.py")):
        module = importlib.import_module(f"mltu.{file.parent.name}")
        assert all(hasattr(module, name) for name in getattr(module, "__all__", ())), file
