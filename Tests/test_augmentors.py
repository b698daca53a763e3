"""Random steps: chance comes from the generator alone, and pictures show what they do."""

import builtins

import cv2
import numpy as np
import pytest

from mltu import augmentors
from mltu.augmentors import (
    Augmentor,
    ImageTransform,
    RandomBrightness,
    RandomContrast,
    RandomCutout,
    RandomElastic,
    RandomErodeDilate,
    RandomGaussianBlur,
    RandomJpeg,
    RandomMotionBlur,
    RandomNoise,
    RandomPerspective,
    RandomRotate,
    RandomShadow,
    RandomSharpen,
    write_augmented_sheet,
)
from mltu.plots import plot_curves, write_contact_sheet

AUGMENTORS = [getattr(augmentors, name) for name in augmentors.__all__ if "Random" in name]
SHAPES = [(12, 20), (12, 20, 1), (12, 20, 2), (12, 20, 3), (12, 20, 4)]


def rng(seed=0):
    return np.random.default_rng(seed)


def noise(*shape):
    return rng().integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("kind", AUGMENTORS)
@pytest.mark.parametrize("shape", SHAPES)
def test_probability_one_changes_and_keeps_dtype_and_axes(kind, shape):
    image = noise(*shape)
    before = image.copy()
    data, label = kind(probability=1)(image, "word", rng(5))
    np.testing.assert_array_equal(image, before)
    assert label == "word"
    assert data.dtype == np.uint8
    assert data.ndim == image.ndim
    assert data.shape[2:] == image.shape[2:]
    assert not np.array_equal(data, image)
    assert not np.shares_memory(data, image)


@pytest.mark.parametrize("kind", AUGMENTORS)
def test_equal_generators_give_equal_results(kind):
    image, augmentor = noise(12, 20, 3), kind()
    results = []
    for seed in range(12):
        first, _ = augmentor(image, "", rng(seed))
        again, _ = kind()(image, "", rng(seed))
        np.testing.assert_array_equal(first, again)
        results.append(first.tobytes())
    assert len(set(results)) > 1


def test_probability_is_a_frequency():
    image = np.full((4, 4), 100, np.uint8)
    augmentor = RandomBrightness(probability=0.25, delta=1)
    changed = sum(augmentor(image, "", rng(seed))[0] is not image for seed in range(1000))
    assert 200 < changed < 300


def test_brightness_stays_within_its_factor_and_the_bytes():
    image = np.array([[0, 100, 255]], np.uint8)
    for seed in range(50):
        black, middle, white = RandomBrightness(1, 0.4)(image, "", rng(seed))[0][0].tolist()
        assert black == 0
        assert 59 <= middle <= 140
        assert white in range(152, 256)


def test_erosion_and_dilation_are_minimum_and_maximum():
    image = np.zeros((7, 7), np.uint8)
    image[3, 3] = 200
    augmentor = RandomErodeDilate(1, kernel_size=(3, 1))
    counts = {int((augmentor(image, "", rng(seed))[0] == 200).sum()) for seed in range(20)}
    assert counts == {0, 3}
    np.testing.assert_array_equal(RandomErodeDilate(1, (1, 1))(image, "", rng())[0], image)


def test_blur_and_sharpening_leave_a_flat_image():
    flat = np.full((9, 9, 3), 77, np.uint8)
    for augmentor in (RandomGaussianBlur(1), RandomSharpen(1)):
        np.testing.assert_array_equal(augmentor(flat, "", rng())[0], flat)


@pytest.mark.parametrize("kind", [RandomContrast, RandomElastic, RandomPerspective, RandomShadow])
def test_a_change_of_no_size_changes_nothing(kind):
    image = noise(12, 20, 3)
    nothing = {name: 0 for name in vars(kind()) if name not in ("probability", "cell")}
    changed, _ = kind(probability=1, **nothing)(image, "", rng(1))
    np.testing.assert_allclose(changed, image.astype(int), atol=1)


def test_a_perspective_cuts_few_pixels_off():
    """What lies in the middle nine tenths of each side stays in the image."""
    image = np.full((40, 120, 3), 255, np.uint8)
    image[4:36, 12:108] = 0
    for seed in range(50):
        changed, _ = RandomPerspective(1, shift=0.02)(image, "", rng(seed))
        assert (changed[[0, -1]] > 200).mean() > 0.9


def test_inverted_contrast_turns_dark_letters_into_light_ones():
    image = np.full((8, 8), 30, np.uint8)
    changed, _ = RandomContrast(1, contrast=0, brightness=0, invert=1)(image, "", rng())
    assert changed[0, 0] in (224, 225)


