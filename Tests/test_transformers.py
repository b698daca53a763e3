"""Fixed steps: exact values, refusals, and inputs left as they were."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mltu.transformers import (
    ExpandDims,
    ImageNormalizer,
    ImageResizer,
    LabelIndexer,
    LabelPadding,
    Transformer,
)
from mltu.utils.pipeline_step import as_step


def test_base_class_names_what_is_missing():
    class Mine(Transformer):
        pass

    with pytest.raises(NotImplementedError, match=r"Mine must define `__call__"):
        Mine()(None, "")


class Plain(LabelPadding):
    pass


class Doubled(ImageResizer):
    def __call__(self, data, label):
        return super().__call__(data, 2 * label)


def test_a_subclass_inherits_what_is_still_true_of_it():
    padding, resizer = Plain(3, 9), Doubled((4, 8), 4, keep_aspect_ratio=True)
    assert type(padding).batch is Transformer.batch
    with pytest.raises(ValueError, match="1 of 1 are longer"):
        padding.check_labels(["abcd"])
    assert not resizer.keeps_label
    assert resizer.free_axis is None
    assert resizer.check_labels(["a"]) is None
    assert resizer.describe()["width"] == [4, 8]
    assert (resizer.describes_itself, ImageResizer.describes_itself) == (False, True)


def test_a_function_is_a_step_of_its_name():
    step = as_step(sum)
    assert repr(step) == repr(sum)
    assert as_step(step) is step
    assert as_step(lambda data, label: (data + 1, label)).batch([1, 2], "ab") == (
        [2, 3],
        ["a", "b"],
    )


def test_repr_shows_the_settings():
    assert repr(LabelPadding(3, padding_value=9)) == (
        "LabelPadding(max_word_length=3, padding_value=9)"
    )
    assert repr(LabelIndexer("ab")) == "LabelIndexer(vocab='ab', order='logical')"


def test_expand_dims():
    assert ExpandDims()(np.zeros((2, 3)), "x")[0].shape == (2, 3, 1)
    assert ExpandDims(0)(np.zeros((2, 3)), "x")[0].shape == (1, 2, 3)
    assert ExpandDims()(np.zeros(2), "x")[1] == "x"


def test_normalizer():
    data, label = ImageNormalizer()(np.array([[0, 51, 255]], np.uint8), "x")
    assert data.dtype == np.float32
    np.testing.assert_array_equal(data, np.array([[0, 0.2, 1]], np.float32))
    assert label == "x"


@pytest.mark.parametrize("tail", [(), (1,), (3,), (4,)])
def test_stretched_size_keeps_the_channels(tail):
    image = np.full((10, 20, *tail), 7, np.uint8)
    data, label = ImageResizer(6, 4)(image, "x")
    np.testing.assert_array_equal(data, np.full((4, 6, *tail), 7, np.uint8))
    assert label == "x"


def test_stretching_is_bilinear():
    """Halving averages pairs: (0 + 100) / 2 and (20 + 40) / 2, as in OpenCV."""
    image = np.array([[0, 100, 20, 40]] * 2, np.uint8)
    assert ImageResizer(2, 1)(image, "")[0].tolist() == [[50, 30]]
    assert cv2.resize(image, (2, 1)).tolist() == [[50, 30]]


@pytest.mark.parametrize("tail", [(), (1,), (3,)])
def test_padding_is_even(tail):
    """A square of 4 in 8 x 4 has two columns of padding on each side."""
    image = np.full((4, 4, *tail), 9, np.uint8)
    resizer = ImageResizer(8, 4, keep_aspect_ratio=True, padding_color=[5] * (tail or (1,))[0])
    expected = np.full((4, 8, *tail), 5, np.uint8)
    expected[:, 2:6] = 9
    np.testing.assert_array_equal(resizer(image, "")[0], expected)


def test_padding_above_and_below_in_colour():
    image = np.full((2, 8, 3), 9, np.uint8)
    resizer = ImageResizer(4, 5, keep_aspect_ratio=True, padding_color=(1, 2, 3))
    data = resizer(image, "")[0]
    assert data[:, 0].tolist() == [[1, 2, 3], [1, 2, 3], [9, 9, 9], [1, 2, 3], [1, 2, 3]]


@pytest.mark.parametrize("tail", [(), (1,), (3,)])
def test_default_padding_is_black_for_every_kind(tail):
    """One channel met three padding values, and NumPy could not broadcast."""
    data, _ = ImageResizer(4, 2, keep_aspect_ratio=True)(np.full((2, 2, *tail), 9, np.uint8), "")
    assert data.shape == (2, 4, *tail)
    assert data.reshape(2, 4, -1)[0, :, 0].tolist() == [0, 9, 9, 0]


@pytest.mark.parametrize(
    ("size", "width"),
    [
        ((1, 8), 2),  # at most twice its width
        ((4, 8), 8),
        ((10, 8), 20),
        ((14, 8), 24),  # three times its height
        ((24, 8), 24),
        ((30, 8), 30),
    ],
)
def test_narrow_images_are_widened(size, width):
    """A steep word of seven letters had twenty columns."""
    image = np.full((size[1], size[0], 3), 9, np.uint8)
    resizer = ImageResizer((16, 40), 8, keep_aspect_ratio=True, widen_to=3.0)
    data = resizer(image, "")[0]
    assert data.shape == (8, 16 if width <= 16 else 40, 3)
    assert (data == 9).all(axis=(0, 2)).sum() == width
    large = np.full((80, 10 * size[0], 3), 9, np.uint8)  # in any unit
    np.testing.assert_array_equal(resizer(large, "")[0], data)
    assert resizer.describe()["widen_to"] == 3.0


@pytest.mark.parametrize("width", [9, 12, 16])
def test_widening_costs_no_height(width):
    """An image of 16 x 8 pixels got 5 of the 8 rows, since it was widened to 24 before."""
    image = np.full((8, width, 3), 9, np.uint8)
    resizer = ImageResizer(16, 8, keep_aspect_ratio=True, widen_to=3.0)
    assert (resizer(image, "")[0] == 9).all()


@pytest.mark.parametrize("value", [-1, 101, np.nan])
def test_widening_has_a_range(value):
    with pytest.raises(ValueError, match=r"`widen_to` must be in 0\.\.100"):
        ImageResizer(4, 2, keep_aspect_ratio=True, widen_to=value)


def test_what_is_stretched_anyway_is_not_widened():
    with pytest.raises(ValueError, match="`widen_to` must be 0 for images that are stretched"):
        ImageResizer(4, 2, widen_to=3)


@pytest.mark.parametrize("color", [300, -1, (0, 0, 256), 0.5, ()])
def test_padding_color_must_be_one_of_a_byte(color):
    with pytest.raises(ValueError, match=r"`padding_color` must have integers in 0\.\.255"):
        ImageResizer(4, 2, keep_aspect_ratio=True, padding_color=color)


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float16])
def test_what_opencv_does_not_resize_is_named(dtype):
    with pytest.raises(ValueError, match=r"must be uint8, .* Received (bool|int64|float16)"):
        ImageResizer(4, 2)(np.ones((2, 2), dtype), "")


def test_padding_color_must_fit_the_channels():
    resizer = ImageResizer(4, 2, keep_aspect_ratio=True, padding_color=(0, 0, 0))
    with pytest.raises(ValueError, match="`padding_color` must have one value for each of the 4"):
        resizer(np.zeros((2, 2, 4), np.uint8), "")


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_fitted_size_is_always_the_one_asked_for(height, width, new_height, new_width):
    resizer = ImageResizer(new_width, new_height, keep_aspect_ratio=True, padding_color=0)
    data, _ = resizer(np.full((height, width), 255, np.uint8), "")
    assert data.shape == (new_height, new_width)
    filled = data == 255
    # The image touches two opposite sides, and the borders differ by one pixel at most.
    rows, columns = filled.any(axis=1), filled.any(axis=0)
    assert rows.all() or columns.all()
    for side in (rows, columns):
        before, after = np.argmax(side), np.argmax(side[::-1])
        assert 0 <= after - before <= 1


@pytest.mark.parametrize(
    "data", ["a.png", None, np.zeros(3), np.zeros((0, 4)), np.zeros((1, 2, 3, 4))]
)
def test_resizer_refuses_what_is_no_image(data):
    with pytest.raises(ValueError, match=r"`data` must be an image .* ImageReader\(\)"):
        ImageResizer(4, 4)(data, "")


@pytest.mark.parametrize(("width", "height"), [(0, 4), (4, -1), (4.0, 4), (True, 4), ("4", 4)])
def test_resizer_refuses_sides(width, height):
    with pytest.raises(ValueError, match=r"must be an integer of at least 1. Received"):
        ImageResizer(width, height)


def test_indexer():
    data, label = LabelIndexer("cab")("d", "abba")
    assert data == "d"
    assert label.dtype == np.int32
    assert label.tolist() == [1, 2, 2, 1]
    assert LabelIndexer(["c", "a", "b"])("d", "abc")[1].tolist() == [1, 2, 0]
    assert LabelIndexer("ab")("d", "")[1].shape == (0,)


def test_unknown_characters_are_listed():
    with pytest.raises(ValueError, match="`label`") as caught:
        LabelIndexer("ab")(None, "a€b")
    assert str(caught.value) == (
        "`label` 'a€b' has characters outside `vocab`: '€'. Add them to the vocabulary or drop "
        "the sample."
    )
    with pytest.raises(ValueError, match="outside `vocab`: 'x', 'y'"):
        LabelIndexer("ab")(None, "yaxxy")


@pytest.mark.parametrize("vocab", [set("ab"), frozenset("ab")])
def test_set_as_vocabulary_is_refused(vocab):
    with pytest.raises(TypeError, match=r"`vocab` .* set, whose order .*sorted\(vocab\)"):
        LabelIndexer(vocab)


@pytest.mark.parametrize("vocab", [iter("ab"), {"a": 0, "b": 1, "c": 2}, np.array(["a", "b"])])
def test_a_vocabulary_is_a_sequence(vocab):
    """An iterator was empty after the checks, and the values of a dict were taken for counts."""
    with pytest.raises(TypeError, match="`vocab` must be a string or a list"):
        LabelIndexer(vocab)


def test_doubled_characters_are_refused():
    with pytest.raises(ValueError, match=r"not repeat characters. Repeated: \['a'\]"):
        LabelIndexer("aba")


def test_the_vocabulary_is_the_indexers_own():
    vocab = ["a", "b"]
    indexer = LabelIndexer(vocab)
    vocab.append("c")
    assert list(indexer.vocab) == ["a", "b"]


@pytest.mark.parametrize("vocab", [["a", "bc"], ["a", ""], [0, 1]])
def test_vocabulary_is_made_of_characters(vocab):
    """Longer entries never matched a character of a label, and were taken all the same."""
    with pytest.raises(TypeError, match="`vocab` must be made of strings of one character"):
        LabelIndexer(vocab)


@pytest.mark.parametrize("label", [7, None, float("nan"), ["a"]])
def test_indexer_refuses_what_is_no_text(label):
    with pytest.raises(TypeError, match=r"`label` must be text. Received .* leading zeros"):
        LabelIndexer("a7")(None, label)


@given(st.lists(st.characters(), unique=True, min_size=1), st.data())
def test_indices_lead_back_to_the_text(vocab, data):
    text = "".join(data.draw(st.lists(st.sampled_from(vocab))))
    _, indices = LabelIndexer(vocab)(None, text)
    assert "".join(vocab[i] for i in indices) == text


def test_padding_of_labels():
    data, label = LabelPadding(4, padding_value=26)("d", np.array([3, 0], np.int32))
    assert data == "d"
    assert label.dtype == np.int32
    assert label.tolist() == [3, 0, 26, 26]
    assert LabelPadding(2, 9)("d", [1, 2])[1].tolist() == [1, 2]
    assert LabelPadding(2, 9)("d", [])[1].tolist() == [9, 9]


def test_labels_too_long_are_refused():
    with pytest.raises(ValueError, match=r"`max_word_length` = 2 entries. Received 3\."):
        LabelPadding(2, 9)(None, [0, 1, 2])
    with pytest.raises(ValueError, match=r"must be an integer of at least 1. Received 0"):
        LabelPadding(0, 9)


def test_padding_fits_the_labels_int32():
    with pytest.raises(ValueError, match=r"`padding_value` must be in -2147483648\.\.2147483647"):
        LabelPadding(3, 2**40)


def test_padding_refuses_text():
    with pytest.raises(TypeError, match=r"the text 'ab'. Put LabelIndexer\(vocab\) before"):
        LabelPadding(2, 9)(None, "ab")


@given(
    hnp.arrays(
        np.uint8,
        st.one_of(
            hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
            st.tuples(st.integers(1, 8), st.integers(1, 8), st.sampled_from([1, 3])),
        ),
    ),
    st.sampled_from(
        [
            ExpandDims(),
            ImageNormalizer(),
            ImageResizer(5, 3),
            ImageResizer(5, 3, keep_aspect_ratio=True),
        ]
    ),
)
def test_images_are_never_modified(image, step):
    before = image.copy()
    data, _ = step(image, "x")
    np.testing.assert_array_equal(image, before)
    assert data is not image


@given(hnp.arrays(np.int32, st.integers(0, 5)))
def test_labels_are_never_modified(label):
    before = label.copy()
    _, padded = LabelPadding(5, 9)(None, label)
    padded += 1
    np.testing.assert_array_equal(label, before)
