"""Look for labels that are probably wrong in the predictions of a run."""

from pathlib import Path

import numpy as np

from batchclf.core.metrics.label_issues import find_issues
from batchclf.core.records.findings import LabelIssues
from batchclf.core.types import Prediction, PredictionRows
from batchclf.storage.predictions.read import read_prediction_rows

MOST_VALUES = 20_000_000
"""More probabilities (images times classes) are not looked at: they are in memory at once, several times over."""

KEPT_VALUES = 2_000_000
"""So many are kept while the run is evaluated; more are read again afterwards, when less else is in memory."""

SHOWN = 24
METHOD = (
    "confident learning (Northcutt 2021): from where the model is surer of another class than it usually "
    "is of that class's own images it is estimated how many labels of each kind are wrong; the issues are the labels "
    "that the probabilities speak most against"
)


class LabelledRows:
    """Takes all rows of a run's predictions in order, and keeps the labelled ones of one split with probabilities."""

    def __init__(self, split: str, most: int = KEPT_VALUES) -> None:
        self.split, self._most = split, most
        self.without = False
        self.rows: list[PredictionRows] = []
        self._values = 0

    @property
    def fit(self) -> bool:
        """Whether all of them were kept, since they are not too many."""
        return self._values <= self._most

    def take(self, rows: PredictionRows) -> None:
        """Add rows."""
        if rows.probabilities is None:
            self.without = True
        elif self.fit:
            wanted = (rows.labels >= 0) & (np.array(rows.splits) == self.split)
            self._values += int(wanted.sum()) * rows.probabilities.shape[1]
            if self._values > self._most:
                self.rows.clear()
            elif wanted.any():
                self.rows.append(rows.only(wanted))


def find_label_issues(
    predictions: Path, class_names: tuple[str, ...], split: str, images: int, kept: LabelledRows | None = None
) -> LabelIssues:
    """Find the labelled images of one split whose labels the model's probabilities speak against.

    `images` is the number of rows of the split. They should be images that the model was not trained on. Reads the
    predictions again unless `kept` has the rows of the split. Raises PredictionsError if it cannot be read.
    """
    if images * len(class_names) > MOST_VALUES:
        return _missing(
            f"{images:,} images with {len(class_names):,} classes are too many to look at: at most {MOST_VALUES:,} "
            "probabilities; score a part with --sample"
        )
    if kept is None or kept.split != split or not kept.fit:
        kept = LabelledRows(split, most=MOST_VALUES)
        for piece in read_prediction_rows(predictions, class_names):
            kept.take(piece)
            if kept.without:
                break
    if kept.without:
        return _missing(
            "needs a column for each class's probability: score with --probabilities, or have them in a table"
        )
    rows = kept.rows
    if not rows:
        return _missing("needs labels")
    labels = np.concatenate([piece.labels for piece in rows])
    if (labels == labels[0]).all():
        return _missing("needs images of at least two classes")
    issues = find_issues(
        labels, np.concatenate([piece.probabilities for piece in rows if piece.probabilities is not None])
    )
    ends = np.cumsum([len(piece) for piece in rows])
    shown: list[Prediction] = []
    for issue in issues[:SHOWN].tolist():
        place = int(np.searchsorted(ends, issue, side="right"))
        shown.append(rows[place].row(issue - int(ends[place]) + len(rows[place])))
    return LabelIssues(len(issues), tuple(shown), METHOD, "")


def _missing(why: str) -> LabelIssues:
    return LabelIssues(0, (), "", why)
