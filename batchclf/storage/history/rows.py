"""Runs and failures as rows of history.sqlite, and back."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import astuple, fields
from itertools import groupby
from operator import attrgetter
from typing import Any

from batchclf.core.estimate import Estimate, Interval
from batchclf.core.records.history import ClassValues, FailedRun, FileDigest, MetricValue, RunDetails, RunSummary
from batchclf.core.records.run import GateResult, SubsetRecord
from batchclf.core.text import utf8_text

_RUN_COLUMNS = {
    **{name: f"summary.{name}" for name in ("run_id", "run_date", "started", "seconds", "status", "overfitting")},
    **{"job_name": "summary.job", "main_split": "summary.split", "model_digest": "summary.model_digest"},
    **{name: name for name in ("complete", "dataset", "model", "command", "batchclf")},
}
"""Columns of runs, and the attributes of RunDetails that they hold."""

_CLASS_COLUMNS = [field.name.replace("class_name", "class") for field in fields(ClassValues)]
_SUBSET_COLUMNS = (
    *("split", "kind", "source", "labels", "found", "scored", "skipped", "excluded", "seconds"),
    *("complete", "content", "folders"),
)
_GATE_COLUMNS = (
    *("name", "kind", "subset", "class_name", "against", "value", "bound", "passed", "certain", "missing"),
    *("outcome", "sentence", "because"),
)
"""Attributes of the records, in the order of the columns."""

_gate_row = attrgetter(*_GATE_COLUMNS)
_CHILDREN = ("subsets", "metrics", "class_metrics", "gates", "digests")

_SUMMARIES = """
SELECT r.id, r.folder, r.run_id, r.job_name AS job, r.run_date, r.started, r.seconds, r.status, r.main_split AS split,
    r.overfitting, r.model_digest, m.value AS macro_f1, e.value AS ece,
    a.value AS accuracy, a.low AS accuracy_low, a.high AS accuracy_high, a.images AS accuracy_images,
    t.value AS train, t.low AS train_low, t.high AS train_high, t.images AS train_images,
    g.value AS gap, g.low AS gap_low, g.high AS gap_high, g.images AS gap_images
FROM runs AS r
LEFT JOIN metrics AS a ON a.run = r.id AND a.split = r.main_split AND a.name = 'accuracy'
LEFT JOIN metrics AS t ON t.run = r.id AND t.split = 'train' AND t.name = 'accuracy'
LEFT JOIN metrics AS g ON g.run = r.id AND g.split = 'test' AND g.name = 'gap'
LEFT JOIN metrics AS m ON m.run = r.id AND m.split = r.main_split AND m.name = 'macro_f1'
LEFT JOIN metrics AS e ON e.run = r.id AND e.split = r.main_split AND e.name = 'ece'
WHERE r.job = ?
"""
_OF_SUMMARIES = (
    *("run_id", "folder", "started", "seconds", "status", "split", "overfitting", "macro_f1", "ece"),
    *("model_digest", "job", "run_date"),
)
"""Its columns that are fields of RunSummary."""


def put_run(connection: sqlite3.Connection, job: str, details: RunDetails, digests: Sequence[FileDigest]) -> None:
    """Write a run of a job; one of the same folder is replaced as a whole, and keeps its number."""
    summary = details.summary
    job, folder = utf8_text(job), utf8_text(summary.folder)
    values = [_json(each) if isinstance(each, tuple) else each for each in attrgetter(*_RUN_COLUMNS.values())(details)]
    known = connection.execute("SELECT id FROM runs WHERE job = ? AND folder = ?", (job, folder)).fetchone()
    if known is None:
        marks = ", ".join("?" * (len(_RUN_COLUMNS) + 2))
        names = ", ".join(["job", "folder", *_RUN_COLUMNS])
        run = connection.execute(f"INSERT INTO runs ({names}) VALUES ({marks})", (job, folder, *values)).lastrowid
    else:
        run = known[0]
        names = ", ".join(f"{name} = ?" for name in _RUN_COLUMNS)
        connection.execute(f"UPDATE runs SET {names} WHERE id = ?", (*values, run))
        for table in _CHILDREN:
            connection.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
    _insert(connection, "subsets", [(run, i, *_subset_row(each)) for i, each in enumerate(details.subsets)])
    _insert(connection, "metrics", [(run, *astuple(each)) for each in details.metrics])
    _insert(connection, "class_metrics", [(run, *astuple(each)) for each in details.classes])
    _insert(connection, "gates", [(run, i, *_gate_row(each)) for i, each in enumerate(summary.gates)])
    _insert(connection, "digests", [(run, *astuple(each)) for each in digests])


def put_failure(connection: sqlite3.Connection, job: str, failed: FailedRun) -> None:
    """Write a failed run of a job; of one that is known, run date and exit code stay unless they are given again."""
    texts = (job, failed.log, failed.run_id, failed.run_date, failed.started, failed.message)
    connection.execute(
        "INSERT INTO failures (job, log, run_id, run_date, started, message, exit_code) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (job, log) DO UPDATE SET run_id = excluded.run_id, started = excluded.started, "
        "message = excluded.message, "
        "run_date = CASE excluded.run_date WHEN '' THEN run_date ELSE excluded.run_date END, "
        "exit_code = coalesce(excluded.exit_code, exit_code)",
        (*map(utf8_text, texts), failed.exit_code),
    )


def known_entries(connection: sqlite3.Connection, job: str) -> set[str]:
    """List the folders of a job's runs and the logs of its failed ones."""
    query = "SELECT folder FROM runs WHERE job = ?1 UNION SELECT log FROM failures WHERE job = ?1"
    return {row[0] for row in connection.execute(query, (utf8_text(job),))}


