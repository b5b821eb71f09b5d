"""The numbers of a run: the few that matter large, all others in a table with intervals and the baseline."""

from dataclasses import dataclass
from math import isfinite, isnan
from typing import TYPE_CHECKING

from batchclf.core.estimate import Estimate
from batchclf.core.metrics.catalog import METRICS, find_metric, formulas_of, overall
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.metrics.formulas import OfCalibration
from batchclf.core.records.findings import Findings
from batchclf.core.records.history import NEVER, read_time
from batchclf.core.records.run import needs_a_look
from batchclf.core.text import (
    NOTHING,
    class_name,
    count,
    counted,
    decimal,
    percent,
    percent_interval,
    points,
    points_apart,
    points_interval,
    run_date,
)
from batchclf.report.parts.bar import Bar, bar
from batchclf.report.parts.metric_words import metric_interval, metric_value, metric_words
from batchclf.report.parts.subset_words import measured, subset_name

if TYPE_CHECKING:
    from batchclf.core.metrics.gap import Gap
    from batchclf.core.metrics.labelled import LabelledMetrics
    from batchclf.core.metrics.overall import Metric
    from batchclf.report.sections.run_point import RunPoint

LEAST_OVERCONFIDENCE = 0.0005
"""Less is not worth a word: it is shown as 0.0 points."""

LEAST_EARLIER_RUNS, MOST_RUNS, MOST_GAPS = 2, 30, 5
"""With fewer earlier runs their course says little; so many runs or classes fit beside the largest number."""

KEY_METRICS = tuple(name for name, entry in METRICS.items() if entry.in_markdown)
"""Those of the Markdown."""

NEEDS_PROBABILITIES = "needs --probabilities"
NEEDS_COLUMNS = "needs a column for each class's probability"
_METHODS = {
    "wilson": "Wilson",
    "bootstrap": "bootstrap",
    "delta": "delta method",
    "logit": "Student t, logit scale",
    "none": "",
}


@dataclass(frozen=True)
class Measure:
    """One number of the summary with what it means; the `main` one is shown largest, with its interval.

    `metric` and `subset` are its keys in report.json, for scripts that read the page; empty for a number without one.
    """

    name: str
    value: str
    note: str
    interval: str = ""
    main: bool = False
    metric: str = ""
    subset: str = ""


@dataclass(frozen=True)
class MetricRow:
    """One line of the table of all metrics; `bar` is None where the value has no place between 0 and 1.

    `metric` is its key in report.json.
    """

    name: str
    meaning: str
    value: str
    interval: str
    method: str
    baseline: str
    bar: Bar | None
    metric: str


@dataclass(frozen=True)
class NumbersView:
    """`rows` is empty where the main subset, `subset`, has no labels; `notes` say what the numbers rest on.

    The figure beside the largest number is that of the accuracy over the runs, `runs`, or without enough of them of the
    recall of some classes on train and test, `gaps`; one of both is empty.
    """

    measures: tuple[Measure, ...]
    rows: tuple[MetricRow, ...]
    notes: tuple[str, ...]
    subset: str
    runs: "tuple[RunPoint, ...]" = ()
    gaps: tuple[tuple[str, float, float], ...] = ()

    @property
    def drawn(self) -> bool:
        """Whether there is a figure."""
        return bool(self.runs or self.gaps)


def numbers_view(findings: Findings) -> NumbersView:
    """Show the metrics of the main split, or what can be said of it without labels."""
    main = findings.main
    if main.labelled is None:
        return NumbersView(_unlabelled_measures(main), (), _notes(findings), main.split)
    needs = NEEDS_COLUMNS if findings.record.is_of_predictions else NEEDS_PROBABILITIES
    measures, rows = _labelled_measures(findings, main.labelled), _rows(main.labelled, needs)
    runs = _runs(findings, main.labelled.accuracy)
    return NumbersView(measures, rows, _notes(findings), main.split, runs, () if runs else _gaps(findings.gap))


