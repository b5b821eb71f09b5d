"""Placeholders: run dates and environment variables, and what is no placeholder."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchclf.jobs.config.placeholders import Surroundings, expand, variables

RUN_DATE = date(2027, 1, 1)


def expanded(text, run_date=RUN_DATE, **environment):
    return expand(text, Surroundings(run_date, environment))


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("incoming/{date:%Y-%m-%d}", "incoming/2027-01-01"),
        ("{date}", "2027-01-01"),
        ("{date:}", "2027-01-01"),
        ("{yesterday:%Y/%m/%d}", "2026/12/31"),
        ("{yesterday}{date:%d}", "2026-12-3101"),
        ("week-{date:%G-W%V}", "week-2026-W53"),
        ("{date:%-d.%-m.%y, 100%%}", "1.1.27, 100%"),
        ("{date:%a %j}", "Fri 001"),
        ("a{{b}}c", "a{b}c"),
        ("{{date}}", "{date}"),
        ("{{{date}}}", "{2027-01-01}"),
        ("$${HOME}", "${HOME}"),
        ("$HOME, 5$, {1}, {a,b}, {", "$HOME, 5$, {1}, {a,b}, {"),
        ("${A}/${B:-b}/${C:-c}", "{date}/b/c"),
        ("${B:-}", ""),
        ("${UNSET:-a:-b}", "a:-b"),
        ("", ""),
        ("Fotos/München", "Fotos/München"),
    ],
)
def test_what_each_stands_for(text, becomes):
    """What a variable holds is not looked through again."""
    assert expanded(text, A="{date}", B="") == becomes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${NO}", "the environment variable NO is not set"),
        ("${}", "names no environment variable"),
        ("${1A}", "names no environment variable"),
        ("${A-b}", "names no environment variable"),
        ("${A", "is not closed"),
        ("in/{date:%Y", "a '{date' is not closed; write '{{date'"),
        ("{yesterday", "is not closed"),
        ("${A:-{date}}", "is not closed, or has braces within"),
        ("{day}", "'{day}' is no placeholder"),
        ("{dates:%Y}", "is no placeholder"),
        ("{}", "is no placeholder"),
        ("{:%Y}", "is no placeholder"),
        ("{date:%H}", "no date has"),
        ("{date:%}", "no date has"),
        ("{date:%s}", "no date has"),
        ("{date:%9999999999d}", "no date has"),
    ],
)
def test_what_is_wrong_is_told(text, why):
    with pytest.raises(ValueError, match=why):
        expanded(text)


def test_the_first_day_has_no_yesterday():
    with pytest.raises(ValueError, match="there is no day before"):
        expanded("{yesterday}", date.min)


@given(st.dates(min_value=date(1000, 1, 2)), st.text("/-_.x", max_size=3))
def test_any_run_date(day, between):
    text = f"{{date:%Y{between}%m{between}%d}}"
    assert expanded(text, day) == between.join(day.isoformat().split("-"))
    assert expanded("{yesterday}", day) == (day - timedelta(days=1)).isoformat()


@given(st.text("${}:-%dateyA\n\0é", max_size=12))
def test_any_text_is_expanded_or_refused_in_words(text):
    refused = None
    try:
        result = expanded(text, A="a", d="d")
    except ValueError as error:
        refused = str(error)
    if refused is None:
        assert "{" in text or "}" in text or result == text
    else:
        assert refused


@given(st.text(max_size=20))
def test_escaped_text_comes_back(text):
    assert expanded(text.replace("{", "{{").replace("}", "}}")) == text


def test_the_variables_that_a_text_needs():
    assert variables("${A}/{date}/${B:-x}$${C}${1}{{D}}") == {"A", "B"}
