"""Runs as rows of history.sqlite, and back; the views of analysts."""

import hashlib
from dataclasses import replace

import pytest
from history_cases import dump, failed_run, query, record
from hypothesis import given, settings
from hypothesis import strategies as st
from run_cases import missed_gate

from batchclf.core.metrics.catalog import RECORDED
from batchclf.core.records.history import (
    ClassValues,
    FailedRun,
    FileDigest,
    MetricValue,
    RunDetails,
    RunSummary,
)
from batchclf.core.records.run import GateResult, SubsetRecord
from batchclf.storage.history.database import reading, writing
from batchclf.storage.history.rows import get_details, get_digests, get_summaries, put_failure, put_run
from batchclf.storage.run.details import read_details


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reports" / "history.sqlite"


@pytest.fixture
def run(tmp_path):
    return failed_run(tmp_path)


def test_a_run_comes_back_as_it_is_in_its_folder(path, run):
    details = read_details(run)
    record(path, run)
    with reading(path) as connection:
        (summary,) = get_summaries(connection, "nightly")
        assert summary == replace(details.summary, files=())
        assert get_details(connection, "nightly", details.summary) == details
        assert get_details(connection, "other", details.summary) is None
        assert get_summaries(connection, "nightly", {run.name}) == []
        digests = get_digests(connection, "nightly", run.name)
    expected = {"run.json", "metrics.json", "predictions.csv", "per_class.csv", "confusion.csv", "skipped.csv"}
    assert {each.name for each in digests} == expected
    for each in digests:
        content = (run / each.name).read_bytes()
        assert (each.sha256, each.size) == (hashlib.sha256(content).hexdigest(), len(content))


def test_recording_again_changes_nothing_and_renews_what_has_changed(path, run):
    record(path, run)
    before = dump(path)
    record(path, run)
    assert dump(path) == before
    (run / "metrics.json").unlink()
    record(path, run)
    assert query(path, "SELECT count(*) FROM metrics") == [(0,)]
    assert query(path, "SELECT count(*), max(id) FROM runs") == [(1, 1)]


def test_the_views_of_analysts(path, run):
    record(path, run)
    details = read_details(run)
    accuracy = details.summary.accuracy
    assert query(
        path, "SELECT run_date, accuracy, low, high, images FROM accuracy_by_run_date WHERE split = 'test'"
    ) == [("2026-03-01", accuracy.value, accuracy.interval.low, accuracy.interval.high, 60)]
    assert query(path, "SELECT gap FROM gap_by_run_date") == [(details.summary.gap.value,)]
    assert query(path, "SELECT count(*) FROM metrics_by_run_date") == [(len(details.metrics),)]
    assert query(path, "SELECT class, support FROM classes_by_run_date WHERE split = 'train' ORDER BY class") == [
        (each.class_name, each.support) for each in details.classes if each.split == "train"
    ]
    assert query(path, "SELECT name, outcome, value FROM gates_by_run_date") == [("min_test_accuracy", "failed", 0.7)]
    with writing(path) as connection:
        put_failure(connection, "nightly", FailedRun("x", "failed-x.log.jsonl", "2026-03-02T01:00:00+00:00", "no disk"))
    assert query(path, "SELECT run_date, what, message FROM bad_runs ORDER BY run_date") == [
        ("2026-03-01", "gate failed", missed_gate().sentence),
        ("2026-03-02", "failed", "no disk"),
    ]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none() | NUMBER
COUNT = st.integers(0, 2**62)
GATES = st.builds(
    GateResult,
    TEXT,
    MAYBE,
    MAYBE,
    st.booleans(),
    TEXT,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["bound", "change", "alarm"]),
    TEXT,
    TEXT,
    TEXT,
)
SUBSETS = st.builds(
    SubsetRecord,
    TEXT,
    st.sampled_from(["split", "directory"]),
    TEXT,
    TEXT,
    COUNT,
    COUNT,
    COUNT,
    COUNT,
    NUMBER,
    complete=st.booleans(),
    folders=st.dictionaries(TEXT, COUNT, max_size=3),
    content=TEXT,
)
METRIC = st.builds(MetricValue, TEXT, st.sampled_from(RECORDED) | TEXT, NUMBER, MAYBE, MAYBE, MAYBE, COUNT)
CLASS = st.builds(
    ClassValues, TEXT, TEXT, *[st.none() | COUNT] * 3, *[MAYBE] * (len(ClassValues.__dataclass_fields__) - 5)
)


