"""A report as a few lines of Markdown, for mail and chat."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from batchclf.core.compare.result import Comparison, Flip, MetricChange
from batchclf.core.metrics.catalog import METRICS, formulas_of
from batchclf.core.metrics.formulas import OfCalibration
from batchclf.core.metrics.labelled import LabelledMetrics
from batchclf.core.records.findings import Findings
from batchclf.core.records.run import RunRecord, RunState
from batchclf.core.text import NOTHING, count, counted, percent, percent_interval
from batchclf.core.types import SkippedImage
from batchclf.report.parts.markdown_text import code, prose
from batchclf.report.parts.metric_words import (
    difference,
    difference_interval,
    metric_interval,
    metric_value,
    metric_words,
    p_words,
)
from batchclf.report.sections.flips import compared_subsets, flip_words
from batchclf.report.sections.gate import GateLine
from batchclf.report.sections.regularisation import regularisation_view
from batchclf.report.sections.subsets import subsets_view
from batchclf.report.sections.verdict import verdict_view

MARKS: dict[RunState, str] = {"passed": "✅", "failed": "❌", "uncertain": "❔", "partial": "⚠️", "none": "▫️"}
KEY_METRICS = tuple(name for name, entry in METRICS.items() if entry.in_markdown)
SHOWN_CLASSES = SHOWN_PAIRS = SHOWN_REASONS = 3
SHOWN_FLIPS = 5
SHOWN_NEGATIVE = 3
SHOWN_SUBSETS = 8
LONGEST_REASON = 200


def report_markdown(findings: Findings, *, skipped: Iterable[SkippedImage], generated: datetime, folder: str) -> str:
    """Sum a run up in about 25 lines; `folder` is the path of the run directory, for the reader to find the rest."""
    record, labelled = findings.record, findings.main.labelled
    verdict = verdict_view(findings, generated)
    lines = [f"# {MARKS[verdict.state]} {prose(verdict.headline)} · {_subject(record)}", "", prose(verdict.reason)]
    if verdict.partial:
        lines += ["", f"**Partial result.** {prose(verdict.partial)}"]
    if verdict.change:
        lines += ["", prose(verdict.change.sentence)]
    if verdict.gates:
        lines += ["", *map(_gate, verdict.gates)]
    if verdict.more_gates:
        lines += ["", f"Rules and alarms: {verdict.more_gates}."]
    if labelled:
        lines += ["", *_metrics(labelled)]
    if findings.gap:
        lines += ["", prose(findings.gap.sentence)]
    lines += _variants(record)
    lines += [""]
    if labelled:
        lines += _weakest(labelled)
    lines += _temperature(findings)
    lines += _changed(findings)
    lines += _subsets(findings)
    old = f", {verdict.old} before this was written" if verdict.old else ""
    lines += [f"- Skipped: {_skipped(skipped)}", "", f"{verdict.when}{old}. Files: {code(folder, longest=None)}"]
    return "\n".join(lines) + "\n"


def comparison_markdown(comparison: Comparison, second: RunRecord) -> str:
    """Sum the comparison of two runs up; `second` is the record of the second one."""
    names = f"{code(comparison.first_run)} → {code(comparison.second_run)}"
    lines = [f"# {_subject(second)}: {names}", "", prose(comparison.sentence)]
    if comparison.metrics:
        lines += ["", "| Metric | First | Second | Difference | 95% interval |", "|---|--:|--:|--:|--:|"]
        lines += [_change(each) for each in comparison.metrics if each.name in KEY_METRICS]
        lines += ["", _flips(comparison)]
    for title, flips, total in (
        ("Negative flips", comparison.negative_flips, comparison.only_first_right),
        ("Positive flips", comparison.positive_flips, comparison.only_second_right),
    ):
        if flips:
            shown = flips[:SHOWN_FLIPS]
            lines += ["", f"{title}, the surest {len(shown)} of {count(total)}:", "", *map(_flip, shown)]
    return "\n".join(lines) + "\n"


def _subject(record: RunRecord) -> str:
    sources = record.dataset.name if record.dataset else ", ".join(subset.source for subset in record.subsets)
    return code(record.job or sources)


def _gate(gate: GateLine) -> str:
    return f"- {gate.word}{f' ({gate.effect})' if gate.effect else ''}: {prose(gate.sentence)}"


def _changed(findings: Findings) -> list[str]:
    """Name the negative flips since the last run; nothing where there is none."""
    negative = [(each, flip) for each in compared_subsets(findings) for flip in each.negative_flips]
    if not negative:
        return []
    total = sum(each.only_first_right for each in compared_subsets(findings))
    named = ", ".join(
        f"{code(flip.path)} ({code(flip.first_prediction)} → {code(flip.second_prediction)})"
        for _, flip in negative[:SHOWN_NEGATIVE]
    )
    more = f" and {count(total - SHOWN_NEGATIVE)} more" if total > SHOWN_NEGATIVE else ""
    return [f"- Right in the last run, wrong now: {named}{more}"]


def _subsets(findings: Findings) -> list[str]:
    """Sum up each subset where there are more than the page is about."""
    view = subsets_view(findings, {})
    if view is None:
        return []
    lines = []
    for row in view.rows[:SHOWN_SUBSETS]:
        accuracy = f"accuracy {row.accuracy} ({row.accuracy_interval})" if row.accuracy_interval else row.accuracy
        accuracy = "" if accuracy == NOTHING else accuracy
        state = "" if row.state == "complete" else row.state
        facts = filter(None, (f"{row.scored} scored", f"{row.skipped} skipped", accuracy, state))
        lines.append(f"- Subset {code(row.name)}: {', '.join(facts)}")
    more = len(view.rows) - len(lines)
    return [*lines, f"- {count(more)} more subsets"] if more else lines


def _metrics(labelled: LabelledMetrics) -> list[str]:
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


def _variants(record: RunRecord) -> list[str]:
    """Show the variants of the training side by side; nothing where none were tried."""
    view = regularisation_view(record.model.training)
    if view is None:
        return []
    lines = ["", prose(view.sentence), "", "| Variant | Options | Epochs | Train | Validation | Test | Gap (points) |"]
    lines.append("|---|---|--:|--:|--:|--:|--:|")
    for row in view.rows:
        name = f"{code(row.name)}{' (best on validation)' if row.best else ''}"
        options = code(row.options) if row.options else NOTHING
        gap = f"{row.gap} ({row.gap_interval})" if row.gap_interval else row.gap
        lines.append(f"| {name} | {options} | {row.epochs} | {row.train} | {row.validation} | {row.test} | {gap} |")
    return lines


def _temperature(findings: Findings) -> list[str]:
    """Say what the model's temperature does to the calibration; nothing where it has none or that is not known."""
    labelled = findings.main.labelled
    before = labelled.without_temperature if labelled else None
    if labelled is None or before is None or labelled.calibration is None:
        return []
    return [
        f"- Temperature {before.temperature:.3g}: calibration error (ECE) {before.ece:.3f} without it, "
        f"{labelled.calibration.ece:.3f} with it"
    ]


