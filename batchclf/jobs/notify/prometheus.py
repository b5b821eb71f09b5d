"""A run as gauges for Prometheus."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from batchclf.core.records.run import RunRecord
from batchclf.errors import ExitCode, NotifyError, RunError
from batchclf.jobs.notify.summary import RunOutcome
from batchclf.storage.exports.prometheus import SUFFIX, Gauge, read_sample, write_gauges
from batchclf.storage.run.directory import read_record

JOB_LABEL = "batchclf_job"
"""Not `job`: Prometheus gives every series that label itself."""

LAST_SUCCESS = "batchclf_last_success_timestamp_seconds"
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

    def by_subset(name: str, text: str, of: Callable[[Mapping[str, Any], Mapping[str, Any]], float | None]) -> None:
        samples = {}
        for subset, counts in summary["subsets"].items():
            value = of(counts, summary["headline"][subset])
            if value is not None:
                samples[(*labels, ("subset", subset))] = float(value)
        gauges.append(Gauge(name, text, samples))

    by_subset("batchclf_images_found", "Files found by the last run.", lambda counts, _: counts["found"])
    by_subset("batchclf_images_scored", "Images scored by the last run.", lambda counts, _: counts["scored"])
    by_subset("batchclf_images_skipped", "Images that could not be read.", lambda counts, _: counts["skipped"])
    by_subset("batchclf_images_excluded", "Files that were not to be scored.", lambda counts, _: counts["excluded"])
    by_subset("batchclf_subset_complete", "0 if the deadline ended the scoring.", lambda counts, _: counts["complete"])
    by_subset("batchclf_accuracy", "Share of the labelled images predicted right.", lambda _, of: _of(of["accuracy"]))
    by_subset("batchclf_macro_f1", "Mean F1 over the classes.", lambda _, of: _of(of["macro_f1"]))
    by_subset("batchclf_ece", "Expected calibration error.", lambda _, of: of["ece"])
    gauges.append(Gauge("batchclf_gap", "Train minus test accuracy.", _sample(_of(summary["gap"]), labels)))
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


def _of(metric: Mapping[str, float | None] | None) -> float | None:
    return None if metric is None else metric["value"]


def _end_of(run: Path | None) -> float | None:
    if run is None:
        return None
    try:
        record = read_record(run)
    except RunError:
        return None
    return round(datetime.fromisoformat(record.started).timestamp() + record.seconds, 3)
