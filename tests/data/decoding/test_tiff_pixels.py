"""TIFF: bits x samples x layout x compression x byte order, right to the bit or refused with the true reason."""

import numpy as np
import pytest
import tiff_cases as cases
import tiff_writer as by_hand
from decoding_cases import Case, check, check_refused, noise


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


@pytest.mark.parametrize("layout", ["strips", "tiles"])
def test_a_strip_that_lies_outside_of_the_file(layout):
    values = noise(66, 70, 1)
    content = bytearray(by_hand.write_tiff(values, **cases.LAYOUTS[layout]))
    # The first of the offsets, which stand after the directory.
    start = content.rindex(values[:1].tobytes()[:60])
    place = content.index(start.to_bytes(4, "little"))
    content[place : place + 4] = (len(content) + 1000).to_bytes(4, "little")
    check_refused(bytes(content), "damaged: ")


def test_the_first_page_of_several():
    pages = np.stack([cases.COLOUR, 255 - cases.COLOUR])
    check(Case(cases.with_tifffile(pages, photometric="rgb"), cases.COLOUR))
