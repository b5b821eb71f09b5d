"""The part of the report on confidence: can it be trusted, and what is left where only sure predictions are used."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchclf.core.text import (
    NOTHING,
    count,
    counted,
    decimal,
    exact_percent,
    percent,
    percent_interval,
    points,
    points_apart,
)
from batchclf.core.training_record import TemperatureRecord, TrainingRecord
from batchclf.report.parts.metric_words import metric_words
from batchclf.report.sections.images import HistogramPanel

if TYPE_CHECKING:
    from batchclf.core.metrics.calibration import Calibration, CalibrationBin, CoveragePoint
    from batchclf.core.metrics.labelled import LabelledMetrics
    from batchclf.core.metrics.temperature import WithoutTemperature

THRESHOLDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Those of the coverage curve's thresholds that are shown in sight; all stand in the table behind the chart."""

EXAMPLE = 0.9
WHAT_IT_IS = (
    "The model's logits are divided by its temperature before the softmax: above 1 predictions become less confident, "
    "below 1 more confident; the predicted classes stay the same."
)


@dataclass(frozen=True)
class TemperatureRow:
    """One number, without the temperature and with it; `on` says of which images it is."""

    name: str
    on: str
    without: str
    with_it: str


@dataclass(frozen=True)
class TemperatureView:
    """`missing` says why nothing is known of the scored images.

    `bins` are those of the reliability diagram without the temperature, empty where they are not known.
    """

    sentence: str
    missing: str
    rows: tuple[TemperatureRow, ...]
    bins: "tuple[CalibrationBin, ...]"


@dataclass(frozen=True)
class CoverageRow:
    """What is left with a threshold: how many images, their share, and their accuracy with its interval."""

    threshold: str
    images: str
    coverage: str
    accuracy: str
    accuracy_interval: str


@dataclass(frozen=True)
class BinRow:
    """The images of one bin of confidence; `difference` is confidence minus accuracy in points."""

    confidence: str
    images: str
    right: str
    wrong: str
    mean: str
    accuracy: str
    accuracy_interval: str
    difference: str


@dataclass(frozen=True)
class CalibrationView:
    """`missing` says why nothing is known; all but `temperature` is empty then. `coverage` are the points of the curve.

    `few` are rows for a few thresholds, `steps` for all at which something changes. `temperature` is None where the
    model has none.
    """

    missing: str
    sentence: str
    example: str
    bins: "tuple[CalibrationBin, ...]"
    bin_rows: tuple[BinRow, ...]
    coverage: "tuple[CoveragePoint, ...]"
    few: tuple[CoverageRow, ...]
    steps: tuple[CoverageRow, ...]
    panels: tuple[HistogramPanel, ...]
    temperature: TemperatureView | None = None


def calibration_view(labelled: "LabelledMetrics", training: TrainingRecord | None = None) -> CalibrationView:
    """Show how the labelled images' confidence compares with how many of them are right.

    `training` has the model's temperature, if it has one.
    """
    temperature = temperature_view(training, labelled)
    if labelled.calibration is None:
        missing = (
            "The predictions have no confidence. Calibration error, reliability diagram and coverage need the "
            "probability of each prediction."
        )
        return CalibrationView(missing, "", "", (), (), (), (), (), (), temperature)
    found = labelled.calibration
    return CalibrationView(
        missing="",
        sentence=_sentence(found, labelled),
        example=_example(found.coverage),
        bins=found.bins,
        bin_rows=tuple(map(_bin_row, found.bins)),
        coverage=found.coverage,
        few=tuple(_coverage_row(point) for point in found.coverage if point.threshold in THRESHOLDS),
        steps=tuple(map(_coverage_row, _changing(found.coverage))),
        panels=_panels(found.bins),
        temperature=temperature,
    )


def _sentence(found: "Calibration", labelled: "LabelledMetrics") -> str:
    from batchclf.core.metrics.intervals import wilson

    sure = sum(each.images for each in found.bins)
    accuracy = labelled.accuracy if sure == labelled.total else wilson(sum(each.correct for each in found.bins), sure)
    confidence = accuracy.value + found.overconfidence
    error = (
        f"Confidence and accuracy differ by {points_apart(found.ece)} points on average "
        f"(expected calibration error, ECE, {decimal(found.ece)})"
    )
    if sure < labelled.total:
        error = (
            f"Of {counted(labelled.total, 'labelled image')} {count(labelled.total - sure)} have no confidence and are "
            f"not included. {error}"
        )
    facts = f"ean confidence is {percent(confidence)}, accuracy {percent(accuracy.value)}"
    size = points_apart(found.overconfidence)
    if accuracy.interval.low <= confidence <= accuracy.interval.high:
        interval = f"95% interval {percent_interval(accuracy)}"
        return f"{error}. M{facts} ({interval}): no evidence of over- or underconfidence."
    if found.overconfidence > 0:
        return f"{error}. The model is overconfident by {size} points: m{facts}."
    return f"{error}. The model is underconfident by {size} points: m{facts}."