def test_rotation_by_nothing_is_the_same_image():
    image = noise(6, 9, 3)
    np.testing.assert_array_equal(RandomRotate(1, angle=0)(image, "", rng())[0], image)


@pytest.mark.parametrize("angle", [0.3, 2, 10, 45, 180])
@pytest.mark.parametrize("corner", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_rotation_cuts_no_corner_off(angle, corner):
    """The light of one bright corner pixel is on the larger canvas still; interpolation blurs it.

    A canvas rounded down lost up to half of it at small angles.
    """
    image = np.zeros((11, 30), np.uint8)
    image[corner] = 250
    for seed in range(10):
        rotated, _ = RandomRotate(1, angle, border_value=[0])(image, "", rng(seed))
        assert rotated.shape[0] >= 11 or angle > 45
        assert 200 <= rotated.sum(dtype=int) <= 300


def test_rotated_corners_have_the_median_or_the_given_colour():
    image = np.full((20, 20, 3), (10, 20, 30), np.uint8)
    image[8:12, 8:12] = 255
    median, _ = RandomRotate(1, 40)(image, "", rng(1))
    assert median[0, 0].tolist() == [10, 20, 30]
    given, _ = RandomRotate(1, 40, border_value=(1, 2, 3))(image, "", rng(1))
    assert given[0, 0].tolist() == [1, 2, 3]
    assert given.shape[0] > 20
    assert given.shape[1] > 20


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: RandomBrightness(-0.1), "probability"),
        (lambda: RandomRotate(1.1), "probability"),
        (lambda: RandomPerspective(shift=0.6), "shift"),
        (lambda: RandomElastic(cell=0), "cell"),
        (lambda: RandomContrast(invert=2), "invert"),
        (lambda: RandomShadow(darkness=2), "darkness"),
        (lambda: RandomMotionBlur(length=0), "length"),
        (lambda: RandomNoise(sigma=0), "sigma"),
        (lambda: RandomJpeg(quality=0), "quality"),
        (lambda: RandomCutout(count=0), "count"),
        (lambda: RandomSharpen(float("nan")), "probability"),
        (lambda: RandomBrightness(delta=1.5), "delta"),
        (lambda: RandomRotate(angle=-5), "angle"),
        (lambda: RandomErodeDilate(kernel_size=(0, 2)), "kernel_size"),
        (lambda: RandomErodeDilate(kernel_size=(2.5, 2)), "kernel_size"),
        (lambda: RandomSharpen(amount=-1), "amount"),
        (lambda: RandomSharpen(sigma=0), "sigma"),
        (lambda: RandomGaussianBlur(sigma=0), "sigma"),
        (lambda: RandomSharpen(amount=float("nan")), "amount"),
        (lambda: RandomSharpen(sigma=float("nan")), "sigma"),
        (lambda: RandomGaussianBlur(sigma=float("nan")), "sigma"),
        (lambda: RandomNoise(sigma=float("nan")), "sigma"),
    ],
)
def test_ranges_are_checked_when_built(build, name):
    with pytest.raises(ValueError, match=f"`{name}` .*Received"):
        build()


@pytest.mark.parametrize(
    "data", ["a.png", np.zeros((2, 2), np.float32), np.zeros(3, np.uint8), None]
)
def test_augmentors_refuse_what_is_no_image(data):
    with pytest.raises(TypeError, match=r"`data` must be a uint8 image. .* ImageReader\(\)"):
        RandomBrightness(1)(data, "", rng())


def test_augmentors_refuse_an_image_without_pixels():
    with pytest.raises(ValueError, match=r"at least one pixel. Received shape \(0, 5\)"):
        RandomElastic(1)(np.zeros((0, 5), np.uint8), "", rng())


@pytest.mark.parametrize("num_channels", [2, 4, 5])
def test_jpeg_keeps_what_is_no_colour(num_channels):
    image, colours = noise(12, 20, num_channels), 1 if num_channels == 2 else 3
    changed = RandomJpeg(1)(image, "", rng(5))[0]
    np.testing.assert_array_equal(changed[..., colours:], image[..., colours:])
    colour = RandomJpeg(1)(image[..., :colours], "", rng(5))[0]
    np.testing.assert_array_equal(changed[..., :colours], colour)


def test_base_class_names_what_is_missing():
    class Mine(Augmentor):
        pass

    with pytest.raises(NotImplementedError, match=r"Mine must define `apply"):
        Mine(1)(noise(2, 2), "", rng())


