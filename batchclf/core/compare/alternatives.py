"""Several ways to use one model on the same labelled images: which is better beyond chance, with all looks counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from batchclf.core.compare.paired_tests import mcnemar_exact
from batchclf.core.estimate import Estimate
from batchclf.core.metrics.intervals import wilson

LEVEL = 0.01
"""Chance that at least one way is called better, or one is called worse, though none is."""

Outcome = Literal["reference", "better", "worse", "within chance"]


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """What came of one way to use a model on n images.

    `pixels`, `geometry`, `order` and `output` say what it is, `options` how to import it so, the
    order of the class names aside. `right` is (n,) bool,
    `loss` (n,) float64: minus the logarithm of the probability that the label had.
    """

    pixels: str
    geometry: str
    order: str
    output: str
    options: str
    right: NDArray[np.bool_]
    loss: NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Judged:
    """A trial beside the reference: its accuracy, its mean loss, and the p value with all looks counted, 0 to 1."""

    trial: Trial
    accuracy: Estimate
    log_loss: float
    p_value: float
    outcome: Outcome


def judge(trials: Sequence[Trial], reference: int, looks: int) -> list[Judged]:
    """Judge each trial beside the one at `reference`, by McNemar's exact test on which images are right.

    `looks` is how many ways could have been tried, those included that others made needless: each p value is
    multiplied by it (C. E. Bonferroni, 1936), since which ways are tried depends on how others did.
    """
    beside = trials[reference]
    found = []
    for place, trial in enumerate(trials):
        gained, lost = int((trial.right & ~beside.right).sum()), int((beside.right & ~trial.right).sum())
        p_value = min(1.0, mcnemar_exact(lost, gained) * looks)
        outcome: Outcome = "within chance"
        if place == reference:
            outcome = "reference"
        elif p_value < LEVEL:
            outcome = "better" if gained > lost else "worse"
        found.append(_judged(trial, p_value, outcome))
    return found


def judge_by_loss(trial: Trial, beside: Trial, looks: int) -> Judged:
    """Judge a trial that is right on the same images as another, by the paired t test on the losses of the images.

    A softmax does not change which class is best, so accuracy cannot say whether one is missing.
    """
    # Only here: most commands need no SciPy
    from scipy.stats import ttest_rel

    apart = trial.loss - beside.loss
    p_value = float(ttest_rel(trial.loss, beside.loss).pvalue) if len(apart) > 1 and np.ptp(apart) > 0 else 1.0
    p_value = min(1.0, p_value * looks)
    outcome: Outcome = "within chance" if p_value >= LEVEL else "better" if apart.mean() < 0 else "worse"
    return _judged(trial, p_value, outcome)


def _judged(trial: Trial, p_value: float, outcome: Outcome) -> Judged:
    right = int(trial.right.sum())
    return Judged(trial, wilson(right, len(trial.right)), float(trial.loss.mean()), p_value, outcome)
