"""Jobs, runs and differences as tables of plain text."""

from batchclf.cli.tables import say_facts, say_table
from batchclf.core.estimate import Estimate, Interval
from batchclf.core.metrics.catalog import place
from batchclf.core.records.history import (
    NEVER,
    ClassValues,
    FailedRun,
    JobHistory,
    MetricValue,
    RunDetails,
    RunSummary,
    read_time,
)
from batchclf.core.records.history_diff import ClassPair, MetricPair, RunDifference
from batchclf.core.records.run import GateResult, run_state
from batchclf.core.text import (
    NOTHING,
    count,
    counted,
    decimal,
    decimal_difference,
    duration,
    moment,
    percent,
    percent_interval,
    points,
)
from batchclf.core.types import Say
from batchclf.report.parts.metric_words import difference, metric_interval, metric_value
from batchclf.report.sections.verdict import headline

SHOWN_CLASSES = 20
"""So many classes are listed; `--json` has all."""

_NUMBERED = 12


def say_jobs(say: Say, jobs: list[JobHistory]) -> None:
    """Show the jobs with their newest run, a line each."""
    rows = []
    for job in jobs:
        last, when = _newest(job)
        accuracy = last.accuracy if isinstance(last, RunSummary) else None
        rows.append(
            [
                job.name,
                count(len(job.runs)),
                count(sum(run.pruned for run in job.runs)),
                count(len(job.failed)),
                when,
                _state(last),
                percent(accuracy.value) if accuracy else NOTHING,
            ]
        )
    say_table(say, ["job", "runs", "removed", "failed", "newest", "state", "accuracy"], rows, right=(1, 2, 3, 6))


def say_runs(say: Say, job: JobHistory) -> None:
    """Show the runs of a job, the newest first, with those that failed."""
    every: list[RunSummary | FailedRun] = [*job.runs, *job.failed]
    every.sort(key=lambda run: (read_time(run.started), run.run_id), reverse=True)
    say_table(
        say,
        ["run", "run date", "state", "accuracy", "95% interval", "gap", "images", "skipped", "took", ""],
        [_run_row(run) if isinstance(run, RunSummary) else _failed_row(run) for run in every],
        right=(3, 5, 6, 7, 8),
    )
    for each in job.unread:
        say(f"{each.folder} cannot be read: {each.reason}")


def say_failed(say: Say, job: str, run: FailedRun) -> None:
    """Show all that is known of a run that failed."""
    facts = {
        "run": f"{run.run_id} of {job}",
        "run date": run.run_date,
        "started": _moment(run.started),
        "state": _state(run),
        "exit code": "" if run.exit_code is None else str(run.exit_code),
        "message": run.message,
        "log": run.log or "removed",
    }
    say_facts(say, facts)


def say_run(say: Say, job: str, details: RunDetails, place: str) -> None:
    """Show all that is known of a run; `place` is its folder, empty if that was removed."""
    run = details.summary
    say_facts(say, {"run": f"{run.run_id} of {job}", **_facts(details), "folder": place or _REMOVED})
    say("")
    header = ["subset", "found", "scored", "skipped", "excluded", "complete", "source"]
    rows = []
    for subset in details.subsets:
        counts = [count(getattr(subset, name)) for name in ("found", "scored", "skipped", "excluded")]
        rows.append([_split(subset.split), *counts, "yes" if subset.complete else "no", subset.source])
    say_table(say, header, rows, right=(1, 2, 3, 4))
    if details.metrics:
        say("")
        rows = [_metric_row(each) for each in sorted(details.metrics, key=lambda each: _place(each, run.split))]
        say_table(say, ["subset", "metric", "value", "95% interval", "baseline"], rows, right=(2, 4))
    if run.gates:
        say("")
        say_table(say, ["gate", "rule"], [[gate.outcome, gate.sentence] for gate in run.gates])
    classes = [each for each in details.classes if each.f1 is not None]
    classes.sort(key=lambda each: (each.split != run.split, each.split, each.f1))
    if classes:
        say("")
        rows = [_class_row(each) for each in classes[:SHOWN_CLASSES]]
        say_table(say, ["subset", "class", "images", "recall", "95% interval", "precision", "F1"], rows, (2, 3, 5, 6))
        _say_rest(say, len(classes), "the lowest F1")


def say_difference(say: Say, found: RunDifference) -> None:
    """Show two runs side by side."""
    first, second = (
        {"run": each.summary.run_id, **_facts(each), "folder": _REMOVED if each.summary.pruned else "there"}
        for each in (found.first, found.second)
    )
    rows = [[name, first[name], second[name]] for name in first if first[name] or second[name]]
    say_table(say, ["", "first", "second"], rows)
    if found.metrics:
        say("")
        rows = [
            [_split(pair.split), pair.name, _value(pair.first), _value(pair.second), _moved(pair.name, pair.difference)]
            for pair in sorted(found.metrics, key=lambda each: _place(each, found.second.summary.split))
        ]
        say_table(say, ["subset", "metric", "first", "second", "difference"], rows, right=(2, 3, 4))
    if found.gates:
        say("")
        rows = []
        for pair in found.gates:
            rule = pair.either
            where = " ".join(filter(None, (rule.subset, rule.class_name, rule.against and f"against {rule.against}")))
            values = [_gate_cell(pair.first), _gate_cell(pair.second)]
            change = NOTHING if pair.difference is None else decimal_difference(pair.difference)
            rows.append([rule.name, where, *values, change])
        say_table(say, ["gate", "of", "first", "second", "difference"], rows, right=(4,))
    moved = [pair for pair in found.classes if pair.size >= 0]
    if moved:
        say("")
        header = ["subset", "class", "recall", "", "difference", "F1", "", "difference"]
        say_table(say, header, [_pair_row(pair) for pair in moved[:SHOWN_CLASSES]], right=(2, 3, 4, 5, 6, 7))
        _say_rest(say, len(moved), "the largest changes")


