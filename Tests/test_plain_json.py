"""Values as JSON has them."""

import numpy as np
import pytest

from mltu.utils.plain_json import to_plain


def test_numbers_of_numpy_are_numbers():
    found = to_plain({"a": np.int64(5), "b": (np.float32(0.5), np.bool_(True)), "c": "é"})
    assert found == {"a": 5, "b": [0.5, True], "c": "é"}
    assert [type(found["a"]), type(found["b"][1])] == [int, bool]


def test_what_json_has_not_is_named():
    with pytest.raises(TypeError, match="type set cannot be stored as JSON"):
        to_plain({"vocab": {"a", "b"}})
