"""mltu doctor: what it says of this machine, of broken packages, and of packages that collide."""

import copy
import json
from types import SimpleNamespace

import pytest
from conftest import run_mltu, run_python

from mltu.cli import _doctor
from mltu.utils import gpus

SOUND = {
    "mltu": "2.0.0 in here",
    "python": "3.12.1 (64bit) in here",
    "system": "Linux, 8 cores",
    "gpus": [],
    "environment": {},
    "packages": {
        "numpy": "2.4.6", "onnxruntime": "1.32.0", "opencv-python": "5.0.0.93",
        "keras": "3.15.1", "tensorflow": "2.21.0", "onnx": "1.23.2", "tf2onnx": "1.17.0",
    },
    "probes": {
        "opencv": {"version": "5.0.0"},
        "onnxruntime": {"version": "1.32.0", "runs on": "CPUExecutionProvider"},
        "keras": {"version": "3.15.1", "backend": "tensorflow", "GPUs": 0},
    },
}  # fmt: skip
GPU = {"gpus": ["NVIDIA H200, 570, 143771 MiB"]}
NO_LIBGL = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"


def facts_with(changes):
    """Return sound facts, but for what names such as "packages/onnx" say."""
    facts = copy.deepcopy(SOUND)
    for name, value in changes.items():
        *folders, key = name.split("/")
        target = facts
        for folder in folders:
            target = target[folder]
        target[key] = value
    return facts


def failures(changes):
    return list(_doctor._failures(facts_with(changes)))


def notes(changes, without=()):
    facts = facts_with(changes)
    for name in without:
        del facts["packages"][name]
    return list(_doctor._notes(facts))


def test_this_machine():
    """The real command: these tests run, so all that they load is sound."""
    facts = json.loads(run_mltu("doctor", "--format", "json").output)
    assert facts["probes"]["onnxruntime"]["runs on"].endswith("ExecutionProvider")
    assert facts["probes"]["keras"]["backend"] in ("tensorflow", "jax", "torch")
    assert facts["packages"]["numpy"]
    assert facts["failures"] == []


def test_sound_facts_have_no_findings():
    assert failures({}) == notes({}) == []


def test_the_base_install_is_sound():
    facts = facts_with({"packages": {"numpy": "2.4.6", "onnxruntime": "1.32.0"}})
    del facts["probes"]["keras"]
    assert list(_doctor._failures(facts)) == list(_doctor._notes(facts)) == []


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("opencv", NO_LIBGL, "pip install opencv-python-headless"),
        ("keras", "The child process was killed by SIGILL.", "needs AVX"),
        ("keras", "ModuleNotFoundError: No module named 'jax'", "set KERAS_BACKEND"),
        ("keras", "ValueError: Unable to import backend : x", "Set KERAS_BACKEND"),
        ("onnxruntime", "ImportError: DLL load failed", "onnxruntime: ImportError: DLL load"),
    ],
)
def test_what_fails_is_named_with_its_fix(name, error, words):
    (text,) = failures({f"probes/{name}": {"error": error}})
    assert words in text


@pytest.mark.parametrize("rival", ["opencv-python-headless", "onnxruntime-gpu"])
def test_packages_that_overwrite_each_other(rival):
    (text,) = notes({f"packages/{rival}": "1"})
    assert f"and {rival} overwrite each other's files" in text


def test_what_the_export_lacks():
    (text,) = notes({}, without=["tf2onnx"])
    assert text.startswith("tf2onnx missing")
    assert notes({"packages/tensorflow-cpu": "2.21.0"}, without=["tensorflow"]) == []


def test_a_gpu_that_nobody_uses():
    training, reading = notes(GPU)
    assert 'pip install "mltu[gpu]"' in training
    assert "onnxruntime-gpu" in reading
    assert notes({**GPU, "environment/CUDA_VISIBLE_DEVICES": "-1"}) == []
    on_windows, _ = notes({**GPU, "system": "Windows-11"})
    assert "WSL2" in on_windows
    used = {"probes/keras/GPUs": 1, "probes/onnxruntime/runs on": "CUDAExecutionProvider"}
    assert notes({**GPU, **used}) == []


