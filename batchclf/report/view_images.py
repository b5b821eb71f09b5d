"""The parts of the report that show single images: galleries, unlabelled predictions, skipped files."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from batchclf.core.evaluation import Evaluation
from batchclf.core.types import Prediction, SkippedImage
from batchclf.report.view_format import count, counted, percent, visible

Pictures = Mapping[tuple[str, str], bytes]
SHOWN_SKIPS = 50
PIXELATED_BELOW = 64
"""Pictures of at most this many pixels a side are enlarged with hard pixel edges."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A PNG as a data URI; `small` ones are enlarged without smoothing."""

    source: str
    width: int
    height: int
    small: bool


@dataclass(frozen=True)
class Shot:
    """One image of a gallery; `label` is None where unknown, `picture` where there is none."""

    picture: Picture | None
    path: str
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
    """How many images were predicted as one class; `width` is the CSS width of its bar in percent."""

    name: str
    count: str
    share: str
    width: str


@dataclass(frozen=True)
class UnlabelledView:
    """What can be shown of images that have no label; `note` says how many those are."""

    split: str
    note: str
    predicted: tuple[PredictedRow, ...]
    histogram: HistogramPanel
    least_confident: tuple[Shot, ...]


@dataclass(frozen=True)
class SkippedRow:
    """One skipped file; `label` is empty where unknown."""

    path: str
    label: str
    reason: str


@dataclass(frozen=True)
class SkippedView:
    """The first skipped files; `more` is the number of those left out, empty for none."""

    total: int
    rows: tuple[SkippedRow, ...]
    more: str


def shots(images: Iterable[Prediction], pictures: Pictures) -> tuple[Shot, ...]:
    """Make gallery entries, in the order given."""
    return tuple(
        Shot(
            picture=_picture(pictures.get((image.split, image.path))),
            path=visible(image.path),
            label=None if image.label is None else visible(image.label),
            prediction=visible(image.prediction),
            confidence=percent(image.confidence),
            margin=percent(image.margin),
        )
        for image in images
    )


def _picture(png: bytes | None) -> Picture | None:
    if png is None:
        return None
    if not png.startswith(_PNG_SIGNATURE):
        raise ValueError("pictures must be PNG bytes")
    # The size stands at a fixed place: the IHDR chunk comes first (PNG specification, 5.6 and 11.2.1).
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return Picture(source, width, height, max(width, height) <= PIXELATED_BELOW)


def right_and_wrong(evaluation: Evaluation) -> tuple[HistogramPanel, ...]:
    """Split the confidences into right and wrong; nothing where not every image has a label."""
    if evaluation.labelled is None or evaluation.labelled.total < evaluation.total:
        return ()
    right = evaluation.confidence_correct
    wrong = evaluation.confidence_counts - right
    panels = (_panel("right", "right", right.tolist()), _panel("wrong", "wrong", wrong.tolist()))
    return tuple(panel for panel in panels if any(panel.counts))


def _panel(kind: str, word: str, counts: list[int]) -> HistogramPanel:
    images = counted(sum(counts), f"{word} prediction" if word else "prediction")
    return HistogramPanel(kind, images, tuple(counts))


def unlabelled_view(evaluation: Evaluation, source: str, pictures: Pictures) -> UnlabelledView:
    """Show the predictions of a target of which some or all images have no label."""
    known = evaluation.labelled.total if evaluation.labelled else 0
    total = evaluation.total
    if known:
        note = f"{count(total - known)} of {counted(total, 'image')} have no label."
    else:
        note = f"None of the {counted(total, 'image')} has a label."
    numbers = evaluation.predicted_counts.tolist()
    most = max(numbers, default=0) or 1
    order = sorted(range(len(numbers)), key=lambda i: -numbers[i])
    rows = tuple(
        PredictedRow(
            name=visible(evaluation.class_names[i]),
            count=count(numbers[i]),
            share=percent(numbers[i] / total) if total else percent(0.0),
            width=f"{100 * numbers[i] / most:.1f}%",
        )
        for i in order
    )
    return UnlabelledView(
        split=visible(source),
        note=note,
        predicted=rows,
        histogram=_panel("all", "", evaluation.confidence_counts.tolist()),
        least_confident=shots(evaluation.least_confident, pictures),
    )


def skipped_view(skipped: Iterable[SkippedImage]) -> SkippedView:
    """List the first skipped files and count the rest; there may be more of them than fit into memory."""
    iterator = iter(skipped)
    rows = tuple(
        SkippedRow(visible(skip.ref.path), visible(skip.ref.label or ""), visible(skip.reason))
        for skip in islice(iterator, SHOWN_SKIPS)
    )
    more = sum(1 for _ in iterator)
    return SkippedView(len(rows) + more, rows, count(more) if more else "")
