"""mltu doctor: what it says of this machine, of broken packages, and of known bad combinations."""

import copy
import json
import sys

import pytest
from click.testing import CliRunner

from mltu.cli import _doctor_facts as doctor_facts
from mltu.cli._doctor_findings import examine
from mltu.cli.main import commands

SOUND = {
    "mltu": "2.0.0 in here",
    "python": "3.12.1 (CPython, 64bit) in here",
    "system": "Linux",
    "cores": 8,
    "gpus": [],
    "probes": {
        "opencv": {"version": "5.0.0", "threads": 8},
        "onnxruntime": {"version": "1.32.0", "runs on": "CPUExecutionProvider", "offers": ""},
        "keras": {"version": "3.15.1", "backend": "tensorflow", "GPUs": 0},
    },
    "environment": {},
    "packages": {
        "numpy": "2.4.6", "onnxruntime": "1.32.0", "opencv-python": "5.0.0.93",
        "keras": "3.15.1", "tensorflow": "2.21.0", "tensorboard": "2.21.0", "onnx": "1.23.2",
        "tf2onnx": "1.17.0", "tensorflow-cpu": None, "jax": None, "torch": None,
    },
    "unmet": [],
}  # fmt: skip


def facts_with(changes):
    """Return sound facts, but for what dotted names say; values None remove the entry."""
    facts = copy.deepcopy(SOUND)
    for name, value in changes.items():
        place, _, key = name.rpartition("/")
        target = facts
        for part in place.split("/") if place else []:
            target = target[part]
        target[key] = value
    return facts


def run(*arguments, status=0):
    result = CliRunner().invoke(commands, ["doctor", *arguments])
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


def test_this_machine():
    """The real command: these tests run, so all that they load is sound."""
    facts = json.loads(run("--json"))
    assert facts["probes"]["onnxruntime"]["runs on"].endswith("ExecutionProvider")
    assert facts["probes"]["keras"]["backend"] in ("tensorflow", "jax", "torch")
    assert facts["packages"]["numpy"]
    assert not [finding for finding in facts["findings"] if finding["is_broken"]]


def test_the_base_install_is_sound():
    packages = ("keras", "tensorflow", "tensorboard", "onnx", "tf2onnx")
    facts = facts_with({f"packages/{name}": None for name in packages})
    del facts["probes"]["keras"]
    assert examine(facts) == []


def test_sound_facts_have_no_findings():
    assert examine(SOUND) == []


GPU = {"gpus": ["NVIDIA H200 (driver 570, 143771 MiB)"]}
NO_LIBGL = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("changes", "is_broken", "words"),
    [
        ({"probes/opencv": {"error": NO_LIBGL}}, True, "opencv-python-headless"),
        ({"probes/keras": {"error": "its process ended with status -4: "}}, True, "lacks AVX"),
        (
            {"probes/keras": {"error": "ModuleNotFoundError: No module named 'jax'"}},
            True,
            "KERAS_BACKEND",
        ),
        (
            {"probes/onnxruntime": {"error": "ImportError: DLL load failed"}},
            True,
            "onnxruntime does not load: ImportError: DLL load failed",
        ),
        ({"unmet": ["tf2onnx needs protobuf~=3.20; here is protobuf 7.36.2"]}, True, "protobuf"),
        ({"python": "3.12.1 (CPython, 32bit) in here"}, True, "32 bits"),
        ({"packages/tensorflow": None}, True, "no backend"),
        ({"packages/tf2onnx": None}, False, "tf2onnx missing"),
        ({"packages/tensorboard": None}, False, "TensorBoard"),
        ({"packages/opencv-python-headless": "5.0.0.93"}, False, "one another's files"),
        ({"packages/onnxruntime-gpu": "1.32.0"}, False, "one another's files"),
        ({"environment/TF_USE_LEGACY_KERAS": "1"}, False, "Keras 2"),
    ],
)
def test_known_bad_combinations(changes, is_broken, words):
    (finding,) = examine(facts_with(changes))
    assert finding.is_broken == is_broken
    assert words in finding.text


