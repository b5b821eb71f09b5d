"""How large a page may be, and what it shows of the images within that."""

from collections.abc import Iterable, Sequence
from itertools import chain
from math import log10

from batchclf.core.records.findings import Findings
from batchclf.core.types import Prediction
from batchclf.report.parts.pictures import Picture

SMALLEST, LARGEST = 1_500_000, 4_000_000
"""Bytes of a page of up to 10 and of 1,000 classes; between them it grows with the logarithm, as with each digit."""


def page_budget(classes: int) -> int:
    """Say how many bytes a page on so many classes may have at most."""
    grown = min(max(log10(max(classes, 1)), 1.0), 3.0)
    return round(SMALLEST + (LARGEST - SMALLEST) * (grown - 1) / 2)


def wanted(findings: Findings) -> tuple[Prediction, ...]:
    """Name the images that the page would show, the most important first, each once."""
    labelled, label_issues = findings.main.labelled, findings.label_issues
    changed = _changed(findings)
    groups: list[Iterable[Prediction]] = [changed.pop(findings.main.split, ())]
    if labelled:
        groups.append(labelled.worst_errors)
    if findings.slices and findings.slices.search:
        groups += [weak.errors for weak in findings.slices.search.weakest]
    groups += changed.values()
    if label_issues:
        groups.append(label_issues.shown)
    groups += _further_errors(findings)
    if labelled:
        from batchclf.report.sections.confusion import shown_examples

        groups.append(shown_examples(labelled))
    groups += [evaluation.least_confident for evaluation in findings.evaluations]
    return tuple({(row.split, row.path): row for row in chain.from_iterable(groups)}.values())


def _changed(findings: Findings) -> dict[str, tuple[Prediction, ...]]:
    if not findings.flips and findings.change is None:
        return {}
    from batchclf.report.sections.flips import compared_subsets, flipped

    return {each.split: flipped(each) for each in compared_subsets(findings)}


def _further_errors(findings: Findings) -> list[tuple[Prediction, ...]]:
    if len(findings.evaluations) == 1:
        return []
    from batchclf.report.sections.subsets import further_directories

    return [each.labelled.worst_errors for each in further_directories(findings) if each.labelled]


def fitting(pictures: Sequence[Picture], room: int) -> tuple[Picture, ...]:
    """Choose the pictures that fit into `room` bytes, the first ones first."""
    chosen = []
    for picture in pictures:
        room -= picture.size
        if room < 0:
            break
        chosen.append(picture)
    return tuple(chosen)
