"""What the end of a run is given: what is known of the run, and where it is published."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchclf.core.records.run import DatasetRecord, WrittenFile
from batchclf.jobs.config.settings import ScoreSettings
from batchclf.jobs.report.write import Format
from batchclf.models.bundle import Bundle

if TYPE_CHECKING:
    from batchclf.core.gate.rules import Gate
    from batchclf.jobs.evaluate.studies import Plan


@dataclass(frozen=True, eq=False)
class RunHead:
    """What is known of a run before it is evaluated; `files` are the tables that it has written."""

    run_id: str
    job: str | None
    command: list[str]
    bundle: Bundle
    trained: bool
    settings: ScoreSettings
    dataset: DatasetRecord | None
    files: Mapping[str, WrittenFile]
    run_date: str = ""
    main_subset: str = ""


@dataclass(frozen=True, eq=False)
class Publication:
    """Where a run goes and what it is compared with.

    `beside` is the folder that it will be published in, where its earlier runs are. `gate` is None for a run without a
    job. `baselines` are run ids or paths by name. `plan` says how labelled images are sliced and which thresholds are
    set, None for the defaults.
    """

    beside: Path
    gate: "Gate | None" = None
    baselines: Mapping[str, str | Path] = field(default_factory=dict)
    formats: tuple[Format, ...] = ("html",)
    templates: Path | None = None
    pictures: bool = True
    plan: "Plan | None" = None

    @property
    def slices(self) -> dict[str, Any]:
        """The options of slices that are not at their defaults."""
        return {} if self.plan is None else self.plan.given_slices()

    @property
    def thresholds(self) -> dict[str, Any]:
        """The options of thresholds that are not at their defaults."""
        return {} if self.plan is None else self.plan.given_thresholds()
