"""The train-versus-test overfitting gap: how much of the train accuracy does not carry over to new images."""

from dataclasses import dataclass
from typing import Literal

from batchclf.core.evaluation import LabelledMetrics
from batchclf.core.intervals import Estimate, difference

STRONG_GAP = 0.05
"""From this gap on (5 points of accuracy) overfitting is called strong."""

Overfitting = Literal["no evidence", "mild", "strong"]


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

    `loss_gap` is test minus train log loss (positive: worse on test), None without probability columns.
    """

    train: Estimate
    test: Estimate
    gap: Estimate
    overfitting: Overfitting
    sentence: str
    train_loss: float | None
    test_loss: float | None
    loss_gap: float | None
    per_class: tuple[ClassGap, ...]


def overfitting_gap(train: LabelledMetrics, test: LabelledMetrics) -> Gap:
    """Compare the same model's metrics on the images it was trained on and on held-out ones."""
    gap = difference(train.accuracy, test.accuracy)
    level: Overfitting = "strong" if gap.value >= STRONG_GAP else "mild"
    if gap.interval.low <= 0:
        level = "no evidence"
    classes = []
    for of_train, of_test in zip(train.per_class, test.per_class, strict=True):
        both = of_train.recall is not None and of_test.recall is not None
        each = difference(of_train.recall, of_test.recall) if both else None  # type: ignore[arg-type]
        classes.append(ClassGap(of_train.name, of_train.recall, of_test.recall, each))
    both_losses = train.log_loss is not None and test.log_loss is not None
    return Gap(
        train=train.accuracy,
        test=test.accuracy,
        gap=gap,
        overfitting=level,
        sentence=_sentence(train.accuracy.value, test.accuracy.value, gap, level),
        train_loss=train.log_loss,
        test_loss=test.log_loss,
        loss_gap=test.log_loss - train.log_loss if both_losses else None,  # type: ignore[operator]
        per_class=tuple(classes),
    )


def _sentence(train: float, test: float, gap: Estimate, level: Overfitting) -> str:
    low, high = _points(gap.interval.low), _points(gap.interval.high)
    facts = f"The model is right on {train:.1%} of the images it was trained on and on {test:.1%} of new ones"
    if level == "no evidence":
        return (
            f"{facts}. A gap of {_points(gap.value)} points (95% interval {low} to {high}) "
            "is no evidence of overfitting: it can be chance."
        )
    meaning = {
        "mild": "It has learnt some details of the training images that do not help on others; "
        "expect the test accuracy in use, not the train accuracy.",
        "strong": "It has learnt much of the training images by heart; the train accuracy says little about "
        "its use. More images, fewer epochs, a smaller network, dropout or augmentation can close the gap.",
    }[level]
    return (
        f"{facts}: {_points(gap.value)} points do not carry over (95% interval {low} to {high}). "
        f"This is {level} overfitting. {meaning}"
    )


def _points(share: float) -> str:
    # Adding 0.0 turns -0.0 into 0.0.
    return f"{round(100 * share, 1) + 0.0:.1f}"
