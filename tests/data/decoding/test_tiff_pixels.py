"""TIFF: bits x samples x layout x compression x byte order, right to the bit or refused with the true reason."""

import struct

import numpy as np
import pytest
import tiff_cases as cases
import tiff_writer as by_hand
from decoding_cases import Case, check, check_refused, noise, reasons


def _check(name, case):
    if name in cases.UNSUPPORTED:
        check_refused(case.content, "unsupported: ")
    else:
        check(case)


@pytest.mark.parametrize("name", cases.MATRIX)
def test_matrix(name):
    _check(name, cases.MATRIX[name]())


@pytest.mark.parametrize("name", cases.WRITTEN)
def test_files_of_other_writers(name):
    write, right = cases.WRITTEN[name]
    _check(name, Case(write(), right))


@pytest.mark.parametrize("name", cases.CODECS)
def test_codecs_that_few_readers_know(name):
    write, right = cases.CODECS[name]
    _check(name, Case(write(), right))


@pytest.mark.parametrize("name", cases.LOSSY)
def test_lossy_compression(name):
    content = cases.LOSSY[name]()
    _check(name, Case(content, cases.judged(content), 2))


def test_the_writer_by_hand_writes_what_tifffile_reads():
    for kind, (name, layout) in zip(cases.KINDS, [*cases.LAYOUTS.items()] * 9, strict=False):
        values, _, _ = cases.KINDS[kind]()
        if values.ndim == 2 and layout.get("separate"):
            layout = {"tile": 32}
        for options in ({}, {"order": ">"}, {"big": True}, {"compression": by_hand.ZSTD}):
            content = cases.made(kind, **layout, **options).content
            np.testing.assert_array_equal(cases.judged(content), values, err_msg=f"{kind}, {name}, {options}")


def test_ycbcr_without_compression_is_not_read():
    values = np.full((32, 40, 3), (76, 85, 255), np.uint8)
    one_by_one = [(530, by_hand.SHORT, [1, 1])]
    content = by_hand.write_tiff(values, photometric=by_hand.YCBCR, rows_per_strip=16, more=one_by_one)
    check_refused(content, "unsupported: ")


