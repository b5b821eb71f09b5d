"""A run in one JSON object: what `--json` prints, commands read and the webhook posts.

docs/summary.schema.json is made from these types.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from batchclf.core.records.run import GateResult, RunRecord, SubsetRecord
from batchclf.core.text import percent, visible
from batchclf.errors import ExitCode, OutcomeStatus, RunError
from batchclf.jobs.notify.problems import in_one_line
from batchclf.report.formats.json_values import json_values
from batchclf.report.formats.record_parts import part, part_of
from batchclf.storage.run.directory import find_report
from batchclf.storage.run.metrics import read_metrics

SUMMARY_FORMAT = 2
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_CALLS = str.maketrans({c: f"\\x{ord(c):02x}" for c in "<>&@`"})
"""What chat programs take for a mention, a link or code."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended: of a job, or of a single `score`, whose `job` and `run_date` are empty.

    `message` and `hint` say what ended a run that published nothing; of a published run, which has `folder` and
    `record`, they follow from the record if they are empty. `started` is an aware time.
    """

    job: str
    run_date: str
    exit_code: ExitCode
    message: str
    hint: str
    started: datetime
    seconds: float
    folder: Path | None = None
    record: RunRecord | None = None

    @property
    def good(self) -> bool:
        """Whether the run is a success: it was published, and its status is ok."""
        return self.exit_code == ExitCode.OK

    @property
    def status(self) -> OutcomeStatus:
        """The status of the published run, else how the run ended."""
        return self.record.status if self.record else self.exit_code.unpublished


class Value(msgspec.Struct, frozen=True):
    """A metric with the ends of its 95% interval."""

    value: float | None
    low: float | None
    high: float | None


class Headline(msgspec.Struct, frozen=True):
    """The metrics of one subset that people ask for first."""

    accuracy: Value | None
    macro_f1: Value | None
    ece: float | None


@part_of(SubsetRecord, "found scored skipped excluded complete")
class SubsetPart:
    """What was scored: found = scored + skipped + excluded; `complete` is false if the deadline ended it."""


@part_of(
    GateResult,
    "name kind subset class_name against value bound outcome passed sentence because",
    rename={"class_name": "class"},
)
class GatePart:
    """One result of the gate; `subset`, `class` and `against` are empty if it is about none. Shares are 0 to 1.

    `because` is the name of the alarm that reports why a rule was not checked, empty if none does.
    """


class SummaryDocument(msgspec.Struct, frozen=True):
    """One run. Shares are 0 to 1, times ISO 8601 with offset, durations in seconds; what is not known is null.

    `status` is "ok" after a good run. `error` is there if nothing was published; all that the run would report is null
    or empty then. `text` sums the run up in one line, for people. `subsets` and `headline` are by split, or by
    directory. `metrics` is the run's metrics.json without `slices` and `thresholds`; `files` are the paths of the run's
    files by name.
    """

    format: int
    job: str | None
    run_date: str | None
    status: OutcomeStatus
    exit_code: int
    text: str
    message: str
    error: str | None
    hint: str
    started: str
    seconds: float
    run: str | None
    report: str | None
    trained: bool | None
    subsets: dict[str, SubsetPart]
    headline: dict[str, Headline]
    gap: Value | None
    gates: list[GatePart]
    metrics: dict[str, Any] | None
    files: dict[str, str]


def published_outcome(record: RunRecord, folder: Path) -> RunOutcome:
    """Say how a run ended that was published in `folder`."""
    return RunOutcome(
        record.job or "",
        record.run_date,
        ExitCode.of(record.status),
        "",
        "",
        datetime.fromisoformat(record.started),
        record.seconds,
        folder,
        record,
    )


def failed_outcome(
    job: str, run_date: str, exit_code: ExitCode, message: str, hint: str, started: datetime, seconds: float
) -> RunOutcome:
    """Say how a run ended that published nothing; its status follows from the exit code."""
    return RunOutcome(job, run_date, exit_code, message, hint, started, seconds)


def outcome_summary(outcome: RunOutcome) -> dict[str, Any]:
    """Put a run into one JSON object: plain values, texts in UTF-8, no number that is none.

    A published run whose metrics.json cannot be read has no `metrics`.
    """
    folder, record = outcome.folder, outcome.record
    report = None if folder is None else find_report(folder)
    message, hint = outcome.message, outcome.hint
    if record and folder and not message:
        message, hint = in_one_line(record, folder)
    metrics = None if folder is None else _metrics(folder)
    subsets = record.subsets if record else []
    headline = {_name(subset): _headline(metrics, subset.split) for subset in subsets}
    gap = metrics and metrics.get("gap")
    summary = SummaryDocument(
        format=SUMMARY_FORMAT,
        job=outcome.job or None,
        run_date=outcome.run_date or None,
        status=outcome.status,
        exit_code=outcome.exit_code,
        text=_text(outcome, message, headline),
        message=message,
        error=None if record else message,
        hint=hint,
        started=outcome.started.isoformat(timespec="seconds"),
        seconds=outcome.seconds,
        run=None if folder is None else str(folder),
        report=None if report is None else str(report),
        trained=record.model.trained_in_this_run if record else None,
        subsets={_name(each): part(SubsetPart, each) for each in subsets},
        headline=headline,
        gap=_value(gap["gap"]) if gap else None,
        gates=[part(GatePart, each) for each in record.gates] if record else [],
        metrics=metrics,
        files={} if folder is None else _files(folder),
    )
    plain: dict[str, Any] = json_values(msgspec.to_builtins(summary))
    return plain


def summary_schema() -> dict[str, Any]:
    """Make the JSON schema of the summary."""
    (reference,), parts = msgspec.json.schema_components([SummaryDocument])
    return {
        "$schema": _DIALECT,
        "title": "the summary of a run of batchclf",
        **reference,
        "$defs": {name: _tidy(parts[name]) for name in sorted(parts)},
    }


def _name(subset: SubsetRecord) -> str:
    return subset.split or subset.source


def _metrics(folder: Path) -> dict[str, Any] | None:
    try:
        metrics = read_metrics(folder)
    except RunError:
        return None
    # A message is for a phone: there may be hundreds of slices
    return {key: value for key, value in metrics.items() if key not in ("slices", "thresholds")}


def _headline(metrics: Mapping[str, Any] | None, split: str) -> Headline:
    of = (metrics or {}).get("splits", {}).get(split, {})
    return Headline(_value(of.get("accuracy")), _value(of.get("macro_f1")), of.get("ece"))


def _value(metric: Mapping[str, float | None] | None) -> Value | None:
    return None if metric is None else Value(metric["value"], metric["low"], metric["high"])


def _files(folder: Path) -> dict[str, str]:
    try:
        return {path.name: str(path) for path in sorted(folder.iterdir())}
    except OSError:
        return {}


def _text(outcome: RunOutcome, message: str, headline: Mapping[str, Headline]) -> str:
    of = f"{outcome.job or 'score'}, run date {outcome.run_date}" if outcome.run_date else outcome.job or "score"
    what = message
    if not what:
        shown = ((name, each.accuracy) for name, each in headline.items() if each.accuracy)
        what = "; ".join(
            f"{name} accuracy {percent(accuracy.value)}" for name, accuracy in shown if accuracy.value is not None
        ) or (record.unlabelled if (record := outcome.record) else "")
    line = (
        f"{of}: {what}" if what.startswith(outcome.status) else f"{of}: {outcome.status}{f': {what}' if what else ''}"
    )
    return visible(line).translate(_CALLS)


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    description = " ".join(schema.get("description", "").split())
    return {**schema, "description": description} if description else schema


if __name__ == "__main__":  # python -m batchclf.jobs.notify.summary > docs/summary.schema.json
    print(msgspec.json.format(msgspec.json.encode(summary_schema()), indent=2).decode())