def known_jobs(connection: sqlite3.Connection) -> list[str]:
    """List the jobs that have a run or a failure, by name."""
    return sorted(row[0] for row in connection.execute("SELECT job FROM runs UNION SELECT job FROM failures"))


def get_summaries(connection: sqlite3.Connection, job: str, without: Collection[str] = ()) -> list[RunSummary]:
    """Sum up the runs of a job, but those in the folders of `without`; they have no `files`."""
    cursor = connection.execute(_SUMMARIES, (utf8_text(job),))
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    wanted = [row for row in rows if row["folder"] not in without]
    if not wanted:
        return []
    gates = _by_run(connection, "gates", job)
    subsets = _by_run(connection, "subsets", job)
    return [_summary(row, gates.get(row["id"], ()), subsets.get(row["id"], ())) for row in wanted]


def get_details(connection: sqlite3.Connection, job: str, summary: RunSummary) -> RunDetails | None:
    """Give all that is kept of a run; None where it is not known."""
    known = connection.execute(
        "SELECT id, complete, dataset, model, command, batchclf FROM runs WHERE job = ? AND folder = ?",
        (utf8_text(job), utf8_text(summary.folder)),
    ).fetchone()
    if known is None:
        return None
    run, complete, dataset, model, command, version = known
    metrics = connection.execute(
        "SELECT split, name, value, low, high, baseline, images FROM metrics WHERE run = ? ORDER BY split, name", (run,)
    )
    columns = ", ".join(_CLASS_COLUMNS)
    classes = connection.execute(f"SELECT {columns} FROM class_metrics WHERE run = ? ORDER BY split, class", (run,))
    subsets = connection.execute("SELECT * FROM subsets WHERE run = ? ORDER BY position", (run,))
    return RunDetails(
        summary=summary,
        complete=bool(complete),
        dataset=dataset,
        model=model,
        command=tuple(json.loads(command)),
        batchclf=version,
        subsets=tuple(_subset(row[2:]) for row in subsets),
        metrics=tuple(MetricValue(*row) for row in metrics),
        classes=tuple(ClassValues(*row) for row in classes),
    )


def get_digests(connection: sqlite3.Connection, job: str, folder: str) -> list[FileDigest]:
    """Give the files of a run as they were recorded, by name."""
    query = (
        "SELECT file, sha256, bytes FROM digests JOIN runs ON runs.id = run WHERE job = ? AND folder = ? ORDER BY file"
    )
    return [FileDigest(*row) for row in connection.execute(query, (utf8_text(job), utf8_text(folder)))]


def get_failures(connection: sqlite3.Connection, job: str) -> Iterator[FailedRun]:
    """Give the failed runs of a job."""
    query = "SELECT run_id, log, started, message, run_date, exit_code FROM failures WHERE job = ?"
    for row in connection.execute(query, (utf8_text(job),)):
        yield FailedRun(*row)


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)


def _by_run(connection: sqlite3.Connection, table: str, job: str) -> dict[int, list[tuple[Any, ...]]]:
    query = f"SELECT c.* FROM {table} AS c JOIN runs ON runs.id = c.run WHERE job = ? ORDER BY c.run, c.position"
    return {
        run: list(rows) for run, rows in groupby(connection.execute(query, (utf8_text(job),)), key=lambda row: row[0])
    }


def _summary(row: dict[str, Any], gates: Sequence[tuple[Any, ...]], subsets: Sequence[tuple[Any, ...]]) -> RunSummary:
    of = [_subset(each[2:]) for each in subsets]
    return RunSummary(
        **{name: row[name] for name in _OF_SUMMARIES},
        images=sum(subset.scored for subset in of if subset.split == row["split"]),
        skipped=sum(subset.skipped for subset in of),
        accuracy=_estimate(row, "accuracy"),
        train_accuracy=_estimate(row, "train"),
        gap=_estimate(row, "gap"),
        gates=tuple(_gate(each[2:]) for each in gates),
        sources=tuple(dict.fromkeys(subset.source for subset in of)),
    )


def _estimate(row: dict[str, Any], name: str) -> Estimate | None:
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    if value is None or low is None or high is None:
        return None
    return Estimate(value, Interval(low, high), row[f"{name}_images"])


def _subset_row(subset: SubsetRecord) -> tuple[Any, ...]:
    *values, folders = attrgetter(*_SUBSET_COLUMNS)(subset)
    return *values, _json(folders)


def _subset(row: Sequence[Any]) -> SubsetRecord:
    values = dict(zip(_SUBSET_COLUMNS, row, strict=True))
    return SubsetRecord(**values | {"complete": bool(values["complete"]), "folders": json.loads(values["folders"])})


def _gate(row: Sequence[Any]) -> GateResult:
    values = dict(zip(_GATE_COLUMNS, row, strict=True))
    del values["outcome"]  # follows from the others
    return GateResult(**values | {name: bool(values[name]) for name in ("passed", "certain", "missing")})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