@pytest.mark.parametrize("layout", ["strips", "tiles"])
@pytest.mark.parametrize(
    ("values", "format_code", "words"),
    [
        (np.linspace(0, 1, 4620, dtype=np.float16), 3, "float16"),
        (np.linspace(0, 1, 4620, dtype=np.float32), 3, "float32"),
        (np.linspace(0, 1, 4620, dtype=np.float64), 3, "float64"),
        (np.linspace(-1000, 3000, 4620).astype(np.int16), 2, "int16"),
        (np.linspace(-128, 127, 4620).astype(np.int8), 2, "int8"),
        (np.arange(4620, dtype=np.int32), 2, "int32"),
        (np.arange(4620, dtype=np.uint32), 1, "uint32"),
        (np.arange(4620, dtype=np.uint64), 1, "uint64"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
@pytest.mark.parametrize("compression", cases.COMPRESSIONS)
def test_values_without_a_black_and_a_white(compression, values, format_code, words, layout):
    """The message names the kind: nothing says which values are black and white."""
    content = by_hand.write_tiff(
        values.reshape(66, 70),
        8 * values.itemsize,
        sample_format=format_code,
        compression=cases.COMPRESSIONS[compression],
        **cases.LAYOUTS[layout],
    )
    np.testing.assert_array_equal(cases.judged(content).ravel(), values)
    check_refused(content, f"unsupported: holds {words} values, ")


@pytest.mark.parametrize("bits", [3, 5, 6, 7, 9, 10, 11, 13, 14, 15])
def test_odd_bits(bits):
    """Whole files, which few writers make: not damaged."""
    content = by_hand.write_tiff(noise(66, 70, 1, bits=bits), bits, rows_per_strip=16)
    check_refused(content, "unsupported: ")


def test_bits_from_the_lowest_on():
    """FillOrder 2."""
    values = noise(66, 70, 1, bits=1)
    content = by_hand.write_tiff(values, 1, more=[(266, by_hand.SHORT, [2])], spoil=_reversed_bits)
    check(Case(content, values * np.uint8(255)))


def _reversed_bits(data):
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return np.packbits(bits).tobytes()


def test_samples_of_an_undefined_format_are_not_read():
    content = by_hand.write_tiff(noise(66, 70, 1), sample_format=4, rows_per_strip=16)
    check_refused(content, "unsupported: ")


LAB, ICC_LAB, FILTER_ARRAY, LINEAR_RAW = 8, 9, 32803, 34892


@pytest.mark.parametrize("photometric", [ICC_LAB, FILTER_ARRAY, LINEAR_RAW])
def test_other_kinds_of_colours_are_not_read(photometric):
    values = noise(66, 70, 1 if photometric == FILTER_ARRAY else 3)
    check_refused(by_hand.write_tiff(values, photometric=photometric), "unsupported: ")


def test_lab():
    """CIE 1976 L*a*b* under D50, to XYZ by CIE 15, to D65 and sRGB by the matrix of IEC 61966-2-1 and Bradford's."""
    lightness = np.linspace(100, 200, 70).astype(np.uint8)[None].repeat(66, 0)
    a = np.linspace(-15, 15, 66).astype(np.int8)[:, None].repeat(70, 1)
    b = np.full_like(a, 10)
    content = by_hand.write_tiff(np.dstack([lightness, a.view(np.uint8), b.view(np.uint8)]), photometric=LAB)
    y = (lightness * (100 / 255) + 16) / 116
    cubes = np.stack([y + a / 500, y, y - b / 200], 2)
    parts = np.where(cubes > 6 / 29, cubes**3, 3 * (6 / 29) ** 2 * (cubes - 4 / 29))
    to_srgb = [[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]]
    linear = np.clip(parts * [0.9642, 1, 0.8249] @ np.transpose(to_srgb), 0, 1)
    right = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear) * 255
    check(Case(content, np.rint(right).astype(np.uint8), 2))


def test_bits_that_differ_by_sample_are_not_read():
    content = by_hand.write_tiff(noise(66, 70), photometric=by_hand.RGB)
    content = content.replace(struct.pack("<3H", 8, 8, 8), struct.pack("<3H", 5, 6, 5))
    check_refused(content, "unsupported: ")


@pytest.mark.parametrize("kind", [2, 7], ids=["text", "bytes"])
@pytest.mark.parametrize("tag", [256, 257, 258, 259, 262, 277, 284, 339])
def test_a_directory_that_makes_no_sense(tag, kind):
    """Text or bytes in place of a number: a reason, and no other exception."""
    content = bytearray(by_hand.write_tiff(noise(66, 70, 1), sample_format=1, rows_per_strip=16))
    at = next(at for at in range(10, len(content), 12) if content[at : at + 2] == tag.to_bytes(2, "little"))
    content[at + 2] = kind
    for reason in reasons(bytes(content)):
        assert reason.startswith(("damaged: ", "unsupported: "))


def test_a_directory_that_is_said_to_lie_far_outside():
    content = bytearray(by_hand.write_tiff(noise(66, 70, 1), big=True))
    content[8:16] = (2**64 - 1).to_bytes(8, "little")
    check_refused(bytes(content), "damaged: ")


DAMAGED = {
    f"{kind}-{layout}-{compression}": (kind, layout, compression)
    for kind in ("8-gray", "16-gray", "8-rgb", "16-rgb", "8-rgba")
    for layout in ("strips", "tiles")
    for compression in cases.COMPRESSIONS
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_strip_that_breaks_off(name):
    """The last strip or tile holds half of its bytes, and the directory says so."""
    kind, layout, compression = DAMAGED[name]
    options = {**cases.LAYOUTS[layout], "compression": cases.COMPRESSIONS[compression]}
    case = cases.made(kind, **options, spoil=lambda data: data[: len(data) // 2])
    check_refused(case.content, "damaged: ")


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_that_breaks_off(name):
    kind, layout, compression = DAMAGED[name]
    case = cases.made(kind, **cases.LAYOUTS[layout], compression=cases.COMPRESSIONS[compression])
    check_refused(case.content[: len(case.content) * 3 // 4], "damaged: ")


@pytest.mark.parametrize("compression", ["deflate", "lzma"])
@pytest.mark.parametrize("layout", ["strips", "tiles", "planes"])
@pytest.mark.parametrize("kind", ["8-gray-alpha", "16-gray", "8-rgb", "16-rgb", "8-rgba"])
def test_a_flipped_byte_fails_the_checksum(kind, layout, compression):
    def flip(data):
        return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 0x40]) + data[len(data) // 2 + 1 :]

    layout = "strips" if (kind, layout) == ("16-gray", "planes") else layout
    options = {**cases.LAYOUTS[layout], "compression": cases.COMPRESSIONS[compression]}
    check_refused(cases.made(kind, **options, spoil=flip).content, "damaged: ")


def _with_first_strip(layout, start, length=None):
    """A file whose first strip or tile is said to lie at `start`, and to be so long."""
    values = noise(66, 70, 1)
    content = by_hand.write_tiff(values, **cases.LAYOUTS[layout])
    first = len(content) - (66 * 70 if layout == "strips" else 4 * 64 * 64)
    size = 16 * 70 if layout == "strips" else 64 * 64
    for before, after in ((first, start), (size, length)):
        if after is not None:
            place = content.index(struct.pack("<I", before))
            content = content[:place] + struct.pack("<I", after) + content[place + 4 :]
    return content


@pytest.mark.parametrize(("start", "length"), [(10**6, None), (0, None), (4, None), (0, 0)])
@pytest.mark.parametrize("layout", ["strips", "tiles"])
def test_a_strip_that_lies_outside_of_the_data(layout, start, length):
    """Behind the end, in the header, or nowhere: GDAL leaves strips out that hold nothing."""
    check_refused(_with_first_strip(layout, start, length), ("damaged: ", "unsupported: "))


def test_the_first_page_of_several():
    pages = np.stack([cases.COLOUR, 255 - cases.COLOUR])
    check(Case(cases.with_tifffile(pages, photometric="rgb"), cases.COLOUR))


@pytest.mark.parametrize("factor", [1, 256, 257])
def test_a_colour_map_of_8_or_16_bits(factor):
    """Some writers give a colour 8 of its 16 bits."""
    indices, colours = noise(20, 30, 1, bits=4), noise(3, 256, 1, seed=1)
    colour_map = (colours.astype(int) * factor).ravel().tolist()
    content = by_hand.write_tiff(indices, 8, by_hand.PALETTE, colour_map=colour_map)
    check(Case(content, colours.T[indices]))


@pytest.mark.parametrize("compression", [by_hand.DEFLATE, by_hand.PACKBITS, by_hand.LZMA])
def test_bits_of_compressed_data_in_the_other_order(compression):
    """FillOrder 2 turns the bits of each byte, whatever is packed into them."""
    options = {"compression": compression, "spoil": _reversed_bits}
    check(Case(by_hand.write_tiff(noise(), 8, by_hand.RGB, more=[(266, by_hand.SHORT, [2])], **options), noise()))
