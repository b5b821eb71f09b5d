"""Numbers as pages and the console show them."""

import re
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from batchclf.core.metrics.catalog import METRICS
from batchclf.core.text import (
    decimal,
    decimal_difference,
    exact_percent,
    p_value,
    percent,
    points,
    points_apart,
    signed,
    size,
)

SHARES = st.floats(0, 1) | st.tuples(st.integers(0, 10_000), st.integers(1, 10_000)).map(lambda t: min(t) / max(t))


def number_of(text):
    """Read a shown number as Decimal, exactly as printed."""
    return Decimal(re.sub(r"[%,+]", "", text).replace("\u2212", "-"))


@given(st.floats(-1e-3, 1e-3))
def test_what_rounds_to_zero_has_no_sign(value):
    texts = [decimal(value), points(value), signed(value, 3)]
    texts += [show(value) for each in METRICS.values() for show in (each.shown, each.shown_difference)]
    for text in texts:
        if not text.strip("-+\u22120.,%"):
            assert text[0] not in "-+\u2212", text


def test_a_half_is_rounded_to_even_as_python_does():
    assert (decimal(0.00625), percent(0.0625), decimal(-0.0625)) == ("0.0063", "6.25%", "\u22120.0625")
    assert (decimal(0.03125), decimal(0.09375)) == ("0.0312", "0.0938")


@given(SHARES)
@example(0.99996)
@example(1e-9)
@example(1 - 1e-9)
def test_zero_and_all_are_shown_for_exactly_zero_and_all_only(share):
    assume(share == 0 or share == 1 or 1e-12 < share < 1 - 1e-12)
    assert (percent(share) == "0.00%", decimal(share) == "0.0000") == (share == 0, share == 0)
    assert (percent(share) == "100.00%", decimal(share) == "1.0000") == (share == 1, share == 1)


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (0.99996, (">99.99%", ">0.9999")),
        (0.99994, ("99.99%", "0.9999")),
        (0.00004, ("<0.01%", "<0.0001")),
        (1.0, ("100.00%", "1.0000")),
        (0.1 + 0.2 - 0.3 + 1, ("100.00%", "1.0000")),
        (0.1 + 0.2 - 0.3, ("0.00%", "0.0000")),
        (float("nan"), ("–", "–")),
    ],
)
def test_what_is_nearly_all_or_nothing_is_said_to_be_so(value, texts):
    assert (percent(value), decimal(value)) == texts


@given(SHARES, SHARES)
@example(0.8665, 0.88649)
@example(0.86674, 0.88634)
def test_no_difference_contradicts_the_two_numbers_beside_it(first, second):
    """Subtracting what is printed and rounding gives what is printed, but that a tie may go either way."""
    for value, difference, unit in ((percent, points, Decimal("0.1")), (decimal, decimal_difference, Decimal("0.001"))):
        texts = value(first), value(second)
        assume(not any(text[0] in "<>" for text in texts))
        printed = number_of(texts[1]) - number_of(texts[0])
        shown = number_of(difference(second - first))
        assert abs(shown - printed) <= unit / 2
        if abs(shown - printed) != unit / 2:
            assert shown == printed.quantize(unit, ROUND_HALF_EVEN)


@given(st.floats(-1, 1))
def test_a_size_is_the_difference_without_its_sign(difference):
    assert points_apart(difference) == points(difference).lstrip("+\u2212")


@given(st.floats(0, 1))
def test_a_p_value_is_never_shown_as_nothing(value):
    text = p_value(value)
    assert re.fullmatch(r"p (= \d\.\d{4}|< 0\.0001|> 0\.9999)", text)
    assert text != "p = 0.0000"


@pytest.mark.parametrize(("share", "text"), [(0.9, "90%"), (0.995, "99.5%"), (0.0, "0%"), (0.07, "7%"), (1, "100%")])
def test_what_somebody_has_chosen_is_shown_with_its_own_digits(share, text):
    assert exact_percent(share) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.00 kB"),
        (999_499, "999 kB"),
        (999_999, "1.00 MB"),
        (12_345_678, "12.3 MB"),
        (3.2e12, "3.20 TB"),
        (5e16, "50,000 TB"),
    ],
)
def test_bytes_have_three_digits(number, text):
    assert size(number) == text