def test_failures_come_first_and_end_with_1(monkeypatch):
    changes = {"packages/onnxruntime-gpu": "1", "probes/opencv": {"error": NO_LIBGL}}
    monkeypatch.setattr(_doctor, "gather", lambda timeout: facts_with(changes))
    output = run_mltu("doctor", status=1).output
    assert output.index("FAILED: opencv") < output.index("note: onnxruntime")
    assert "error: ImportError: libGL.so.1" in output
    said = json.loads(run_mltu("doctor", "--format", "json", status=1).output)
    assert said["failures"][0].startswith("opencv")


def test_a_wheel_may_spell_its_name_with_underscores(monkeypatch):
    package = SimpleNamespace(name="tensorflow_cpu", version="2.21.0")
    monkeypatch.setattr(_doctor, "distributions", lambda: [package])
    monkeypatch.setattr(_doctor, "call_in_child", lambda *_, **__: {})
    assert _doctor.gather(60)["packages"] == {"tensorflow-cpu": "2.21.0"}


def test_remains_of_a_package_are_passed_over(monkeypatch, tmp_path):
    """An empty `x-1.0.dist-info`, as a removal that failed leaves it, ended in AttributeError."""
    (tmp_path / "x-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(_doctor, "call_in_child", lambda *_, **__: {})
    assert "numpy" in _doctor.gather(60)["packages"]


def test_of_two_versions_the_imported_one_is_listed(monkeypatch, tmp_path):
    """The last one on the path was listed, which the first one hides."""
    (tmp_path / "numpy-9.9.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: numpy\nVersion: 9.9\n"
    (tmp_path / "numpy-9.9.dist-info" / "METADATA").write_text(metadata)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(_doctor, "call_in_child", lambda *_, **__: {})
    assert _doctor.gather(60)["packages"]["numpy"] == "9.9"


def test_an_exception_in_a_probe_is_a_line(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "nonsense")
    assert "nonsense" in _doctor._try("keras", 120)["error"]


def test_a_child_that_dies_is_a_line(monkeypatch):
    def die(*_, **__):
        raise RuntimeError("The child process ended with status 3. Its last output:\nouch")

    monkeypatch.setattr(_doctor, "call_in_child", die)
    assert _doctor._try("keras", 60)["error"].endswith("status 3. Its last output: ouch")


def test_nvidia_smi_has_to_list_a_gpu_that_is_not_hidden(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not gpus.has_unhidden_gpu()
    program = tmp_path / "nvidia-smi"
    listed = "NVIDIA H200, 570.1, 143771 MiB"
    for output, expected in [("No devices were found", []), (listed, [listed])]:
        program.write_text(f"#!/bin/sh\necho '{output}'\n")
        program.chmod(0o755)
        assert gpus.nvidia_gpus() == expected
        assert gpus.has_unhidden_gpu() is bool(expected)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert not gpus.has_unhidden_gpu()


def test_a_server_without_libgl_gets_a_fix_that_works(tmp_path):
    """`mltu read` named the library only, and `doctor` blamed onnxruntime too."""
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file', name='cv2')\n"
    )
    code = (
        "import importlib, mltu.cli._doctor as d\n"
        "print(d.probe('onnxruntime'))\n"
        "for name in ('preprocessors', 'augmentors', 'transformers', 'synthetic'):\n"
        "    try: importlib.import_module(f'mltu.{name}')\n"
        "    except ImportError as error: print(name, error)\n"
        "from mltu import TextRecognizer\n"
        "try: TextRecognizer()\n"
        "except ImportError as error: print('reader', error)\n"
    )
    probe, *errors = run_python("-c", code, paths=(tmp_path,)).stdout.splitlines()
    assert "runs on" in probe
    assert len(errors) == 5
    for error in errors:
        assert "needs the package `cv2` here, but cannot import it (libGL.so.1" in error
        assert error.endswith("then pip install opencv-python-headless")
