"""TIFFs of every bits, samples, layout and compression, each with the values that were written."""

import io
from functools import partial
from itertools import product

import numpy as np
import tiff_writer as by_hand
from decoding_cases import Case, noise, upper_8
from PIL import Image

HEIGHT, WIDTH = 66, 70
"""So that tiles of 64 and strips of 16 rows are partly filled at the edges."""

LAYOUTS = {
    "one-strip": {},
    "strips": {"rows_per_strip": 16},
    "tiles": {"tile": 64},
    "planes": {"separate": True, "rows_per_strip": 16},
    "plane-tiles": {"separate": True, "tile": 32},
}
COMPRESSIONS = {
    "none": by_hand.NONE,
    "lzw": by_hand.LZW,
    "deflate": by_hand.DEFLATE,
    "packbits": by_hand.PACKBITS,
    "zstd": by_hand.ZSTD,
    "lzma": by_hand.LZMA,
}


def _gray(bits, extra=(), *, inverted=False):
    values = noise(HEIGHT, WIDTH, 1 + len(extra), bits=bits)
    right = values if values.ndim == 2 else values[..., 0]
    right = 2**bits - 1 - right if inverted else right
    return values, upper_8(right, bits), {"photometric": int(not inverted), "extra": extra}


def _rgb(bits, extra=()):
    values = noise(HEIGHT, WIDTH, 3 + len(extra), bits=bits)
    return values, upper_8(values[..., :3], bits), {"photometric": by_hand.RGB, "extra": extra}


def _multiplied(bits):
    """Colours multiplied by their alpha: what is shown is the colour alone, as Pillow's `convert("RGB")` gives it."""
    values, _, options = _rgb(bits, (ASSOCIATED,))
    eight = upper_8(values, bits).astype(int)
    alpha = eight[..., 3:]
    divided = np.minimum(255, 255 * eight[..., :3] // np.maximum(1, alpha))
    return values, np.where(alpha == 0, 0, divided).astype(np.uint8), options


def _palette(bits):
    values, colours = noise(HEIGHT, WIDTH, 1, bits=bits), noise(3, 2**bits, 1, seed=1)
    # 16 bits a colour, 65,535 being full (TIFF 6.0, section 5)
    options = {"photometric": by_hand.PALETTE, "colour_map": (colours.astype(int) * 257).ravel().tolist()}
    return values, colours.T[values], options


def _cmyk(bits, extra=()):
    values = noise(HEIGHT, WIDTH, 4 + len(extra), bits=bits)
    inks = 255.0 - upper_8(values[..., :4], bits)
    right = np.rint(inks[..., :3] * inks[..., 3:] / 255).astype(np.uint8)
    return values, right, {"photometric": by_hand.CMYK, "extra": extra}


UNSPECIFIED, ASSOCIATED, UNASSOCIATED = 0, 1, 2
KINDS = {
    **{f"{bits}-gray": partial(_gray, bits) for bits in (1, 2, 4, 8, 12, 16)},
    **{f"{bits}-white-is-zero": partial(_gray, bits, inverted=True) for bits in (1, 2, 4, 8, 12, 16)},
    **{f"{bits}-palette": partial(_palette, bits) for bits in (1, 2, 4, 8)},
    **{f"{bits}-gray-alpha": partial(_gray, bits, (UNASSOCIATED,)) for bits in (8, 16)},
    **{f"{bits}-gray-premultiplied": partial(_gray, bits, (ASSOCIATED,)) for bits in (8, 16)},
    **{f"{bits}-rgb": partial(_rgb, bits) for bits in (4, 8, 12, 16)},
    **{f"{bits}-rgba": partial(_rgb, bits, (UNASSOCIATED,)) for bits in (8, 16)},
    **{f"{bits}-rgba-premultiplied": partial(_multiplied, bits) for bits in (8, 16)},
    **{f"{bits}-rgb-extra": partial(_rgb, bits, (UNSPECIFIED,)) for bits in (8, 16)},
    "8-rgb-2-extras": partial(_rgb, 8, (UNSPECIFIED, UNSPECIFIED)),
    **{f"{bits}-cmyk": partial(_cmyk, bits) for bits in (8, 16)},
    "8-cmyk-alpha": partial(_cmyk, 8, (UNASSOCIATED,)),
}


def _makes_sense(kind, layout):
    """One sample has no planes to part."""
    return not (layout.startswith("plane") and kind.endswith(("gray", "zero", "palette")))


def made(kind, **options):
    """A file of this kind in this layout, and the pixels that are right for it."""
    values, right, needed = KINDS[kind]()
    content = by_hand.write_tiff(values, int(kind.split("-")[0]), **needed, **options)
    return Case(content, right, 1 if "cmyk" in kind else 0)


def _matrix():
    for kind, (layout, where), (name, compression) in product(KINDS, LAYOUTS.items(), COMPRESSIONS.items()):
        if _makes_sense(kind, layout) and (layout != "one-strip" or name == "none"):
            yield f"tiff-{kind}-{layout}-{name}", partial(made, kind, **where, compression=compression)
    for kind, (layout, where), name in product(
        ("8-gray", "16-gray", "8-gray-alpha", "8-rgb", "16-rgb", "8-rgba", "16-rgba"),
        LAYOUTS.items(),
        ("lzw", "deflate", "zstd", "lzma"),
    ):
        if _makes_sense(kind, layout):
            options = {**where, "compression": COMPRESSIONS[name], "predictor": 2}
            yield f"tiff-{kind}-{layout}-{name}-predicted", partial(made, kind, **options)
    for kind, layout, name in product(KINDS, ("strips", "tiles"), ("none", "lzw")):
        options = {**LAYOUTS[layout], "compression": COMPRESSIONS[name], "order": ">"}
        yield f"tiff-{kind}-{layout}-{name}-big-endian", partial(made, kind, **options)
    for kind, layout, order in product(("1-gray", "8-gray", "16-gray", "8-rgb", "16-rgba"), ("strips", "tiles"), "<>"):
        name = f"tiff-{kind}-{layout}-bigtiff" + ("-big-endian" if order == ">" else "")
        yield name, partial(made, kind, **LAYOUTS[layout], order=order, big=True)
    for layout in ("strips", "tiles"):
        options = {**LAYOUTS[layout], "compression": by_hand.DEFLATE, "predictor": 2, "order": ">"}
        for kind in ("16-gray", "16-rgb"):
            yield f"tiff-{kind}-{layout}-deflate-predicted-big-endian", partial(made, kind, **options)


MATRIX = dict(_matrix())


def with_tifffile(values, **options):
    import tifffile

    content = io.BytesIO()
    tifffile.imwrite(content, values, metadata=None, **options)
    return content.getvalue()


def with_pillow(pixels, **options):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "TIFF", **options)
    return content.getvalue()


