"""Wheel and sdist: all inside, bounds that say something, and a reader on the base alone."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_bytes

import numpy as np
import onnx
import pytest
from conftest import ROOT
from onnx import TensorProto, helper

READ = """
import importlib.util, sys
import cv2, numpy as np
from mltu.inferenceModel import OnnxInferenceModel
from mltu.utils.text_utils import ctc_decoder

class Reader(OnnxInferenceModel):
    def predict(self, image):
        image = cv2.resize(image, self.input_shape[:2][::-1])
        outputs = self.model.run(None, {self.input_name: image[None].astype(np.float32)})[0]
        return ctc_decoder(outputs, self.metadata["vocab"])[0]

assert importlib.util.find_spec("keras") is None
assert importlib.util.find_spec("tensorflow") is None
print("read", Reader(sys.argv[1])(cv2.imread(sys.argv[2])))
"""


def run(*command):
    return subprocess.run(
        [str(part) for part in command], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def metadata(wheel):
    file = zipfile.ZipFile(wheel)
    name = next(name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(file.read(name))


@pytest.mark.slow
def test_sdist_holds_what_its_tests_need(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as file:
        names = file.getnames()
    held = {name.partition("/")[2] for name in names}
    listed = subprocess.run(
        ["git", "ls-files", "Tests", "Tutorials", "benchmarks", "docs", "mltu", "*.md"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("This is no checkout.")
    wanted = set(listed.stdout.splitlines())
    assert {"Tests/conftest.py", "LICENSES.md", "Tutorials/01_image_to_word/train.py"} <= wanted
    assert wanted <= held
    assert not [name for name in held if "__pycache__" in name or "node_modules" in name]


@pytest.mark.slow
def test_licences_stand_in_the_metadata(metadata, wheel):
    licences = metadata.get_all("License-File")
    held = zipfile.ZipFile(wheel).namelist()
    assert metadata["License-Expression"] == "MIT"
    assert {"LICENSE", "LICENSES.md"} < set(licences)
    for licence in licences:
        assert any(name.endswith(f".dist-info/licenses/{licence}") for name in held)


@pytest.mark.slow
def test_requirements_have_a_lower_bound_and_no_upper(metadata):
    """What users install; `.ci/lowest` runs the fast tests on exactly these bounds."""
    lines = [
        line for line in metadata.get_all("Requires-Dist") if not re.search('"(dev|docs)"', line)
    ]
    assert len(lines) > 20
    for line in lines:
        requirement = line.partition(";")[0].strip()
        if requirement in ("jax", "torch"):  # None but the newest was tried.
            continue
        assert re.fullmatch(r"[\w-]+(\[[\w-]+\])?>=[\d.]+", requirement), line


def test_the_pythons_agree():
    """One range in the metadata, the classifiers, the issue form and the workflow."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [line for line in project["classifiers"] if ":: Python :: 3." in line]
    versions = [line.rpartition(" ")[2] for line in named]
    assert versions == ["3.11", "3.12", "3.13"]
    assert project["requires-python"] == f">={versions[0]}"
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    assert f"python: [{', '.join(repr(v) for v in versions)}]".replace("'", '"') in workflow


@pytest.mark.slow
def test_wheel_holds_every_module_and_all_data(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "mltu").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "mltu/py.typed" in wanted
    assert wanted <= held
    assert not any(name.startswith(("Tests", "Tutorials")) for name in held)


@pytest.mark.slow
def test_base_install_reads_an_image_without_keras(wheel, tmp_path):
    # Columns darker than 128 say "a", lighter ones the blank: an ink stroke is read as one letter.
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 3], keepdims=1),
        helper.make_node("Squeeze", ["mean", "axis"], ["columns"]),
        helper.make_node("Sub", ["top", "columns"], ["ink"]),
        helper.make_node("Concat", ["ink", "columns"], ["output"], axis=2),
    ]
    shapes = [("input", ["n", 4, 12, 3]), ("output", ["n", 12, 2])]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes]
    constants = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("top", TensorProto.FLOAT, [1], [255.0]),
    ]
    graph = helper.make_graph(nodes, "reader", values[:1], values[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {"vocab": '"a"'})
    onnx.save(model, str(tmp_path / "model.onnx"))

    import cv2

    image = np.full((8, 24, 3), 255, np.uint8)
    image[:, 4:8] = image[:, 14:20] = 0
    cv2.imwrite(str(tmp_path / "word.png"), image)

    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(python, "-m", "pip", "install", "--quiet", wheel)
    assert run(python, "-c", READ, tmp_path, tmp_path / "word.png").strip() == "read aa"
    command = python.with_name("mltu.exe" if os.name == "nt" else "mltu")
    assert run(command, "read", tmp_path / "word.png").startswith(f"{tmp_path / 'word.png'}\t")
    facts = json.loads(run(command, "doctor", "--format", "json"))
    assert "keras" not in facts["packages"]
    assert facts["failures"] == facts["notes"] == []
    assert facts["probes"]["onnxruntime"]["runs on"] == "CPUExecutionProvider"
    training = subprocess.run([command, "train", tmp_path], capture_output=True, text=True)
    assert training.returncode == 1
    assert 'pip install "mltu[tensorflow]"' in training.stderr
    assert "Traceback" not in training.stderr
