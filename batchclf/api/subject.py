"""What an evaluation is about: rows in memory, or a run directory that is read again if need be."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.api.rows import Rows
from batchclf.core.metrics import evaluation as core
from batchclf.core.types import PredictionRows
from batchclf.storage.predictions.write import predictions_in

if TYPE_CHECKING:
    from batchclf.core.metrics.gap import Gap
    from batchclf.core.records.studies import Studies


@dataclass(frozen=True, eq=False, slots=True)
class Subject:
    """The evaluations of all splits, in the order of the rows, and where the rows are."""

    evaluations: "tuple[core.Evaluation, ...]"
    gap: "Gap | None"
    source: Rows | Path

    def studies(self) -> "Studies | None":
        """Give slices and thresholds: of rows they are made, of a run they are read; None without labels.

        Raises RunError if those of a run are damaged.
        """
        if isinstance(self.source, Rows):
            from batchclf.api.slices import studies_of

            return studies_of(self.source)
        from batchclf.storage.run.metrics import METRICS_FILE
        from batchclf.storage.run.studies import read_studies

        file = self.source / METRICS_FILE
        found = read_studies(file.read_bytes(), file) if file.is_file() else None
        return found if found is not None and (found.slices or found.thresholds) else None

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

        return read_prediction_rows(predictions_in(self.source), self.class_names)
