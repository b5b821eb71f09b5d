import io
import subprocess
import sys
import threading
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_cases import image_bytes, noise, write_image
from PIL import Image, ImageCms, ImageOps
from suffix_cases import PICTURE, write_each

from batchclf.core.suffixes import BUILT_IN
from batchclf.data.decoding.decode import decode, read_image
from batchclf.data.decoding.limits import Limits
from batchclf.errors import UnreadableImageError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
LOSSLESS = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}


def _with_pillow(content, mode):
    with Image.open(io.BytesIO(content)) as image:
        upright = ImageOps.exif_transpose(image)
        return np.asarray(upright.convert("RGB").convert(mode)).astype(int)


def _check(content):
    color, gray = decode(content, "rgb"), decode(content, "grayscale")
    expected = _with_pillow(content, "RGB")
    assert color.dtype == gray.dtype == np.uint8
    assert color.shape == expected.shape
    assert gray.shape == (*expected.shape[:2], 1)
    np.testing.assert_array_equal(color, expected)
    assert np.abs(gray[..., 0] - _with_pillow(content, "L")).max() <= 1
    return color


@pytest.mark.parametrize("file_format", FORMATS)
def test_each_format_as_pillow_decodes_it(file_format):
    color = _check(image_bytes(noise(), file_format))
    assert color.shape == (12, 17, 3)


@pytest.mark.parametrize("file_format", FORMATS)
def test_images_without_colour(file_format):
    gray = noise()[..., 0]
    content = image_bytes(gray, file_format, **LOSSLESS.get(file_format, {}))
    _check(content)
    if file_format != "JPEG":
        np.testing.assert_array_equal(decode(content, "grayscale")[..., 0], gray)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_give_the_pixels_that_were_saved(file_format):
    content = image_bytes(noise(), file_format, **LOSSLESS.get(file_format, {}))
    np.testing.assert_array_equal(decode(content, "rgb"), noise())


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_dropped(file_format):
    pixels = np.dstack([noise(), noise(seed=1)[..., 0]])
    options = {"lossless": True, "exact": True} if file_format == "WEBP" else {}
    np.testing.assert_array_equal(decode(image_bytes(pixels, file_format, **options), "rgb"), noise())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_image_is_turned_upright_by_its_exif_orientation(file_format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    color = _check(image_bytes(noise(), file_format, exif=exif, **LOSSLESS.get(file_format, {})))
    assert color.shape == ((17, 12, 3) if orientation >= 5 else (12, 17, 3))


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "TIFF", "PNG"])
def test_the_first_frame_of_several(file_format):
    frames = [Image.fromarray(noise(seed=seed)) for seed in range(3)]
    options = LOSSLESS.get(file_format, {})
    content = image_bytes(noise(seed=0), file_format, save_all=True, append_images=frames[1:], **options)
    with Image.open(io.BytesIO(content)) as image:
        assert image.n_frames == 3
    _check(content)


def test_the_default_image_of_an_animated_png():
    frames = [Image.fromarray(noise(seed=seed)) for seed in (1, 2)]
    content = image_bytes(noise(seed=0), "PNG", save_all=True, default_image=True, append_images=frames)
    np.testing.assert_array_equal(_check(content), noise(seed=0))


def _saved(image, file_format, **options):
    content = io.BytesIO()
    image.save(content, file_format, **options)
    return content.getvalue()


def _palette(colours=16):
    return Image.fromarray(noise()).quantize(colours)


