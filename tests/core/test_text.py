"""Numbers as pages show them."""

from hypothesis import given
from hypothesis import strategies as st

from batchclf.core.metrics.catalog import METRICS
from batchclf.core.text import decimal, percent, points, signed


@given(st.floats(-1e-3, 1e-3))
def test_what_rounds_to_zero_has_no_sign(value):
    texts = [decimal(value), percent(value), points(value), signed(value, 3)]
    texts += [show(value) for each in METRICS.values() for show in (each.shown, each.shown_difference)]
    for text in texts:
        if not text.strip("-+\u22120.,%"):
            assert text[0] not in "-+\u2212", text


def test_a_half_is_rounded_to_even_as_python_does():
    assert (decimal(0.0625), percent(0.0625), decimal(-0.0625)) == ("0.062", "6.2%", "-0.062")
