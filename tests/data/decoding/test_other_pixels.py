"""WebP, GIF, AVIF, JPEG 2000, PNM and MPO: bits, channels, transparency and the first of several pictures."""

import io
import struct

import numpy as np
import other_cases as cases
import pytest
from container_writers import write_gif
from decoding_cases import Case, by_name, check, check_pixels, check_refused, image_with, noise, with_libvips
from PIL import Image

from batchclf.data.decoding.decode import decode


@by_name(cases.CASES)
def test_matrix(case):
    check(case())


@by_name({name: make for name, make in cases.CASES.items() if name.startswith("gif")})
def test_the_gifs_are_what_libvips_reads(case):
    """It gives the colours of opaque pixels and an alpha."""
    made = case()
    pixels = with_libvips(made.content)
    shown = pixels[..., 3] > 0 if pixels.shape[2] == 4 else np.ones(pixels.shape[:2], bool)
    assert shown.mean() > 0.9
    np.testing.assert_array_equal(pixels[..., :3][shown], made.pixels[shown])


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "AVIF", "TIFF", "PNG"])
def test_the_first_frame_of_several(file_format):
    frames = [noise(40, 60, seed=seed) // 128 * 255 for seed in range(3)]
    options = {"GIF": {}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(file_format, {"lossless": True})
    others = [Image.fromarray(frame) for frame in frames[1:]]
    content = image_with(frames[0], file_format, save_all=True, append_images=others, **options)
    with Image.open(io.BytesIO(content)) as image:
        assert image.n_frames == 3
    check(Case(content, frames[0], 4 if file_format == "AVIF" else 0))


def test_a_gif_frame_that_does_not_cover_the_canvas_lies_at_its_place():
    indices, palette = cases.indexed()
    content = write_gif(indices, palette, place=(5, 3), canvas=(30, 20), background=7)
    check_pixels(decode(content, "rgb")[3:15, 5:22], palette[indices])


def test_a_webp_frame_that_does_not_cover_the_canvas_lies_at_its_place():
    content, frame = cases.webp_of_a_small_frame()
    decoded = decode(content, "rgb")
    assert decoded.shape == (12, 17, 3)
    check_pixels(decoded[2:8, 4:12], frame)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_jpeg_xl(bits, channels):
    pytest.importorskip("pillow_jxl")
    case = cases.jpeg_xl(bits, channels)
    if channels == 2:
        check_refused(case.content, "unsupported: ")
    else:
        check(case)


def test_an_animated_jpeg_xl_is_refused():
    """The plugin gives its last frame."""
    pytest.importorskip("pillow_jxl")
    imagecodecs = pytest.importorskip("imagecodecs")
    frames = np.stack([noise(seed=seed) for seed in range(3)])
    for options in ({}, {"usecontainer": True}):
        check_refused(imagecodecs.jpegxl_encode(frames, lossless=True, **options), "unsupported: a JPEG XL animation")


def test_an_animated_webp_is_black_where_it_is_transparent():
    pixels = np.dstack([noise(), np.full((12, 17), 255, np.uint8)])
    pixels[:6, :, 3] = 0
    frames = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
    content = image_with(pixels, "WEBP", save_all=True, append_images=frames[1:], lossless=True, exact=True)
    pixels[:6] = 0
    check_pixels(decode(content, "rgb"), pixels[..., :3])


@pytest.mark.parametrize(("bits", "channels"), [(8, 1), (8, 2), (8, 3), (8, 4), (10, 3)])
def test_heic(bits, channels):
    pytest.importorskip("pillow_heif")
    check(cases.heic(bits, channels))


WITH_A_TAIL = ["webp-lossless-rgb-pillow", "gif-by-hand", "avif-8-rgb", "jp2-8-rgb", "pgm-binary-255", "ppm-binary-255"]


@by_name({name: cases.CASES[name] for name in WITH_A_TAIL})
def test_bytes_behind_the_end_change_nothing(case):
    made = case()
    check(Case(made.content + b"junk" * 20, made.pixels, made.within))


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
def test_bytes_behind_the_end_of_other_formats_change_nothing(file_format):
    check(Case(image_with(noise(), file_format) + b"junk" * 20, noise()))


TRUNCATED = ["webp-lossless-rgb-pillow", "webp-lossy-rgba", "gif-by-hand", "avif-8-rgb", "jp2-8-rgb", "pgm-binary-255"]


@pytest.mark.parametrize("kept", [0.5, 0.8])
@pytest.mark.parametrize("name", [*TRUNCATED, "ppm-binary-65535", "ppm-text-255", "pbm-binary"])
def test_a_file_that_breaks_off(name, kept):
    content = cases.CASES[name]().content
    check_refused(content[: int(len(content) * kept)], "damaged: ")


def _jp2(bits=8):
    imagecodecs = pytest.importorskip("imagecodecs")
    values = noise(bits=bits)
    return imagecodecs.jpeg2k_encode(values, bitspersample=bits, codecformat="jp2", level=0, reversible=True)


def _with_channels(content, *entries):
    """Put a box of channel definitions (ITU-T T.800, I.5.3.6) at the end of the header's boxes."""
    data = struct.pack(">H", len(entries)) + b"".join(struct.pack(">HHH", *entry) for entry in entries)
    box = struct.pack(">I4s", 8 + len(data), b"cdef") + data
    start = content.index(b"jp2h") - 4
    (length,) = struct.unpack_from(">I", content, start)
    end = start + length
    return content[:start] + struct.pack(">I", length + len(box)) + content[start + 4 : end] + box + content[end:]


def test_jpeg_2000_whose_channels_say_that_they_are_in_order():
    content = _with_channels(_jp2(), (0, 0, 1), (1, 0, 2), (2, 0, 3))
    check(Case(content, noise()))


@pytest.mark.parametrize("entries", [((0, 0, 3), (1, 0, 2), (2, 0, 1)), ((0, 1, 0), (1, 0, 1), (2, 0, 2))])
def test_jpeg_2000_with_channels_in_another_order_is_refused(entries):
    """Pillow passes over the order."""
    check_refused(_with_channels(_jp2(), *entries), "unsupported: JPEG 2000 with channels in another order")


def test_jpeg_2000_in_a_colour_space_that_is_not_read_is_refused():
    content = bytearray(_jp2())
    place = content.index(b"colr") + 4 + 3
    assert int.from_bytes(content[place : place + 4]) == 16  # sRGB
    content[place : place + 4] = (14).to_bytes(4)  # CIELab
    check_refused(bytes(content), "unsupported: JPEG 2000 in a colour space")


@pytest.mark.parametrize("bits", [1, 4, 7])
def test_jpeg_2000_of_few_bits_is_refused(bits):
    """Pillow shifts what would have to be stretched."""
    check_refused(_jp2(bits), f"unsupported: JPEG 2000 of {bits} bits")


def test_an_avif_that_is_to_be_cropped_is_refused():
    content = image_with(noise(64, 64), "AVIF", icc_profile=bytes(28))
    profile = content.index(b"colrprof") - 4
    box = struct.pack(">I4s8i", 40, b"clap", 32, 1, 64, 1, -16, 1, 0, 1)
    assert content[profile : profile + 4] == box[:4]
    check_refused(content[:profile] + box + content[profile + 40 :], "unsupported: an AVIF that is to be cropped")
