"""Class names that look alike."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchclf.core.class_names import look_alike_warning, look_alikes

ALIKE = [
    ("Cat", "cat"),
    ("dog", "dog ", " dog"),
    ("3", "3.0"),
    ("7", "007"),
    ("golden_retriever", "golden retriever", "golden-retriever"),
    ("caf\u00e9", "cafe\u0301"),
    ("Straße", "STRASSE"),
]
APART = [("-5", "5"), ("1", "10", "100"), ("1.5", "15"), ("cat", "cats"), ("+", "-", "_"), ("", " "), ("C", "C++")]


@pytest.mark.parametrize("names", ALIKE)
def test_slips_look_alike(names):
    assert look_alikes(["zebra", *names, "apple"]) == [names]


@pytest.mark.parametrize("names", APART)
def test_other_names_do_not(names):
    assert look_alikes(names) == []
    assert look_alike_warning(names) == ""


def test_the_warning_shows_outer_blanks_and_few_groups():
    words = look_alike_warning(["dog", "dog ", *(f"{case}{n}" for n in range(10) for case in "aA")])
    assert words.startswith("class names that look alike: 'dog' and 'dog␣', 'a0' and 'A0', ")
    assert words.endswith("and 6 more; if they mean one class, join them by --label-map FILE")


@given(st.lists(st.text(max_size=6), max_size=8))
def test_groups_part_the_names_by_what_case_blanks_and_forms_leave(names):
    groups = look_alikes(names)
    members = [name for group in groups for name in group]
    assert len(set(members)) == len(members)
    assert set(members) <= set(names)
    assert all(len(group) > 1 for group in groups)
    # Whatever Python's own folding takes for equal is in one group.
    for name in set(names):
        for other in set(names) - {name}:
            if unicodedata.normalize("NFKC", name).casefold() == unicodedata.normalize("NFKC", other).casefold():
                assert any({name, other} <= set(group) for group in groups)
