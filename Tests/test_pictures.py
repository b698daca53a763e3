"""Pictures: PNG files that show what was given."""

import cv2
import pytest

from mltu.pictures import plot_bars


def test_longer_bars_take_more_ink(tmp_path):
    def ink(value):
        plot_bars(tmp_path / "bars.png", {"a": 10.0, "b": value}, "images/s")
        image = cv2.imread(str(tmp_path / "bars.png"))
        blue, _, red = (image[..., channel].astype(int) for channel in range(3))
        return int((blue - red > 60).sum())

    assert ink(9.0) > 1.3 * ink(1.0)


def test_no_bars(tmp_path):
    with pytest.raises(ValueError, match="at least one bar"):
        plot_bars(tmp_path / "bars.png", {}, "images/s")
    assert list(tmp_path.iterdir()) == []
