"""The train-versus-test overfitting gap: how much of the train accuracy does not carry over to new images."""

from dataclasses import dataclass
from typing import Literal

from batchclf.core.estimate import Estimate
from batchclf.core.metrics.intervals import difference, square_and_add, wilson
from batchclf.core.metrics.labelled import LabelledMetrics
from batchclf.core.text import percent, points, points_apart, points_interval

STRONG_GAP = 0.05
"""From this gap on (5 points of accuracy) overfitting is called strong."""

LEARNT_SKILL = 0.5
"""A model less than half of the way from the baseline to all right on its own training images is underfitting."""

Overfitting = Literal["no evidence", "mild", "strong", "underfitting"]


@dataclass(frozen=True, slots=True)
class ClassGap:
    """Train minus test recall of one class; None where a split has no image of it."""

    name: str
    train: Estimate | None
    test: Estimate | None
    gap: Estimate | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Train minus test, with a 95% interval; accuracies and `gap` are shares (0.03 is 3 points).

    `loss_gap` is test minus train log loss (positive: worse on test) with the interval of a difference of means
    (MOVER); the losses are None without probability columns and for a single image.
    """

    train: Estimate
    test: Estimate
    gap: Estimate
    overfitting: Overfitting
    sentence: str
    train_loss: Estimate | None
    test_loss: Estimate | None
    loss_gap: Estimate | None
    per_class: tuple[ClassGap, ...]


def overfitting_gap(train: LabelledMetrics, test: LabelledMetrics) -> Gap:
    """Compare the same model's metrics on the images it was trained on and on held-out ones.

    The level is "no evidence" where the gap's interval reaches 0, "strong" from a gap of 5 points on, else "mild". In
    place of "no evidence" it is "underfitting" where the model has hardly learnt its own training images: where (train
    accuracy - baseline's) / (1 - baseline's) is below 0.5, the baseline being the most frequent class.
    """
    gap = difference(train.accuracy, test.accuracy)
    level: Overfitting = "strong" if gap.value >= STRONG_GAP else "mild"
    # By its interval, a rule that anybody can check by hand (decision 011)
    if gap.interval.low <= 0:
        level = "underfitting" if _skill(train) < LEARNT_SKILL else "no evidence"
    classes = []
    for of_train, of_test in zip(train.per_class, test.per_class, strict=True):
        both = of_train.recall is not None and of_test.recall is not None
        each = difference(of_train.recall, of_test.recall) if both else None  # type: ignore[arg-type]
        classes.append(ClassGap(of_train.name, of_train.recall, of_test.recall, each))
    train_loss, test_loss = _loss(train), _loss(test)
    return Gap(
        train=train.accuracy,
        test=test.accuracy,
        gap=gap,
        overfitting=level,
        sentence=_sentence(train.accuracy.value, test.accuracy.value, gap, level),
        train_loss=train_loss,
        test_loss=test_loss,
        loss_gap=None if train_loss is None or test_loss is None else _loss_gap(test_loss, train_loss),
        per_class=tuple(classes),
    )


def gap_of_counts(train: tuple[int, int], test: tuple[int, int]) -> Estimate:
    """Estimate the gap from (right, all) images of each split; raises ValueError where a split has none."""
    return difference(wilson(*train), wilson(*test))


def _skill(train: LabelledMetrics) -> float:
    """How far the model is on the way from the baseline to all right, on the images it was trained on; 1 at the end."""
    baseline = max(each.support for each in train.per_class) / train.total
    return (train.accuracy.value - baseline) / (1 - baseline) if baseline < 1 else 1.0


def _loss(metrics: LabelledMetrics) -> Estimate | None:
    loss = metrics.metric("log_loss")
    if loss is None or loss.interval is None:
        return None
    return Estimate(loss.value, loss.interval, metrics.total)


def _loss_gap(test: Estimate, train: Estimate) -> Estimate:
    return Estimate(test.value - train.value, square_and_add(test, train, 0.0), min(test.n, train.n))


def _sentence(train: float, test: float, gap: Estimate, level: Overfitting) -> str:
    facts = f"The model is right on {percent(train)} of the images it was trained on and on {percent(test)} of new ones"
    doubt = f"(95% interval {points_interval(gap)})"
    if level == "no evidence":
        return f"{facts}. A gap of {points(gap.value)} points {doubt} is no evidence of overfitting: it can be chance."
    if level == "underfitting":
        return (
            f"{facts}. The gap of {points(gap.value)} points {doubt} is no evidence of "
            "overfitting, but the model has not learnt even its training images well: this is underfitting. More "
            "epochs, a larger network or another learning rate can help; so can a look at the labels."
        )
    meaning = {
        "mild": "It has learnt some details of the training images that do not help on others; "
        "expect the test accuracy in use, not the train accuracy.",
        "strong": "It has learnt much of the training images by heart; the train accuracy says little about "
        "its use. More images, fewer epochs, a smaller network, dropout or augmentation can close the gap.",
    }[level]
    return (
        f"{facts}: {points_apart(gap.value)} points do not carry over {doubt}. This is {level} overfitting. {meaning}"
    )
