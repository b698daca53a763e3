"""OnnxInferenceModel: attributes, errors, and metadata that can do nothing."""

import copy
import pickle

import numpy as np
import onnxruntime as ort
import pytest
from onnxruntime.capi._pybind_state import OrtValueVector

from mltu.inferenceModel import OnnxInferenceModel, newest_run

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402  It may be missing.


def write_model(path, metadata=None):
    """Write y = x + x for x of shape (batch, 2, 3)."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2, 3])
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "double", [x], [y])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="test"
    )
    helper.set_model_props(model, metadata or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


class Doubler(OnnxInferenceModel):
    def predict(self, array, *, times=1):
        for _ in range(times):
            array = self.model.run(None, {self.input_name: array})[0]
        return array


def test_attributes(tmp_path):
    path = write_model(tmp_path / "žodis.onnx", {"vocab": '"a\\"bé"', "note": "plain text"})
    model = OnnxInferenceModel(path)
    assert model.model_path == str(path)
    assert model.input_shapes == [["batch", 2, 3]]
    assert model.input_shape == [2, 3]
    assert (model.input_names, model.output_names) == (["x"], ["y"])
    assert (model.input_name, model.output_name) == ("x", "y")
    assert model.metadata == {"vocab": 'a"bé', "note": "plain text"}
    assert model.model.get_providers()[-1] == "CPUExecutionProvider"


def test_calling_is_predicting(tmp_path):
    model = Doubler(str(write_model(tmp_path / "a.onnx")), force_cpu=True)
    ones = np.ones((1, 2, 3), np.float32)
    np.testing.assert_array_equal(model(ones), ones * 2)
    np.testing.assert_array_equal(model(ones, times=3), ones * 8)
    np.testing.assert_array_equal(model.predict(ones), ones * 2)
    assert model.model.get_providers() == ["CPUExecutionProvider"]


def test_predict_must_be_defined(tmp_path):
    class Reader(OnnxInferenceModel):
        pass

    model = Reader(write_model(tmp_path / "a.onnx"))
    with pytest.raises(NotImplementedError, match="Reader must define `predict`"):
        model(1)


def test_folder_with_the_default_name(tmp_path, monkeypatch):
    write_model(tmp_path / "model.onnx")
    write_model(tmp_path / "other.onnx")
    assert OnnxInferenceModel(tmp_path).model_path == str(tmp_path / "model.onnx")
    named = OnnxInferenceModel(str(tmp_path), default_model_name="other.onnx")
    assert named.model_path == str(tmp_path / "other.onnx")
    monkeypatch.chdir(tmp_path)
    assert OnnxInferenceModel().model_path == "model.onnx"


def test_missing_file_names_its_neighbours(tmp_path):
    neighbour = write_model(tmp_path / "near.onnx")
    for path in (tmp_path, tmp_path / "model.onnx"):
        with pytest.raises(
            FileNotFoundError, match=r"`model_path` must be an .onnx file"
        ) as caught:
            OnnxInferenceModel(path)
        assert f"There is no file {str(tmp_path / 'model.onnx')!r}" in str(caught.value)
        assert f"Found in that folder: {neighbour.name}." in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r"absent.model\.onnx'\.$"):
        OnnxInferenceModel(tmp_path / "absent" / "model.onnx")


@pytest.mark.parametrize("cut", [0, 10, 60, None])
def test_corrupt_file_is_named(tmp_path, cut):
    path = write_model(tmp_path / "a.onnx")
    path.write_bytes(b"garbage" * 9 if cut is None else path.read_bytes()[:cut])
    with pytest.raises(
        ValueError, match=r"must be an ONNX model that onnxruntime .* can load"
    ) as caught:
        OnnxInferenceModel(path)
    assert repr(str(path)) in str(caught.value)


def test_hostile_metadata_stays_text(tmp_path):
    trace = tmp_path / "trace"
    hostile = {
        "call": f"__import__('os').system('echo > {trace}')",
        "open": f"open({str(trace)!r}, 'w')",
        "tuple": "(1, 2)",
        "yaml": f"!!python/object/apply:os.system ['echo > {trace}']",
        "deep": "[" * 100_000 + "]" * 100_000,
        "digits": "9" * 10_000,
        "huge": "x" * 1_000_000,
        "empty": "",
    }
    model = OnnxInferenceModel(write_model(tmp_path / "a.onnx", hostile))
    assert model.metadata == hostile
    assert not trace.exists()


def test_json_metadata_is_parsed(tmp_path):
    stored = {"vocab": '["a", "b"]', "blank": "2", "flag": "true", "nothing": "null"}
    model = OnnxInferenceModel(write_model(tmp_path / "a.onnx", stored))
    assert model.metadata == {"vocab": ["a", "b"], "blank": 2, "flag": True, "nothing": None}


@pytest.mark.parametrize(
    "vocab", ["123456789", "0123", "abc", "1e5", "true", "null", "-1.5", "[", "[1]x", "{}"]
)
def test_a_vocabulary_of_mltu_1_stays_text(vocab, tmp_path):
    """mltu 1 stored `str(vocab)`; as JSON, "123456789" is a number."""
    model = OnnxInferenceModel(write_model(tmp_path / "a.onnx", {"vocab": vocab}))
    assert model.metadata["vocab"] == vocab


@pytest.mark.parametrize(
    "vocab", [["0", "1"], ["'", '"', "\\", "\n", "\xa0", "\u200b", "ž", ","], ["a"]]
)
def test_a_listed_vocabulary_of_mltu_1_is_a_list(vocab, tmp_path):
    model = OnnxInferenceModel(write_model(tmp_path / "a.onnx", {"vocab": str(vocab)}))
    assert model.metadata["vocab"] == vocab


def test_an_empty_batch_is_refused(tmp_path):
    """onnxruntime ends the process where the model has an LSTM."""
    model = Doubler(write_model(tmp_path / "a.onnx"))
    with pytest.raises(ValueError, match=r"'x' must have at least one value.*\(0, 2, 3\)"):
        model(np.zeros((0, 2, 3), np.float32))
    empty = np.zeros((0, 2, 3), np.float32)
    with pytest.raises(ValueError, match="at least one value"):
        model.model.run_async(None, {"x": empty}, lambda *_: None, None)
    with pytest.raises(ValueError, match="at least one value"):
        model.model.run_with_ort_values(None, {"x": ort.OrtValue.ortvalue_from_numpy(empty)})


def test_an_empty_batch_cannot_be_bound(tmp_path):
    session = OnnxInferenceModel(write_model(tmp_path / "a.onnx"), force_cpu=True).model
    binding, shape = session.io_binding(), (0, 2, 3)
    empty, ones = np.zeros(shape, np.float32), np.ones((1, 2, 3), np.float32)
    value, feeds = ort.OrtValue.ortvalue_from_numpy(empty), OrtValueVector()
    feeds.push_back(value._ortvalue)
    for bind in (
        lambda: binding.bind_cpu_input("x", empty),
        lambda: binding.bind_input("x", "cpu", 0, np.float32, shape, empty.ctypes.data),
        lambda: binding.bind_ortvalue_input("x", value),
        lambda: session.run_with_ortvaluevector(None, ["x"], feeds, ["y"], OrtValueVector(), []),
    ):
        with pytest.raises(ValueError, match=r"'x' must have at least one value.*\(0, 2, 3\)"):
            bind()
    binding.bind_input("x", "cpu", 0, np.float32, ones.shape, ones.ctypes.data)
    binding.bind_output("y")
    session.run_with_iobinding(binding)
    np.testing.assert_array_equal(binding.copy_outputs_to_cpu()[0], ones * 2)


def test_a_session_takes_what_that_of_onnxruntime_takes(tmp_path):
    """OrtValues in `run`, and the keywords of its documentation."""
    session = OnnxInferenceModel(write_model(tmp_path / "a.onnx"), force_cpu=True).model
    ones = np.ones((1, 2, 3), np.float32)
    feed = {"x": ort.OrtValue.ortvalue_from_numpy(ones)}
    binding = session.io_binding()
    binding.bind_input(
        name="x", device_type="cpu", device_id=0, element_type=np.float32, shape=[1, 2, 3],
        buffer_ptr=ones.ctypes.data,
    )  # fmt: skip
    binding.bind_output("y")
    session.run_with_iobinding(binding)
    for outputs in (
        session.run(None, feed),
        [each.numpy() for each in session.run_with_ort_values(None, input_dict_ort_values=feed)],
        binding.copy_outputs_to_cpu(),
    ):
        np.testing.assert_array_equal(outputs[0], ones * 2)
    with pytest.raises(ValueError, match="at least one value"):
        session.run(None, {"x": ort.OrtValue.ortvalue_from_numpy(ones[:0])})


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_opens_the_file_again(clone, tmp_path):
    model = clone(Doubler(write_model(tmp_path / "a.onnx"), force_cpu=True, num_threads=1))
    ones = np.ones((1, 2, 3), np.float32)
    np.testing.assert_array_equal(model(ones), ones * 2)
    assert model.model.get_session_options().intra_op_num_threads == 1


def test_the_newest_run_has_the_last_name_and_a_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="Train one first"):
        newest_run(tmp_path)
    for name in ("20250101", "20260101", "20270101"):
        (tmp_path / name).mkdir()
    for name in ("20250101", "20260101"):
        (tmp_path / name / "model.onnx").touch()
    assert newest_run(tmp_path) == tmp_path / "20260101"
