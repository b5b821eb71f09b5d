"""The report as plain data: everything that the page shows, formatted, in the order of reading."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.records.findings import Findings
from batchclf.core.text import counted, moment, percent, visible
from batchclf.core.types import SkippedImage
from batchclf.report.parts.pictures import Picture, Pictures, album, pictures_in
from batchclf.report.parts.subset_words import measured, subset_names, subset_place
from batchclf.report.sections.calibration import CalibrationView, calibration_view
from batchclf.report.sections.data import DataView, data_view
from batchclf.report.sections.facts import FactsView, facts_view
from batchclf.report.sections.gap import GapView, gap_view
from batchclf.report.sections.gate import GateView, gate_view
from batchclf.report.sections.images import SkippedView, UnlabelledView, skipped_view, unlabelled_view
from batchclf.report.sections.metrics import NumbersView, numbers_view
from batchclf.report.sections.ranking import RankingView, ranking_view
from batchclf.report.sections.verdict import Verdict, verdict_view

if TYPE_CHECKING:
    from batchclf.report.sections.classes import ClassesView
    from batchclf.report.sections.confusion import MatrixView
    from batchclf.report.sections.errors import ErrorsView
    from batchclf.report.sections.flips import FlipsView
    from batchclf.report.sections.subsets import SubsetsView


@dataclass(frozen=True)
class Section:
    """An entry of the table of contents."""

    anchor: str
    title: str


@dataclass(frozen=True)
class ReportView:
    """The whole page. `matrix`, `classes` and `errors` are None where the main subset has no labels.

    `gate` is None for a run without one, `subsets` where the page shows all there is anyway, `flips` where there is no
    earlier run to compare with. `pictures` are all that the page refers to, the most important first; `class_count` is
    the number of classes.
    """

    title: str
    subject: str
    run_id: str
    generated: str
    class_count: int
    verdict: Verdict
    contents: tuple[Section, ...]
    numbers: NumbersView
    gate: GateView | None
    subsets: "SubsetsView | None"
    flips: "FlipsView | None"
    gap: GapView
    matrix: "MatrixView | None"
    classes: "ClassesView | None"
    errors: "ErrorsView | None"
    calibration: CalibrationView
    ranking: RankingView
    unlabelled: tuple[UnlabelledView, ...]
    data: DataView
    skipped: SkippedView
    facts: FactsView
    pictures: tuple[Picture, ...]


def build_view(
    findings: Findings,
    *,
    pictures: Mapping[tuple[str, str], bytes],
    skipped: Iterable[SkippedImage],
    generated: datetime,
) -> ReportView:
    """Put together what the report shows.

    The "test" evaluation is the one reported on, else the first; "train" serves the gap. `pictures` maps
    (split, path) to PNG, JPEG or WebP bytes, scaled down already; an image that is not in it is shown without picture.
    `generated` is an aware time. Raises ValueError where a picture is of another format.
    """
    record, evaluations, main = findings.record, findings.evaluations, findings.main
    shown = album(pictures)
    names = subset_names(record)
    places = {subset.split: subset_place(subset) for subset in record.subsets}
    verdict = verdict_view(findings, generated)
    matrix, classes, errors = _labelled_sections(findings, shown)
    unlabelled = tuple(
        unlabelled_view(e, names.get(e.split, e.split or "directory"), places.get(e.split, ""), shown)
        for e in evaluations
        if e.total and (e.labelled is None or e.labelled.total < e.total)
    )
    subsets, flips = _subsets(findings, shown), _flips(findings, names, shown)
    gate = gate_view(record.gates, names)
    subject = record.dataset.name if record.dataset else names.get(main.split, "directory")
    return ReportView(
        title=f"{verdict.headline} · {_short(main)}, {visible(subject)}, {record.started[:10]}",
        subject=" · ".join(dict.fromkeys(visible(part) for part in (record.job, subject) if part)),
        run_id=visible(record.run_id),
        generated=moment(generated),
        class_count=len(main.class_names),
        verdict=verdict,
        contents=_contents(matrix is not None, bool(unlabelled), gate=gate, subsets=subsets, flips=flips),
        numbers=numbers_view(findings),
        gate=gate,
        subsets=subsets,
        flips=flips,
        gap=gap_view(findings),
        matrix=matrix,
        classes=classes,
        errors=errors,
        calibration=calibration_view(main.labelled, record.model.training),
        ranking=ranking_view(main.labelled),
        unlabelled=unlabelled,
        data=data_view(findings, names),
        skipped=skipped_view(skipped),
        facts=facts_view(findings),
        pictures=pictures_in(flips, errors, subsets, *(matrix.examples.values() if matrix else ()), unlabelled),
    )


def _labelled_sections(
    findings: Findings, pictures: Pictures
) -> "tuple[MatrixView | None, ClassesView | None, ErrorsView | None]":
    labelled = findings.main.labelled
    if labelled is None:
        return None, None, None
    from batchclf.report.sections.classes import classes_view
    from batchclf.report.sections.confusion import matrix_view
    from batchclf.report.sections.errors import errors_view

    return matrix_view(labelled, pictures), classes_view(labelled, findings.gap), errors_view(findings, pictures)


def _subsets(findings: Findings, pictures: Pictures) -> "SubsetsView | None":
    if len(findings.record.subsets) == 1:
        return None
    from batchclf.report.sections.subsets import subsets_view

    return subsets_view(findings, pictures)


def _flips(findings: Findings, names: Mapping[str, str], pictures: Pictures) -> "FlipsView | None":
    if not findings.flips and findings.change is None:
        return None
    from batchclf.report.sections.flips import flips_view

    return flips_view(findings, names, pictures)


def _short(main: Evaluation) -> str:
    if main.labelled is None:
        return f"{counted(main.total, 'image')} scored"
    words = measured(main.split)
    return f"{percent(main.labelled.accuracy.value)} {words[0].lower()}{words[1:]}"


def _contents(
    labelled: bool,
    unlabelled: bool,
    *,
    gate: GateView | None,
    subsets: "SubsetsView | None",
    flips: "FlipsView | None",
) -> tuple[Section, ...]:
    optional = ((subsets, "subsets", "Subsets"), (flips, "flips", "Changes"), (gate, "gate", "Gate"))
    sections = [Section(anchor, title) for there, anchor, title in optional if there]
    sections.append(Section("gap", "Overfitting gap"))
    if labelled:
        sections += [
            Section("confusion", "Confusion matrix"),
            Section("classes", "Classes"),
        ]
    sections += [Section("calibration", "Confidence"), Section("ranking", "ROC")]
    if labelled:
        sections.append(Section("errors", "Errors"))
    if unlabelled:
        sections.append(Section("unlabelled", "Without labels"))
    sections += [Section("data", "Images"), Section("skipped", "Skipped files")]
    return (*sections, Section("facts", "Data, model and run"))
