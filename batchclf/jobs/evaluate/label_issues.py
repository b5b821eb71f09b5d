"""Look for labels that are probably wrong in the predictions of a run."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batchclf.core.metrics.label_issues import find_issues
from batchclf.core.records.findings import LabelIssues
from batchclf.core.types import Prediction, PredictionRows
from batchclf.storage.predictions.read import read_prediction_rows

MOST_VALUES = 20_000_000
"""More probabilities (images times classes) are not looked at: they are in memory at once, several times over."""

SHOWN = 24
METHOD = (
    "confident learning (Northcutt 2021): from where the model is surer of another class than it usually "
    "is of that class's own images it is estimated how many labels of each kind are wrong; the issues are the labels "
    "that the probabilities speak most against"
)


def find_label_issues(predictions: Path, class_names: tuple[str, ...], split: str, images: int) -> LabelIssues:
    """Find the labelled images of one split whose labels the model's probabilities speak against.

    `images` is the number of rows of the split. They should be images that the model was not trained on. Reads the
    CSV again. Raises PredictionsError if it cannot be read.
    """
    if images * len(class_names) > MOST_VALUES:
        return _missing(
            f"{images:,} images with {len(class_names):,} classes are too many to look at: at most {MOST_VALUES:,} "
            "probabilities; score a part with --sample"
        )
    rows: list[PredictionRows] = []
    probabilities: list[NDArray[np.float64]] = []
    for piece in read_prediction_rows(predictions, class_names):
        if piece.probabilities is None:
            return _missing(
                "needs a column for each class's probability: score with --probabilities, or have them in a table"
            )
        wanted = (piece.labels >= 0) & (np.array(piece.splits) == split)
        if wanted.any():
            rows.append(piece.only(wanted))
            probabilities.append(piece.probabilities[wanted])
    if not rows:
        return _missing("needs labels")
    labels = np.concatenate([piece.labels for piece in rows])
    if (labels == labels[0]).all():
        return _missing("needs images of at least two classes")
    issues = find_issues(labels, np.concatenate(probabilities))
    ends = np.cumsum([len(piece) for piece in rows])
    shown: list[Prediction] = []
    for issue in issues[:SHOWN].tolist():
        place = int(np.searchsorted(ends, issue, side="right"))
        shown.append(rows[place].row(issue - int(ends[place]) + len(rows[place])))
    return LabelIssues(len(issues), tuple(shown), METHOD, "")


def _missing(why: str) -> LabelIssues:
    return LabelIssues(0, (), "", why)
