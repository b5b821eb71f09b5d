"""A report as a few lines of Markdown, for mail and chat."""

from collections.abc import Iterable
from datetime import datetime
from itertools import chain

from batchclf.core.compare.result import Comparison, Flip, MetricChange
from batchclf.core.records.findings import Findings
from batchclf.core.records.run import RunRecord, RunState
from batchclf.core.text import count, counted, p_value, percent
from batchclf.core.types import SkippedImage
from batchclf.report.parts.markdown_text import code, prose
from batchclf.report.parts.metric_words import (
    difference,
    difference_interval,
    metric_value,
    metric_words,
)
from batchclf.report.sections.flips import flip_words
from batchclf.report.sections.gate import GateLine
from batchclf.report.sections.metrics import KEY_METRICS
from batchclf.report.sections.section_list import SECTIONS, Material
from batchclf.report.sections.verdict import verdict_view

MARKS: dict[RunState, str] = {"passed": "✅", "failed": "❌", "uncertain": "❔", "partial": "⚠️", "none": "▫️"}
SHOWN_FLIPS = 5
_LAST = ("flips", "subsets", "skipped")
"""Sections whose items stand after those of all others, in this order."""


def report_markdown(findings: Findings, *, skipped: Iterable[SkippedImage], generated: datetime, folder: str) -> str:
    """Sum a run up in about 25 lines; `folder` is the path of the run directory, for the reader to find the rest."""
    record = findings.record
    verdict = verdict_view(findings, generated)
    lines = [f"# {MARKS[verdict.state]} {prose(verdict.headline)} · {_subject(record)}", "", prose(verdict.reason)]
    if verdict.partial:
        lines += ["", f"**Partial result.** {prose(verdict.partial)}"]
    for warning in verdict.warnings:
        lines += ["", f"**Warning.** {prose(warning)}."]
    if verdict.cause:
        lines += ["", prose(verdict.cause)]
    if verdict.change:
        lines += ["", prose(verdict.change.sentence)]
    if verdict.gates:
        lines += ["", *map(_gate, verdict.gates)]
    if verdict.more_gates:
        lines += ["", prose(verdict.more_gates)]
    if verdict.rerun:
        lines += ["", f"Run this date again: {code(verdict.rerun, longest=None)}"]
    material = Material(findings, skipped)
    wanted = [each for each in SECTIONS if each.markdown and each.when(findings)]
    wanted.sort(key=lambda each: _LAST.index(each.name) if each.name in _LAST else -1)
    parts = [material.made(each.markdown) for each in wanted]
    items = [part for part in parts if part and part[0].startswith("- ")]
    for paragraph in parts:
        if paragraph and paragraph not in items:
            lines += ["", *paragraph]
    lines += ["", *chain.from_iterable(items)]
    old = f", {verdict.old} before this was written" if verdict.old else ""
    files = "" if findings.alone else f" Files: {code(folder, longest=None)}"
    lines += ["", f"{verdict.when}{old}.{files}"]
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
            lines += ["", f"{title}, the {len(shown)} most confident of {count(total)}:", "", *map(_flip, shown)]
    return "\n".join(lines) + "\n"


def _subject(record: RunRecord) -> str:
    sources = record.dataset.name if record.dataset else ", ".join(subset.source for subset in record.subsets)
    return code(record.job or sources)


def _gate(gate: GateLine) -> str:
    sentence = f"{gate.sentence}; {gate.more}" if gate.more else gate.sentence
    return f"- {gate.word}{f' ({gate.effect})' if gate.effect else ''}: {prose(sentence)}"


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
    chance = "" if comparison.p_value is None else f"; McNemar's exact test {p_value(comparison.p_value)}"
    return (
        f"Of {counted(comparison.labelled, 'labelled image')} {count(flips)} flipped: {flip_words(comparison)}{chance}."
    )


def _flip(flip: Flip) -> str:
    label = f", true class {code(flip.label)}" if flip.label is not None else ""
    return (
        f"- {code(flip.path, longest=None)}{label}: {code(flip.first_prediction)} ({percent(flip.first_confidence)}) → "
        f"{code(flip.second_prediction)} ({percent(flip.second_confidence)})"
    )
