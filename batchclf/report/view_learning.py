"""How training went: the learning curves, their best epoch, and the numbers behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from batchclf.report.view_format import NOTHING, count, decimal, percent

MOST_EPOCHS = 100
"""So many epochs are listed; of more than these some are chosen evenly."""


@dataclass(frozen=True)
class Curve:
    """One metric of training, a value an epoch; `test` is empty where it was not measured."""

    metric: str
    train: tuple[float, ...]
    test: tuple[float, ...]


@dataclass(frozen=True)
class EpochRow:
    """One epoch with a value for each of `LearningView.columns`."""

    epoch: str
    values: tuple[str, ...]
    best: bool


@dataclass(frozen=True)
class LearningView:
    """`missing` says why there are no curves. `best` is the epoch of the lowest test loss, from 1 on."""

    missing: str
    curves: tuple[Curve, ...]
    best: int | None
    sentence: str
    columns: tuple[str, ...]
    rows: tuple[EpochRow, ...]
    part: str


def learning_view(history: Mapping[str, Sequence[float]]) -> LearningView:
    """Show a model's training history; values that are not finite are shown as missing."""
    curves = _curves(history)
    if not curves:
        missing = (
            "The model comes without a training history, so there are no learning curves; "
            "a model that `batchclf train` or a job has trained brings one."
        )
        return LearningView(missing, (), None, "", (), (), "")
    epochs = max(len(values) for curve in curves for values in (curve.train, curve.test))
    best = _best(history.get("val_loss", ()))
    series = [
        (f"{word} {curve.metric}", percent if curve.metric == "accuracy" else decimal, values)
        for curve in curves
        for word, values in (("Train", curve.train), ("Test", curve.test))
        if values
    ]
    listed = _listed(epochs, best)
    rows = tuple(
        EpochRow(
            epoch=count(epoch),
            values=tuple(shown(values[epoch - 1]) if epoch <= len(values) else NOTHING for _, shown, values in series),
            best=epoch == best,
        )
        for epoch in listed
    )
    return LearningView(
        missing="",
        curves=curves,
        best=best if epochs > 1 else None,
        sentence=_sentence(epochs, best, history.get("val_loss", ())),
        columns=tuple(name for name, _, _ in series),
        rows=rows,
        part=f"showing {len(rows)} of {count(epochs)} epochs" if len(rows) < epochs else "",
    )


def _curves(history: Mapping[str, Sequence[float]]) -> tuple[Curve, ...]:
    curves = []
    for metric in ("accuracy", "loss"):
        curve = Curve(metric, tuple(history.get(metric, ())), tuple(history.get(f"val_{metric}", ())))
        if any(map(isfinite, curve.train + curve.test)):
            curves.append(curve)
    return tuple(curves)


def _best(losses: Sequence[float]) -> int | None:
    finite = [epoch for epoch, loss in enumerate(losses, 1) if isfinite(loss)]
    return min(finite, key=lambda epoch: losses[epoch - 1], default=None)


def _listed(epochs: int, best: int | None) -> list[int]:
    if epochs <= MOST_EPOCHS:
        return list(range(1, epochs + 1))
    even = np.unique(np.linspace(1, epochs, MOST_EPOCHS - 1).round().astype(int)).tolist()
    return sorted({*even, best or 1})


def _sentence(epochs: int, best: int | None, losses: Sequence[float]) -> str:
    if epochs == 1:
        return "The model was trained for one epoch, so there is no course to see."
    if best is None:
        return "The test loss was not measured while the model learnt, so no epoch can be called the best."
    lowest = f"The test loss was lowest after epoch {count(best)} of {count(epochs)} ({decimal(losses[best - 1])})"
    if best == len(losses):
        return f"{lowest}, the last one: more epochs may help."
    if not isfinite(losses[-1]):
        return f"{lowest}; at the end it is no finite number any more: training went astray."
    return f"{lowest}; at the end it is {decimal(losses[-1])}, so fewer epochs may do as well."
