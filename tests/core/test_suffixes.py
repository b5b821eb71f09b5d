import re
from collections import Counter
from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from batchclf.core.suffixes import BUILT_IN, EXTRAS, MOST_SUFFIXES, OTHER, count_suffix, left_out_words

OF_EXTRAS = {suffix for extra in EXTRAS for suffix in extra.suffixes}
STEMS = st.text("ab.", min_size=1, max_size=3).filter(lambda stem: stem.strip("."))
SUFFIXES = st.sampled_from([".txt", ".TXT", ".Heic", ".jxl", ".m4", ".jpg~", ""]) | st.integers(0, 300).map(
    lambda number: f".{number}"
)
PATHS = st.builds(
    lambda folder, stem, suffix: f"{folder}{stem}{suffix}", st.sampled_from(["", "x.y/"]), STEMS, SUFFIXES
)


def counted(paths):
    counts = {}
    for path in paths:
        count_suffix(counts, path)
    return counts


@given(st.lists(PATHS, max_size=60))
def test_few_suffixes_are_counted_as_pathlib_names_them(paths):
    paths = [path for path in paths if not path.endswith(".") and not path.rpartition("/")[2].startswith(".")]
    assert counted(paths) == Counter(PurePosixPath(path).suffix.lower() for path in paths)


@given(st.lists(st.text() | PATHS, max_size=400))
def test_every_file_is_counted_once_in_bounded_space(paths):
    counts = counted(paths)
    assert sum(counts.values()) == len(paths)
    assert len(counts.keys() - OF_EXTRAS - {OTHER}) <= MOST_SUFFIXES
    assert all(len(suffix) <= 17 and suffix.isprintable() for suffix in counts)
    for suffix in OF_EXTRAS:
        assert counts.get(suffix, 0) == sum(path.lower().endswith(suffix) for path in paths)


@given(st.dictionaries(SUFFIXES.map(str.lower) | st.just(OTHER), st.integers(1, 5000), max_size=40))
def test_the_words_name_every_file(counts):
    words = left_out_words(counts)
    numbers = [int(number.replace(",", "")) for number in re.findall(r"(?:^|, | and )([\d,]+) ", words)]
    assert sum(numbers) == sum(counts.values())
    assert bool(words) == bool(counts)
    for suffix in OF_EXTRAS & counts.keys():
        assert f" {suffix} (pip install 'batchclf[" in words


def test_the_most_frequent_come_first():
    assert left_out_words({".a": 1, ".b": 2000, ".c": 3}) == "2,000 .b, 3 .c, 1 .a"
    assert left_out_words({".a": 1, OTHER: 1}) == "1 .a and 1 other"
    assert left_out_words({OTHER: 7}) == "7 others"
    assert left_out_words({"": 2}) == "2 without a suffix"


def test_a_suffix_belongs_to_one_reader():
    every = [*BUILT_IN, *(suffix for extra in EXTRAS for suffix in extra.suffixes)]
    assert len(set(every)) == len(every)
    assert all(re.fullmatch(r"\.[a-z0-9]+", suffix) for suffix in every)
