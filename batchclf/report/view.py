"""The report as plain data: everything that the page shows, formatted, in the order of reading."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log
from typing import Literal

from batchclf.core.evaluation import Evaluation, LabelledMetrics
from batchclf.core.gap import Gap
from batchclf.core.run_record import RunRecord
from batchclf.core.types import SkippedImage
from batchclf.report.view_classes import ClassesView, classes_view
from batchclf.report.view_facts import FactsView, facts_view, target_name
from batchclf.report.view_format import (
    NOTHING,
    age,
    count,
    counted,
    decimal,
    duration,
    moment,
    percent,
    percent_interval,
    points,
    points_interval,
    visible,
)
from batchclf.report.view_gap import GapView, gap_view
from batchclf.report.view_images import (
    HistogramPanel,
    Pictures,
    Shot,
    SkippedView,
    UnlabelledView,
    right_and_wrong,
    shots,
    skipped_view,
    unlabelled_view,
)

State = Literal["passed", "failed", "partial", "none"]
UNKNOWN = "how many are right cannot be known without labels"


@dataclass(frozen=True)
class GateLine:
    """One bound of the gate and whether it was met."""

    passed: bool
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """The first thing to read; `old` is the age of the numbers when the page was written, empty below 1 h."""

    state: State
    headline: str
    reason: str
    gates: tuple[GateLine, ...]
    when: str
    old: str


@dataclass(frozen=True)
class Measure:
    """One number of the summary with what it means; the `main` one is shown largest, with its interval."""

    name: str
    value: str
    note: str
    interval: str = ""
    main: bool = False


@dataclass(frozen=True)
class Section:
    """An entry of the table of contents."""

    anchor: str
    title: str


@dataclass(frozen=True)
class ReportView:
    """The whole page. `classes` is None and `errors` empty where the main target has no labels."""

    title: str
    subject: str
    run_id: str
    generated: str
    verdict: Verdict
    contents: tuple[Section, ...]
    measures: tuple[Measure, ...]
    notes: tuple[str, ...]
    facts: FactsView
    gap: GapView
    classes: ClassesView | None
    errors: tuple[Shot, ...]
    histogram: tuple[HistogramPanel, ...]
    unlabelled: tuple[UnlabelledView, ...]
    skipped: SkippedView


def build_view(
    record: RunRecord,
    evaluations: Sequence[Evaluation],
    gap: Gap | None,
    *,
    pictures: Pictures,
    skipped: Iterable[SkippedImage],
    generated: datetime,
) -> ReportView:
    """Put together what the report shows.

    The "test" evaluation is the one reported on, else the first; "train" serves the gap. `pictures` maps
    (split, path) to PNG bytes, scaled down already; an image that is not in it is shown without picture.
    `generated` is an aware time. Raises ValueError where there is no evaluation or a picture is not a PNG.
    """
    if not evaluations:
        raise ValueError("a report needs at least one evaluation")
    by_split = {evaluation.split: evaluation for evaluation in evaluations}
    main = by_split.get("test", evaluations[0])
    names = {target.split: target_name(target) for target in record.targets}
    verdict = _verdict(record, main, generated)
    labelled = main.labelled
    classes = classes_view(labelled) if labelled else None
    unlabelled = tuple(
        unlabelled_view(e, names.get(e.split, e.split or "directory"), pictures)
        for e in evaluations
        if e.total and (e.labelled is None or e.labelled.total < e.total)
    )
    subject = record.dataset.name if record.dataset else names.get(main.split, "directory")
    return ReportView(
        title=f"{verdict.headline}: {_short(main)}, {visible(subject)}, {record.started[:10]}",
        subject=" · ".join(visible(part) for part in (record.job, subject) if part),
        run_id=visible(record.run_id),
        generated=moment(generated),
        verdict=verdict,
        contents=_contents(classes is not None, bool(unlabelled)),
        measures=_labelled_measures(main.split, labelled, by_split.get("train"), gap)
        if labelled
        else _unlabelled_measures(main),
        notes=_notes(main),
        facts=facts_view(record, evaluations),
        gap=gap_view(gap, evaluations, record.model.history),
        classes=classes,
        errors=shots(labelled.worst_errors, pictures) if labelled else (),
        histogram=right_and_wrong(main),
        unlabelled=unlabelled,
        skipped=skipped_view(skipped),
    )


def _verdict(record: RunRecord, main: Evaluation, generated: datetime) -> Verdict:
    state: State = "passed" if record.gates else "none"
    if record.status != "ok":
        state = "partial" if record.status == "partial" else "failed"
    missed = [gate for gate in record.gates if not gate.passed]
    headline = {
        "passed": "Gate passed",
        "failed": "Gate failed",
        "partial": "Partial result, gate failed" if missed else "Partial result",
        "none": "Scored, no gate set",
    }[state]
    started = datetime.fromisoformat(record.started)
    since = generated - started - timedelta(seconds=record.seconds)
    return Verdict(
        state=state,
        headline=headline,
        reason=_reason(state, record, main, len(missed)),
        gates=tuple(GateLine(gate.passed, visible(gate.sentence)) for gate in record.gates),
        when=f"Run of {moment(started)}, took {duration(record.seconds)}",
        old=age(since),
    )


def _reason(state: State, record: RunRecord, main: Evaluation, missed: int) -> str:
    score = _score(main)
    bounds = len(record.gates)
    if state == "passed":
        return f"{score}; {'the bound is' if bounds == 1 else f'all {bounds} bounds are'} met."
    if state == "failed":
        if not bounds:
            return f"{score}; the gate was not met."
        which = "the bound is" if bounds == 1 else f"{missed} of {bounds} bounds {_are(missed)}"
        return f"{score}; {which} not met."
    if state == "none":
        return f"{score}; no bound was set that it could be held against."
    scored = sum(target.scored for target in record.targets)
    lost = sum(target.skipped for target in record.targets)
    share = f"Only {count(scored)} of {counted(scored + lost, 'image')} could be scored"
    if main.labelled is None:
        return f"{share}; {UNKNOWN}." if main.total else f"{share}."
    return f"{share}; {score[0].lower()}{score[1:]}."


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _measured(split: str) -> str:
    return {"test": "Test accuracy", "train": "Train accuracy"}.get(split, "Accuracy")


def _score(main: Evaluation) -> str:
    """Say in a clause what the main evaluation came to."""
    if main.labelled is None:
        if not main.total:
            return "No image could be scored"
        return f"{counted(main.total, 'image')} scored; {UNKNOWN}"
    accuracy = main.labelled.accuracy
    return (
        f"{_measured(main.split)} is {percent(accuracy.value)} (95% interval {percent_interval(accuracy)}) "
        f"on {counted(accuracy.n, 'image')}"
    )


def _short(main: Evaluation) -> str:
    if main.labelled is None:
        return f"{counted(main.total, 'image')} scored"
    return f"{percent(main.labelled.accuracy.value)} {_measured(main.split).lower()}"


def _labelled_measures(
    split: str, labelled: LabelledMetrics, train: Evaluation | None, gap: Gap | None
) -> tuple[Measure, ...]:
    accuracy, classes = labelled.accuracy, len(labelled.per_class)
    of_train = train.labelled.accuracy if train and train.labelled else gap.train if gap else None
    largest = percent(max(c.support for c in labelled.per_class) / labelled.total)
    measures = [
        Measure(
            _measured(split),
            percent(accuracy.value),
            f"{count(labelled.correct)} of {counted(labelled.total, 'image')} right (Wilson's interval). "
            f"Always answering the most frequent class gives {largest}.",
            interval=f"95% interval {percent_interval(accuracy)}",
            main=True,
        ),
        Measure("Balanced accuracy", percent(labelled.balanced_accuracy), "mean recall of the classes"),
        Measure("Macro F1", decimal(labelled.macro.f1), "mean F1 of the classes, 1 is perfect"),
        Measure(
            "Log loss",
            decimal(labelled.log_loss),
            f"0 is perfect, guessing gives {log(classes):.3f}"
            if labelled.log_loss is not None
            else "needs --probabilities",
        ),
    ]
    if split != "train":
        note = f"on {counted(of_train.n, 'image')}" if of_train else "train split not scored"
        measures.append(Measure("Train accuracy", percent(of_train.value) if of_train else NOTHING, note))
    measures.append(
        Measure(
            "Overfitting gap",
            f"{points(gap.gap.value)} points" if gap else NOTHING,
            f"95% interval {points_interval(gap.gap)}, {gap.overfitting}" if gap else "needs train and test",
        )
    )
    return tuple(measures)


def _unlabelled_measures(main: Evaluation) -> tuple[Measure, ...]:
    classes = len(main.class_names)
    least = main.least_confident[0].confidence if main.least_confident else float("nan")
    return (
        Measure("Images scored", count(main.total), "none has a label, so accuracy is not known", main=True),
        Measure("Mean confidence", percent(main.mean_confidence), "the model's own view, not its accuracy"),
        Measure("Lowest confidence", percent(least), f"guessing gives {percent(1 / classes)}"),
        Measure("Classes predicted", f"{int((main.predicted_counts > 0).sum())} of {classes}", "at least once"),
    )


def _notes(main: Evaluation) -> tuple[str, ...]:
    notes = []
    labelled = main.labelled
    if labelled and labelled.total < main.total:
        notes.append(
            f"{count(labelled.total)} of {counted(main.total, 'image')} have a label; accuracy and "
            "everything that follows from it rest on those."
        )
    if main.split == "train":
        notes.append("These are the images the model was trained on: the numbers say little about new images.")
    return tuple(notes)


def _contents(labelled: bool, unlabelled: bool) -> tuple[Section, ...]:
    sections = [Section("facts", "Data, model and run"), Section("gap", "Overfitting gap")]
    if labelled:
        sections += [
            Section("confusion", "Confusion matrix"),
            Section("classes", "Per class"),
            Section("pairs", "Most confused"),
            Section("errors", "Worst errors"),
        ]
    if unlabelled:
        sections.append(Section("unlabelled", "Without labels"))
    return (*sections, Section("skipped", "Skipped files"))
