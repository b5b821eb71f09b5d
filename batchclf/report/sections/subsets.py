"""Every target of a run of several: what came of each, and what there is to see in each further directory."""

from collections.abc import Mapping
from dataclasses import dataclass

from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.metrics.labelled import LabelledMetrics
from batchclf.core.records.findings import Findings
from batchclf.core.records.run import RunRecord, TargetRecord
from batchclf.core.text import NOTHING, class_name, count, counted, percent, percent_interval, visible
from batchclf.report.parts.pictures import Pictures
from batchclf.report.parts.subset_words import target_name, target_place
from batchclf.report.sections.images import PredictedRow, Shot, predicted_rows, shots

SHOWN_PREDICTED = 25


@dataclass(frozen=True)
class TargetSummary:
    """One target; `anchor` is where the page shows more of it, empty where it does not.

    `state` says how far it was scored, `alarm` where that is not to the end. `main` is what the page is about.
    """

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
class TargetDetail:
    """A further directory that has labels; `worst` are its errors, the surest first."""

    anchor: str
    name: str
    place: str
    sentence: str
    predicted: tuple[PredictedRow, ...]
    predicted_part: str
    worst: tuple[Shot, ...]


@dataclass(frozen=True)
class TargetsView:
    """All targets, the main one first, and more of those that the rest of the page does not show."""

    rows: tuple[TargetSummary, ...]
    details: tuple[TargetDetail, ...]


def targets_view(findings: Findings, pictures: Pictures) -> TargetsView | None:
    """Show the targets of a run that has more than the splits of a data set or one directory; else None."""
    record = findings.record
    if not has_several(record):
        return None
    of_split = {evaluation.split: evaluation for evaluation in findings.evaluations}
    anchors = {target.split: f"target-{number}" for number, target in enumerate(record.targets, 1)}
    further = {each.split for each in further_directories(findings)}
    main = findings.main.split
    ordered = sorted(record.targets, key=lambda target: target.split != main)
    return TargetsView(
        rows=tuple(
            _row(target, of_split.get(target.split), _anchor(target, of_split, anchors, further), target.split == main)
            for target in ordered
        ),
        details=tuple(
            _detail(target, of_split[target.split], anchors, pictures) for target in ordered if target.split in further
        ),
    )


def has_several(record: RunRecord) -> bool:
    """Tell whether a run has more targets than the splits of a data set or a single directory."""
    return len(record.targets) > 1 and any(target.kind == "directory" for target in record.targets)


def further_directories(findings: Findings) -> tuple[Evaluation, ...]:
    """Give the evaluations of the directories with labels that the page is not about anyway."""
    directories = {target.split for target in findings.record.targets if target.kind == "directory"}
    main = findings.main.split
    return tuple(
        each for each in findings.evaluations if each.labelled and each.split in directories and each.split != main
    )


def _anchor(
    target: TargetRecord, of_split: Mapping[str, Evaluation], anchors: Mapping[str, str], further: set[str]
) -> str:
    if target.split in further:
        return anchors[target.split]
    evaluation = of_split.get(target.split)
    return "unlabelled" if evaluation and evaluation.total and evaluation.labelled is None else ""


def _row(target: TargetRecord, evaluation: Evaluation | None, anchor: str, main: bool) -> TargetSummary:
    labelled = evaluation.labelled if evaluation else None
    state = _state(target)
    predicted, share = _most_frequent(evaluation)
    return TargetSummary(
        name=target_name(target),
        place=target_place(target),
        anchor=anchor,
        main=main,
        state=state,
        alarm=state != "complete",
        found=count(target.found),
        scored=count(target.scored),
        skipped=count(target.skipped),
        labels=visible(target.labels),
        accuracy=percent(labelled.accuracy.value) if labelled else "no labels" if target.scored else NOTHING,
        accuracy_interval=_interval(labelled, evaluation.total) if labelled and evaluation else "",
        predicted=predicted,
        predicted_share=share,
    )


def _state(target: TargetRecord) -> str:
    if not target.complete:
        return "cut by the deadline" if target.found else "not begun"
    return "complete" if target.scored else "no image"


def _interval(labelled: LabelledMetrics, total: int) -> str:
    part = f", {count(labelled.total)} of {count(total)} have a label" if labelled.total < total else ""
    return percent_interval(labelled.accuracy) + part


def _most_frequent(evaluation: Evaluation | None) -> tuple[str, str]:
    if evaluation is None or not evaluation.total:
        return NOTHING, ""
    best = int(evaluation.predicted_counts.argmax())
    share = evaluation.predicted_counts[best] / evaluation.total
    return class_name(evaluation.class_names[best]), f"{percent(float(share))} of the answers"


def _detail(
    target: TargetRecord, evaluation: Evaluation, anchors: Mapping[str, str], pictures: Pictures
) -> TargetDetail:
    rows, part = predicted_rows(evaluation, SHOWN_PREDICTED)
    labelled = evaluation.labelled
    return TargetDetail(
        anchor=anchors[target.split],
        name=target_name(target),
        place=target_place(target),
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
        return f"{score}: every one was predicted right."
    shown = len(labelled.worst_errors)
    which = "all of them" if shown == wrong else f"the {shown} that the model was surest of"
    return f"{score}; {counted(wrong, 'image')} {'was' if wrong == 1 else 'were'} predicted wrong, below {which}."