def test_repr_shows_the_settings():
    assert repr(RandomBrightness(1, 0.2)) == "RandomBrightness(probability=1, delta=0.2)"
    assert "_takes_rng" not in repr(ImageTransform(np.fliplr))


@pytest.mark.slow
def test_transform_with_albumentations_is_reproducible():
    albumentations = pytest.importorskip("albumentations")
    pipeline = albumentations.Compose(
        [albumentations.RandomBrightnessContrast(p=1), albumentations.GaussNoise(p=1)]
    )
    augmentor, image = ImageTransform(pipeline), noise(12, 20, 3)
    before = image.copy()
    first = augmentor(image, "", rng(1))[0]
    other = augmentor(image, "", rng(2))[0]
    np.testing.assert_array_equal(augmentor(image, "", rng(1))[0], first)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(image, before)


def test_transform_with_a_generator():
    def shift(image, *, rng):
        image += np.uint8(rng.integers(1, 9))  # It edits its own copy.
        return image

    image = np.zeros((2, 2), np.uint8)
    first = ImageTransform(shift)(image, "", rng(3))[0]
    np.testing.assert_array_equal(ImageTransform(shift)(image, "", rng(3))[0], first)
    assert first.all()
    assert not image.any()


def test_transform_with_a_plain_callable():
    image = noise(2, 3)
    np.testing.assert_array_equal(ImageTransform(np.fliplr)(image, "", rng())[0], image[:, ::-1])


@pytest.mark.parametrize(
    "result", [None, {"image": 1}, np.zeros((2, 2), np.float32)], ids=["None", "dict", "float"]
)
def test_transform_must_return_an_image(result):
    with pytest.raises(TypeError, match=r"`transform` must return a uint8 image. Received"):
        ImageTransform(lambda image: result)(noise(2, 2), "", rng())


def test_transform_must_be_callable():
    with pytest.raises(TypeError, match=r"`transform` must be callable. Received 3"):
        ImageTransform(3)


def assert_is_picture(path):
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert min(picture.shape) > 20
    assert picture.std() > 1
    return picture


def test_augmented_sheet_is_a_picture(tmp_path):
    images = [noise(12, 40, 3), noise(8, 20), noise(8, 20, 1)]
    path = tmp_path / "new" / "sheet.png"
    write_augmented_sheet(path, images, [RandomRotate(1), RandomBrightness(1)], num_variants=2)
    first = assert_is_picture(path)
    write_augmented_sheet(path, images, [RandomRotate(1), RandomBrightness(1)], num_variants=2)
    np.testing.assert_array_equal(assert_is_picture(path), first)


def test_sheet_shows_red_as_red(tmp_path):
    """Images are BGR; the picture of (0, 0, 255) is red, and its caption is no mathematics."""
    path = tmp_path / "sheet.png"
    red = np.full((10, 30, 3), (0, 0, 255), np.uint8)
    write_contact_sheet(path, [(red, "$broken_{math"), (np.zeros((1, 9), np.uint8), "")])
    assert_is_picture(path)
    picture = cv2.imread(str(path))
    assert (picture == (0, 0, 255)).all(axis=2).sum() > 500
    assert not (picture == (255, 0, 0)).all(axis=2).any()


def test_curves_are_a_picture(tmp_path):
    path = tmp_path / "curves.png"
    plot_curves(path, {"loss": {"training": ([1, 2, 3], [3.0, 2.0, 1.5])}})
    assert_is_picture(path)


def test_a_range_of_angles_is_refused_with_the_largest():
    """Scripts of mltu 1.2 pass one; it ended in a bare TypeError."""
    with pytest.raises(TypeError, match=r"Received \[-10, 10\]. Pass 10"):
        RandomRotate(angle=[-10, 10])


def test_pictures_of_nothing_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`tiles` must contain at least one image"):
        write_contact_sheet(tmp_path / "a.png", [])
    with pytest.raises(ValueError, match="`tiles` must contain at least one image"):
        write_augmented_sheet(tmp_path / "a.png", [], [])
    with pytest.raises(ValueError, match="`panels` must contain at least one plot"):
        plot_curves(tmp_path / "a.png", {})
    assert list(tmp_path.iterdir()) == []


def test_pictures_need_matplotlib_and_say_so(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "mltu\[tensorflow\]"'):
        write_contact_sheet(tmp_path / "a.png", [(noise(4, 4), "")])
