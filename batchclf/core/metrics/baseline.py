"""The baseline that a model must beat: it never looks at the image."""

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.bootstrap import agreement
from batchclf.core.metrics.catalog import overall
from batchclf.core.metrics.class_sums import ClassSums
from batchclf.core.metrics.formulas import OfHits, OfImages


def baseline_metrics(support: NDArray[np.int64], k: int) -> dict[str, float]:
    """Compute what the baseline gets on images of which (classes,) int64 `support` have each class; needs one image.

    It always predicts the shares of the true classes as probabilities, so always with the most frequent class, the
    first of several: scikit-learn's DummyClassifier(strategy="prior") fitted on the same labels. Gives values by the
    name of the `Metric`, top-2 to top-`k` accuracy among them.
    """
    n, most = int(support.sum()), int(np.argmax(support))
    correct, predicted = np.zeros_like(support), np.zeros_like(support)
    correct[most], predicted[most] = support[most], n
    values = {name: float(value) for name, value in agreement(ClassSums.of(correct, support, predicted)).items()}
    ordered = np.sort(support)[::-1].cumsum()
    for entry in overall(k):
        if isinstance(entry.formula, OfHits):
            values[entry.name] = float(ordered[min(entry.formula.rank, len(ordered)) - 1] / n)
        elif isinstance(entry.formula, OfImages):
            # Adding 0.0 turns the -0.0 of a single class, whose log is 0, into 0.0.
            values[entry.name] = float(entry.formula.baseline(support[support > 0] / n)) + 0.0
    return values
