"""ImageReader: every kind of source, and the errors that name it."""

import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, features

from mltu.preprocessors import ImageReader
from mltu.utils.image_size import orientation


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def jpeg(image, *options):
    return cv2.imencode(".jpg", image, list(options))[1].tobytes()


def with_thumbnail(whole):
    """Insert an APP1 segment that holds a whole small JPEG, as cameras do."""
    segment = b"Exif\0\0" + jpeg(noise(8, 8, 3))
    return whole[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + whole[2:]


@pytest.mark.parametrize("name", ["plain.png", "with space.png", "žodis 単語 ñ.png"])
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_paths_are_read_exactly(tmp_path, name, kind):
    image = noise(5, 7, 3)
    (tmp_path / name).write_bytes(cv2.imencode(".png", image)[1].tobytes())
    read, label = ImageReader()(kind(tmp_path / name), "Lube")
    np.testing.assert_array_equal(read, image)
    assert label == "Lube"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_read_exactly(kind):
    image = noise(5, 7, 3)
    content = kind(cv2.imencode(".png", image)[1].tobytes())
    np.testing.assert_array_equal(ImageReader().read(content), image)


def test_arrays_become_bgr():
    pixel = np.array([[[1, 2, 3, 255]]], np.uint8)
    assert ImageReader().read(pixel).tolist() == [[[1, 2, 3]]]
    assert ImageReader().read(pixel[:, :, :3]).tolist() == [[[1, 2, 3]]]
    assert ImageReader().read(pixel[:, :, :1]).tolist() == [[[1, 1, 1]]]
    assert ImageReader().read(pixel[:, :, 0]).tolist() == [[[1, 1, 1]]]


def test_grayscale_gives_two_axes_for_every_source():
    reader = ImageReader(cv2.IMREAD_GRAYSCALE)
    grey = noise(4, 6)
    png = cv2.imencode(".png", grey)[1].tobytes()
    for source in (grey, grey[..., None], cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), png):
        np.testing.assert_array_equal(reader.read(source), grey)
    assert reader.read(np.full((2, 2, 4), 255, np.uint8)).tolist() == [[255, 255], [255, 255]]


def png_with_exif(image, held, order="<"):
    """A PNG with an eXIf chunk behind its header: the camera was held so."""
    whole = cv2.imencode(".png", image)[1].tobytes()
    start = b"II*\0" if order == "<" else b"MM\0*"
    exif = start + struct.pack(f"{order}IHHHIHH", 8, 1, 0x112, 3, 1, held, 0) + bytes(4)
    chunk = b"eXIf" + exif
    chunk = struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return whole[:33] + chunk + whole[33:]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("held", range(9))
def test_transparent_images_keep_the_rotation_of_the_camera(held, order):
    """As those without transparency, which OpenCV turns; 0 is no orientation."""
    image = noise(4, 6, 3)
    opaque = np.dstack([image, np.full((4, 6), 255, np.uint8)])
    for method in (cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE):
        reader = ImageReader(method)
        upright = reader.read(png_with_exif(image, held, order))
        assert upright.shape[:2] == ((6, 4) if held >= 5 else (4, 6))
        for content in (opaque, opaque.astype(np.uint16) * 257):
            read = reader.read(png_with_exif(content, held, order))
            # OpenCV rounds the grey of a file in another way than that of an array.
            np.testing.assert_allclose(read, upright, rtol=0, atol=int(method == 0))


