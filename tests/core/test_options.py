"""An option is one field: what its type says is what job files take, argparse reads and the docs show."""

from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from batchclf.core.options import (
    REQUIRED,
    ChannelNumbers,
    NotNegative,
    Positive,
    Share,
    ShareBelowOne,
    Text,
    choices,
    expected,
    fits,
    option,
    options_of,
    type_words,
    why_not,
)
from batchclf.jobs.config.keys import keys_of

KINDS = {
    int: ("a whole number", "whole number"),
    Positive: ("a whole number from 1 on", "whole number from 1"),
    NotNegative: ("a number from 0 on", "number from 0"),
    Share: ("a number from 0 to 1", "number from 0 to 1"),
    ShareBelowOne: ("a number from 0 to below 1", "number from 0 to below 1"),
    Annotated[float, Meta(gt=0, lt=1)]: ("a number above 0 and below 1", "number above 0 and below 1"),
    Annotated[float, Meta(gt=0)]: ("a number above 0", "number above 0"),
    bool: ("true or false", "true or false"),
    str: ("a text in quotes", "text"),
    Text: ("a text in quotes that is not empty", "text"),
    list[Text]: ("a list", "list of text"),
    ChannelNumbers: ("one finite number a channel: one, or three", "list of number"),
    Literal["b", "a"]: ("one of: b, a", '`"b"` or `"a"`'),
    list[Literal["x", "y", "z"]]: ("a list", 'list of `"x"`, `"y"` or `"z"`'),
}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_type_in_words(kind):
    assert (expected(kind), type_words(kind)) == KINDS[kind]


@given(st.sampled_from([int, Positive, NotNegative, Share, ShareBelowOne, float]), st.floats() | st.integers())
def test_a_number_fits_as_msgspec_says_if_it_is_finite(kind, value):
    try:
        msgspec.convert(value, kind)
        allowed = True
    except (msgspec.ValidationError, OverflowError):
        allowed = False
    finite = isinstance(value, int) or abs(value) < float("inf")
    assert fits(value, kind) == (allowed and finite and not (isinstance(value, int) and abs(value) >= 2**63))


@pytest.mark.parametrize(
    ("value", "kind", "why"),
    [
        (0, Positive, "a whole number from 1 on is expected, not 0"),
        ("3", Positive, "a whole number is expected, not a text in quotes"),
        (True, Positive, "a whole number is expected, not true or false"),
        (1.5, Share, "a number from 0 to 1 is expected, not 1.5"),
        (2, Share, "a number from 0 to 1 is expected, not 2"),
        (float("nan"), Share, "a finite number is expected, not nan"),
        pytest.param(10**400, Positive, "the number is too large", id="too large"),
        ("c", Literal["a", "b"], "'c' is none of the values that it takes"),
        (3, Literal["a", "b"], "one of: a, b is expected, not a whole number"),
        (["a", "c"], list[Literal["a", "b"]], "'c' is none of the values that it takes (value 2 of the list)"),
        ([0.5, float("inf")], ChannelNumbers, "a finite number is expected, not inf (value 2 of the list)"),
        ([1.0] * 4, ChannelNumbers, "one finite number a channel: one, or three is expected, not [1.0, 1.0, 1.0, 1.0]"),
        ({}, bool, "true or false is expected, not a table"),
    ],
)
def test_why_a_value_does_not_fit(value, kind, why):
    assert why_not(value, kind) == why


def test_a_field_gives_all_that_is_known_of_an_option():
    class Table(msgspec.Struct, forbid_unknown_fields=True):
        must: Annotated[bool, option("whether they are there")]
        many: Annotated[Positive | None, option("how many there are", example=3, unset="all", metavar="N")] = None
        kind_: Annotated[Literal["a", "b"], option("which kind")] = msgspec.field(default="a", name="kind")
        path: Annotated[list[str], option("where they lie", more="see [there](x.md)")] = []

    must, many, kind, path = options_of(Table).values()
    assert (many.name, many.default, many.example, many.unset, many.metavar) == ("many", None, 3, "all", "N")
    assert many.sentence == "How many there are (default: all)."
    assert (kind.name, kind.attribute, kind.default, kind.example) == ("kind", "kind_", "a", "a")
    assert choices(kind.kind) == ("a", "b")
    assert (path.default, path.example, path.more) == ([], None, "see [there](x.md)")
    assert must.default is REQUIRED
    schema = msgspec.json.schema(Table)["$defs"]["Table"]["properties"]
    assert schema["many"]["description"] == many.sentence
    assert schema["many"]["examples"] == [3]


def test_a_field_without_a_description_is_no_option():
    class Table(msgspec.Struct):
        many: int = 3

    with pytest.raises(TypeError, match=r"Table\.many is no option: it has no description"):
        options_of(Table)


def test_every_key_of_a_job_file_has_a_sentence_and_a_value_to_show():
    for key in keys_of():
        assert key.option.sentence[0] == key.option.sentence[0].upper()
        assert key.option.sentence.endswith(".")
        if key.kind is not None:
            assert key.option.example is not None or key.dotted == "gate.alarms.off", key.dotted
            if key.option.example is not None:
                assert fits(key.option.example, key.kind), key.dotted
