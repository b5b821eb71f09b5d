"""WebP, GIF, AVIF, JPEG 2000 and PNM: bits, channels and transparency, each with what was written."""

import io
import struct
from functools import partial

import container_writers as by_hand
import numpy as np
from decoding_cases import Case, image_with, noise, upper_8
from PIL import Image


def _webp_pillow(channels, **options):
    pixels = noise(channels=channels)
    content = image_with(pixels, "WEBP", lossless=True, exact=True, **options)
    return Case(content, pixels[..., :3])


def _webp_imagecodecs(channels):
    import imagecodecs

    pixels = noise(channels=channels)
    return Case(imagecodecs.webp_encode(pixels, lossless=True), pixels[..., :3])


def _webp_lossy(channels):
    """Decoded by imagecodecs' own libwebp."""
    import imagecodecs

    content = image_with(noise(40, 50, channels), "WEBP", quality=80)
    return Case(content, imagecodecs.webp_decode(content)[..., :3])


def indexed():
    return noise(12, 17, 1), noise(1, 256, 3, seed=1)[0]


def _gif(**options):
    indices, palette = indexed()
    return Case(by_hand.write_gif(indices, palette, **options), palette[indices])


def _gif_pillow(**options):
    indices, palette = indexed()
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    content = io.BytesIO()
    image.save(content, "GIF", optimize=False, **options)
    return Case(content.getvalue(), palette[indices])


def _avif(bits, channels):
    """Lossless: RGB is stored as it is (matrix coefficients 0); a library may round where it drops lower bits."""
    import imagecodecs

    values = noise(40, 60, channels, bits=bits)
    stored = values[..., 0] if channels == 2 else values[..., :3] if channels == 4 else values
    content = imagecodecs.avif_encode(values, level=100, bitspersample=bits)
    right = upper_8(stored, bits)
    return Case(content, np.repeat(right[..., None], 3, 2) if right.ndim == 2 else right, 0 if bits == 8 else 1)


def _avif_pillow(channels, **options):
    """Lossy; imagecodecs is the judge."""
    import imagecodecs

    content = image_with(noise(40, 60, channels), "AVIF", quality=90, **options)
    pixels = imagecodecs.avif_decode(content)
    return Case(content, pixels if pixels.ndim == 2 else pixels[..., :3], 1)


def heic(bits, channels):
    """Within a level of what was written: it is stored as YCbCr without loss."""
    import pillow_heif

    values = noise(40, 60, channels, bits=bits)
    name = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    form = name if bits == 8 else f"{name};{bits}"
    content = io.BytesIO()
    data = values.tobytes() if bits == 8 else values.astype("<u2").tobytes()
    pillow_heif.from_bytes(form, (60, 40), data).save(content, quality=-1, chroma=444)
    right = upper_8(values.reshape(40, 60, -1)[..., : 3 if channels > 2 else 1], bits)
    return Case(content.getvalue(), np.repeat(right, 3, 2) if channels < 3 else right, 2)


def jpeg_xl(bits, channels):
    """Lossless, by imagecodecs; the plugin that reads it here has a libjxl of its own."""
    import imagecodecs

    values = noise(40, 60, channels, bits=bits)
    stored = values[..., 0] if channels == 2 else values[..., :3] if channels == 4 else values
    return Case(imagecodecs.jpegxl_encode(values, lossless=True), upper_8(stored, bits))


def webp_of_a_small_frame():
    """An animation whose first frame covers a part of the canvas, at (left, top) of (4, 2)."""
    frame = noise(6, 8)
    simple = image_with(frame, "WEBP", lossless=True)
    head = struct.pack("<I", 2) + (16).to_bytes(3, "little") + (11).to_bytes(3, "little")
    place = b"".join(number.to_bytes(3, "little") for number in (2, 1, 7, 5, 100))
    animation = (b"ANIM", struct.pack("<IH", 0xFF102030, 0)), (b"ANMF", place + b"\2" + simple[12:])
    return by_hand.riff((b"VP8X", head), *animation), frame


def _jpeg_2000(bits, channels, form="jp2"):
    import imagecodecs

    values = noise(40, 60, channels, bits=bits)
    stored = values[..., 0] if channels == 2 else values[..., :3] if channels == 4 else values
    options = {"codecformat": form, "level": 0, "reversible": True, "bitspersample": bits}
    return Case(imagecodecs.jpeg2k_encode(values, **options), upper_8(stored, bits), 0 if bits == 8 else 1)


def _jpeg_2000_pillow(channels):
    pixels = noise(40, 60, channels)
    return Case(image_with(pixels, "JPEG2000", irreversible=False), pixels[..., :3] if channels > 2 else pixels)


