"""How training went: the learning curves, which epoch was kept and why, and the numbers behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from batchclf.core.text import NOTHING, count, counted, decimal, listed, percent
from batchclf.core.training_record import Held, TrainingRecord

_FLIP_TTA = (
    " The curves are without flip TTA (test-time augmentation: logits averaged over each image and its mirror image); "
    "all other numbers are with it."
)

MOST_EPOCHS = 100
"""So many epochs are listed; of more than these some are chosen evenly."""


@dataclass(frozen=True)
class Curve:
    """One metric of training, a value an epoch; `held` is that of the images not trained on, empty without any."""

    metric: str
    train: tuple[float, ...]
    held: tuple[float, ...]


@dataclass(frozen=True)
class EpochRow:
    """One epoch with a value for each of `LearningView.columns`; `note` says what is special about it."""

    epoch: str
    values: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class LearningView:
    """`missing` says why there are no curves.

    `held` is which images the epochs were measured on. `best` is the epoch of the lowest loss on them, `kept` the one
    whose weights the model has, both from 1 on; None where it is not known, and `best` also where there is one epoch.
    `chosen` says which images chose what.
    """

    missing: str
    held: Held
    curves: tuple[Curve, ...]
    best: int | None
    kept: int | None
    sentence: str
    chosen: str
    columns: tuple[str, ...]
    rows: tuple[EpochRow, ...]
    part: str


def learning_view(
    history: Mapping[str, Sequence[float]],
    training: TrainingRecord | None,
    settings: Mapping[str, int | float | str | bool],
) -> LearningView:
    """Show the history of a model that was trained with these settings; values that are not finite are missing ones.

    Without `training`, as in models of old, the `val_*` metrics are those of the test split. With `patience` the
    validation loss could have ended the training; with `flip_tta` the model averages its logits for each image and
    its mirror image, which the network that was trained did not; `ensemble_size` is how many networks it averages.
    """
    held: Held = "test" if training is None else training.measured_on
    curves = _curves(history)
    if not curves:
        missing = (
            "The model has no training history, so there are no learning curves. Models trained by `batchclf train` "
            "or by a job have one."
        )
        return LearningView(missing, held, (), None, None, "", "", (), (), "")
    epochs = max(len(values) for curve in curves for values in (curve.train, curve.held))
    losses = history.get("val_loss", ())
    best, kept = _best(losses), None if training is None else training.kept_epoch
    series = [
        (f"{word} {curve.metric}", percent if curve.metric == "accuracy" else decimal, values)
        for curve in curves
        for word, values in (("Train", curve.train), (held.capitalize(), curve.held))
        if values
    ]
    rows = tuple(
        EpochRow(
            epoch=count(epoch),
            values=tuple(shown(values[epoch - 1]) if epoch <= len(values) else NOTHING for _, shown, values in series),
            note=", ".join(word for word, at in (("best", best), ("kept", kept)) if at == epoch),
        )
        for epoch in _listed(epochs, {best, kept})
    )
    return LearningView(
        missing="",
        held=held,
        curves=curves,
        best=best if epochs > 1 else None,
        kept=kept,
        sentence=_sentence(epochs, best, losses, held, training),
        chosen=_chosen(training, bool(settings.get("patience"))) + _averaged(settings),
        columns=tuple(name for name, _, _ in series),
        rows=rows,
        part=f"showing {len(rows)} of {count(epochs)} epochs" if len(rows) < epochs else "",
    )


def _averaged(settings: Mapping[str, int | float | str | bool]) -> str:
    sentence, ensemble_size = "", int(settings.get("ensemble_size", 1))
    if ensemble_size > 1:
        sentence = (
            f" The model averages the logits of {ensemble_size} ensemble members trained together. The train loss is "
            "the mean over the members; all other points are of the averaged logits."
        )
    return sentence + (_FLIP_TTA if settings.get("flip_tta") else "")


def _curves(history: Mapping[str, Sequence[float]]) -> tuple[Curve, ...]:
    curves = []
    for metric in ("accuracy", "loss"):
        curve = Curve(metric, tuple(history.get(metric, ())), tuple(history.get(f"val_{metric}", ())))
        if any(map(isfinite, curve.train + curve.held)):
            curves.append(curve)
    return tuple(curves)


def _best(losses: Sequence[float]) -> int | None:
    finite = [epoch for epoch, loss in enumerate(losses, 1) if isfinite(loss)]
    return min(finite, key=lambda epoch: losses[epoch - 1], default=None)


def _listed(epochs: int, special: set[int | None]) -> list[int]:
    if epochs <= MOST_EPOCHS:
        return list(range(1, epochs + 1))
    also = {epoch for epoch in special if epoch is not None and epoch <= epochs}
    even = np.unique(np.linspace(1, epochs, MOST_EPOCHS - max(1, len(also))).round().astype(int)).tolist()
    return sorted({*even, *also})


def _sentence(
    epochs: int, best: int | None, losses: Sequence[float], held: Held, training: TrainingRecord | None
) -> str:
    if training is not None and (training.epochs < training.planned_epochs or training.kept_epoch < training.epochs):
        return _course(training, best, losses)
    if epochs == 1:
        return "The model was trained for one epoch, so there is no curve."
    if best is None:
        return f"The {held} loss was not measured during training, so the best epoch is unknown."
    lowest = f"The {held} loss was lowest after epoch {count(best)} of {count(epochs)} ({decimal(losses[best - 1])})"
    if best == len(losses):
        return f"{lowest}, the last: more epochs may help."
    if not isfinite(losses[-1]):
        return f"{lowest}; at the end it is not finite: the training diverged."
    return f"{lowest}; at the end it is {decimal(losses[-1])}, so fewer epochs may be enough."


def _course(training: TrainingRecord, best: int | None, losses: Sequence[float]) -> str:
    """Describe a training that ended early, or whose last weights were not the ones to keep."""
    held, kept = training.measured_on, training.kept_epoch
    if training.epochs < training.planned_epochs:
        ran = f"Training stopped after epoch {count(training.epochs)} of {count(training.planned_epochs)}"
    else:
        ran = f"Training ran for all {counted(training.epochs, 'epoch')}"
    if kept == training.epochs:
        return f"{ran}; the weights are those after it."
    where = f", where the {held} loss was lowest ({decimal(losses[kept - 1])})" if kept == best else ""
    end = f"; at the end it was {decimal(losses[-1])}" if where and isfinite(losses[-1]) else ""
    return f"{ran}; the weights are those after epoch {count(kept)}{where}{end}."


def _chosen(training: TrainingRecord | None, stops_early: bool) -> str:
    """Say what the points are measured on, and which images chose what."""
    means = "The train points are means over each epoch while the model was trained; the"
    if training is None:
        return (
            f"{means} test points were measured after it. Nothing was selected on the test split: the model is that of "
            "the last epoch."
        )
    if training.measured_on == "test":
        return (
            f"{means} test points were measured after it. There are no validation images: nothing was selected on "
            "held-out data; the test split was measured only."
        )
    images = counted(training.validation_images, "image")
    chose = ["the epoch"] if stops_early or training.kept_epoch < training.epochs else []
    chose += ["the temperature"] if training.temperature else []
    what = f"They were used to select {listed(chose)}" if chose else "Nothing was selected on them"
    return (
        f"{means} validation points were measured after it, on {images} split from the train split and not "
        f"trained on. {what}. Nothing was selected on the test images."
    )