@st.composite
def runs(draw):
    """All that may be known of a run; its summary is what follows from that."""
    subsets = draw(st.lists(SUBSETS, min_size=1, max_size=3, unique_by=lambda each: each.split))
    metrics = draw(st.lists(METRIC, max_size=4, unique_by=lambda each: (each.split, each.name)))
    classes = draw(st.lists(CLASS, max_size=4, unique_by=lambda each: (each.split, each.class_name)))
    split = subsets[0].split
    summary = RunSummary(
        run_id=draw(TEXT),
        folder=draw(TEXT),
        started=draw(TEXT),
        seconds=draw(NUMBER),
        status=draw(st.sampled_from(["ok", "gate failed", "partial"])),
        split=split,
        images=subsets[0].scored,
        skipped=sum(each.skipped for each in subsets),
        accuracy=None,
        train_accuracy=None,
        gap=None,
        overfitting=draw(st.none() | TEXT),
        macro_f1=None,
        ece=None,
        model_digest=draw(TEXT),
        gates=tuple(draw(st.lists(GATES, max_size=3))),
        sources=tuple(dict.fromkeys(each.source for each in subsets)),
        job=draw(st.none() | TEXT),
        run_date=draw(TEXT),
    )
    return RunDetails(
        summary,
        draw(st.booleans()),
        draw(st.none() | TEXT),
        draw(TEXT),
        tuple(draw(st.lists(TEXT, max_size=3))),
        draw(TEXT),
        tuple(subsets),
        tuple(sorted(metrics, key=lambda each: (each.split, each.name))),
        tuple(sorted(classes, key=lambda each: (each.split, each.class_name))),
    )


@pytest.fixture(scope="module")
def one_file(tmp_path_factory):
    return tmp_path_factory.mktemp("history") / "history.sqlite"


@settings(max_examples=40, deadline=None)
@given(found=runs(), job=TEXT, digests=st.lists(st.builds(FileDigest, TEXT, TEXT, COUNT), max_size=3), again=runs())
def test_whatever_a_run_holds_comes_back(one_file, found, job, digests, again):
    digests = sorted({each.name: each for each in digests}.values(), key=lambda each: each.name)
    again = replace(again, summary=replace(again.summary, folder=found.summary.folder))
    with writing(one_file) as connection:
        connection.execute("DELETE FROM runs")
        put_run(connection, job, again, [FileDigest("old", "00", 1)])
        put_run(connection, job, found, digests)
    with reading(one_file) as connection:
        assert get_details(connection, job, found.summary) == found
        assert get_digests(connection, job, found.summary.folder) == digests
        (summary,) = get_summaries(connection, job)
    values = {(each.split, each.name): each for each in found.metrics}
    main = found.summary.split
    bare = replace(summary, accuracy=None, train_accuracy=None, gap=None, macro_f1=None, ece=None)
    assert bare == found.summary
    for estimate, key in (
        (summary.accuracy, (main, "accuracy")),
        (summary.train_accuracy, ("train", "accuracy")),
        (summary.gap, ("test", "gap")),
    ):
        metric = values.get(key)
        if metric is None or metric.low is None or metric.high is None:
            assert estimate is None
        else:
            ends = (estimate.value, estimate.interval.low, estimate.interval.high, estimate.n)
            assert ends == (metric.value, metric.low, metric.high, metric.images)
    for value, name in ((summary.macro_f1, "macro_f1"), (summary.ece, "ece")):
        assert value == (values[main, name].value if (main, name) in values else None)
