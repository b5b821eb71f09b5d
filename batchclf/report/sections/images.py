"""The parts of the report that show single images: galleries, unlabelled predictions, skipped files."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.records.findings import Findings
from batchclf.core.records.run import SubsetRecord
from batchclf.core.suffixes import left_out_words
from batchclf.core.text import count, counted, exact_percent, percent, visible
from batchclf.core.types import Prediction, SkippedImage
from batchclf.report.parts.bar import Bar, bar
from batchclf.report.parts.markdown_text import code, prose
from batchclf.report.parts.pictures import Picture, Pictures, exact_text
from batchclf.report.parts.subset_words import subset_place

SHOWN_SKIPS = 50
SHOWN_PREDICTED = 100
SHOWN_REASONS = 12
NAMED_REASONS = 3
LONGEST_REASON = 200

MOST_REASONS = 10_000
"""So many different reasons are counted apart: some name the file, and there may be more of them than memory."""


@dataclass(frozen=True)
class Shot:
    """One image of a gallery; `label` is None where unknown, `picture` where there is none.

    `split` and `exact` are what the predictions know it by: `exact` is its path as `exact_text` gives it.
    """

    picture: Picture | None
    split: str
    path: str
    exact: list[str]
    label: str | None
    prediction: str
    confidence: str
    margin: str


@dataclass(frozen=True)
class HistogramPanel:
    """How many images there are in each of 20 equal confidence bins from 0 to 1; `kind` colours it."""

    kind: str
    title: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class PredictedRow:
    """How many images were predicted as one class; the bar is full for the most frequent class."""

    name: str
    count: str
    share: str
    bar: Bar


@dataclass(frozen=True)
class ConfidenceRow:
    """How many images have a confidence in one bin."""

    confidence: str
    images: str
    share: str


@dataclass(frozen=True)
class UnlabelledView:
    """What can be shown of images that have no label; `note` says how many those are.

    `split` is what the subset is called, `place` where it is, empty where the name says it. `predicted` are the most
    frequent classes, `predicted_part` says of how many; `bins` are those of `histogram`, which is None if no
    confidence is known.
    """

    split: str
    place: str
    note: str
    predicted: tuple[PredictedRow, ...]
    predicted_part: str
    histogram: HistogramPanel | None
    bins: tuple[ConfidenceRow, ...]
    least_confident: tuple[Shot, ...]


@dataclass(frozen=True)
class SkippedRow:
    """One skipped file; `label` is empty where unknown."""

    path: str
    label: str
    reason: str


@dataclass(frozen=True)
class ReasonRow:
    """How many files were skipped for one reason, and the first of them."""

    reason: str
    files: str
    example: str


@dataclass(frozen=True)
class SkippedView:
    """The first skipped files; `more` is the number of those left out, empty for none.

    `reasons` are the most frequent ones, `other_reasons` says for how many files there are others. `left_out`
    counts the files that are no images by their suffix, empty without any.
    """

    total: int
    rows: tuple[SkippedRow, ...]
    more: str
    reasons: tuple[ReasonRow, ...]
    other_reasons: str
    left_out: str


def shots(images: Iterable[Prediction], pictures: Pictures) -> tuple[Shot, ...]:
    """Make gallery entries, in the order given."""
    return tuple(
        Shot(
            picture=pictures.get((image.split, image.path)),
            split=visible(image.split),
            path=visible(image.path),
            exact=exact_text(image.path, visible(image.path)),
            label=None if image.label is None else visible(image.label),
            prediction=visible(image.prediction),
            confidence=percent(image.confidence),
            margin=percent(image.margin),
        )
        for image in images
    )


def predicted_rows(evaluation: Evaluation, most: int) -> tuple[tuple[PredictedRow, ...], str]:
    """Show the `most` most frequent predictions; the text says of how many classes, empty where these are all."""
    numbers, total = evaluation.predicted_counts.tolist(), evaluation.total
    largest = max(numbers, default=0) or 1
    order = sorted(range(len(numbers)), key=lambda i: -numbers[i])
    rows = tuple(
        PredictedRow(
            name=visible(evaluation.class_names[i]),
            count=count(numbers[i]),
            share=percent(numbers[i] / total) if total else percent(0.0),
            bar=bar(numbers[i] / largest, None),
        )
        for i in order[:most]
    )
    return rows, f"showing {len(rows)} of {count(len(order))} classes" if len(rows) < len(order) else ""


def unlabelled_views(findings: Findings, names: Mapping[str, str], pictures: Pictures) -> tuple[UnlabelledView, ...]:
    """Show the predictions of each subset of which some or all images have no label; `names` has what it is called."""
    places = {subset.split: subset_place(subset) for subset in findings.record.subsets}
    return tuple(
        _unlabelled(each, names.get(each.split, each.split or "directory"), places.get(each.split, ""), pictures)
        for each in findings.evaluations
        if each.total and (each.labelled is None or each.labelled.total < each.total)
    )


def _unlabelled(evaluation: Evaluation, name: str, place: str, pictures: Pictures) -> UnlabelledView:
    known = evaluation.labelled.total if evaluation.labelled else 0
    total = evaluation.total
    if known:
        note = f"{count(total - known)} of {counted(total, 'image')} have no label."
    else:
        note = f"None of {counted(total, 'image')} has a label."
    rows, part = predicted_rows(evaluation, SHOWN_PREDICTED)
    counts = evaluation.confidence_counts.tolist()
    return UnlabelledView(
        split=visible(name),
        place=place,
        note=note,
        predicted=rows,
        predicted_part=part,
        histogram=HistogramPanel("all", counted(sum(counts), "prediction"), tuple(counts)) if any(counts) else None,
        bins=tuple(_confidence_row(place, len(counts), number, total) for place, number in enumerate(counts)),
        least_confident=shots(evaluation.least_confident, pictures),
    )


def _confidence_row(place: int, bins: int, number: int, total: int) -> ConfidenceRow:
    between = f"{exact_percent(place / bins)} to {exact_percent((place + 1) / bins)}"
    return ConfidenceRow(between, count(number), percent(number / total) if total else percent(0.0))


def skipped_view(skipped: Iterable[SkippedImage], subsets: Sequence[SubsetRecord]) -> SkippedView:
    """List the first skipped files and count the rest; there may be more of them than fit into memory."""
    rows: list[SkippedRow] = []
    reasons: Counter[str] = Counter()
    firsts: dict[str, str] = {}
    total = 0
    for skip in skipped:
        total += 1
        if len(rows) < SHOWN_SKIPS:
            rows.append(SkippedRow(visible(skip.ref.path), visible(skip.ref.label or ""), visible(skip.reason)))
        if skip.reason in reasons or len(reasons) < MOST_REASONS:
            reasons[skip.reason] += 1
            firsts.setdefault(skip.reason, skip.ref.path)
    shown = reasons.most_common(SHOWN_REASONS)
    more, others = total - len(rows), total - sum(number for _, number in shown)
    return SkippedView(
        total=total,
        rows=tuple(rows),
        more=count(more) if more else "",
        reasons=tuple(ReasonRow(visible(reason), count(number), visible(firsts[reason])) for reason, number in shown),
        other_reasons=f"{counted(others, 'file')} for other reasons" if others else "",
        left_out=_left_out(subsets),
    )


def _left_out(subsets: Sequence[SubsetRecord]) -> str:
    files: Counter[str] = Counter()
    for subset in subsets:
        files.update(subset.excluded_suffixes)
    return left_out_words(files)


@dataclass(frozen=True)
class SkippedReason:
    """How many images were skipped for a reason."""

    reason: str
    images: int


def skipped_reasons(skipped: Iterable[SkippedImage]) -> list[SkippedReason]:
    """Count the skipped images by reason, the most frequent first."""
    reasons = Counter(each.reason for each in skipped)
    return [SkippedReason(reason, images) for reason, images in reasons.most_common()]


def skipped_lines(skipped: Iterable[SkippedImage], subsets: Sequence[SubsetRecord]) -> list[str]:
    """Count the skipped images by reason in Markdown, and the files that are left out by their suffix."""
    reasons = skipped_reasons(skipped)
    total = sum(each.images for each in reasons)
    left_out = [f"- Left out by suffix: {prose(words)}"] if (words := _left_out(subsets)) else []
    if not total:
        return ["- Skipped: none", *left_out]
    shown = [f"{code(each.reason, LONGEST_REASON)} {count(each.images)}×" for each in reasons[:NAMED_REASONS]]
    more = len(reasons) - len(shown)
    others = f" and {more} more reasons" if more else ""
    return [f"- Skipped: {counted(total, 'image')}: {', '.join(shown)}{others}", *left_out]
