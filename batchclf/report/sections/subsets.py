"""Every subset of a run of several: what came of each, and what there is to see in each further directory."""

from collections.abc import Mapping
from dataclasses import dataclass

from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.metrics.labelled import LabelledMetrics
from batchclf.core.records.findings import Findings
from batchclf.core.records.run import SubsetRecord
from batchclf.core.text import NOTHING, class_name, count, counted, percent, percent_interval, visible
from batchclf.report.parts.markdown_text import code
from batchclf.report.parts.pictures import Pictures
from batchclf.report.parts.subset_words import has_several, subset_name, subset_place
from batchclf.report.sections.gate import failed_words
from batchclf.report.sections.images import PredictedRow, Shot, predicted_rows, shots

SHOWN_PREDICTED = 25

COMPLETE = "complete"
LISTED_SUBSETS = 8
"""So many are listed in Markdown."""


@dataclass(frozen=True)
class SubsetSummary:
    """One subset; `anchor` is where the page shows more of it, empty where it does not.

    `subset` is its key in report.json. `state` says what of the gate failed and how far it was scored, `alarm` that
    something is wrong. `main` is what the page is about.
    """

    subset: str
    name: str
    place: str
    anchor: str
    main: bool
    state: str
    alarm: bool
    found: str
    scored: str
    skipped: str
    labels: str
    accuracy: str
    accuracy_interval: str
    predicted: str
    predicted_share: str


@dataclass(frozen=True)
class SubsetDetail:
    """A further directory that has labels; `worst` are its errors, the surest first."""

    anchor: str
    name: str
    place: str
    sentence: str
    predicted: tuple[PredictedRow, ...]
    predicted_part: str
    worst: tuple[Shot, ...]


@dataclass(frozen=True)
class SubsetsView:
    """All subsets, first those that failed, then the main one, and more of those that the page shows nowhere else."""

    rows: tuple[SubsetSummary, ...]
    details: tuple[SubsetDetail, ...]


def subsets_view(findings: Findings, pictures: Pictures) -> SubsetsView | None:
    """Show the subsets of a run that has more than the splits of a data set or one directory; else None."""
    record = findings.record
    if not has_several(record):
        return None
    of_split = {evaluation.split: evaluation for evaluation in findings.evaluations}
    anchors = {subset.split: f"subset-{number}" for number, subset in enumerate(record.subsets, 1)}
    further = {each.split for each in further_directories(findings)}
    main = findings.main.split
    failed = {
        subset.split: failed_words([g for g in record.gates if g.subset == subset.split]) for subset in record.subsets
    }
    ordered = sorted(record.subsets, key=lambda subset: (not failed[subset.split], subset.split != main))
    return SubsetsView(
        rows=tuple(
            _row(
                subset,
                of_split.get(subset.split),
                failed[subset.split],
                anchor=_anchor(subset, of_split, anchors, further),
                main=subset.split == main,
            )
            for subset in ordered
        ),
        details=tuple(
            _detail(subset, of_split[subset.split], anchors, pictures) for subset in ordered if subset.split in further
        ),
    )


def further_directories(findings: Findings) -> tuple[Evaluation, ...]:
    """Give the evaluations of the directories with labels that the page is not about anyway."""
    directories = {subset.split for subset in findings.record.subsets if subset.kind == "directory"}
    main = findings.main.split
    return tuple(
        each for each in findings.evaluations if each.labelled and each.split in directories and each.split != main
    )


def _anchor(
    subset: SubsetRecord, of_split: Mapping[str, Evaluation], anchors: Mapping[str, str], further: set[str]
) -> str:
    if subset.split in further:
        return anchors[subset.split]
    evaluation = of_split.get(subset.split)
    return "unlabelled" if evaluation and evaluation.total and evaluation.labelled is None else ""


def _row(subset: SubsetRecord, evaluation: Evaluation | None, failed: str, *, anchor: str, main: bool) -> SubsetSummary:
    labelled = evaluation.labelled if evaluation else None
    state = ", ".join(filter(None, (failed, _state(subset)))) or COMPLETE
    predicted, share = _most_frequent(evaluation)
    return SubsetSummary(
        subset=subset.split,
        name=subset_name(subset),
        place=subset_place(subset),
        anchor=anchor,
        main=main,
        state=state,
        alarm=state != COMPLETE,
        found=count(subset.found),
        scored=count(subset.scored),
        skipped=count(subset.skipped),
        labels=visible(subset.labels),
        accuracy=percent(labelled.accuracy.value) if labelled else "no labels" if subset.scored else NOTHING,
        accuracy_interval=_interval(labelled, evaluation.total) if labelled and evaluation else "",
        predicted=predicted,
        predicted_share=share,
    )


def _state(subset: SubsetRecord) -> str:
    if not subset.complete:
        return "cut off by the deadline" if subset.found else "not started"
    if subset.images_missing:
        return "a shard is incomplete"
    return "" if subset.scored else "no images"


def _interval(labelled: LabelledMetrics, total: int) -> str:
    part = f", {count(labelled.total)} of {count(total)} have a label" if labelled.total < total else ""
    return percent_interval(labelled.accuracy) + part


def _most_frequent(evaluation: Evaluation | None) -> tuple[str, str]:
    if evaluation is None or not evaluation.total:
        return NOTHING, ""
    best = int(evaluation.predicted_counts.argmax())
    share = evaluation.predicted_counts[best] / evaluation.total
    return class_name(evaluation.class_names[best]), f"{percent(float(share))} of the predictions"


def _detail(
    subset: SubsetRecord, evaluation: Evaluation, anchors: Mapping[str, str], pictures: Pictures
) -> SubsetDetail:
    rows, part = predicted_rows(evaluation, SHOWN_PREDICTED)
    labelled = evaluation.labelled
    return SubsetDetail(
        anchor=anchors[subset.split],
        name=subset_name(subset),
        place=subset_place(subset),
        sentence=_sentence(labelled) if labelled else "",
        predicted=rows,
        predicted_part=part,
        worst=shots(labelled.worst_errors, pictures) if labelled else (),
    )


def _sentence(labelled: LabelledMetrics) -> str:
    accuracy, wrong = labelled.accuracy, labelled.total - labelled.correct
    score = (
        f"Accuracy is {percent(accuracy.value)} (95% interval {percent_interval(accuracy)}) on "
        f"{counted(labelled.total, 'labelled image')}"
    )
    if not wrong:
        return f"{score}: all are right."
    shown = len(labelled.worst_errors)
    which = "all" if shown == wrong else f"the {shown} most confident"
    return f"{score}; {counted(wrong, 'image')} {'is' if wrong == 1 else 'are'} wrong; shown: {which}."


def subset_lines(findings: Findings) -> list[str]:
    """Sum up each subset in Markdown, if there are more than the page is about."""
    view = subsets_view(findings, {})
    if view is None:
        return []
    lines = []
    for row in view.rows[:LISTED_SUBSETS]:
        accuracy = f"accuracy {row.accuracy} ({row.accuracy_interval})" if row.accuracy_interval else row.accuracy
        accuracy = "" if accuracy == NOTHING else accuracy
        state = row.state if row.alarm else ""
        facts = filter(None, (f"{row.scored} scored", f"{row.skipped} skipped", accuracy, state))
        lines.append(f"- Subset {code(row.name)}: {', '.join(facts)}")
    more = len(view.rows) - len(lines)
    return [*lines, f"- {count(more)} more subsets"] if more else lines
