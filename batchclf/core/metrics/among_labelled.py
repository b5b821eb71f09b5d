"""How good a model of many classes is among the few that labels name."""

from collections.abc import Collection, Sequence

import numpy as np

from batchclf.core.estimate import AmongLabelled
from batchclf.core.metrics.intervals import wilson
from batchclf.core.text import count, counted, percent, percent_interval
from batchclf.core.types import BatchScores


class AmongLabelledCounter:
    """Counts the images whose label is the most probable of the `labelled` classes; ties go to the first class."""

    def __init__(self, class_names: Sequence[str], labelled: Collection[str]) -> None:
        names = [name for name in class_names if name in labelled]
        self._place = {name: number for number, name in enumerate(names)}
        self._columns = np.flatnonzero([name in self._place for name in class_names])

    def count(self, scores: BatchScores) -> tuple[int, int]:
        """Count the images that have a label, and those of them that are right."""
        places = np.array([-1 if ref.label is None else self._place[ref.label] for ref in scores.refs], np.int64)
        best = scores.probabilities[:, self._columns].argmax(axis=1)
        return int((places >= 0).sum()), int((places == best).sum())

    def result(self, images: int, correct: int) -> AmongLabelled | None:
        """Give what was counted over a subset; None without a label."""
        return AmongLabelled(len(self._columns), images, correct) if images else None


def among_labelled_sentence(among: AmongLabelled, classes: int) -> str:
    """Say the accuracy among the labelled classes of so many."""
    accuracy = wilson(among.correct, among.images)
    return (
        f"Labels name {count(among.classes)} of the model's {counted(classes, 'class', 'classes')}. Among these "
        f"{count(among.classes)} alone the accuracy is {percent(accuracy.value)} ({percent_interval(accuracy)}, "
        f"{counted(among.images, 'image')})."
    )
