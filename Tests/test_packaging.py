"""The wheel: every module inside, and a reader that runs on the base install alone."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parents[1]

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
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    return next(folder.glob("*.whl"))


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
    training = subprocess.run([command, "train", tmp_path], capture_output=True, text=True)
    assert training.returncode == 1
    assert 'pip install "mltu[tensorflow]"' in training.stderr
    assert "Traceback" not in training.stderr