def with_pyvips(pixels, **options):
    import pyvips

    return pyvips.Image.new_from_array(pixels).tiffsave_buffer(**options)


def with_opencv(pixels, *options):
    import cv2

    done, content = cv2.imencode(".tiff", pixels if pixels.ndim == 2 else pixels[..., ::-1], options)
    assert done
    return content.tobytes()


def judged(content):
    """As tifffile and imagecodecs read the first page: the stored values, samples last."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(content)) as file:
        values = file.pages[0].asarray()
        return np.moveaxis(values, 0, -1) if file.pages[0].planarconfig == 2 and values.ndim == 3 else values


GRAY, COLOUR = noise(HEIGHT, WIDTH, 1), noise(HEIGHT, WIDTH, 3)
DEEP_GRAY, DEEP_COLOUR = noise(HEIGHT, WIDTH, 1, bits=16), noise(HEIGHT, WIDTH, 3, bits=16)


def _written():
    """Files of other writers, lossless: name → bytes and what was written."""
    tiles = {"tile": (64, 64)}
    for name, options in {"strips": {"rowsperstrip": 16}, "tiles": tiles}.items():
        for compression in ("none", "lzw", "zlib", "packbits", "zstd", "lzma"):
            coded = {} if compression == "none" else {"compression": compression}
            for depth, gray, colour in ((8, GRAY, COLOUR), (16, DEEP_GRAY, DEEP_COLOUR)):
                words = f"{name}-{compression}-tifffile"
                yield f"tiff-{depth}-gray-{words}", partial(with_tifffile, gray, **options, **coded), gray
                colours = {"photometric": "rgb", **options, **coded}
                yield f"tiff-{depth}-rgb-{words}", partial(with_tifffile, colour, **colours), colour
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd"):
        for pixels, kind in ((GRAY, "8-gray"), (COLOUR, "8-rgb"), (DEEP_GRAY, "16-gray")):
            yield f"tiff-{kind}-{compression}-pillow", partial(with_pillow, pixels, compression=compression), pixels
    for compression in ("none", "lzw", "deflate", "packbits"):
        for pixels, kind in ((GRAY, "8-gray"), (COLOUR, "8-rgb"), (DEEP_GRAY, "16-gray"), (DEEP_COLOUR, "16-rgb")):
            options = {"compression": compression, "tile": True, "tile_width": 64, "tile_height": 64}
            yield f"tiff-{kind}-tiles-{compression}-vips", partial(with_pyvips, pixels, **options), pixels
    for pixels, kind in ((GRAY, "8-gray"), (COLOUR, "8-rgb"), (DEEP_GRAY, "16-gray"), (DEEP_COLOUR, "16-rgb")):
        yield f"tiff-{kind}-opencv", partial(with_opencv, pixels), pixels
    for group in ("group3", "group4", "tiff_ccitt"):
        yield f"tiff-1-gray-{group}-pillow", partial(with_pillow, GRAY > 127, compression=group), GRAY > 127
    yield (
        "tiff-1-gray-group4-white-is-zero-vips",
        partial(with_pyvips, (GRAY > 127) * np.uint8(255), compression="ccittfax4", bitdepth=1, miniswhite=True),
        GRAY > 127,
    )


def _right(values):
    return upper_8(values, {"b": 1, "u": 8 * values.itemsize}[values.dtype.kind])


WRITTEN = {name: (make, _right(values)) for name, make, values in _written()}

SMOOTH = (np.linspace(0, 200, HEIGHT)[:, None, None] + np.linspace(0, 55, WIDTH)[:, None] * [1, 0.5, 0]).astype(
    np.uint8
)
LOSSY = {
    "tiff-8-gray-jpeg-tifffile": partial(with_tifffile, SMOOTH[..., 0], compression="jpeg", rowsperstrip=16),
    "tiff-8-gray-tiles-jpeg-tifffile": partial(with_tifffile, SMOOTH[..., 0], compression="jpeg", tile=(64, 64)),
    "tiff-8-rgb-jpeg-tifffile": partial(with_tifffile, SMOOTH, compression="jpeg", photometric="rgb", rowsperstrip=16),
    "tiff-8-ycbcr-tiles-jpeg-tifffile": partial(
        with_tifffile,
        SMOOTH,
        compression="jpeg",
        photometric="rgb",
        tile=(64, 64),
        compressionargs={"outcolorspace": "ycbcr"},
    ),
    "tiff-8-ycbcr-jpeg-pillow": partial(with_pillow, SMOOTH, compression="jpeg"),
    "tiff-8-gray-jpeg-pillow": partial(with_pillow, SMOOTH[..., 0], compression="jpeg"),
    "tiff-8-ycbcr-tiles-jpeg-vips": partial(
        with_pyvips, SMOOTH, compression="jpeg", tile=True, tile_width=64, tile_height=64
    ),
    "tiff-8-rgb-webp-vips": partial(with_pyvips, SMOOTH, compression="webp", tile=True, tile_width=64, tile_height=64),
}
"""JPEG and WebP in TIFF; the judge is tifffile."""

CODECS = {
    f"tiff-{kind}-{layout}-{codec}": (
        partial(with_tifffile, values, compression=codec, **where, **needed),
        _right(values),
    )
    for kind, values, needed in (
        ("8-gray", GRAY, {}),
        ("8-rgb", COLOUR, {"photometric": "rgb"}),
        ("16-gray", DEEP_GRAY, {}),
        ("16-rgb", DEEP_COLOUR, {"photometric": "rgb"}),
    )
    for layout, where in (("strips", {"rowsperstrip": 16}), ("tiles", {"tile": (64, 64)}))
    for codec in ("jpegxl", "jpeg2000", "lerc", "webp", "jpegxr", "png")
    if not (codec == "webp" and kind != "8-rgb")
}
"""Codecs that few TIFF readers know, lossless: right, or refused as unsupported."""

UNREAD_KINDS = (
    "tiff-12-white-is-zero-",
    "tiff-16-gray-alpha-",
    "tiff-8-gray-premultiplied-",
    "tiff-16-gray-premultiplied-",
    "tiff-4-rgb-",
    "tiff-12-rgb-",
    "tiff-8-cmyk-alpha-",
)
UNSUPPORTED = {
    *(name for name in MATRIX if name.startswith(UNREAD_KINDS)),
    *(name for name in MATRIX if name.endswith("bigtiff-big-endian")),
    *(f"tiff-12-gray-{layout}-{name}-big-endian" for layout in ("strips", "tiles") for name in ("none", "lzw")),
    *(
        f"tiff-16-white-is-zero-{layout}-{name}-big-endian"
        for layout in ("strips", "tiles")
        for name in ("none", "lzw")
    ),
    *CODECS,
    "tiff-8-rgb-webp-vips",
}
"""Whole, and yet not read: if a library's new version reads one of these, its test fails."""
