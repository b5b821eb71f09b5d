"""junit.xml: the gate of a run as test cases, as Jenkins, GitLab and GitHub's reporters read them."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from batchclf import atomic
from batchclf.core.records.run import GateResult, RunRecord
from batchclf.storage.run.directory import REPORT_FILE

JUNIT_FILE = "junit.xml"
NO_EVIDENCE = "not enough evidence: "
THE_RUN = "the run"
"""The test case that is always there: readers take a file without any for a mistake."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0, section 2.2: what no escape can stand for, either."""


def write_junit(path: Path, record: RunRecord, *, report: str = REPORT_FILE) -> None:
    """Write a run's gate as JUnit XML, in one step: a suite for the job, a case for each result and for the run itself.

    A result that did not pass is a failure; one that passed for want of evidence, or of anything to compare with, is
    skipped. `report` says where the report is, seen from the file. Raises OSError.
    """
    suite = _suite(record.job or "score", record.run_date, record.started, record.seconds)
    _properties(suite, {"run_date": record.run_date, "run": record.run_id, "status": record.status, "report": report})
    _add_run(suite, record)
    names: Counter[str] = Counter()
    for result in record.gates:
        # GitLab leaves out the second of two cases of one name.
        names[result.name] += 1
        times = names[result.name]
        _add_gate(suite, f"{result.name} ({times})" if times > 1 else result.name, result)
    _write(path, suite)


def write_junit_error(
    path: Path, *, job: str, run_date: str, started: datetime, seconds: float, message: str, hint: str
) -> None:
    """Write the JUnit XML of a run that ended before there was anything to publish: one case, with an error.

    `started` is an aware time. Raises OSError.
    """
    suite = _suite(job, run_date, started.isoformat(), seconds)
    _properties(suite, {"run_date": run_date, "status": "error"})
    _outcome(_case(suite, THE_RUN, seconds), "error", "error", message, hint)
    _write(path, suite)


def xml_text(text: str) -> str:
    r"""Write what XML has no way to tell, control characters and bytes that are no UTF-8, as `\x1b` or `\udc80`."""
    return _NOT_XML.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def _suite(job: str, run_date: str, started: str, seconds: float) -> ET.Element:
    # Ant's schema, which some readers hold to, has times without a zone.
    timestamp = datetime.fromisoformat(started).astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    name = f"{job} {run_date}" if run_date else job
    return ET.Element(
        "testsuite", name=xml_text(name), package=xml_text(job), timestamp=timestamp, time=f"{seconds:.3f}"
    )


def _properties(suite: ET.Element, values: dict[str, str]) -> None:
    properties = ET.SubElement(suite, "properties")
    for name, value in values.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=xml_text(value))


def _case(suite: ET.Element, name: str, seconds: float = 0) -> ET.Element:
    # The class name is what GitLab and Jenkins sort by: the same in every run.
    return ET.SubElement(
        suite, "testcase", classname=suite.attrib["package"], name=xml_text(name), time=f"{seconds:.3f}"
    )


def _outcome(case: ET.Element, tag: str, kind: str, message: str, more: str = "") -> None:
    """Tell it as an attribute, which Jenkins shows, and as text, which is what GitLab reads."""
    text = f"{message}\n{more}" if more else message
    ET.SubElement(case, tag, type=kind, message=xml_text(message)).text = xml_text(text)


def _add_run(suite: ET.Element, record: RunRecord) -> None:
    case = _case(suite, THE_RUN, record.seconds)
    if record.status == "partial":
        counts = ", ".join(
            f"{subset.split or subset.source}: {subset.scored:,} scored, {subset.skipped:,} skipped"
            + ("" if subset.complete else ", ended by the deadline")
            for subset in record.subsets
        )
        _outcome(case, "failure", "partial", f"partial: {counts}")


def _add_gate(suite: ET.Element, name: str, result: GateResult) -> None:
    case = _case(suite, name)
    uncertain = result.outcome == "uncertain"
    message = f"{NO_EVIDENCE}{result.sentence}" if uncertain else result.sentence
    if not result.passed:
        _outcome(case, "failure", result.outcome, message)
    elif result.outcome != "passed":
        _outcome(case, "skipped", result.outcome, message)


def _write(path: Path, suite: ET.Element) -> None:
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    totals = {name: suite.attrib[name] for name in ("tests", "failures", "errors", "time")}
    root = ET.Element("testsuites", {"name": suite.attrib["name"], **totals})
    root.append(suite)
    ET.indent(root)
    atomic.write_bytes(path, ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