KINDS = {
    "PNG, palette": _saved(_palette(), "PNG"),
    "PNG, palette of 2 bits": _saved(_palette(4), "PNG", bits=2),
    "PNG, palette with transparency": _saved(_palette(), "PNG", transparency=3),
    "PNG, one bit": image_bytes(noise()[..., 0] > 127, "PNG"),
    "PNG, gray with alpha": _saved(Image.fromarray(noise()[..., :2], "LA"), "PNG"),
    "PNG, a transparent colour": image_bytes(noise(), "PNG", transparency=(1, 2, 3)),
    "PNG, one pixel": image_bytes(noise(1, 1), "PNG"),
    "GIF, one bit": image_bytes(noise()[..., 0] > 127, "GIF"),
    "GIF, interlaced": image_bytes(noise(40, 40), "GIF", interlace=1),
    "BMP, palette": _saved(_palette(), "BMP"),
    "BMP, one bit": image_bytes(noise()[..., 0] > 127, "BMP"),
    "BMP, alpha": image_bytes(np.dstack([noise(), noise(seed=1)[..., 0]]), "BMP"),
    "BMP, one row": image_bytes(noise(1, 40), "BMP"),
    "JPEG, progressive": image_bytes(noise(), "JPEG", progressive=True),
    "JPEG, 4:4:4": image_bytes(noise(), "JPEG", subsampling=0),
    "JPEG, RGB stored": image_bytes(noise(), "JPEG", keep_rgb=True),
    "WebP, lossy with alpha": image_bytes(np.dstack([noise(), noise(seed=1)[..., 0]]), "WEBP"),
    "TIFF, palette": _saved(_palette(), "TIFF"),
    "TIFF, one bit": image_bytes(noise()[..., 0] > 127, "TIFF"),
    "TIFF, fax": image_bytes(noise()[..., 0] > 127, "TIFF", compression="group4"),
    "TIFF, LZW": image_bytes(noise(), "TIFF", compression="tiff_lzw"),
    "TIFF, deflated": image_bytes(noise(), "TIFF", compression="tiff_adobe_deflate"),
    "TIFF, JPEG inside": image_bytes(noise(32, 32), "TIFF", compression="jpeg"),
    "TIFF, CMYK": _saved(Image.fromarray(noise()).convert("CMYK"), "TIFF"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_within_a_format(kind):
    _check(KINDS[kind])


@pytest.mark.parametrize("transform", [0, 2], ids=["CMYK", "YCCK"])
def test_a_printers_jpeg(transform):
    content = bytearray(_saved(Image.fromarray(noise()).convert("CMYK"), "JPEG"))
    # The last byte of Adobe's segment says how the four colours are stored; Pillow writes only CMYK itself.
    content[content.index(b"Adobe") + 11] = transform
    content = bytes(content)
    assert np.abs(decode(content, "rgb") - _with_pillow(content, "RGB")).max() <= 1
    assert np.abs(decode(content, "grayscale")[..., 0] - _with_pillow(content, "L")).max() <= 2


def test_the_transparent_colour_of_a_gif_stays():
    image = _palette()
    content = _saved(image, "GIF", transparency=3, background=5, optimize=False)
    np.testing.assert_array_equal(decode(content, "rgb"), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bit_values_keep_their_upper_8_bits(file_format):
    values = np.random.default_rng(0).integers(0, 65_536, (6, 5)).astype(np.uint16)
    np.testing.assert_array_equal(decode(image_bytes(values, file_format), "grayscale")[..., 0], values >> 8)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colours_keep_their_upper_8_bits(file_format, channels):
    values = np.random.default_rng(0).integers(0, 65_536, (6, 5, channels)).astype(np.uint16)
    values[..., 3:] = 65_535
    done, content = cv2.imencode(f".{file_format.lower()}", values)
    assert done
    # OpenCV writes BGR.
    np.testing.assert_allclose(decode(content.tobytes(), "rgb"), values[..., 2::-1] >> 8, atol=1)


@pytest.mark.parametrize("color_mode", ["rgb", "grayscale"])
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.linspace(0, 1, 30, dtype=np.float32).reshape(6, 5), "float32"),
        (np.linspace(0, 255, 90, dtype=np.float32).reshape(6, 5, 3), "float32"),
        (np.linspace(0, 1, 30).reshape(6, 5), "float64"),
        (np.arange(30, dtype=np.int32).reshape(6, 5), "int32"),
    ],
)
def test_a_tiff_of_unbounded_values_is_refused(values, kind, color_mode):
    # OpenCV does not write int32, and Pillow neither float64 nor colours of float32.
    content = image_bytes(values, "TIFF") if kind == "int32" else cv2.imencode(".tiff", values)[1].tobytes()
    with pytest.raises(
        UnreadableImageError, match=f"^unsupported: holds {kind} values, whose black and white are unknown"
    ):
        decode(content, color_mode)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_colour_profiles_are_not_applied(file_format):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    content = image_bytes(noise(), file_format, icc_profile=profile)
    assert profile[36:200] in content or file_format == "PNG"
    np.testing.assert_array_equal(decode(content, "rgb"), decode(image_bytes(noise(), file_format), "rgb"))


def test_the_content_decides_and_not_the_suffix(tmp_path):
    file = tmp_path / "photo.jpg"
    file.write_bytes(image_bytes(noise(), "PNG"))
    np.testing.assert_array_equal(read_image(file, (12, 17, 3), "rgb"), noise())


# Files that are broken


