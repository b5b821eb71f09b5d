"""Labels that the probabilities speak against, by confident learning."""

import numpy as np
from numpy.typing import NDArray

_CLOSE = 1e-6
"""By so much a probability may miss what it is compared with."""

_AT_ONCE = 50_000
"""So many images are looked at together: there may be millions, and each takes memory several times over."""


def find_issues(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the images whose labels are probably wrong, (k,) int64, those with the least probable label first.

    `labels` are (n,) int64 in 0 to classes - 1, of at least two classes; `probabilities` (n, classes) float64 in 0 to
    1, of a model that was not trained on these images. Of equal ones the image and the class that come first count.

    It is what cleanlab 2.9 does by default ("prune by noise rate"): Northcutt, Jiang and Chuang, "Confident learning:
    estimating uncertainty in dataset labels", Journal of Artificial Intelligence Research 70, 2021.
    """
    wrong = _wrong_labels(labels, probabilities)
    found = np.zeros(len(labels), np.bool_)
    for label in np.flatnonzero(np.bincount(labels) > 1).tolist():
        images = np.flatnonzero(labels == label)
        for other in np.flatnonzero(wrong[label]).tolist():
            lead = probabilities[images, other] - probabilities[images, label]
            found[images[np.argsort(-lead, kind="stable")[: wrong[label, other]]]] = True
    images = np.flatnonzero(found)
    of_label, others = probabilities[images, labels[images]], probabilities[images]
    others[np.arange(len(images)), labels[images]] += _CLOSE
    speak_against = others.argmax(axis=1) != labels[images]
    issues: NDArray[np.int64] = images[speak_against][np.argsort(of_label[speak_against], kind="stable")]
    return issues


def _wrong_labels(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Estimate how many images with the label of a row are of the class of a column: (classes, classes) int64."""
    joint = _confident_joint(labels, probabilities)
    counts = np.bincount(labels, minlength=len(joint))
    # Each label has as many images as it really has
    shares = (joint.T / joint.sum(axis=1) * counts).T
    # In the order of the columns, as cleanlab adds: the last bit of the sum decides between equal remainders
    joint = _rounded(shares / shares.T.copy().sum() * counts.sum())
    # One image at least keeps its label; the others of the row pay for it
    missing = np.maximum(1 - joint.diagonal(), 0)
    paying = np.maximum(np.count_nonzero(joint, axis=1) - 1, 1)
    wrong: NDArray[np.int64] = np.maximum(joint - (missing / paying)[:, None], 0).astype(np.int64)
    np.fill_diagonal(wrong, 0)
    return wrong


def _confident_joint(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count images by their label and the class that they surely are of: (classes, classes) int64.

    An image is surely of a class that is as probable as that class usually is among images with its label.
    """
    classes = probabilities.shape[1]
    usual = np.full(classes, 2.0)  # more than any probability, for a class without a label
    for label in np.unique(labels).tolist():
        usual[label] = max(float(probabilities[labels == label, label].mean()), 2 * _CLOSE)
    joint = np.zeros((classes, classes), np.int64)
    for first in range(0, len(labels), _AT_ONCE):
        piece = probabilities[first : first + _AT_ONCE]
        sure = piece >= usual - _CLOSE
        times = sure.sum(axis=1)
        best = np.where(times > 1, piece.argmax(axis=1), sure.argmax(axis=1))
        cells = (labels[first : first + _AT_ONCE] * classes + best)[times > 0]
        joint += np.bincount(cells, minlength=classes * classes).reshape(classes, classes)
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    return joint


def _rounded(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round each row to whole numbers with the same sum, those that are nearest to the next number first."""
    whole = rows.round()
    for row, of in zip(rows, whole, strict=True):
        while (missing := round(float(row.sum())) - int(of.sum())) != 0:
            step = 1 if missing > 0 else -1
            of[np.argsort(row - of, kind="stable")[::-step][: abs(missing)]] += step
    return whole.astype(np.int64)