def _runs(findings: Findings, accuracy: Estimate) -> "tuple[RunPoint, ...]":
    """Give the accuracy of the last runs of the job, the oldest first and this one last; none if they are too few."""
    from batchclf.report.sections.run_point import RunPoint

    record = findings.record
    earlier = [run for run in findings.history if run.split == findings.main.split]
    known = [
        RunPoint(time, run_date(time, run.run_date), run.accuracy, needs_a_look(run.status, run.gates))
        for run in earlier[1 - MOST_RUNS :]
        if run.accuracy and isfinite(run.accuracy.value) and (time := read_time(run.started)) > NEVER
    ]
    if len(known) < LEAST_EARLIER_RUNS:
        return ()
    time = read_time(record.started)
    this = RunPoint(time, run_date(time, record.run_date), accuracy, needs_a_look(record.status, record.gates))
    return (*known, this)


def _gaps(gap: "Gap | None") -> tuple[tuple[str, float, float], ...]:
    """Give the classes with the largest gaps: recall on train and on test."""
    known = [
        (each.gap.value, class_name(each.name), each.train.value, each.test.value)
        for each in (gap.per_class if gap else ())
        if each.gap and each.train and each.test
    ]
    known.sort(key=lambda row: -row[0])
    return tuple(row[1:] for row in known[:MOST_GAPS])


def _labelled_measures(findings: Findings, labelled: "LabelledMetrics") -> tuple[Measure, ...]:
    metrics = {metric.name: metric for metric in labelled.overall}
    accuracy, split = labelled.accuracy, findings.main.split
    right = f"{count(labelled.correct)} of {counted(labelled.total, 'image')} right"
    baseline = _baseline(metrics.get("accuracy"))
    large = [entry for entry in METRICS.values() if entry.large]
    measures = [
        Measure(
            measured(split),
            percent(accuracy.value),
            f"{right}, {baseline}" if baseline else right,
            interval=f"95% interval {percent_interval(accuracy)}",
            main=True,
            metric="accuracy",
            subset=split,
        ),
        *_gap_measure(findings.gap),
        *(
            _measure(entry.heading, metrics[entry.name], split)
            for entry in sorted(large, key=lambda each: each.large)
            if entry.name in metrics
        ),
        *_calibration_measure(labelled, split),
    ]
    if split != "train":
        measures += _train_measure(findings)
    return tuple(measures)


def _gap_measure(gap: "Gap | None") -> list[Measure]:
    if gap is None:
        return []
    value = f"{points(gap.gap.value)} points"
    return [Measure("Overfitting gap", value, gap.overfitting, interval=points_interval(gap.gap), metric="gap")]


def _measure(name: str, metric: "Metric", split: str) -> Measure:
    interval = metric_interval(metric.name, metric.interval)
    value = metric_value(metric.name, metric.value)
    return Measure(name, value, _baseline(metric), interval, metric=metric.name, subset=split)


def _calibration_measure(labelled: "LabelledMetrics", split: str) -> list[Measure]:
    calibration = labelled.calibration
    if calibration is None:
        return []
    over = calibration.overconfidence
    note = f"{points_apart(over)} points {'over' if over > 0 else 'under'}confident"
    if abs(over) < LEAST_OVERCONFIDENCE:
        note = "neither over- nor underconfident"
    note = f"ECE, 0 is perfect; {note}"
    return [Measure("Calibration error", decimal(calibration.ece), note, metric="ece", subset=split)]


def _train_measure(findings: Findings) -> list[Measure]:
    train = next((each.labelled for each in findings.evaluations if each.split == "train"), None)
    accuracy = train.accuracy if train else findings.gap.train if findings.gap else None
    if accuracy is None:
        return []
    note = f"on {counted(accuracy.n, 'image')}"
    interval = percent_interval(accuracy)
    return [Measure("Train accuracy", percent(accuracy.value), note, interval, metric="accuracy", subset="train")]