def write_pnm(values, most, kind):
    """(height, width[, 3]) values of at most `most`, as netpbm's P1 to P6 have them."""
    height, width = values.shape[:2]
    head = f"P{kind}\n# by hand\n{width} {height}\n" + ("" if kind in (1, 4) else f"{most}\n")
    if kind in (1, 2, 3):
        return (head + "\n".join(map(str, values.ravel().tolist())) + "\n").encode()
    if kind == 4:
        return head.encode() + np.packbits(values, axis=1).tobytes()
    return head.encode() + values.astype(">u2" if most > 255 else np.uint8).tobytes()


def _pnm(kind, most):
    values = np.random.default_rng(0).integers(0, most + 1, (12, 17) if kind in (1, 2, 4, 5) else (12, 17, 3))
    shown = 1 - values if kind in (1, 4) else values  # in a bitmap 1 is black
    right = values >> 8 if most == 65535 else np.rint(shown * 255 / most)
    exact = most in (1, 255) or (most == 65535 and kind in (2, 5))  # Pillow rounds the colours of 16 bits
    return Case(write_pnm(values, most, kind), right.astype(np.uint8), 0 if exact else 1)


CASES = {
    **{f"webp-lossless-{name}-pillow": partial(_webp_pillow, n) for name, n in (("rgb", 3), ("rgba", 4))},
    **{f"webp-lossless-{name}-imagecodecs": partial(_webp_imagecodecs, n) for name, n in (("rgb", 3), ("rgba", 4))},
    **{f"webp-lossy-{name}": partial(_webp_lossy, n) for name, n in (("rgb", 3), ("rgba", 4))},
    "gif-by-hand": _gif,
    "gif-transparent-by-hand": partial(_gif, transparent=3, background=5),
    "gif-transparent-background-by-hand": partial(_gif, transparent=3, background=3),
    "gif-two-frames-by-hand": partial(_gif, second=255 - indexed()[0]),
    "gif-two-frames-transparent-by-hand": partial(_gif, second=255 - indexed()[0], transparent=3),
    "gif-local-palette-by-hand": partial(_gif, local=True),
    "gif-pillow": _gif_pillow,
    "gif-interlaced-pillow": partial(_gif_pillow, interlace=1),
    "gif-transparent-pillow": partial(_gif_pillow, transparency=3, background=5),
    **{f"avif-{bits}-rgb": partial(_avif, bits, 3) for bits in (8, 10, 12)},
    **{f"avif-{bits}-rgba": partial(_avif, bits, 4) for bits in (8, 10)},
    "avif-8-gray": partial(_avif, 8, 1),
    **{f"avif-lossy-{name}-pillow": partial(_avif_pillow, n) for name, n in (("gray", 1), ("rgb", 3), ("rgba", 4))},
    **{f"avif-lossy-rgb-{part}-pillow": partial(_avif_pillow, 3, subsampling=part) for part in ("4:2:2", "4:4:4")},
    "avif-lossy-rgb-limited-range-pillow": partial(_avif_pillow, 3, range="limited"),
    "avif-lossy-rgba-premultiplied-pillow": partial(_avif_pillow, 4, alpha_premultiplied=True),
    **{f"jp2-{bits}-gray": partial(_jpeg_2000, bits, 1) for bits in (8, 10, 12, 16)},
    **{f"jp2-{bits}-rgb": partial(_jpeg_2000, bits, 3) for bits in (8, 10, 12, 16)},
    **{f"jp2-{bits}-rgba": partial(_jpeg_2000, bits, 4) for bits in (8, 16)},
    "j2k-8-rgb": partial(_jpeg_2000, 8, 3, "j2k"),
    "j2k-16-gray": partial(_jpeg_2000, 16, 1, "j2k"),
    **{f"jp2-8-{name}-pillow": partial(_jpeg_2000_pillow, n) for name, n in (("gray", 1), ("rgb", 3), ("rgba", 4))},
    **{f"pbm-{name}": partial(_pnm, kind, 1) for name, kind in (("text", 1), ("binary", 4))},
    **{
        f"pgm-{name}-{most}": partial(_pnm, kind, most)
        for name, kind in (("text", 2), ("binary", 5))
        for most in (1, 15, 100, 255, 1023, 4095, 65535)
    },
    **{
        f"ppm-{name}-{most}": partial(_pnm, kind, most)
        for name, kind in (("text", 3), ("binary", 6))
        for most in (1, 15, 100, 255, 1023, 4095, 65535)
    },
}
