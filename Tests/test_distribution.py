"""A training on several devices or processes takes the course of one process on one device."""

import functools
import json
import os
import re
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import pages
import pytest

from mltu.datasets import read_mjsynth, write_csv
from mltu.models import Processes, distribute
from mltu.models._distribute import ADDRESSES
from mltu.synthetic import write_mjsynth
from mltu.training import fit_reader

SCRIPT = Path(__file__).parent / "tools" / "distributed_training.py"


def begin(backend, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONUTF8": "1", **environment},
        stdout=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip


def result(process):
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads(printed.splitlines()[-1])


@functools.cache
def alone(backend):
    """Train in one process on one device, in batches of 8."""
    return result(begin(backend, "--alone"))


def check_same_course(one, other):
    assert one["history"].keys() == other["history"].keys()
    for key, values in one["history"].items():
        assert other["history"][key] == pytest.approx(values, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_of_one_process(backend):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    both = result(begin(backend, "--devices", 2))
    assert alone(backend)["processes"] == [0, 1, 1]
    assert both["processes"] == [0, 1, 2]
    check_same_course(alone(backend), both)


@pytest.mark.slow
def test_two_processes_of_jax():
    if find_spec("jax") is None:
        pytest.skip("jax is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = [
        begin(
            "jax", "--batch-size", 4, KERAS_DISTRIBUTION_JOB_ADDRESSES=address,
            KERAS_DISTRIBUTION_NUM_PROCESSES="2", KERAS_DISTRIBUTION_PROCESS_ID=str(i),
        )
        for i in range(2)
    ]  # fmt: skip
    first, second = map(result, processes)
    assert (first["processes"], second["processes"]) == ([0, 2, 2], [1, 2, 2])
    check_same_course(alone("jax"), first)
    check_same_course(alone("jax"), second)
    # Each sample of the epoch is seen once, in the batch it belongs to.
    assert first["seen"] == alone("jax")["seen"][::2]
    assert second["seen"] == alone("jax")["seen"][1::2]


@pytest.mark.slow
def test_two_processes_run_the_script_of_the_page(tmp_path):
    if find_spec("jax") is None:
        pytest.skip("jax is not installed")
    root = write_mjsynth(
        tmp_path / "words", num_train=64, num_validation=32, workers=0, progress=False
    )
    for name, part in (("labels", "train"), ("validation", "val")):
        write_csv(tmp_path / f"{name}.csv", read_mjsynth(root, part))
    blocks = pages.blocks_of("docs/howto/devices.md")
    script = "".join(block.text for block in blocks if block.language == "python")
    script = script.partition("model = keras.models.load_model")[0]
    script = re.sub(r"^os.environ.*\n", "", script, flags=re.MULTILINE)
    script = script.replace("epochs=10", "epochs=1")
    (tmp_path / "distributed.py").write_text(script, encoding="utf-8")
    (launch,) = (block.text for block in blocks if "PROCESS_ID" in block.text)
    variables = dict(re.findall(r"([A-Z_]+)=(\S+)", launch.splitlines()[0]))
    numbers = re.findall(r"PROCESS_ID=(\d) python distributed.py", launch)
    assert numbers == ["0", "1"]
    processes = [
        subprocess.Popen(
            [sys.executable, "distributed.py"],
            cwd=tmp_path,
            env={**os.environ, **variables, "KERAS_DISTRIBUTION_PROCESS_ID": number,
                 "PYTHONPATH": str(SCRIPT.parents[2])},
        )
        for number in numbers
    ]  # fmt: skip
    assert [process.wait(timeout=600) for process in processes] == [0, 0]
    names = {path.name for path in (tmp_path / "together").iterdir()}
    assert names == {"model.keras", "logs.log", "logs", "curves.png"}
    log = (tmp_path / "together" / "logs.log").read_text(encoding="utf-8")
    assert log.count("Epoch 1;") == 1


@pytest.mark.parametrize(
    ("backend", "environment"), [("torch", {}), ("tensorflow", {ADDRESSES: "127.0.0.1:1"})]
)
def test_what_keras_cannot_distribute_is_said_at_once(backend, environment, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(ValueError, match=f"distribute training on {backend}.*KERAS_BACKEND=jax"):
        distribute()


def test_a_run_of_several_processes_is_not_resumed(tmp_path):
    with pytest.raises(ValueError, match="cannot be resumed; there are 2"):
        fit_reader(
            None, [], None, tmp_path, epochs=1, learning_rate=1e-3, metadata={"vocab": "a"},
            resume=True, processes=Processes(0, 2, 2),
        )  # fmt: skip
    assert not list(tmp_path.iterdir())