def _rows(labelled: "LabelledMetrics", needs: str) -> tuple[MetricRow, ...]:
    rows = [_row(metric) for metric in labelled.overall]
    there = {metric.name for metric in labelled.overall}
    missing = [each for each in overall(1) if each.needs_probabilities and each.name not in there]
    rows += [MetricRow(*metric_words(each.name), NOTHING, needs, "", "", None, each.name) for each in missing]
    return tuple(rows)


def _row(metric: "Metric") -> MetricRow:
    key, interval = metric.name, metric.interval
    name, meaning = metric_words(key)
    entry = find_metric(key)
    assert entry is not None
    return MetricRow(
        name=name,
        meaning=meaning,
        value=metric_value(key, metric.value),
        interval=metric_interval(key, interval),
        method=_METHODS[metric.method],
        baseline=NOTHING if metric.baseline is None else metric_value(key, metric.baseline),
        # A loss reaches beyond 1.
        bar=bar(metric.value, interval, mark=metric.baseline) if entry.most <= 1 else None,
        metric=key,
    )


def _baseline(metric: "Metric | None") -> str:
    return "" if metric is None or metric.baseline is None else f"baseline {metric_value(metric.name, metric.baseline)}"


def _unlabelled_measures(main: Evaluation) -> tuple[Measure, ...]:
    classes = len(main.class_names)
    least = main.least_confident[0].confidence if main.least_confident else float("nan")
    return (
        Measure(
            "Images scored",
            count(main.total),
            "no labels, so accuracy is unknown",
            main=True,
            metric="images",
            subset=main.split,
        ),
        Measure(
            "Mean confidence",
            percent(main.mean_confidence),
            "the predictions have none"
            if isnan(main.mean_confidence)
            else "the model's own estimate, not its accuracy",
            metric="mean_confidence",
            subset=main.split,
        ),
        Measure("Lowest confidence", percent(least), f"guessing gives {percent(1 / classes)}"),
        Measure("Classes predicted", f"{int((main.predicted_counts > 0).sum())} of {classes}", "at least once"),
    )


def _notes(findings: Findings) -> tuple[str, ...]:
    notes, main = [], findings.main
    labelled = main.labelled
    subset = next((each for each in findings.record.subsets if each.split == main.split), None)
    if subset is not None and not subset.complete:
        name = f"the {subset_name(subset)}" if subset.kind == "split" else subset_name(subset)
        notes.append(f"The deadline cut {name} off: these numbers are of the first {counted(main.total, 'image')}.")
    if labelled and labelled.total < main.total:
        notes.append(
            f"{count(labelled.total)} of {counted(main.total, 'image')} have a label; accuracy and "
            "all other metrics are of those."
        )
    if subset is not None and subset.among_labelled is not None:
        from batchclf.core.metrics.among_labelled import among_labelled_sentence

        notes.append(among_labelled_sentence(subset.among_labelled, len(main.class_names)))
    if main.split == "train":
        notes.append("The model was trained on these images: the metrics say little about new images.")
    return tuple(notes)


def metric_lines(labelled: "LabelledMetrics | None") -> list[str]:
    """Write the metrics that people ask for first as a table in Markdown; nothing without labels."""
    if labelled is None:
        return []
    lines = ["| Metric | Value | 95% interval | Baseline |", "|---|--:|--:|--:|"]
    for metric in filter(None, map(labelled.metric, KEY_METRICS)):
        baseline = NOTHING if metric.baseline is None else metric_value(metric.name, metric.baseline)
        lines.append(
            f"| {metric_words(metric.name)[0]} | {metric_value(metric.name, metric.value)} | "
            f"{metric_interval(metric.name, metric.interval)} | {baseline} |"
        )
    for name, formula in formulas_of(OfCalibration).items():
        if labelled.calibration and name in KEY_METRICS:
            value = metric_value(name, formula.value(labelled.calibration))
            lines.append(f"| {metric_words(name)[0]} | {value} | | |")
    return lines
