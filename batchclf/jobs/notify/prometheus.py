"""A run as gauges for Prometheus."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from batchclf import atomic
from batchclf.core.metrics.catalog import METRICS
from batchclf.core.records.run import RunRecord
from batchclf.errors import ExitCode, NotifyError, RunError
from batchclf.jobs.notify.summary import RunOutcome
from batchclf.storage.exports.prometheus import SUFFIX, Gauge, read_sample, write_gauges
from batchclf.storage.run.directory import read_record

JOB_LABEL = "batchclf_job"
"""Not `job`: Prometheus gives every series that label itself."""

LAST_SUCCESS = "batchclf_last_success_timestamp_seconds"
_COUNTS = {
    "found": "Files found by the last run.",
    "scored": "Images scored by the last run.",
    "skipped": "Images that could not be read.",
    "excluded": "Files that were not to be scored.",
    "complete": "0 if the deadline ended the scoring.",
}
_Labels = tuple[tuple[str, str], ...]


def write_run_gauges(
    path: Path, outcome: RunOutcome, summary: Mapping[str, Any], last_good: Path | None = None
) -> None:
    """Write the .prom file of a run, whose `summary` is that of `outcome_summary`.

    After a bad run the time of the last success is taken over from the file that it replaces, else from the run
    directory `last_good`. Raises NotifyError if the file's name or folder will not do, OSError if it cannot be
    written.
    """
    if path.suffix != SUFFIX:
        raise NotifyError(
            f"notify.prometheus: the name of {path} does not end in {SUFFIX}, so node_exporter would not read it",
            hint=f"write for example {path.with_suffix(SUFFIX).name}",
        )
    if not path.parent.is_dir():
        raise NotifyError(
            f"notify.prometheus: there is no folder {path.parent}",
            hint="give the folder of node_exporter's --collector.textfile.directory",
        )
    labels = ((JOB_LABEL, outcome.job),)
    ended = round(outcome.started.timestamp() + outcome.seconds, 3)
    success = ended if outcome.good else read_sample(path, LAST_SUCCESS, labels) or _end_of(last_good)
    write_gauges(path, run_gauges(labels, outcome, summary, ended, success))


def run_gauges(
    labels: _Labels, outcome: RunOutcome, summary: Mapping[str, Any], ended: float, success: float | None
) -> list[Gauge]:
    """Give a run as gauges. `ended` and `success`, the last success, are seconds since 1970; shares are 0 to 1."""
    gauges = [
        Gauge("batchclf_last_run_timestamp_seconds", "When the last run ended.", _sample(ended, labels)),
        Gauge(LAST_SUCCESS, f"When the last run with exit code {ExitCode.OK} ended.", _sample(success, labels)),
        Gauge("batchclf_last_run_exit_code", "Exit code of the last run.", _sample(outcome.exit_code, labels)),
        Gauge("batchclf_last_run_duration_seconds", "How long the last run took.", _sample(outcome.seconds, labels)),
    ]

    def by_subset(name: str, text: str, values: Mapping[str, float | None]) -> None:
        samples = {(*labels, ("subset", subset)): float(value) for subset, value in values.items() if value is not None}
        gauges.append(Gauge(name, text, samples))

    subsets = summary["subsets"]
    for key, text in _COUNTS.items():
        name = f"batchclf_{'subset' if key == 'complete' else 'images'}_{key}"
        by_subset(name, text, {subset: counts[key] for subset, counts in subsets.items()})
    metrics = summary["metrics"] or {"splits": {}, "gap": None}
    exported = [entry for entry in METRICS.values() if entry.gauge]
    for entry in exported:
        if entry.source != "gap":
            # The metrics of a folder without a name of its own stand under "".
            of = {subset: metrics["splits"].get(subset) or metrics["splits"].get("", {}) for subset in subsets}
            values = {subset: _of(each.get(entry.name)) for subset, each in of.items()}
            by_subset(f"batchclf_{entry.name}", entry.gauge, values)
    for entry in exported:
        if entry.source == "gap":
            value = _of((metrics["gap"] or {}).get(entry.name))
            gauges.append(Gauge(f"batchclf_{entry.name}", entry.gauge, _sample(value, labels)))
    return [*gauges, *_gate_gauges(labels, outcome.record)]


def _gate_gauges(labels: _Labels, record: RunRecord | None) -> list[Gauge]:
    passed: dict[_Labels, float] = {}
    certain: dict[_Labels, float] = {}
    for each in record.gates if record else ():
        # Not what it is compared with: of an alarm that is the last run, so every run would begin a new series.
        pairs = {"gate": each.name, "subset": each.subset, "class": each.class_name}
        key = (*labels, *((name, value) for name, value in pairs.items() if value))
        # A series may be there once only: of two rules with the same names, one that fails must not go unseen.
        passed[key] = min(float(each.passed), passed.get(key, 1.0))
        certain[key] = min(float(each.outcome in ("passed", "failed")), certain.get(key, 1.0))
    return [
        Gauge("batchclf_gate_passed", "1 if the rule of the gate passed, 0 if it failed the run.", passed),
        Gauge("batchclf_gate_certain", "0 if there was not enough evidence, or nothing to compare with.", certain),
    ]


def _sample(value: float | None, labels: _Labels) -> dict[_Labels, float]:
    return {} if value is None else {labels: float(value)}


def _of(metric: Mapping[str, float | None] | float | None) -> float | None:
    return metric["value"] if isinstance(metric, Mapping) else metric


def _end_of(run: Path | None) -> float | None:
    if run is None:
        return None
    try:
        record = read_record(atomic.followed(run))
    except RunError:
        return None
    return round(datetime.fromisoformat(record.started).timestamp() + record.seconds, 3)
