"""The run that comes to its end, as gate rules and alarms see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchclf.core.compare.result import Comparison
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.metrics.gap import Gap
from batchclf.core.records.history import RunSummary
from batchclf.core.records.run import RunRecord
from batchclf.core.records.studies import Studies
from batchclf.core.types import Say, unheard
from batchclf.jobs.evaluate.image_checks import ImageFindings


@dataclass(frozen=True, eq=False)
class CurrentRun:
    """The run that comes to its end, as gate and alarms see it.

    `folder` is where its files lie now, `beside` the job's folder with the earlier runs. `history` are those that it
    can be compared with, oldest first; `baselines` run ids of the job or paths by name. `flips` are comparisons with
    the last run that have been made already, a subset each. `warn` takes what must not go unseen of earlier runs.
    `studies` are its slices and thresholds, None without labels.
    """

    folder: Path
    beside: Path
    record: RunRecord
    evaluations: Sequence[Evaluation]
    gap: Gap | None
    images: ImageFindings
    history: tuple[RunSummary, ...]
    baselines: Mapping[str, str | Path]
    flips: tuple[Comparison, ...] = ()
    warn: Say = unheard
    studies: Studies | None = None
