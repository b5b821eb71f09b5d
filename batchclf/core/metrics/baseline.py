"""The baseline that a model must beat: it never looks at the image."""

from math import log

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.bootstrap import agreement


def baseline_metrics(support: NDArray[np.int64], k: int) -> dict[str, float]:
    """Compute what the baseline gets on images of which (classes,) int64 `support` have each class; needs one image.

    It always predicts the shares of the true classes as probabilities, so always with the most frequent class, the
    first of several: scikit-learn's DummyClassifier(strategy="prior") fitted on the same labels. Gives values by the
    name of the `Metric`, top-2 to top-`k` accuracy among them.
    """
    n, most = int(support.sum()), int(np.argmax(support))
    correct, predicted = np.zeros_like(support), np.zeros_like(support)
    correct[most], predicted[most] = support[most], n
    values = {name: float(value[0]) for name, value in agreement(correct[None], support[None], predicted[None]).items()}
    shares = support[support > 0] / n
    ordered = np.sort(support)[::-1].cumsum()
    for rank in range(2, k + 1):
        values[f"top{rank}_accuracy"] = float(ordered[min(rank, len(ordered)) - 1] / n)
    values["log_loss"] = float(-sum(share * log(share) for share in shares.tolist()))
    values["brier"] = float(1 - (shares**2).sum())
    return values
