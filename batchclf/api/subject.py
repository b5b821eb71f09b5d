"""What an evaluation is about: rows in memory, or a run directory that is read again if need be."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.api.rows import Rows
from batchclf.core.metrics import evaluation as core
from batchclf.core.types import PredictionRows
from batchclf.storage.run.directory import PREDICTIONS_FILE

if TYPE_CHECKING:
    from batchclf.core.metrics.gap import Gap


@dataclass(frozen=True, eq=False, slots=True)
class Subject:
    """The evaluations of all splits, in the order of the rows, and where the rows are."""

    evaluations: "tuple[core.Evaluation, ...]"
    gap: "Gap | None"
    source: Rows | Path

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the model's order."""
        return self.evaluations[0].class_names

    def rows_of(self, split: str) -> Iterator[PredictionRows]:
        """Give the rows of a split in pieces; raises PredictionsError if a run's cannot be read."""
        for piece in self._pieces():
            chosen = [each == split for each in piece.splits]
            if any(chosen):
                import numpy as np

                yield piece if all(chosen) else piece.only(np.array(chosen))

    def _pieces(self) -> Iterator[PredictionRows]:
        if isinstance(self.source, Rows):
            return self.source.pieces()
        from batchclf.storage.predictions.read import read_prediction_rows

        return read_prediction_rows(self.source / PREDICTIONS_FILE, self.class_names)
