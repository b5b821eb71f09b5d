"""What the tests of decoding share: a file with the pixels that are right for it, or with the reason it is refused."""

import io
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from batchclf.data.decoding.decode import decode
from batchclf.errors import UnreadableImageError

MODES = ("rgb", "grayscale")


@dataclass(frozen=True)
class Case:
    """A file and the pixels that are right for it, within so many levels.

    uint8 (height, width) if the file stores gray, (height, width, 3) if it stores colour.
    """

    content: bytes
    pixels: np.ndarray
    within: int = 0


def noise(height=12, width=17, channels=3, *, bits=8, seed=0):
    """(height, width, channels), without the last axis for one channel; every value that `bits` can hold may occur."""
    values = np.random.default_rng(seed).integers(0, 2**bits, (height, width, channels))
    return values.astype(np.uint8 if bits <= 8 else np.uint16).squeeze(2 if channels == 1 else ())


def upper_8(values, bits):
    """Bring stored values to 8 bits: few bits are stretched to 0 to 255, of many the upper 8 are kept."""
    if bits < 8:
        return (values.astype(int) * 255 // (2**bits - 1)).astype(np.uint8)
    return (values >> (bits - 8)).astype(np.uint8)


def luma(pixels):
    """ITU-R 601 by Pillow: (height, width, 3) uint8 to (height, width)."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))


def check_pixels(pixels, right, within=0):
    """Compare (height, width, channels) pixels as integers; names the worst place."""
    assert pixels.dtype == np.uint8
    assert pixels.shape == right.shape
    off = np.abs(pixels.astype(int) - right)
    worst = np.unravel_index(off.argmax(), off.shape)
    assert off.max() <= within, (
        f"{(off > within).mean():.1%} of the values differ by more than {within}, at most by {off.max()}: "
        f"at {tuple(map(int, worst))} {pixels[worst]} instead of {right[worst]}"
    )


def check(case):
    """Decode in colour and in gray: stored gray as it is, gray of colours within 1 level of Pillow's."""
    color, gray = (decode(case.content, mode) for mode in MODES)
    if case.pixels.ndim == 2:
        check_pixels(color, np.repeat(case.pixels[:, :, None], 3, 2), case.within)
        check_pixels(gray, case.pixels[:, :, None], case.within)
    else:
        check_pixels(color, case.pixels, case.within)
        check_pixels(gray, luma(case.pixels)[:, :, None], case.within + 1)


def reasons(content):
    """Why a file is refused, in colour and in gray."""
    found = []
    for mode in MODES:
        with pytest.raises(UnreadableImageError) as caught:
            decode(content, mode)
        assert len(caught.value.message.splitlines()) == 1
        found.append(caught.value.message)
    return found


def check_refused(content, beginning):
    """The reasons begin so; `beginning` may be a tuple of choices."""
    assert [reason for reason in reasons(content) if not reason.startswith(beginning)] == []


def by_name(cases):
    """Parametrise a test over a dict of cases."""
    return pytest.mark.parametrize("case", [pytest.param(make, id=name) for name, make in cases.items()])


def image_with(pixels, file_format, **options):
    """A file written by Pillow."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, file_format, **options)
    return content.getvalue()


def with_libvips(content):
    """As libvips reads it: (height, width[, samples]) of what the file stores."""
    pyvips = pytest.importorskip("pyvips")
    return pyvips.Image.new_from_buffer(content, "").numpy()
