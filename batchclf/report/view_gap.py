"""The part of the report on overfitting: train against test, and how training went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from batchclf.core.evaluation import Evaluation
from batchclf.core.gap import Gap
from batchclf.core.intervals import Estimate
from batchclf.report.view_format import (
    NOTHING,
    decimal,
    percent,
    percent_interval,
    points,
    points_interval,
    signed,
    visible,
)

SHOWN_DUMBBELLS = 25


@dataclass(frozen=True)
class GapRow:
    """Train, test and their difference with 95% intervals; `clear` where the interval leaves out zero."""

    name: str
    train: str
    train_interval: str
    test: str
    test_interval: str
    gap: str
    gap_interval: str
    clear: bool


@dataclass(frozen=True)
class Losses:
    """Log losses and what test is above train."""

    train: str
    test: str
    gap: str


@dataclass(frozen=True)
class Dumbbell:
    """One class of the dumbbell chart: recall on train and on test, 0 to 1."""

    name: str
    train: float
    test: float


@dataclass(frozen=True)
class Curve:
    """One metric of training, a value an epoch; `test` is empty where it was not measured."""

    metric: str
    train: tuple[float, ...]
    test: tuple[float, ...]


@dataclass(frozen=True)
class GapView:
    """`missing` says why there is no gap; everything but the curves is empty then."""

    missing: str
    level: str
    sentence: str
    overall: GapRow | None
    rows: tuple[GapRow, ...]
    losses: Losses | None
    dumbbells: tuple[Dumbbell, ...]
    hidden: int
    curves: tuple[Curve, ...]


def gap_view(gap: Gap | None, evaluations: Sequence[Evaluation], history: Mapping[str, Sequence[float]]) -> GapView:
    """Show the gap, or why there is none, with the learning curves."""
    curves = _curves(history)
    if gap is None:
        return GapView(_why_missing(evaluations), "", "", None, (), None, (), 0, curves)
    ordered = sorted(gap.per_class, key=lambda c: -c.gap.value if c.gap else 2.0)
    dumbbells = tuple(
        Dumbbell(visible(c.name), c.train.value, c.test.value)
        for c in ordered
        if c.train is not None and c.test is not None
    )
    losses = None
    if gap.train_loss is not None and gap.test_loss is not None and gap.loss_gap is not None:
        losses = Losses(decimal(gap.train_loss), decimal(gap.test_loss), signed(gap.loss_gap, 3))
    return GapView(
        missing="",
        level=gap.overfitting,
        sentence=gap.sentence,
        overall=_row("All classes", gap.train, gap.test, gap.gap),
        rows=tuple(_row(visible(c.name), c.train, c.test, c.gap) for c in ordered),
        losses=losses,
        dumbbells=dumbbells[:SHOWN_DUMBBELLS],
        hidden=max(0, len(dumbbells) - SHOWN_DUMBBELLS),
        curves=curves,
    )


def _row(name: str, train: Estimate | None, test: Estimate | None, gap: Estimate | None) -> GapRow:
    return GapRow(
        name=name,
        train=percent(train.value) if train else NOTHING,
        train_interval=percent_interval(train) if train else "",
        test=percent(test.value) if test else NOTHING,
        test_interval=percent_interval(test) if test else "",
        gap=points(gap.value) if gap else NOTHING,
        gap_interval=points_interval(gap) if gap else "",
        clear=gap is not None and not gap.interval.low <= 0 <= gap.interval.high,
    )


def _why_missing(evaluations: Sequence[Evaluation]) -> str:
    splits = {evaluation.split: evaluation for evaluation in evaluations}
    other = {"test": "train", "train": "test"}
    scored = [split for split in other if split in splits]
    if not scored:
        return (
            "The gap compares a model's accuracy on the images it was trained on with its accuracy on new "
            "ones. This run scored a directory, not the train and test splits of a data set."
        )
    if len(scored) == 1:
        return (
            f"Only the {scored[0]} split was scored. To see how much of the train accuracy carries over to "
            f"new images, score the {other[scored[0]]} split with the same model as well."
        )
    bare = [split for split in scored if splits[split].labelled is None]
    if bare:
        return f"The images of the {' and the '.join(bare)} split have no labels, so there is no accuracy."
    return "The two splits were not scored by the same model and classes, so they cannot be compared."


def _curves(history: Mapping[str, Sequence[float]]) -> tuple[Curve, ...]:
    curves = []
    for metric in ("accuracy", "loss"):
        curve = Curve(metric, tuple(history.get(metric, ())), tuple(history.get(f"val_{metric}", ())))
        if any(map(isfinite, curve.train + curve.test)):
            curves.append(curve)
    return tuple(curves)
