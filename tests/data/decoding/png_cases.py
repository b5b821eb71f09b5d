"""PNGs by hand: every bits and colour type, with and without the chunks that say what the colours mean."""

import struct
import zlib
from functools import partial

import container_writers as by_hand
import numpy as np
from decoding_cases import Case, noise, upper_8

SAMPLES = {by_hand.GRAY: 1, by_hand.RGB: 3, by_hand.GRAY_ALPHA: 2, by_hand.RGBA: 4}


def colour_space():
    """The chunks that say what the colours mean, which are not applied: name → chunks."""
    chromaticities = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {
        "none": (),
        "sRGB": ((b"sRGB", b"\0"),),
        "gAMA45455": ((b"gAMA", struct.pack(">I", 45455)),),
        "gAMA100000": ((b"gAMA", struct.pack(">I", 100000)),),
        "cHRM": ((b"cHRM", chromaticities),),
        "cHRM-gAMA": ((b"cHRM", chromaticities), (b"gAMA", struct.pack(">I", 45455))),
        "iCCP": ((b"iCCP", b"sRGB\0\0" + zlib.compress(profile)),),
        "cICP": ((b"cICP", bytes([1, 13, 0, 1])),),
    }


def _direct(bits, colour, **options):
    values = noise(12, 17, SAMPLES[colour], bits=bits)
    stored = values[..., 0] if colour == by_hand.GRAY_ALPHA else values[..., :3] if colour == by_hand.RGBA else values
    return Case(by_hand.write_png(values, bits, colour, **options), upper_8(stored, bits))


def _palette(bits, *, transparent=b""):
    indices, colours = noise(12, 17, 1, bits=bits), noise(1, 2**bits, 3, seed=1)[0]
    chunks = [(b"PLTE", colours.tobytes()), *([(b"tRNS", transparent)] if transparent else [])]
    return Case(by_hand.write_png(indices, bits, by_hand.PALETTE, before=chunks), colours[indices])


def _one_transparent_colour(bits, colour):
    """The colour of the first pixel is transparent (tRNS)."""
    values = noise(12, 17, SAMPLES[colour], bits=bits)
    named = struct.pack(f">{SAMPLES[colour]}H", *np.atleast_1d(values[0, 0]).tolist())
    return Case(by_hand.write_png(values, bits, colour, before=[(b"tRNS", named)]), upper_8(values, bits))


def _interlaced(bits, colour):
    values = noise(13, 19, SAMPLES[colour], bits=bits)
    stored = values[..., :3] if colour == by_hand.RGBA else values
    return Case(by_hand.write_interlaced_png(values, bits, colour), upper_8(stored, bits))


CASES = {
    **{f"png-{bits}-gray-interlaced": partial(_interlaced, bits, by_hand.GRAY) for bits in (1, 2, 4, 8, 16)},
    **{f"png-{bits}-rgb-interlaced": partial(_interlaced, bits, by_hand.RGB) for bits in (8, 16)},
    "png-8-rgba-interlaced": partial(_interlaced, 8, by_hand.RGBA),
    "png-8-rgb-filtered": lambda: Case(by_hand.write_filtered_png(noise()), noise()),
    **{f"png-{bits}-gray": partial(_direct, bits, by_hand.GRAY) for bits in (1, 2, 4, 8, 16)},
    **{f"png-{bits}-rgb": partial(_direct, bits, by_hand.RGB) for bits in (8, 16)},
    **{f"png-{bits}-palette": partial(_palette, bits) for bits in (1, 2, 4, 8)},
    **{f"png-{bits}-gray-alpha": partial(_direct, bits, by_hand.GRAY_ALPHA) for bits in (8, 16)},
    **{f"png-{bits}-rgba": partial(_direct, bits, by_hand.RGBA) for bits in (8, 16)},
    **{f"png-{bits}-palette-tRNS": partial(_palette, bits, transparent=b"\0\x80") for bits in (1, 2, 4, 8)},
    **{f"png-{bits}-gray-tRNS": partial(_one_transparent_colour, bits, by_hand.GRAY) for bits in (1, 2, 4, 8, 16)},
    **{f"png-{bits}-rgb-tRNS": partial(_one_transparent_colour, bits, by_hand.RGB) for bits in (8, 16)},
}
COLOUR_SPACES = {
    f"png-{bits}-{name}-{chunks}": partial(_direct, bits, colour, before=colour_space()[chunks])
    for bits in (8, 16)
    for name, colour in (("rgb", by_hand.RGB), ("rgba", by_hand.RGBA), ("gray", by_hand.GRAY))
    for chunks in colour_space()
    # A profile of RGB does not belong to a file of gray.
    if not (colour == by_hand.GRAY and chunks == "iCCP")
}