def _example(coverage: "tuple[CoveragePoint, ...]") -> str:
    point = next(each for each in coverage if each.threshold == EXAMPLE)
    lead = f"With a confidence of at least {exact_percent(EXAMPLE)}"
    if point.accuracy is None:
        return f"{lead}: no images."
    return (
        f"{lead}: {percent(point.coverage)} of the images, accuracy {percent(point.accuracy.value)} "
        f"(95% interval {percent_interval(point.accuracy)})."
    )


def _bin_row(each: "CalibrationBin") -> BinRow:
    known = each.accuracy is not None and each.confidence is not None
    return BinRow(
        confidence=f"{exact_percent(each.low)} to {exact_percent(each.high)}",
        images=count(each.images),
        right=count(each.correct),
        wrong=count(each.images - each.correct),
        mean=percent(each.confidence) if each.confidence is not None else NOTHING,
        accuracy=percent(each.accuracy.value) if each.accuracy else NOTHING,
        accuracy_interval=percent_interval(each.accuracy) if each.accuracy else "",
        difference=points(each.confidence - each.accuracy.value) if known else NOTHING,  # type: ignore[operator, union-attr]
    )


def _coverage_row(point: "CoveragePoint") -> CoverageRow:
    return CoverageRow(
        threshold=exact_percent(point.threshold),
        images=count(point.images),
        coverage=percent(point.coverage),
        accuracy=percent(point.accuracy.value) if point.accuracy else NOTHING,
        accuracy_interval=percent_interval(point.accuracy) if point.accuracy else "",
    )


def _changing(coverage: "tuple[CoveragePoint, ...]") -> "list[CoveragePoint]":
    """Leave out thresholds that leave the same images as the next higher one."""
    following = [*(point.images for point in coverage[1:]), -1]
    return [point for point, after in zip(coverage, following, strict=True) if point.images != after]


def _panels(bins: "tuple[CalibrationBin, ...]") -> tuple[HistogramPanel, ...]:
    right = tuple(each.correct for each in bins)
    wrong = tuple(each.images - each.correct for each in bins)
    return tuple(
        HistogramPanel(kind, counted(sum(counts), f"{kind} prediction"), counts)
        for kind, counts in (("right", right), ("wrong", wrong))
        if any(counts)
    )


def temperature_view(
    training: TrainingRecord | None, labelled: "LabelledMetrics | None" = None
) -> TemperatureView | None:
    """Show the temperature on the labelled images of a run, and on the validation images when it was chosen.

    None where the model has none.
    """
    record = training.temperature if training else None
    if record is None:
        return None
    scored: tuple[TemperatureRow, ...] = ()
    before = labelled.without_temperature if labelled else None
    if labelled and before and labelled.calibration:
        scored = _scored(before, labelled.calibration, labelled)
    missing = ""
    if labelled and not scored and record.temperature != 1:
        missing = "Metrics without it need the probabilities of all classes: score with --probabilities."
    return TemperatureView(
        sentence=_temperature_sentence(record),
        missing=missing,
        rows=scored + _chosen_on(record),
        bins=before.bins if before else (),
    )


def _temperature_sentence(record: TemperatureRecord) -> str:
    value = decimal(record.temperature)
    does = "which changes almost nothing"
    if value != decimal(1):
        does = (
            "which makes predictions less confident"
            if record.temperature > 1
            else "which makes predictions more confident"
        )
    return (
        f"{WHAT_IT_IS} This model's is {value}, {does}. It minimises log loss on "
        f"{counted(record.images, 'validation image')}; test images were not used."
    )


def _scored(
    before: "WithoutTemperature", after: "Calibration", labelled: "LabelledMetrics"
) -> tuple[TemperatureRow, ...]:
    on = f"{counted(labelled.total, 'labelled image')} of this run"
    loss = labelled.metric("log_loss")
    return (
        TemperatureRow(metric_words("ece")[0], on, decimal(before.ece), decimal(after.ece)),
        TemperatureRow(
            metric_words("log_loss")[0], on, decimal(before.log_loss), decimal(loss.value) if loss else NOTHING
        ),
        TemperatureRow(
            "Confidence minus accuracy (points)", on, points(before.overconfidence), points(after.overconfidence)
        ),
    )


def _chosen_on(record: TemperatureRecord) -> tuple[TemperatureRow, ...]:
    on = f"{counted(record.images, 'validation image')}, when it was fitted"
    return (
        TemperatureRow(metric_words("ece")[0], on, *map(decimal, record.ece)),
        TemperatureRow(metric_words("log_loss")[0], on, *map(decimal, record.log_loss)),
    )


def temperature_lines(labelled: "LabelledMetrics | None") -> list[str]:
    """Say in Markdown what the model's temperature does to the calibration; nothing if that is not known."""
    before = labelled.without_temperature if labelled else None
    if labelled is None or before is None or labelled.calibration is None:
        return []
    return [
        f"- Temperature {decimal(before.temperature)}: calibration error (ECE) {decimal(before.ece)} without it, "
        f"{decimal(labelled.calibration.ece)} with it"
    ]
