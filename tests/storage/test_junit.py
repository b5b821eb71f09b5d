"""junit.xml: read back by junitparser and by the standard library, held to the rules that Jenkins and GitLab have."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_cases import run_record

from batchclf.core.records.run import GateResult, SubsetRecord
from batchclf.storage.exports.junit import THE_RUN, write_junit, write_junit_error, xml_text

junitparser = pytest.importorskip("junitparser")

SUBSET = SubsetRecord("test", "split", "digits", "of the data set", 100, 97, 3, 0, seconds=1.0)
STARTED = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
# What Jenkins' schema for JUnit (xunit plugin, junit-10.xsd) allows: attributes that must be, and others that may be.
ATTRIBUTES = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url", "group"},
    ),
    "properties": (set(), set()),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name"}, {"time", "classname", "group"}),
    "failure": (set(), {"type", "message"}),
    "error": (set(), {"type", "message"}),
    "skipped": (set(), {"type", "message"}),
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"failure", "error", "skipped"},
}


def gate(name="accuracy", *, passed=True, sentence="it is as it is", **more):
    return GateResult(name, 0.9, 0.8, passed, sentence, **more)


def written(path, gates=(), **changes):
    write_junit(
        path, replace(run_record("r1", ("a", "b"), [SUBSET], run_date="2026-03-01"), gates=list(gates), **changes)
    )
    return checked(path)


def checked(path):
    """The file's only suite, once the file has been held to the rules."""
    root = ET.parse(path).getroot()
    assert root.tag == "testsuites"
    for element in root.iter():
        must, may = ATTRIBUTES[element.tag]
        assert must <= element.attrib.keys() <= must | may
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        assert re.fullmatch(r"[0-9]{0,3}[0-9]*(\.[0-9]*)?", element.get("time", "0"))
    (suite,) = root
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp"))
    cases = suite.findall("testcase")
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(attribute)) == len([case for case in cases if case.find(tag) is not None])
    assert int(suite.get("tests")) == int(root.get("tests")) == len(cases)
    # GitLab leaves out the second of two cases of one name.
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
    return suite


def outcomes(path):
    """What junitparser reads: (name, outcome, message, text) of each case."""
    (suite,) = junitparser.JUnitXml.fromfile(str(path))
    found = []
    for case in suite:
        results = case.result
        assert len(results) <= 1
        kinds = [(type(each).__name__.lower(), each.message, each.text) for each in results]
        found.append((case.name, *(kinds[0] if kinds else ("passed", None, None))))
    return found


def test_a_good_run_is_a_case_for_each_rule_and_one_for_the_run(tmp_path):
    suite = written(tmp_path / "j.xml", [gate("min_test_accuracy"), gate("max_gap")])
    assert [each[:2] for each in outcomes(tmp_path / "j.xml")] == [
        (THE_RUN, "passed"),
        ("min_test_accuracy", "passed"),
        ("max_gap", "passed"),
    ]
    assert suite.get("name") == "nightly 2026-03-01"
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert properties == {"run_date": "2026-03-01", "run": "r1", "status": "ok", "report": "report.html"}
    assert suite.get("timestamp") == "2026-03-01T02:30:00"
    assert float(suite.get("time")) == 12.5


@pytest.mark.parametrize(
    ("result", "outcome", "message"),
    [
        (gate(passed=False), "failure", "it is as it is"),
        (gate(certain=False), "skipped", "not enough evidence: it is as it is"),
        (gate(certain=False, passed=False), "failure", "not enough evidence: it is as it is"),
        (gate(missing=True), "skipped", "it is as it is"),
        (gate(missing=True, passed=False), "failure", "it is as it is"),
    ],
)
def test_each_outcome_of_a_gate(tmp_path, result, outcome, message):
    written(tmp_path / "j.xml", [result])
    assert outcomes(tmp_path / "j.xml")[1] == ("accuracy", outcome, message, message)


def test_no_two_cases_have_the_same_name(tmp_path):
    written(tmp_path / "j.xml", [gate("recall[test, cat]"), gate("gap"), gate(), gate(passed=False)])
    assert [each[0] for each in outcomes(tmp_path / "j.xml")][1:] == [
        "recall[test, cat]",
        "gap",
        "accuracy",
        "accuracy (2)",
    ]


def test_a_partial_run_is_a_failure_of_the_run(tmp_path):
    subsets = [SUBSET, replace(SUBSET, split="train", complete=False)]
    written(tmp_path / "j.xml", status="partial", subsets=subsets)
    assert outcomes(tmp_path / "j.xml")[0][1:3] == (
        "failure",
        "partial: test: 97 scored, 3 skipped, train: 97 scored, 3 skipped, ended by the deadline",
    )


def test_a_run_that_published_nothing_is_an_error(tmp_path):
    path = tmp_path / "j.xml"
    write_junit_error(
        path, job="nightly", run_date="2026-03-01", started=STARTED, seconds=3, message="no disk", hint="make room"
    )
    checked(path)
    assert outcomes(path) == [(THE_RUN, "error", "no disk", "no disk\nmake room")]


def test_a_run_without_a_job_or_a_gate(tmp_path):
    suite = written(tmp_path / "j.xml", job=None, run_date="")
    assert suite.get("name") == "score"
    assert [each[:2] for each in outcomes(tmp_path / "j.xml")] == [(THE_RUN, "passed")]


def test_times_are_in_utc_whatever_the_run_says(tmp_path):
    assert written(tmp_path / "j.xml", started="2026-03-01T04:30:00+02:00").get("timestamp") == "2026-03-01T02:30:00"


HOSTILE = st.text(max_size=30) | st.sampled_from(
    ["\0", "\x1b[31m", "\udcff", "\ufffe", "]]>", "<a b='c'>&amp;", "\r\n\t", "😀\u202e", '"']
)


@given(name=HOSTILE, sentence=HOSTILE, job=HOSTILE)
def test_any_text_is_read_back_with_what_xml_cannot_hold_as_escapes(tmp_path_factory, name, sentence, job):
    path = tmp_path_factory.mktemp("junit") / "j.xml"
    record = run_record("r1", ("a", "b"), [SUBSET], job=job or "nightly")
    write_junit(path, replace(record, gates=[gate(name, passed=False, sentence=sentence)]))
    checked(path)
    shown, outcome, message, text = outcomes(path)[1]
    assert shown == xml_text(name)
    assert outcome == "failure"
    assert message == xml_text(sentence)
    # A reader of XML gives every line end in a text as \n.
    assert (text or "") == re.sub("\r\n?", "\n", xml_text(sentence))
    if re.fullmatch(r"[ -\ud7ff]*", sentence):
        assert message == sentence


def test_what_xml_cannot_hold_is_shown_as_python_writes_it():
    assert xml_text("a\0b\x1b[31m\udcff\ufffe") == r"a\x00b\x1b[31m\udcff\ufffe"
    assert xml_text("\t\n\r ~é€\ue000\ufffd😀") == "\t\n\r ~é€\ue000\ufffd😀"
