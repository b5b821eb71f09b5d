"""Pictures that their files turn: each orientation in each format, by hand and by a library."""

import io
import struct
from functools import partial

import container_writers as by_hand
import numpy as np
import tiff_writer
from decoding_cases import Case, image_with, noise
from PIL import Image

PICTURE = noise(12, 17)

TURNED = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}
"""Exif 2.32, table 6: what brings each orientation upright."""

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    return exif


def read_plainly(content):
    """As Pillow reads it, without turning."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def plain_jpeg():
    return image_with(PICTURE, "JPEG", quality=95, subsampling=0)


def _jpeg(orientation, order):
    plain = plain_jpeg()
    exif = by_hand.EXIF_PREFIX + by_hand.exif_payload(orientation, order)
    return Case(by_hand.jpeg_with(plain, (0xE1, exif)), TURNED[orientation](read_plainly(plain)))


def _jpeg_pillow(orientation):
    content = image_with(PICTURE, "JPEG", quality=95, subsampling=0, exif=exif_of(orientation))
    return Case(content, TURNED[orientation](read_plainly(content)))


def _mpo(orientation):
    content = io.BytesIO()
    second = Image.fromarray(255 - PICTURE)
    options = {"quality": 95, "subsampling": 0, "exif": exif_of(orientation)}
    Image.fromarray(PICTURE).save(content, "MPO", save_all=True, append_images=[second], **options)
    return Case(content.getvalue(), TURNED[orientation](read_plainly(content.getvalue())))


def _png(orientation, order, place, prefix=b""):
    chunks = {place: [(b"eXIf", prefix + by_hand.exif_payload(orientation, order))]}
    return Case(by_hand.write_png(PICTURE, **chunks), TURNED[orientation](PICTURE))


def _pillow(orientation, file_format, **options):
    content = image_with(PICTURE, file_format, exif=exif_of(orientation), **options)
    return Case(content, TURNED[orientation](PICTURE))


def _webp(orientation, order, prefix):
    simple = image_with(PICTURE, "WEBP", lossless=True)
    content = by_hand.webp_with_exif(simple, (17, 12), prefix + by_hand.exif_payload(orientation, order))
    return Case(content, TURNED[orientation](PICTURE))


def _tiff(orientation, **options):
    content = tiff_writer.write_tiff(PICTURE, photometric=tiff_writer.RGB, orientation=orientation, **options)
    return Case(content, TURNED[orientation](PICTURE))


def _tiff_of_gray(orientation, bits, **options):
    values = noise(40, 50, 1, bits=bits)
    content = tiff_writer.write_tiff(values, bits, orientation=orientation, **options)
    return Case(content, TURNED[orientation]((values >> (bits - 8)).astype(np.uint8)))


def _tifffile(orientation):
    import tifffile

    content = io.BytesIO()
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(content, PICTURE, photometric="rgb", metadata=None, extratags=tags)
    return Case(content.getvalue(), TURNED[orientation](PICTURE))


def _each(make, *arguments, **options):
    return {orientation: partial(make, orientation, *arguments, **options) for orientation in TURNED}


WRITERS = {
    "jpeg-little-endian": _each(_jpeg, "<"),
    "jpeg-big-endian": _each(_jpeg, ">"),
    "jpeg-pillow": _each(_jpeg_pillow),
    "mpo-pillow": _each(_mpo),
    "png-little-endian": _each(_png, "<", "before"),
    "png-big-endian": _each(_png, ">", "before"),
    "png-behind-the-data": _each(_png, ">", "after"),
    "png-with-prefix": _each(_png, "<", "before", by_hand.EXIF_PREFIX),
    "png-pillow": _each(_pillow, "PNG"),
    "webp-little-endian": _each(_webp, "<", b""),
    "webp-big-endian": _each(_webp, ">", b""),
    "webp-with-prefix": _each(_webp, "<", by_hand.EXIF_PREFIX),
    "webp-pillow": _each(_pillow, "WEBP", lossless=True),
    "tiff-little-endian": _each(_tiff),
    "tiff-big-endian": _each(_tiff, order=">"),
    "tiff-bigtiff": _each(_tiff, big=True),
    "tiff-tiles": _each(_tiff, tile=16, compression=tiff_writer.ZSTD),
    "tiff-16-gray": _each(_tiff_of_gray, 16, rows_per_strip=16),
    "tiff-16-gray-tiles": _each(_tiff_of_gray, 16, tile=32, compression=tiff_writer.DEFLATE),
    "tiff-pillow": _each(_pillow, "TIFF"),
    "tiff-tifffile": _each(_tifffile),
}
EVERY = {f"{writer}-{orientation}": make for writer, each in WRITERS.items() for orientation, make in each.items()}


def avif_by_pillow(orientation):
    """Pillow's AVIF, lossless but for the conversion to YCbCr, holds irot and imir in place of the EXIF's value."""
    options = {"quality": 100, "subsampling": "4:4:4"}
    content = image_with(PICTURE, "AVIF", exif=exif_of(orientation), **options)
    return Case(content, TURNED[orientation](read_plainly(image_with(PICTURE, "AVIF", **options))), 1)


def avif_by_hand(angle, axis):
    """The values of irot (quarter turns anticlockwise) and imir (0: top and bottom change places) set by hand."""
    content = bytearray(avif_by_pillow(5).content)
    content[content.index(b"irot") + 4] = angle
    content[content.index(b"imir") + 4] = axis
    pixels = np.rot90(avif_by_pillow(1).pixels, angle)
    return Case(bytes(content), pixels[::-1] if axis == 0 else pixels[:, ::-1], 1)


def avif_with_another_exif(orientation):
    """The container turns by 90 degrees; the EXIF beside it names another orientation, which is not for readers."""
    exif = exif_of(6)
    # A tag of the same type and length, which Pillow lets stand, becomes the orientation.
    exif[0x128] = orientation
    content = image_with(PICTURE, "AVIF", exif=exif, quality=100, subsampling="4:4:4")
    entry = struct.pack(">HHI", 0x128, 3, 1), struct.pack("<HHI", 0x128, 3, 1)
    changed = struct.pack(">HHI", 0x112, 3, 1), struct.pack("<HHI", 0x112, 3, 1)
    assert content.count(entry[0]) + content.count(entry[1]) == 1
    for before, after in zip(entry, changed, strict=True):
        content = content.replace(before, after)
    return Case(content, avif_by_pillow(6).pixels, 1)


def heic(orientation):
    """By pillow-heif, which writes irot and imir in place of the EXIF's value; lossy within a few levels."""
    import pillow_heif

    pixels = np.repeat(np.repeat(noise(16, 20), 4, 0), 4, 1)
    image = pillow_heif.from_pillow(Image.fromarray(pixels))
    image.info["exif"] = by_hand.EXIF_PREFIX + by_hand.exif_payload(orientation)
    content = io.BytesIO()
    image.save(content, quality=-1, chroma=444)
    return content.getvalue(), TURNED[orientation](pixels)