def _weakest(labelled: LabelledMetrics) -> list[str]:
    recalls = [(each.recall, each.name) for each in labelled.per_class if each.recall]
    worst = sorted(recalls, key=lambda each: each[0].value)[:SHOWN_CLASSES]
    classes = [f"{code(name)} {percent(recall.value)} ({percent_interval(recall)})" for recall, name in worst]
    pairs = [
        f"{code(pair.label)} taken for {code(pair.prediction)} {count(pair.count)}×"
        for pair in labelled.confused_pairs[:SHOWN_PAIRS]
    ]
    return [
        f"- Weakest classes by recall: {', '.join(classes)}",
        f"- Most confused: {', '.join(pairs) or 'nothing, every labelled image is right'}",
    ]


def _skipped(skipped: Iterable[SkippedImage]) -> str:
    reasons = Counter(each.reason for each in skipped)
    total = sum(reasons.values())
    if not total:
        return "none"
    most = reasons.most_common(SHOWN_REASONS)
    shown = [f"{code(reason, LONGEST_REASON)} {count(number)}×" for reason, number in most]
    more = len(reasons) - len(most)
    return f"{counted(total, 'image')}: {', '.join(shown)}{f' and {more} more reasons' if more else ''}"


def _change(change: MetricChange) -> str:
    key = change.name
    cells = (
        metric_words(key)[0],
        metric_value(key, change.first),
        metric_value(key, change.second),
        difference(key, change.difference),
        difference_interval(key, change.interval),
    )
    return f"| {' | '.join(cells)} |"


def _flips(comparison: Comparison) -> str:
    flips = comparison.only_first_right + comparison.only_second_right
    p_value = "" if comparison.p_value is None else f"; McNemar's exact test {p_words(comparison.p_value)}"
    return (
        f"Of {counted(comparison.labelled, 'labelled image')} {count(flips)} flipped: "
        f"{flip_words(comparison)}{p_value}."
    )


def _flip(flip: Flip) -> str:
    label = f", true class {code(flip.label)}" if flip.label is not None else ""
    return (
        f"- {code(flip.path, longest=None)}{label}: {code(flip.first_prediction)} ({percent(flip.first_confidence)}) → "
        f"{code(flip.second_prediction)} ({percent(flip.second_confidence)})"
    )
