import gzip

import numpy as np
import pytest
from fashion_cases import idx_file
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from batchclf.data.idx import parse_idx
from batchclf.errors import DataError


@given(st_numpy.arrays(np.uint8, st_numpy.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)))
def test_idx_round_trip(array):
    parsed = parse_idx(idx_file(array), "some.gz", array.ndim)
    assert parsed.dtype == np.uint8
    np.testing.assert_array_equal(parsed, array)


@given(st.data())
def test_an_idx_file_cut_anywhere_is_named(data):
    whole = idx_file(np.arange(60, dtype=np.uint8).reshape(3, 4, 5))
    size = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DataError, match=r"^cut\.gz is not a sound IDX file"):
        parse_idx(whole[:size], "cut.gz", 3)


@given(st.binary(max_size=40), st.booleans())
def test_bytes_that_are_no_idx_file_are_never_another_error(junk, packed):
    content = gzip.compress(b"\0\0\x08" + junk) if packed else junk
    if packed and junk[:1] == b"\x01" and len(junk) >= 5 and int.from_bytes(junk[1:5]) == len(junk) - 5:
        assert parse_idx(content, "sound by chance.gz", 1).tobytes() == junk[5:]
        return
    with pytest.raises(DataError, match=r"junk\.gz"):
        parse_idx(content, "junk.gz", 1)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x89PNG\0\0\0\0", "not with an IDX magic number"),
        (b"\0\0\x0d\x01\0\0\0\0", "IDX type 0x0d, expected 0x08"),
        (b"\0\0\x08\x03" + bytes(12), "3 dimensions, expected 1"),
        (b"\0\0\x08\x01\0\0", "within its header, after 6 of 8 bytes"),
        (b"\0\0\x08\x01\0\0\0\x05abcd", "says 5 values, but 4 follow"),
        (b"\0\0\x08\x01\0\0\0\x05abcdef", "says 5 values, but 6 follow"),
        (b"\0\0\x08\x01\xff\xff\xff\xffabcd", "says 4294967295 values"),
        (b"\0\0", "holds 2 bytes"),
    ],
)
def test_what_is_wrong_with_an_idx_file_is_told(raw, why):
    with pytest.raises(DataError, match=why):
        parse_idx(gzip.compress(raw), "x.gz", 1)