@pytest.mark.parametrize("method", [cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE])
@pytest.mark.parametrize("held", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("suffix", ["TIFF", "AVIF", "PNG", "WEBP"])
def test_every_format_is_turned_with_and_without_transparency(suffix, mode, held, method):
    """As Pillow turns what it wrote; transparent pixels are white, half transparent ones paler."""
    blocks = np.kron(np.random.default_rng(1).integers(0, 2, (3, 5)), np.ones((16, 16)))
    pixels = np.dstack([(blocks * 200 + 20).astype(np.uint8)] * 4)
    pixels[..., 3] = np.repeat([0, 128, 255], 16)[:, None]
    image = Image.fromarray(pixels).convert(mode)
    if suffix in ("AVIF", "WEBP") and not features.check(suffix.lower()):
        pytest.skip(f"this Pillow cannot write {suffix}")
    exif = Image.Exif()
    exif[0x112] = held
    image.save(file := io.BytesIO(), suffix, exif=exif, quality=100)
    content = file.getvalue()
    turned = np.asarray(ImageOps.exif_transpose(Image.open(file)).convert("RGBA"), np.float64)
    alpha = turned[..., 3:] / 255
    expected = turned[..., :3] * alpha + 255 * (1 - alpha)
    if method == cv2.IMREAD_GRAYSCALE:
        expected = expected[..., 0]
    reader = ImageReader(method)
    np.testing.assert_allclose(reader.read(content), expected, rtol=0, atol=12)
    np.testing.assert_array_equal(reader.batch([content], [""])[0][0], reader.read(content))


@pytest.mark.parametrize("suffix", [".tiff", ".avif", ".jp2"])
def test_transparency_of_more_than_8_bits(suffix):
    """Ten bits in an AVIF, sixteen in the others."""
    depth = 10 if suffix == ".avif" else 16
    image = np.full((32, 32, 4), 2 ** (depth - 1), np.uint16)
    image[:, :16, 3], image[:, 16:, 3] = 0, 2**depth - 1
    options = [cv2.IMWRITE_AVIF_DEPTH, 10] if suffix == ".avif" else []
    read = ImageReader().read(cv2.imencode(suffix, image, options)[1].tobytes())
    assert read[:, :12].min() >= 250
    np.testing.assert_allclose(read[:, 20:], 128, atol=3)


def test_the_way_to_read_is_a_flag_of_opencv():
    with pytest.raises(ValueError, match=r"`method` must be an integer .* Received 'GRAY'"):
        ImageReader("GRAY")


def test_a_cut_orientation_is_none():
    whole = png_with_exif(noise(4, 6, 3), 6)
    end = whole.index(b"eXIf") + 4
    assert [orientation(whole[:at]) for at in range(end, end + 24)] == [1] * 20 + [6] * 4


def png_bytes(image):
    return cv2.imencode(".png", image)[1].tobytes()


@pytest.mark.parametrize("method", [cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE])
def test_transparent_pixels_become_white(method):
    """Black letters on nothing: without this they were black on black."""
    drawn = np.zeros((2, 3, 4), np.uint8)
    drawn[:, 0, 3] = 255  # a black column that is there
    drawn[:, 1, 3] = 51  # one that is a fifth there: 0.8 of white
    expected = np.array([[0, 204, 255]] * 2)
    reader = ImageReader(method)
    deep = drawn.astype(np.uint16) * 257
    webp = cv2.imencode(".webp", drawn, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    sources = [drawn, png_bytes(drawn), png_bytes(deep), webp]
    together, _ = reader.batch(sources[1:], ["", "", ""])
    for image in [reader.read(source) for source in sources] + together:
        found = image if image.ndim == 2 else image[:, :, 1]
        np.testing.assert_allclose(found, expected, atol=1)
    one, _ = reader.batch([png_bytes(drawn), png_bytes(drawn[:, :, :3])], ["", ""])
    assert one[0].max() == 255
    assert one[1].max() == 0


def test_a_palette_with_a_transparent_color_is_laid_over_white(tmp_path):
    image = pytest.importorskip("PIL.Image").new("P", (3, 2), 0)
    image.putpalette([0, 0, 0, 10, 10, 10])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)
    found = ImageReader(cv2.IMREAD_GRAYSCALE).read(tmp_path / "a.png")
    assert found.tolist() == [[255, 10, 255], [255, 255, 255]]


def test_missing_file_is_named_with_the_working_directory():
    with pytest.raises(FileNotFoundError) as caught:
        ImageReader()("nowhere/a.png", "")
    assert "'nowhere/a.png'" in str(caught.value)
    assert repr(os.getcwd()) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\0" * 50, b"GIF but not really", b"\xff\xd8\xff"])
def test_what_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="`data` must be an image that OpenCV") as caught:
        ImageReader()(path, "")
    assert repr(str(path)) in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)],
    ids=["baseline", "progressive", "restarts"],
)
@pytest.mark.parametrize("thumbnail", [False, True])
def test_jpeg_cut_anywhere_is_refused(options, thumbnail):
    plain = jpeg(noise(16, 24, 3), *options)
    whole = with_thumbnail(plain) if thumbnail else plain
    np.testing.assert_array_equal(ImageReader().read(whole), ImageReader().read(plain))
    for cut in range(len(whole)):
        with pytest.raises(ValueError, match="must be an image that OpenCV can decode"):
            ImageReader().read(whole[:cut])


def test_cut_jpeg_is_named(tmp_path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(with_thumbnail(jpeg(noise(16, 24, 3)))[:-2])
    with pytest.raises(ValueError, match="truncated") as caught:
        ImageReader()(str(path), "")
    assert repr(str(path)) in str(caught.value)


@pytest.mark.parametrize("tail", [b"\0" * 9, b"text", b"a film\xff\xda after it"])
def test_bytes_after_the_end_of_a_jpeg_do_not_matter(tail):
    """A phone's "motion photo" has a film behind the end marker; FF DA in it is no new scan."""
    whole = jpeg(noise(16, 24, 3))
    np.testing.assert_array_equal(ImageReader().read(whole + tail), ImageReader().read(whole))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2)),
        *(np.zeros(s, np.uint8) for s in ((2, 2, 2), 4, (0, 5), (0, 5, 3), (5, 0, 3))),
    ],
)
def test_arrays_that_are_no_images(array):
    with pytest.raises(ValueError, match=r"`data` must be a uint8 image .* Received") as caught:
        ImageReader()(array, "")
    assert str(array.shape) in str(caught.value)
    assert str(array.dtype) in str(caught.value)


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="Received int"):
        ImageReader()(7, "")


def test_arrays_are_not_modified():
    for array in (noise(3, 4), noise(3, 4, 1), noise(3, 4, 3), noise(3, 4, 4)):
        before = array.copy()
        ImageReader().read(array)
        np.testing.assert_array_equal(array, before)