def test_a_gpu_that_nobody_uses():
    training, reading = examine(facts_with(GPU))
    assert 'pip install "mltu[gpu]"' in training.text
    assert "onnxruntime-gpu" in reading.text
    assert not training.is_broken
    assert examine(facts_with({**GPU, "environment/CUDA_VISIBLE_DEVICES": "-1"})) == []
    on_windows, _ = examine(facts_with({**GPU, "system": "Windows-11"}))
    assert "WSL2" in on_windows.text
    used = {"probes/keras/GPUs": 1, "probes/onnxruntime/runs on": "CUDAExecutionProvider"}
    assert examine(facts_with({**GPU, **used})) == []


def test_another_opencv_serves_as_well():
    headless = {"packages/opencv-python": None, "packages/opencv-contrib-python": "5.0.0.93"}
    unmet = ["mltu needs opencv-python>=4.9; here is no opencv-python"]
    assert examine(facts_with({**headless, "unmet": unmet})) == []
    none = facts_with({"packages/opencv-python": None, "unmet": unmet})
    assert examine(none)[0].is_broken
    # What doctor itself says of two OpenCVs leaves one of them.
    headless = [
        "albumentations needs opencv-python-headless>=4.9; here is no opencv-python-headless"
    ]
    assert examine(facts_with({"unmet": headless})) == []


def test_another_onnxruntime_serves_as_well():
    unmet = ["mltu needs onnxruntime>=1.20.1; here is no onnxruntime"]
    windows = {"packages/onnxruntime": None, "packages/onnxruntime-directml": "1.24.1"}
    assert examine(facts_with({**windows, "unmet": unmet})) == []
    assert examine(facts_with({"packages/onnxruntime": None, "unmet": unmet}))[0].is_broken


def test_what_is_broken_comes_first_and_ends_with_1(monkeypatch):
    changes = {"packages/tensorboard": None, "probes/opencv": {"error": NO_LIBGL}}
    monkeypatch.setattr(doctor_facts, "gather", lambda timeout: facts_with(changes))
    output = run(status=1)
    assert output.index("BROKEN: opencv") < output.index("note: tensorboard")
    assert "opencv       fails: ImportError: libGL.so.1" in output
    assert json.loads(run("--format", "json", status=1))["findings"][0]["is_broken"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os, sys; print('ouch', file=sys.stderr); sys.stderr.flush(); os._exit(3)",
         "status 3: ouch"),
        ("import time; time.sleep(60)", "more than 1 s"),
    ],
)  # fmt: skip
def test_a_child_that_dies_is_a_line(monkeypatch, code, words):
    monkeypatch.setattr(doctor_facts, "_CODE", code)
    assert words in doctor_facts.probe("keras", 1 if "sleep" in code else 60)["error"]


def test_an_exception_in_a_probe_is_a_line(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "nonsense")
    assert "nonsense" in doctor_facts.probe("keras", 120)["error"]


def test_versions_that_exclude_one_another(monkeypatch):
    wanted = {
        "mltu": ["numpy>=1.26", 'keras>=3.10; extra == "jax"', 'lmdb>=1.5; extra == "lmdb"'],
        "tf2onnx": ["protobuf~=3.20", 'colorama>=1; python_version < "3"'],
    }
    versions = {"numpy": "1.25.0", "keras": "2.15.0", "protobuf": "7.36.2", "tf2onnx": "1.17.0"}
    monkeypatch.setattr(doctor_facts, "_requirements", lambda name: wanted.get(name, []))
    monkeypatch.setattr(doctor_facts, "_version", versions.get)
    assert doctor_facts.unmet_requirements(versions) == [
        "mltu needs numpy>=1.26; here is numpy 1.25.0",
        "mltu needs keras>=3.10; here is keras 2.15.0",
        "tf2onnx needs protobuf~=3.20; here is protobuf 7.36.2",
    ]


def test_nothing_is_said_without_the_package_that_compares_versions(monkeypatch):
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    assert doctor_facts.unmet_requirements({"numpy": "1.0"}) == []
