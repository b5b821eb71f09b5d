"""Look for labels that are probably wrong in the predictions of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
    """Takes all rows of a run's predictions in order, and keeps the labelled ones of one split with probabilities.

    They are packed, to a quarter of what `PredictionRows` take: there may be a million.
    """

    def __init__(self, split: str, most: int = KEPT_VALUES) -> None:
        self.split, self._most = split, most
        self.without = False
        self.fit = True
        self._rows: list[_Packed] = []
        self._probabilities = np.empty((0, 0))
        self._count = 0

    @property
    def labels(self) -> NDArray[np.int64]:
        """The labels of the rows, (n,) int64."""
        return np.concatenate([np.empty(0, np.int64), *(piece.labels for piece in self._rows)])

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The probabilities of the rows, (n, classes) float64."""
        return self._probabilities[: self._count]

    def take(self, rows: PredictionRows) -> None:
        """Add rows; once they are too many none is kept, and `fit` is false."""
        if rows.probabilities is None:
            self.without = True
        elif self.fit and (wanted := (rows.labels >= 0) & (np.array(rows.splits) == self.split)).any():
            rows = rows if wanted.all() else rows.only(wanted)
            until = self._count + len(rows)
            if not self._rows:  # memory that is not written to is not taken
                self._probabilities = np.empty((self._most // len(rows.class_names), len(rows.class_names)))
            self.fit = until <= len(self._probabilities)
            if not self.fit:
                self._rows, self._probabilities, self._count = [], np.empty((0, 0)), 0
                return
            self._probabilities[self._count : until] = rows.probabilities
            self._count = until
            self._rows.append(_Packed.of(rows))

    def rows(self, places: Sequence[int]) -> list[Prediction]:
        """Give the rows at some places."""
        firsts = np.cumsum([0, *(len(piece.labels) for piece in self._rows)])
        pieces = np.searchsorted(firsts, places, side="right") - 1
        found = zip(pieces.tolist(), places, strict=True)
        return [self._rows[piece].row(place - int(firsts[piece]), self.split) for piece, place in found]


@dataclass(frozen=True, eq=False)
class _Packed:
    """Rows without their probabilities; `paths` are in UTF-8 with a zero byte between them."""

    class_names: tuple[str, ...]
    paths: bytes
    labels: NDArray[np.int32]
    predictions: NDArray[np.int32]
    confidence: NDArray[np.float64]
    margin: NDArray[np.float64]

    @classmethod
    def of(cls, rows: PredictionRows) -> "_Packed":
        paths = "\0".join(rows.paths).encode("utf-8", "surrogatepass")
        labels, predictions = rows.labels.astype(np.int32), rows.predictions.astype(np.int32)
        return cls(rows.class_names, paths, labels, predictions, rows.confidence.copy(), rows.margin.copy())

    def row(self, place: int, split: str) -> Prediction:
        path = self.paths.split(b"\0")[place].decode("utf-8", "surrogatepass")
        label, prediction = (self.class_names[int(of[place])] for of in (self.labels, self.predictions))
        return Prediction(path, split, label, prediction, float(self.confidence[place]), float(self.margin[place]))


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
        kept = LabelledRows(split, most=images * len(class_names))
        for piece in read_prediction_rows(predictions, class_names):
            kept.take(piece)
            if kept.without:
                break
    if kept.without:
        return _missing(
            "needs a column for each class's probability: score with --probabilities, or have them in a table"
        )
    labels = kept.labels
    if not len(labels):
        return _missing("needs labels")
    if (labels == labels[0]).all():
        return _missing("needs images of at least two classes")
    issues = find_issues(labels, kept.probabilities)
    shown = kept.rows(issues[:SHOWN].tolist())
    return LabelIssues(len(issues), tuple(shown), METHOD, "")


def _missing(why: str) -> LabelIssues:
    return LabelIssues(0, (), "", why)
