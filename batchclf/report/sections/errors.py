"""The part of the report on errors: the images to look at, and what to look for in them."""

from dataclasses import dataclass
from math import isnan

from batchclf.core.metrics.confusion import ConfusedPair
from batchclf.core.metrics.labelled import LabelledMetrics
from batchclf.core.records.findings import Findings, LabelIssues
from batchclf.core.text import class_name, count, counted, percent
from batchclf.report.parts.pictures import Pictures
from batchclf.report.sections.images import Shot, shots

PAIR_IMAGES = 6
"""A pair of confused classes is shown by so many of its images."""


@dataclass(frozen=True)
class PairView:
    """Images of one class that were taken for another, with the surest of them; `share` is that of the true class."""

    label: str
    prediction: str
    count: str
    share: str
    examples: tuple[Shot, ...]


@dataclass(frozen=True)
class LabelIssuesView:
    """Labels that are probably wrong; `sentence` says why none can be shown where there is none."""

    sentence: str
    method: str
    shown: tuple[Shot, ...]


@dataclass(frozen=True)
class ErrorsView:
    """`worst` are errors, the surest first; `pairs_part` says how much of all errors `pairs` hold.

    `least_confident` is empty where images without labels are shown elsewhere with the same.
    """

    sentence: str
    worst: tuple[Shot, ...]
    pairs: tuple[PairView, ...]
    pairs_part: str
    label_issues: LabelIssuesView
    least_confident: tuple[Shot, ...]


def errors_view(findings: Findings, pictures: Pictures) -> ErrorsView | None:
    """Show the errors of the main split with the pictures that are there; None where it has no labels."""
    main = findings.main
    labelled = main.labelled
    if labelled is None:
        return None
    return ErrorsView(
        sentence=_sentence(labelled),
        worst=shots(labelled.worst_errors, pictures),
        pairs=tuple(_pair(pair, labelled, pictures) for pair in labelled.confused_pairs),
        pairs_part=_part(labelled),
        label_issues=_label_issues(findings.label_issues, labelled.total, pictures),
        least_confident=shots(main.least_confident, pictures) if labelled.total == main.total else (),
    )


def _sentence(labelled: LabelledMetrics) -> str:
    wrong = labelled.total - labelled.correct
    if not wrong:
        return "Every labelled image is right."
    were = "is" if wrong == 1 else "are"
    of = f"{count(wrong)} of {counted(labelled.total, 'labelled image')} {were} wrong"
    shown = len(labelled.worst_errors)
    if wrong == 1:
        return f"{of}."
    if all(isnan(each.confidence) for each in labelled.worst_errors):
        which = "all" if shown == wrong else f"the first {shown} by path"
        return f"{of}; shown: {which}. Look for wrong labels and for images that people find hard, too."
    which = "all" if shown == wrong else f"the {shown} most confident"
    return (
        f"{of}; shown: {which}, most confident first. Look for wrong labels and for images that people find hard, too."
    )


def _pair(pair: ConfusedPair, labelled: LabelledMetrics, pictures: Pictures) -> PairView:
    names = labelled.confusion.class_names
    cell = names.index(pair.label), names.index(pair.prediction)
    return PairView(
        label=class_name(pair.label),
        prediction=class_name(pair.prediction),
        count=count(pair.count),
        share=percent(pair.share),
        examples=shots(labelled.examples.get(cell, ())[:PAIR_IMAGES], pictures),
    )


def _part(labelled: LabelledMetrics) -> str:
    """Say how many of the pairs there are and how many errors they hold; nothing where they are all shown."""
    counts, correct = labelled.confusion.counts, labelled.confusion.correct
    there = int((counts > 0).sum() - (correct > 0).sum())
    pairs = labelled.confused_pairs
    if len(pairs) == there:
        return ""
    held = sum(pair.count for pair in pairs) / (labelled.total - labelled.correct)
    return f"Showing the {len(pairs)} largest of {counted(there, 'pair')}; they hold {percent(held)} of all errors."


def _label_issues(found: LabelIssues | None, labelled: int, pictures: Pictures) -> LabelIssuesView:
    if found is None:
        return LabelIssuesView("This run did not look for label issues.", "", ())
    if found.missing:
        why = f"this {found.missing}" if found.missing.startswith("needs") else found.missing
        return LabelIssuesView(f"Label issues not checked: {why}.", "", ())
    if not found.images:
        return LabelIssuesView(f"No label issues found in {counted(labelled, 'label')}.", found.method, ())
    return LabelIssuesView(_issues_sentence(found, labelled), found.method, shots(found.shown, pictures))


def _issues_sentence(found: LabelIssues, labelled: int) -> str:
    of = f"{count(found.images)} of {counted(labelled, 'label')} ({percent(found.images / labelled)})"
    are = "is" if found.images == 1 else "are"
    shown = f"; the {len(found.shown)} most likely are shown" if len(found.shown) < found.images else ""
    return f"{of} {are} probably wrong{shown}. Check each one: a label issue is a suspicion, not proof."
