"""What the end of a run is given: what is known of the run, and where it is published."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.core.choices import ReportFormat
from batchclf.core.records.run import DatasetRecord, ModelRecord, WrittenFile

if TYPE_CHECKING:
    from batchclf.core.gate.rules import Gate
    from batchclf.jobs.evaluate.studies import Plan


@dataclass(frozen=True)
class Scoring:
    """How the predictions came about, as run.json has it; the first four are empty where that is not known."""

    runtime: str
    precision: str
    device: str
    resize: str
    formats: list[str]
    batch_size: int
    topk: int
    probabilities: bool


@dataclass(frozen=True, eq=False)
class RunHead:
    """What is known of a run before it is evaluated.

    `files` are the tables that it has written, `versions` those of the libraries by module.
    """

    run_id: str
    job: str | None
    command: list[str]
    model: ModelRecord
    scoring: Scoring
    versions: Mapping[str, str]
    dataset: DatasetRecord | None
    files: Mapping[str, WrittenFile]
    run_date: str = ""
    main_subset: str = ""


@dataclass(frozen=True, eq=False)
class Publication:
    """Where a run goes and what it is compared with.

    `beside` is the folder that it will be published in, where its earlier runs are. `gate` is None for a run without a
    job. `baselines` are run ids or paths by name. `plan` says how labelled images are sliced and which thresholds are
    set, None for the defaults. Without `kept` only the report will be left of it.
    """

    beside: Path
    gate: "Gate | None" = None
    baselines: Mapping[str, str | Path] = field(default_factory=dict)
    formats: tuple[ReportFormat, ...] = ("html",)
    templates: Path | None = None
    pictures: bool = True
    plan: "Plan | None" = None
    kept: bool = True

    @property
    def slices(self) -> dict[str, Any]:
        """The options of slices that are not at their defaults."""
        return {} if self.plan is None else self.plan.given_slices()

    @property
    def thresholds(self) -> dict[str, Any]:
        """The options of thresholds that are not at their defaults."""
        return {} if self.plan is None else self.plan.given_thresholds()
