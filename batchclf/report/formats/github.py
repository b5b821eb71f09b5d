"""A report for the page of a run of GitHub Actions: the short report, and tables behind it that open by a click."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from batchclf.core.records.findings import Findings
from batchclf.core.text import NOTHING, count, counted, percent
from batchclf.core.types import SkippedImage
from batchclf.report.formats.markdown import report_markdown
from batchclf.report.parts.markdown_text import code, prose
from batchclf.report.parts.metric_words import metric_interval, metric_value, metric_words
from batchclf.report.parts.subset_words import subset_names

if TYPE_CHECKING:
    from batchclf.core.metrics.labelled import LabelledMetrics

MOST_CLASSES = 200
"""So many rows of classes: GitHub refuses the summary of a step that is larger than 1 MiB."""


def github_markdown(findings: Findings, *, skipped: Iterable[SkippedImage], generated: datetime, folder: str) -> str:
    """Write a summary in GitHub's Markdown, to be appended to the file that GITHUB_STEP_SUMMARY names.

    It is far below the limit of 1 MiB. `folder` is the path of the run directory.
    """
    text = report_markdown(findings, skipped=skipped, generated=generated, folder=folder)
    parts, names = [text.rstrip("\n")], subset_names(findings.record)
    for evaluation in findings.evaluations:
        if evaluation.labelled is not None:
            name = names.get(evaluation.split, evaluation.split)
            parts += _metrics(name, evaluation.labelled)
            parts += _classes(name, evaluation.labelled)
    return "\n".join([*parts, ""])


def _metrics(name: str, of: "LabelledMetrics") -> list[str]:
    rows = [
        [
            prose(metric_words(metric.name)[0]),
            metric_value(metric.name, metric.value),
            metric_interval(metric.name, metric.interval) or NOTHING,
            NOTHING if metric.baseline is None else metric_value(metric.name, metric.baseline),
        ]
        for metric in of.overall
    ]
    title = f"All metrics of {name}, {counted(of.total, 'labelled image')}"
    return _details(title, ["Metric", "Value", "95% interval", "Baseline"], rows)


def _classes(name: str, of: "LabelledMetrics") -> list[str]:
    classes = sorted((each for each in of.per_class if each.support), key=lambda each: each.correct / each.support)
    rows = [
        [
            code(each.name),
            count(each.support),
            percent(each.correct / each.support),
            percent(each.correct / each.predicted) if each.predicted else NOTHING,
        ]
        for each in classes[:MOST_CLASSES]
    ]
    many = f"The {MOST_CLASSES} worst of {count(len(classes))} classes" if len(classes) > MOST_CLASSES else "Classes"
    title = f"{many} of {name}, the worst first"
    return _details(title, ["Class", "Images", "Recall", "Precision"], rows)


def _details(title: str, header: list[str], rows: list[list[str]]) -> list[str]:
    # A blank line behind <summary>, else GitHub takes the table for text
    align = ["---", *("--:" for _ in header[1:])]
    table = [f"| {' | '.join(row)} |" for row in (header, align, *rows)]
    return ["", f"<details><summary>{prose(title)}</summary>", "", *table, "", "</details>"]
