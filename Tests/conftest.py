"""What all tests share: a quiet backend, and the tutorial's modules by name."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import contextlib
import importlib.util
import io
import json
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest
from click.testing import CliRunner, Result
from quick_exports import convert_here, without_trial

from mltu.cli.main import commands

ROOT = Path(__file__).resolve().parents[1]
hypothesis.settings.register_profile("mltu", deadline=None)  # Machines have slow hours.
hypothesis.settings.load_profile("mltu")
ON_TENSORFLOW = os.environ["KERAS_BACKEND"] == "tensorflow"

# For exports, which take a child process of some seconds each where no TensorFlow runs.
slow_elsewhere = pytest.mark.skipif(False, reason="") if ON_TENSORFLOW else pytest.mark.slow


_CONVERTER = """
import json, sys
from mltu.utils.child_process import main
for line in sys.stdin:
    sys.path[:], *arguments = json.loads(line)
    main(arguments)
"""


@pytest.fixture(autouse=True, scope="session")
def convert_without_new_interpreters():
    """Convert in this process, or where it runs no TensorFlow in one child for all tests."""
    from mltu.onnx_export import _export
    from mltu.utils import child_process

    children = []

    def convert_in_the_child(job, timeout):
        if not children:
            environment = {"CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
            children.append(
                subprocess.Popen(
                    [sys.executable, "-c", _CONVERTER], cwd=ROOT, env=os.environ | environment,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
                )
            )  # fmt: skip
        (child,) = children
        request = [sys.path, "mltu.onnx_export._convert:convert", json.dumps(job)]
        print(json.dumps(request), file=child.stdin, flush=True)
        reply = next(line for line in child.stdout if line.startswith(child_process._REPLY))
        reply = json.loads(reply.removeprefix(child_process._REPLY))
        if "bases" in reply:
            raise child_process._rebuild_error(reply)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_export, "run_child", convert_here if ON_TENSORFLOW else convert_in_the_child)
        yield
    for child in children:
        child.communicate()


@pytest.fixture(autouse=True, scope="session")
def in_full_precision_on_a_gpu():
    """PyTorch lets cuDNN round the inputs of convolutions to 11 bits, more than tests allow."""
    if os.environ["KERAS_BACKEND"] == "torch":
        import torch

        torch.backends.cudnn.allow_tf32 = False


def pytest_collection_modifyitems(items):
    """Let a file's tests share their fixtures in one process; pages, which share none, go first."""
    for item in items:
        if item.path.name != "test_site.py":
            item.add_marker(pytest.mark.xdist_group(item.path.name))
    items.sort(key=lambda item: item.path.name != "test_site.py")


@pytest.fixture(autouse=True)
def one_export_of_a_training(request, monkeypatch):
    """Leave out the trial export of a slow test, whose training ends with the same export.

    What the trial does is proved by fast tests and those of `test_callbacks`.
    """
    if request.node.get_closest_marker("slow") and request.module.__name__ != "test_callbacks":
        from mltu.callbacks import Model2onnx

        monkeypatch.setattr(Model2onnx, "_export", without_trial(Model2onnx._export))


@pytest.fixture
def real_child(monkeypatch):
    """Convert in a child process, as users do."""
    from mltu.onnx_export import _convert, _export

    monkeypatch.setattr(_export, "run_child", _convert.run_child)


@pytest.fixture(scope="session")
def words(tmp_path_factory):
    """Return a data set of 400 words to train on and 40 to validate, in the layout of MJSynth."""
    from mltu.synthetic import write_mjsynth

    folder = tmp_path_factory.mktemp("data") / "words"
    counts = {"num_train": 400, "num_validation": 40}
    return write_mjsynth(folder, **counts, seed=1, workers=0, progress=False)


@contextlib.contextmanager
def dtype_policy(name: str | None = None) -> Iterator[None]:
    """Build models of another dtype policy, or of any; afterwards it is what it was."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name or before)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder by their names."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def run_python(
    *arguments: object,
    cwd: Path = ROOT,
    paths: tuple[Path, ...] = (),
    check: bool = True,
    timeout: float = 300,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, which finds mltu and what lies in `paths`."""
    found = os.pathsep.join(map(str, (*paths, ROOT)))
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd,
        env={**os.environ, "PYTHONPATH": found, "PYTHONUTF8": "1", **environment},
        capture_output=True, encoding="utf-8", timeout=timeout, check=False,
    )  # fmt: skip
    assert not (check and done.returncode), done.stdout[-2000:] + done.stderr[-4000:]
    return done


def run_mltu(*arguments: object, status: int = 0, **options: Any) -> Result:
    """Run a command in this process; it ends with `status` and never with a traceback."""
    result = CliRunner().invoke(commands, [str(argument) for argument in arguments], **options)
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result


def refusal(*arguments: object) -> str:
    """Run a command that must fail with status 1 and one line, and return the line."""
    (line,) = run_mltu(*arguments, status=1).stderr.splitlines()
    return line


def run_tutorial(
    folder: str, name: str, *arguments: object, check: bool = True, place: Path = ROOT.parent
) -> subprocess.CompletedProcess[str]:
    """Run the script `Tutorials/<folder>/<name>` in this process, from the folder `place`.

    Starting a script would import Keras once more; `test_scripts_of_the_tutorials_start` does that.
    """
    out, err, status = io.StringIO(), io.StringIO(), 0
    words = [str(argument) for argument in arguments]
    script = ROOT / "Tutorials" / folder / name
    try:
        with (
            contextlib.chdir(place),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            own_modules(script.parent),
            dtype_policy(),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "argv", [str(script), *words])
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            err.write(f"{end.code}\n")
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception as error:
        if check:
            raise
        err.write(f"{type(error).__name__}: {error}\n")
        status = 1
    done = subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())
    if check and status:
        raise AssertionError(f"{name} {words} ended with {status}:\n{done.stdout}{done.stderr}")
    return done


@contextlib.contextmanager
def own_modules(place: Path) -> Iterator[None]:
    """Import modules of a tutorial by their names: each has a `configs` and a `model`."""
    path, before = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(place))
    try:
        yield
    finally:
        sys.path[:] = path
        for other in set(sys.modules) - before:
            file = getattr(sys.modules[other], "__file__", None) or ""
            if file.startswith(str(ROOT / "Tutorials")) and not other.startswith("tutorial_"):
                del sys.modules[other]


def load_tutorial(folder: str, name: str = "train") -> ModuleType:
    """Import `Tutorials/<folder>/<name>.py`, whose modules import one another by name."""
    place = ROOT / "Tutorials" / folder
    spec = importlib.util.spec_from_file_location(f"tutorial_{folder}_{name}", place / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Dataclasses and FastAPI look annotations up there.
    with own_modules(place):
        spec.loader.exec_module(module)
    return module
