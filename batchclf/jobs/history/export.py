"""The history as one table for spreadsheets and pandas, or as JSON with all that is kept."""

import csv
import io
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import msgspec

from batchclf import atomic
from batchclf.core.metrics.catalog import METRICS, RECORDED
from batchclf.core.records.history import JobHistory, MetricValue, RunDetails
from batchclf.errors import BatchclfError
from batchclf.jobs.history.lookup import details_of
from batchclf.storage.csv_files.cells import safe_cell, utf8_values

ExportFormat = Literal["csv", "json", "parquet"]
EXPORT_FORMAT = 2

_ENDS = ("", "_low", "_high")

COLUMNS: dict[str, type] = {
    **dict.fromkeys(("job", "run", "run_date", "started", "status"), str),
    **dict.fromkeys(("complete", "removed"), bool),
    "seconds": float,
    **dict.fromkeys(("split", "kind", "source"), str),
    **dict.fromkeys(("found", "scored", "skipped", "excluded", "labelled"), int),
    **{f"{name}{end}": float for name in RECORDED for end in _ENDS[: 3 if METRICS[name].interval_kind else 1]},
    "accuracy_baseline": float,
    **dict.fromkeys(("gates_passed", "gates_failed", "gates_uncertain", "gates_missing"), int),
    **dict.fromkeys(("model_digest", "dataset", "batchclf"), str),
}
"""The columns of the table in their order: one row for each subset of each run."""


def export_history(reports: Path, jobs: Iterable[JobHistory], form: ExportFormat, out: Path) -> int:
    """Write the runs of some jobs into a file in one step; returns their number.

    Raises BatchclfError if Parquet is asked for without pyarrow, RunError, HistoryError or OSError.
    """
    if form == "parquet" and find_spec("pyarrow") is None:
        raise BatchclfError(
            "--format parquet needs pyarrow, which is not installed",
            hint="pip install 'batchclf[parquet]', or take csv",
        )
    runs = [(job.name, details_of(reports, job.name, run)) for job in jobs for run in job.runs]
    if form == "json":
        everything = {"format": EXPORT_FORMAT, "runs": [{"job": job, **_whole(details)} for job, details in runs]}
        content = msgspec.json.format(msgspec.json.encode(everything), indent=1) + b"\n"
    else:
        rows = [row for job, details in runs for row in _rows(job, details)]
        content = _csv(rows) if form == "csv" else _parquet(rows)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(out, content)
    return len(runs)


def _whole(details: RunDetails) -> dict[str, Any]:
    found: dict[str, Any] = utf8_values(msgspec.to_builtins(details))
    return found


def _rows(job: str, details: RunDetails) -> Iterator[dict[str, Any]]:
    summary = details.summary
    outcomes = [gate.outcome for gate in summary.gates]
    of_run = {
        "job": job,
        "run": summary.folder,
        "run_date": summary.run_date,
        "started": summary.started,
        "status": summary.status,
        "complete": details.complete,
        "removed": summary.pruned,
        "seconds": summary.seconds,
        **{f"gates_{word}": outcomes.count(word) for word in ("passed", "failed", "uncertain", "missing")},
        "model_digest": summary.model_digest,
        "dataset": details.dataset,
        "batchclf": details.batchclf,
    }
    for subset in details.subsets:
        metrics = {each.name: each for each in details.metrics if each.split == subset.split}
        counts = {name: getattr(subset, name) for name in ("found", "scored", "skipped", "excluded")}
        accuracy = metrics.get("accuracy")
        yield {
            **of_run,
            "split": subset.split,
            "kind": subset.kind,
            "source": subset.source,
            **counts,
            "labelled": accuracy.images if accuracy else 0,
            **_metric_cells(metrics),
            "accuracy_baseline": accuracy.baseline if accuracy else None,
        }


def _metric_cells(metrics: dict[str, MetricValue]) -> dict[str, float | None]:
    cells: dict[str, float | None] = {}
    for name, metric in metrics.items():
        cells |= {name: metric.value, f"{name}_low": metric.low, f"{name}_high": metric.high}
    return {name: cells[name] for name in cells if name in COLUMNS}


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in COLUMNS])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return safe_cell(value) if isinstance(value, str) else value


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    columns = {
        name: pyarrow.array([utf8_values(row.get(name)) for row in rows], kinds[kind]) for name, kind in COLUMNS.items()
    }
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content