@pytest.mark.parametrize("mode", ["rgb", "grayscale"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_that_breaks_off_is_damaged(file_format, kept, mode):
    whole = image_bytes(noise(40, 40), file_format)
    with pytest.raises(UnreadableImageError, match=r"^damaged: .{5}"):
        decode(whole[: int(len(whole) * kept)], mode)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file (0 bytes)"),
        (b"this is text\n", "not an image: the content is of no known image format"),
        (b"\0", "not an image: the content is of no known image format"),
        (b"%PDF-1.7 and so on", "not an image: the content is of no known image format"),
        (b"\x89PNG\r\n\x1a\n", "damaged: it begins like an image, but nothing after that can be decoded"),
        (b"GIF89a", "damaged: it breaks off within the first frame"),
        (b"\xff\xd8\xff", "damaged: it begins like an image, but nothing after that can be decoded"),
    ],
)
def test_the_reason_says_what_is_wrong(content, reason):
    with pytest.raises(UnreadableImageError) as caught:
        decode(content, "rgb")
    assert caught.value.message == reason


def test_pixels_changed_on_the_way_are_found_by_the_checksum():
    content = bytearray(image_bytes(noise(40, 40), "PNG"))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(UnreadableImageError, match=r"^damaged: "):
        decode(bytes(content), "rgb")


def test_an_image_of_too_many_pixels_is_not_decoded():
    # Without its pixels: the header is enough.
    with pytest.raises(UnreadableImageError, match=r"^too large: 400 pixels would be decoded, and at most 100 are"):
        decode(b"P6 20 20 255\n" + b"\0" * 10, "rgb", limits=Limits(pixels=100))


@settings(deadline=None)
@given(st.sampled_from(["JPEG", "BMP", "GIF", "WEBP"]), st.data())
def test_bytes_changed_anywhere_end_in_an_image_or_in_a_reason(file_format, data):
    content = bytearray(image_bytes(noise(16, 16), file_format))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        pixels, reason = decode(bytes(content), "rgb"), None
    except UnreadableImageError as error:
        pixels, reason = None, error.message
    if reason is None:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
    else:
        assert len(reason.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "reason"), [("missing.png", "No such file or directory"), ("folder.png", "Is a directory")]
)
def test_a_file_that_cannot_be_opened(tmp_path, name, reason):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UnreadableImageError) as caught:
        read_image(tmp_path / name, (8, 8, 1), "grayscale")
    assert caught.value.message == f"cannot be read: {reason}"


def test_a_file_that_the_user_may_not_read(other_user):
    file = write_image(other_user / "a.png")
    file.chmod(0)
    with pytest.raises(UnreadableImageError, match=r"^cannot be read: Permission denied$"):
        read_image(file, (8, 8, 1), "grayscale")


def test_nothing_is_printed_about_broken_files(tmp_path):
    # libpng and libtiff print by themselves about a PNG or TIFF that breaks off; nobody can turn that off.
    for file_format in ("JPEG", "BMP", "GIF", "WEBP"):
        content = image_bytes(noise(40, 40), file_format)
        for kept in (3, 20, len(content) // 2, len(content) - 10):
            (tmp_path / f"{file_format}-{kept}.png").write_bytes(content[:kept])
    (tmp_path / "text.png").write_bytes(b"text")
    (tmp_path / "empty.png").write_bytes(b"")
    program = (
        "import sys, pathlib\n"
        "from batchclf.data.decoding.decode import read_image\n"
        "from batchclf.errors import UnreadableImageError\n"
        "refused = 0\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n"
        "        read_image(path, (8, 8, 3), 'rgb')\n"
        "    except UnreadableImageError:\n"
        "        refused += 1\n"
        "print(refused)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 14
    assert done.stderr == ""


def test_warning_filters_are_as_before_though_threads_decode_at_once():
    broken = [image_bytes(noise(), file_format)[:60] for file_format in FORMATS] * 8
    before = list(warnings.filters)

    def refuse_all():
        for content in broken:
            with pytest.raises(UnreadableImageError):
                decode(content, "rgb")

    threads = [threading.Thread(target=refuse_all) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_every_suffix_is_one_that_is_decoded(tmp_path):
    for file in write_each(tmp_path, BUILT_IN):
        pixels = read_image(file, (32, 32, 3), "rgb").astype(int)
        assert pixels.shape == (32, 32, 3), file
        # PBM is black and white; OpenCV writes GIF with 8 shades a channel, dithered
        most = {".pbm": 128, ".gif": 96}.get(file.suffix.lower(), 8)
        assert np.abs(pixels - PICTURE[..., None]).max() <= most, file
    assert cv2.getNumThreads() == 1


def test_neither_listing_files_nor_decoding_loads_more_than_it_needs():
    content = image_bytes(noise(), "PNG")
    program = (
        "import sys\n"
        "import batchclf.data.sources.found\n"
        "assert 'cv2' not in sys.modules\n"
        "from batchclf.data.decoding.decode import to_pixels\n"
        f"to_pixels({content!r}, (8, 8, 3), 'rgb')\n"
        "print(*sorted(sys.modules.keys() & {'PIL', 'pandas', 'sklearn', 'matplotlib', 'tensorflow', 'onnxruntime'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