NOT_TURNED = {
    "jpeg-xmp": lambda: Case(
        by_hand.jpeg_with(plain_jpeg(), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.encode())),
        read_plainly(plain_jpeg()),
    ),
    "png-xmp": lambda: Case(
        by_hand.write_png(PICTURE, before=[(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.encode())]), PICTURE
    ),
    "png-text-profile": lambda: Case(by_hand.write_png(PICTURE, before=[(b"tEXt", _raw_profile())]), PICTURE),
    "png-compressed-text-profile": lambda: Case(
        by_hand.write_png(PICTURE, before=[(b"zTXt", _raw_profile(packed=True))]), PICTURE
    ),
    "webp-xmp": lambda: Case(_webp_with_xmp(), PICTURE),
    "jpeg-exif-of-0": lambda: _strange_jpeg(0),
    "jpeg-exif-of-9": lambda: _strange_jpeg(9),
    "jpeg-exif-that-breaks-off": lambda: Case(
        by_hand.jpeg_with(plain_jpeg(), (0xE1, by_hand.EXIF_PREFIX + by_hand.exif_payload(6)[:12])),
        read_plainly(plain_jpeg()),
    ),
}
"""XMP and ImageMagick's text chunks do not turn, and neither does an orientation that is none."""


def _raw_profile(*, packed=False):
    """ImageMagick's way of keeping EXIF in a PNG: hexadecimal text."""
    import zlib

    exif = by_hand.EXIF_PREFIX + by_hand.exif_payload(6)
    text = f"\nexif\n{len(exif):8}\n{exif.hex()}\n".encode()
    return b"Raw profile type exif\0" + (b"\0" + zlib.compress(text) if packed else text)


def _webp_with_xmp():
    simple = image_with(PICTURE, "WEBP", lossless=True)
    head = struct.pack("<I", 4) + (16).to_bytes(3, "little") + (11).to_bytes(3, "little")
    length = int.from_bytes(simple[16:20], "little")
    picture = (simple[12:16], simple[20 : 20 + length])
    return by_hand.riff((b"VP8X", head), picture, (b"XMP ", XMP.encode()))


def _strange_jpeg(orientation):
    exif = by_hand.EXIF_PREFIX + by_hand.exif_payload(orientation)
    return Case(by_hand.jpeg_with(plain_jpeg(), (0xE1, exif)), read_plainly(plain_jpeg()))
