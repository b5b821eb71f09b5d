"""What a job file may hold: the tables and keys of its TOML, as types. `job_file` reads one."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from batchclf.core.gate.rules import WhenUncertain
from batchclf.core.records.run import main_of
from batchclf.core.types import ColorMode
from batchclf.data.pixel_store import Store
from batchclf.data.size_text import SIZE
from batchclf.models.preprocessing import ChannelOrder, Scale
from batchclf.models.runtime.registry import Device, Precision, RuntimeName
from batchclf.storage.predictions.write import Format
from batchclf.training.plan import CHECKPOINT_SECONDS, ClassWeights
from batchclf.training.recipes.builtin import Schedule

Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Below1 = Annotated[float, Meta(ge=0, lt=1)]
InnerShare = Annotated[float, Meta(gt=0, lt=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]
"""The seeds that numpy takes."""

NO_NUL = r"^[^\x00]+$"
PathText = Annotated[str, Meta(pattern=NO_NUL)]
Text = Annotated[str, Meta(min_length=1)]
SizeText = Annotated[str, Meta(pattern=SIZE)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z"
Name = Annotated[str, Meta(pattern=NAME)]
Command = Annotated[list[Text], Meta(min_length=1)]
SplitName = Literal["test", "train"]
ReportFormat = Literal["html", "json", "md"]


class DataSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[data]: a data set by name or a folder of class folders; `data_dir` is where a named one's files lie.

    The other keys are about class folders; the names are those of `batchclf train`.
    """

    dataset: Literal["fashion-mnist", "digits"] | None = None
    directory: PathText | None = None
    data_dir: PathText | None = None
    test_size: InnerShare | None = None
    group_by: Text | None = None
    input_size: SizeText | None = None
    color: ColorMode | None = None
    store: Store = "auto"


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[model]: how it is trained, by the names of the options of `batchclf train`.

    `recipe` None is mlp, or none if a `base` is fine-tuned; the keys from `application` on go with that. `bundle` is
    where the model is kept, REPORTS/NAME/model unless given.
    """

    recipe: str | None = None
    epochs: Positive | None = None
    batch_size: Positive | None = None
    seed: Seed = 0
    validation_split: Below1 | None = None
    learning_rate: Annotated[float, Meta(gt=0)] | None = None
    learning_rate_schedule: Schedule | None = None
    patience: Annotated[int, Meta(ge=0)] | None = None
    class_weights: ClassWeights = "none"
    dropout: Below1 | None = None
    weight_decay: NotNegative | None = None
    label_smoothing: Below1 | None = None
    augment: Text | None = None
    flip_tta: bool | None = None
    ensemble_size: Positive | None = None
    compare_regularisation: bool = False
    checkpoint_every: NotNegative = CHECKPOINT_SECONDS
    base: PathText | None = None
    application: Text | None = None
    frozen_epochs: Annotated[int, Meta(ge=0)] | None = None
    scale: Scale | None = None
    mean: Annotated[list[float], Meta(min_length=1, max_length=3)] | None = None
    std: Annotated[list[float], Meta(min_length=1, max_length=3)] | None = None
    channel_order: ChannelOrder | None = None
    retrain: bool = False
    bundle: PathText | None = None


class DirectorySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[scoring.directories.NAME]: a folder of images to score; the keys are the options of `batchclf score DIR`.

    `fixed` says that it is meant to hold the same images in every run, so that no alarm is raised for that.
    """

    path: PathText
    labels: PathText = "auto"
    glob: list[Text] = []
    follow_symlinks: bool = False
    max_skipped: str | None = None
    fixed: bool = False


class ScoringSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[scoring]: what is scored and how; the names are those of `batchclf score`.

    `splits` None is both splits of [data], none without [data].
    """

    splits: list[SplitName] | None = None
    directories: dict[Name, DirectorySpec] = {}
    batch_size: Positive | None = None
    workers: Positive | None = None
    topk: Positive = 3
    probabilities: bool = True
    runtime: RuntimeName = "onnx"
    precision: Precision = "f32"
    device: Device = "cpu"
    resize: Literal["fast", "exact"] = "fast"
    format: list[Format] = msgspec.field(default_factory=lambda: ["csv"])
    cache: bool = True


class RuleSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[[gate.rules]]: one metric of one subset compared with bounds, or with an earlier run.

    `class_name` (key `class`) is a class, or `*` for each; `against` is `last-good` or a name of [baselines].
    `max_drop` and `max_rise` are how far the value may be below and above that of the reference.
    """

    metric: Text
    subset: Text | None = None
    class_name: Text | None = msgspec.field(default=None, name="class")
    min: float | None = None
    max: float | None = None
    against: Text | None = None
    max_drop: NotNegative | None = None
    max_rise: NotNegative | None = None
    min_support: Positive = 1
    when_uncertain: WhenUncertain | None = None


AlarmName = Literal["no-images", "no-new-images", "same-images", "fewer-images", "class-folders", "one-class"]


class AlarmSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[gate.alarms]: what would go unseen after a silent run; all are on but those that `off` names.

    `count_fell_by` is the share of the last run's images; `one_class` is the share of the predictions.
    """

    off: list[AlarmName] = []
    count_fell_by: Share = 0.5
    one_class: Share = 0.95


class GateSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[gate]: bounds as shares, 0 to 1; further rules; alarms."""

    min_test_accuracy: Share | None = None
    max_gap: Share | None = None
    rules: list[RuleSpec] = []
    alarms: AlarmSpec = msgspec.field(default_factory=AlarmSpec)


class PublishSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[publish]: the reports folder."""

    reports: PathText = "../reports"


class ReportSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[report]: which forms of the report the run directory holds; a folder of custom templates.

    `subset` is the split or directory that the report is about, see `main_subset`.
    """

    subset: Text | None = None
    format: list[ReportFormat] = msgspec.field(default_factory=lambda: ["html"])
    templates: PathText | None = None


class RetentionSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[retention]: which runs stay; None keeps all. Baselines, the last good run and the latest one always stay."""

    keep_runs: Positive | None = None
    keep_days: Positive | None = None


class NotifySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[notify]: who is notified after the run. Commands get the summary on standard input.

    `prometheus` and `junit` are files to write; `webhook` is an address that the summary is posted to.
    """

    on_success: Command | None = None
    on_failure: Command | None = None
    webhook: Text | None = None
    webhook_on: Literal["failure", "always"] = "failure"
    prometheus: PathText | None = None
    junit: PathText | None = None
    timeout: Positive = 60


class JobSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A job file. Paths in it are relative to the file's own folder.

    `baselines` are runs by name: a run id of this job, or the path of a run directory or a metrics.json. `deadline` is
    as for `run --deadline`.
    """

    name: Name | None = None
    deadline: Text | None = None
    data: DataSpec | None = None
    model: ModelSpec = msgspec.field(default_factory=ModelSpec)
    scoring: ScoringSpec = msgspec.field(default_factory=ScoringSpec)
    baselines: dict[Name, PathText] = {}
    gate: GateSpec = msgspec.field(default_factory=GateSpec)
    publish: PublishSpec = msgspec.field(default_factory=PublishSpec)
    report: ReportSpec = msgspec.field(default_factory=ReportSpec)
    retention: RetentionSpec = msgspec.field(default_factory=RetentionSpec)
    notify: NotifySpec = msgspec.field(default_factory=NotifySpec)


def splits_of(spec: JobSpec) -> list[SplitName]:
    """Name the splits that a job scores: those it asks for, else both of its data set."""
    if spec.scoring.splits is not None:
        return sorted(spec.scoring.splits)
    return ["test", "train"] if spec.data else []


def main_subset(spec: JobSpec) -> str:
    """Name what a job is about: what [report] says, the test split, or the first directory that may have labels."""
    directories = spec.scoring.directories
    labelled = sorted(name for name, each in directories.items() if each.labels != "none")
    others = sorted({*directories, *splits_of(spec)}.difference(labelled))
    return main_of(spec.report.subset or "", [*labelled, *others] or [""])
