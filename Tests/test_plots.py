"""Plots: PNG files that show what was given."""

import cv2
import numpy as np
import pytest

from mltu import plots
from mltu.plots import plot_history, write_readings


def test_photographs_are_shrunk_before_they_are_drawn(tmp_path, monkeypatch):
    """Forty-eight of 12 megapixels took gigabytes."""
    image = np.arange(3000 * 4000 * 3, dtype=np.uint8).reshape(3000, 4000, 3)
    assert plots.shrink(image).shape == (214, 285, 3)
    assert plots.shrink(image[:50, :200]) is not None
    assert plots.shrink(image[:50, :200]).shape == (50, 200, 3)
    assert plots.shrink(image[:1, :, 0]).shape == (1, 285)
    monkeypatch.setattr(plots, "shrink", lambda image, width: image[:8, :8] * 0 + 9)
    plots.write_contact_sheet(tmp_path / "sheet.png", [(image, "a")])
    assert (cv2.imread(str(tmp_path / "sheet.png")) == 9).sum() > 10_000


def test_a_label_that_is_not_unicode_is_shown_escaped(tmp_path):
    """From a file name that is not UTF-8; matplotlib raised a TypeError about `set_text`."""
    write_readings(tmp_path / "sheet.png", [np.zeros((8, 20), np.uint8)], [("a", 0.5)], ["a\udcff"])
    assert (tmp_path / "sheet.png").is_file()


def test_a_history_has_three_panels(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(plots, "plot_curves", lambda *args, **names: seen.update(a=args, **names))
    keys = ("loss", "CER", "WER")
    history = {part + name: [2.0, 1.0] for part in ("", "val_") for name in keys}
    plot_history(tmp_path / "curves.png", history, x=[64, 128], x_label="images seen")
    line = ([64, 128], [2.0, 1.0])
    panels = {name: {"train": line, "val": line} for name in keys}
    assert seen == {"a": (tmp_path / "curves.png", panels), "x_label": "images seen"}
    plot_history(tmp_path / "curves.png", history)
    assert list(seen["a"][1]["CER"]["val"][0]) == [1, 2]
    plot_history(tmp_path / "curves.png", {"loss": [2.0], "CER": [0.5]})
    assert list(seen["a"][1]) == ["loss", "CER"]  # There was an empty plot of the WER.


def test_epochs_are_whole_numbers(tmp_path, monkeypatch):
    """The axis of two epochs had 1.25 and 1.75."""
    figures = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: figures.append(figure))
    plot_history(tmp_path / "curves.png", {"loss": [2.0, 1.0]})
    figures[0].draw_without_rendering()
    assert all(float(tick).is_integer() for tick in figures[0].axes[0].get_xticks())


def test_captions_of_readings_name_the_truth_where_it_differs(tmp_path, monkeypatch):
    tiles = []
    monkeypatch.setattr(plots, "write_contact_sheet", lambda path, given: tiles.extend(given))
    images = [np.zeros((8, 16), np.uint8)] * 3
    write_readings(
        tmp_path / "a.png", images, [("cat", 0.5), ("dot", 1), ("", 0)], ["cat", "dog", "a"]
    )
    assert [text for _, text in tiles] == [
        "cat 50%",
        "dot 100%\ntruth: dog",
        "(nothing) 0%\ntruth: a",
    ]
    with pytest.raises(ValueError, match="zip"):
        write_readings(tmp_path / "a.png", images, [("cat", 0.5)], ["cat"])


def test_readings_of_lines_are_in_two_wide_columns(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        plots, "write_contact_sheet", lambda path, given, **names: seen.update(t=given, **names)
    )
    images = [np.zeros((8, width), np.uint8) for width in (40, 80, 90)]
    write_readings(tmp_path / "a.png", images, [("a b", 0.5)] * 3, ["a b", "a c", "a b"])
    assert [text for _, text in seen.pop("t")] == ["a b 50%", "a b 50%\ntruth: a c", "a b 50%"]
    assert seen == {"num_columns": 2, "column_width": 6.0}
    monkeypatch.undo()
    write_readings(tmp_path / "a.png", images, [("a b", 0.5)] * 3, ["a b", "a c", "a b"])
    assert cv2.imread(str(tmp_path / "a.png")).shape[:2] == (round(2 * 0.85 * 150), 1800)
