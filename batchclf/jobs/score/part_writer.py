"""What a worker on another machine writes of the predictions: a part, and what its rows add up to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from batchclf.core.metrics.evaluation import Tally
from batchclf.core.text import utf8_text
from batchclf.core.types import BatchScores
from batchclf.jobs.score.subset_run import check_probabilities
from batchclf.storage.predictions.as_written import rows_as_written
from batchclf.storage.predictions.columns import PredictionLayout
from batchclf.storage.predictions.parquet import ArrowFormat, write_parquet
from batchclf.storage.predictions.parts import WorkerPart
from batchclf.storage.predictions.write import pieces_of


@dataclass(frozen=True)
class PartWriter:
    """Writes parts of a split into `folder`, if that is there (decision 191)."""

    folder: Path
    class_names: tuple[str, ...]
    topk: int
    probabilities: bool
    split: str
    temperature: float

    def sees_folder(self) -> bool:
        """Whether the run directory is on this machine, too."""
        return self.folder.is_dir()

    def write(self, scores: Sequence[BatchScores]) -> WorkerPart:
        """Write the rows of a part, at least one. Raises ModelError for what is no probabilities, OSError."""
        layout = PredictionLayout(self.class_names, self.topk, self.probabilities)
        growing, batches = ArrowFormat(layout), []
        tally = Tally(utf8_text(self.split), self.class_names, self.temperature)
        for each in scores:
            check_probabilities(each)
            for columns in pieces_of(layout, each, self.split):
                batches.append(growing.batch(columns))
                tally.update(rows_as_written(columns, self.class_names))
        path = self.folder / f"{uuid4().hex}.parquet"
        return WorkerPart(path, write_parquet(growing.schema, batches, path), tally)
