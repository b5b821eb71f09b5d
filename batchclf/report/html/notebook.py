"""An evaluation in a cell of a notebook: verdict, key numbers and confusion matrix.

Its colours are inline and see-through, and the text has the notebook's own colour: notebooks remove style sheets from
what they do not trust, and dark ones say so in many ways (decision 178).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from batchclf.core.metrics.catalog import formulas_of
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.metrics.formulas import OfCalibration
from batchclf.core.metrics.labelled import LabelledMetrics
from batchclf.core.records.run import RunRecord, run_state
from batchclf.core.text import NOTHING, counted, visible
from batchclf.report.html.templates import environment
from batchclf.report.parts.metric_words import metric_interval, metric_value, metric_words
from batchclf.report.parts.subset_words import partial_words
from batchclf.report.sections.confusion import MatrixTable, matrix_table
from batchclf.report.sections.metrics import KEY_METRICS
from batchclf.report.sections.verdict import headline, score_words

_RIGHT, _WRONG = "41,116,167", "200,106,52"
_LEAST_TINT, _TINT_STEP = 0.06, 0.065
"""See-through so far that the text can be read on it, black or white: at most 0.58."""


@dataclass(frozen=True, slots=True)
class NumberRow:
    """One metric."""

    name: str
    value: str
    interval: str
    baseline: str


@dataclass(frozen=True, slots=True)
class TintedCell:
    """One cell of the matrix; `color` is empty where there is no image."""

    count: str
    color: str
    title: str


@dataclass(frozen=True, slots=True)
class TintedRow:
    """One true class; `others` are its images predicted as a class that has no column."""

    name: str
    cells: tuple[TintedCell, ...]
    others: str
    total: str


@dataclass(frozen=True, slots=True)
class NotebookView:
    """What the cell shows; `part` says which classes are in the matrix if it is not all."""

    headline: str
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    numbers: tuple[NumberRow, ...]
    names: tuple[str, ...]
    rows: tuple[TintedRow, ...]
    predicted: tuple[str, ...]
    total: str
    part: str


def render_evaluation(evaluation: Evaluation, warnings: Sequence[str]) -> str:
    """Write what an evaluation came to, as a piece of HTML."""
    return _render("", (f"{score_words(evaluation)}.",), warnings, evaluation)


def render_run(record: RunRecord, main: Evaluation, warnings: Sequence[str]) -> str:
    """Write what a run came to, with its gate's verdict, as a piece of HTML."""
    title = headline(run_state(record.status, record.gates), record.gates)
    failed = [visible(gate.sentence) for gate in record.gates if not gate.passed]
    sentences = (f"{score_words(main)}.", partial_words(record), *failed[:3])
    more = f"{counted(len(failed) - 3, 'more rule')} failed." if len(failed) > 3 else ""
    return _render(title, tuple(filter(None, (*sentences, more))), warnings, main)


def _render(title: str, sentences: tuple[str, ...], warnings: Sequence[str], of: Evaluation) -> str:
    labelled = of.labelled
    matrix = None if labelled is None else matrix_table(labelled.confusion)
    view = NotebookView(
        headline=title,
        sentences=sentences,
        warnings=tuple(map(visible, warnings)),
        numbers=() if labelled is None else _numbers(labelled),
        names=() if matrix is None else matrix.names,
        rows=() if matrix is None else _rows(matrix),
        predicted=() if matrix is None else matrix.predicted,
        total="" if matrix is None else matrix.total,
        part="" if matrix is None else matrix.part,
    )
    return environment(None).get_template("notebook.html").render(view=view)


def _numbers(labelled: LabelledMetrics) -> tuple[NumberRow, ...]:
    rows = []
    for metric in filter(None, map(labelled.metric, KEY_METRICS)):
        baseline = NOTHING if metric.baseline is None else metric_value(metric.name, metric.baseline)
        interval = metric_interval(metric.name, metric.interval)
        rows.append(
            NumberRow(metric_words(metric.name)[0], metric_value(metric.name, metric.value), interval, baseline)
        )
    for name, formula in formulas_of(OfCalibration).items():
        if labelled.calibration is not None and name in KEY_METRICS:
            value = metric_value(name, formula.value(labelled.calibration))
            rows.append(NumberRow(metric_words(name)[0], value, "", NOTHING))
    return tuple(rows)


def _rows(matrix: MatrixTable) -> tuple[TintedRow, ...]:
    return tuple(
        TintedRow(
            row.name,
            tuple(
                TintedCell(cell.count, _color(cell.heat), f"{row.name} as {name}: {cell.of_true}" if cell.heat else "")
                for cell, name in zip(row.cells, matrix.names, strict=True)
            ),
            row.others,
            row.total,
        )
        for row in matrix.rows
    )


def _color(heat: str) -> str:
    """Make the report's level of a cell, such as `r3 q4`, a colour; empty for a cell without images."""
    if not heat:
        return ""
    kind, level = heat[0], int(heat[1])
    return f"rgba({_RIGHT if kind == 'r' else _WRONG},{_LEAST_TINT + _TINT_STEP * level:.2f})"
