"""Statistics of images: sizes, modes and histograms, the same however the rows were cut."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchclf.core.images.statistics import SHOWN_SIZES, ImageRows, StatisticsTally

ROW = st.tuples(
    st.sampled_from(["28,28,grayscale", "640,480,rgb", "480,640,rgb", ",,unknown", "8,8,palette"]),
    st.floats(0, 255, width=32),
    st.floats(0, 127.5, width=32),
)


def _rows(rows, split="test"):
    stored, brightness, contrast = zip(*rows, strict=True) if rows else ((), (), ())
    nothing = np.zeros((len(rows), 2), np.uint64)
    return ImageRows(
        split, stored, np.array(brightness, np.float32), np.array(contrast, np.float32), nothing, nothing[:, 0]
    )


def _statistics(rows, cut=None):
    tally = StatisticsTally("test")
    cut = cut or len(rows)
    for start in range(0, len(rows), cut):
        tally.update(_rows(rows[start : start + cut]))
    return tally.statistics()


@settings(deadline=None, max_examples=60)
@given(st.lists(ROW, min_size=1, max_size=60), st.integers(1, 60))
def test_statistics_are_those_of_numpy_however_the_rows_are_cut(rows, cut):
    found = _statistics(rows, cut)
    assert found == _statistics(rows)
    assert found.images == len(rows)
    for histogram, column, bins in ((found.brightness, 1, 51), (found.contrast, 2, 32)):
        values = np.array([row[column] for row in rows], np.float32).astype(np.float64)
        scaled = values * (bins / histogram.high)
        # Where rounding decides on which side of an edge a value lies, either is right.
        if (np.abs(scaled - np.rint(scaled)) > 1e-9).all():
            expected, _ = np.histogram(values, bins, (histogram.low, histogram.high))
            assert list(histogram.counts) == expected.tolist()
        assert sum(histogram.counts) == len(rows)
    modes = Counter(row[0].rsplit(",", 1)[1] for row in rows)
    assert dict(found.modes) == modes
    sizes = Counter(tuple(row[0].split(",")[:2]) for row in rows)
    unknown = sizes.pop(("", ""), 0)
    assert {(str(w), str(h)): count for w, h, count in found.sizes} == sizes
    assert found.other_sizes == unknown


def test_only_the_most_frequent_sizes_are_listed():
    rows = [(f"{size},1,rgb", 1.0, 1.0) for size in range(1, 31) for _ in range(size)]
    found = _statistics(rows)
    assert found.sizes == tuple((size, 1, size) for size in range(30, 30 - SHOWN_SIZES, -1))
    assert found.other_sizes == sum(range(1, 21))


@pytest.mark.parametrize(("values", "bin_of_last"), [((255.0, 127.5), (50, 31)), ((0.0, 0.0), (0, 0))])
def test_the_ends_are_counted(values, bin_of_last):
    found = _statistics([("1,1,grayscale", *values)])
    assert (found.brightness.counts.index(1), found.contrast.counts.index(1)) == bin_of_last