_REMOVED = "removed; only the history has it"


def _place(metric: MetricValue | MetricPair, main: str) -> tuple[bool, str, tuple[int, int], str]:
    """Order metrics: the main subset first, and in each as the report shows them."""
    return metric.split != main, metric.split, place(metric.name), metric.name


def _newest(job: JobHistory) -> tuple[RunSummary | FailedRun | None, str]:
    every: list[RunSummary | FailedRun] = [*job.runs, *job.failed]
    last = max(every, key=lambda run: (read_time(run.started), run.run_id), default=None)
    return last, _moment(last.started) if last else NOTHING


def _state(run: RunSummary | FailedRun | None) -> str:
    if run is None:
        return "Unreadable"
    return headline(run_state(run.status, run.gates), run.gates) if isinstance(run, RunSummary) else "Run failed"


def _moment(text: str) -> str:
    time = read_time(text)
    return moment(time) if time > NEVER else NOTHING


def _facts(details: RunDetails) -> dict[str, str]:
    run = details.summary
    return {
        "run date": run.run_date,
        "started": _moment(run.started),
        "took": duration(run.seconds),
        "state": _state(run) if details.complete else f"{_state(run)}; not everything was scored",
        "overfitting": run.overfitting or "",
        "dataset": details.dataset or "",
        "model": f"{details.model} ({run.model_digest[:_NUMBERED]})",
        "batchclf": details.batchclf,
        "command": " ".join(details.command),
    }


def _run_row(run: RunSummary) -> list[str]:
    notes = ["files removed"] if run.pruned else []
    notes += [] if run.job else list(run.sources)
    return [
        run.folder,
        run.run_date or run.started[:10],
        _state(run),
        percent(run.accuracy.value) if run.accuracy else NOTHING,
        percent_interval(run.accuracy) if run.accuracy else "",
        points(run.gap.value) if run.gap else NOTHING,
        count(run.images),
        count(run.skipped),
        duration(run.seconds),
        ", ".join(notes),
    ]


def _failed_row(run: FailedRun) -> list[str]:
    note = run.message.partition("\n")[0] or "the log shows no error"
    return [run.run_id, run.run_date or run.started[:10], _state(run), *[""] * 6, note]


def _metric_row(metric: MetricValue) -> list[str]:
    ends = None if metric.low is None or metric.high is None else Interval(metric.low, metric.high)
    interval = metric_interval(metric.name, ends)
    baseline = "" if metric.baseline is None else metric_value(metric.name, metric.baseline)
    return [_split(metric.split), metric.name, _value(metric), interval, baseline]


def _value(metric: MetricValue | None) -> str:
    return NOTHING if metric is None else metric_value(metric.name, metric.value)


def _moved(name: str, value: float | None) -> str:
    return NOTHING if value is None else difference(name, value)


def _class_row(each: ClassValues) -> list[str]:
    interval = ""
    if each.recall is not None and each.recall_low is not None and each.recall_high is not None:
        ends = Interval(each.recall_low, each.recall_high)
        interval = percent_interval(Estimate(each.recall, ends, each.support or 0))
    shares = [NOTHING if share is None else percent(share) for share in (each.recall, each.precision)]
    support = NOTHING if each.support is None else count(each.support)
    return [_split(each.split), each.class_name, support, shares[0], interval, shares[1], decimal(each.f1)]


def _pair_row(pair: ClassPair) -> list[str]:
    recalls = [NOTHING if each is None or each.recall is None else percent(each.recall) for each in _both(pair)]
    f1s = [NOTHING if each is None else decimal(each.f1) for each in _both(pair)]
    recall = NOTHING if pair.recall_difference is None else f"{points(pair.recall_difference)} points"
    f1 = NOTHING if pair.f1_difference is None else decimal_difference(pair.f1_difference)
    return [_split(pair.split), pair.class_name, *recalls, recall, *f1s, f1]


def _both(pair: ClassPair) -> tuple[ClassValues | None, ClassValues | None]:
    return pair.first, pair.second


def _gate_cell(gate: GateResult | None) -> str:
    if gate is None:
        return NOTHING
    return gate.outcome if gate.value is None else f"{gate.outcome} at {decimal(gate.value)}"


def _split(name: str) -> str:
    return name or "directory"


def _say_rest(say: Say, number: int, what: str) -> None:
    if number > SHOWN_CLASSES:
        say(f"{what} of {counted(number, 'class', 'classes')}; --json has all")
