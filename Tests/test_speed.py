"""What `mltu bench --data` says of a training."""

import keras
import pytest

from mltu.models import column_reader
from mltu.models._adapt import in_precision
from mltu.training import measure_speed
from mltu.training._speed import _advise, has_bfloat16
from mltu.utils import gpus


@pytest.mark.parametrize(
    ("data", "steps", "has_gpu", "said"),
    [
        (100, {"float32": 200}, False, ["Data loading is the bottleneck: one thread"]),
        (300, {"float32": 200}, True, ["just keeps up with the network: use --workers 2"]),
        (
            8000,
            {"float32": 200, "mixed_bfloat16": 300},
            False,
            ["prepares 40 times", "--precision mixed_bfloat16 is 1.50 times", "There is no GPU"],
        ),
        (8000, {"float32": 200, "mixed_bfloat16": 180}, True, ["prepares 40 times"]),
    ],
)
def test_the_advice_names_what_limits(data, steps, has_gpu, said):
    found = list(_advise(data, steps, "float32", has_gpu=has_gpu))
    assert len(found) == len(said)
    for sentence, part in zip(found, said, strict=True):
        assert part in sentence


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ("flags\t\t: fpu avx512_bf16 sse", True),
        ("Features\t: fp bf16", True),
        ("flags: avx2", False),
    ],
)
def test_bfloat16_is_read_from_the_flags_of_the_processor(info, expected, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(info, encoding="utf-8")
    monkeypatch.setattr(gpus, "Path", lambda _: tmp_path / "cpuinfo")
    assert has_bfloat16() is expected


def test_a_duration_must_be_positive():
    with pytest.raises(ValueError, match=r"`seconds` must be above 0\. Received 0"):
        measure_speed("labels.csv", seconds=0)


@pytest.mark.backend
def test_a_trained_reader_computes_in_the_precision_that_is_given():
    """It was loaded in float32 and stayed there, whatever `precision` said."""
    model = in_precision(column_reader((32, 64, 3), 5), "mixed_bfloat16")
    assert model.layers[1].compute_dtype == model.layers[-3].compute_dtype == "bfloat16"
    outputs = model(keras.ops.zeros((1, 32, 64, 3)))
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
