"""What a job file may hold: the tables and keys of its TOML, as types. `load` reads one."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from batchclf.core.choices import SplitName
from batchclf.core.gate.rules import AlarmName, WhenUncertain
from batchclf.core.options import (
    NotNegative,
    PathText,
    Positive,
    Share,
    Text,
    option,
)
from batchclf.errors import ExitCode
from batchclf.jobs.config.options import (
    DataSpec,
    DeadlineText,
    DirectoryOptions,
    ReportOptions,
    RetentionSpec,
    ScoringOptions,
    SliceOptions,
    ThresholdOptions,
)
from batchclf.jobs.config.tables import PredictionsSpec
from batchclf.training.options import TrainingOptions

Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z",
        extra={"words": "a name of letters, digits, '.', '_' and '-' that begins with a letter or digit"},
    ),
]
Command = Annotated[list[Text], Meta(min_length=1)]


class ModelSpec(TrainingOptions, frozen=True, forbid_unknown_fields=True):
    """[model]: how it is trained, and where it is kept: `bundle`, REPORTS/NAME/model unless given."""

    retrain: Annotated[bool, option("train anew in every run; otherwise only if there is no bundle yet")] = False
    bundle: Annotated[
        PathText | None,
        option("the folder of the model bundle", example="../models/shoes", unset="REPORTS/NAME/model"),
    ] = None


class DirectorySpec(DirectoryOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[scoring.directories.NAME]: a folder of images to score.

    `fixed` says that it is meant to hold the same images in every run, so that no alarm is raised for that.
    """

    path: Annotated[
        PathText,
        option(
            "a folder of images to score; NAME is what it is called in every file",
            example="../incoming/{date}",
            more="a missing or empty folder raises an alarm",
        ),
    ]
    fixed: Annotated[
        bool,
        option("it holds the same images in every run, so that is no alarm", more="see [Alarms](#alarms)"),
    ] = False


class ScoringSpec(ScoringOptions, frozen=True, forbid_unknown_fields=True):
    """[scoring]: what is scored and how. `splits` None is both splits of [data], none without [data]."""

    splits: Annotated[
        list[SplitName] | None,
        option(
            "which splits of [data] are scored; [] none, only the directories",
            example=["test", "train"],
            unset="both, none without [data]",
        ),
    ] = None
    directories: Annotated[
        dict[Name, DirectorySpec], option("folders to score, each as a table with a name of its own")
    ] = msgspec.field(default_factory=dict)


class RuleSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[[gate.rules]]: one metric of one subset compared with bounds, or with an earlier run.

    `class_name` (key `class`) is a class, or `*` for each; `against` is `last-good` or a name of [baselines].
    `max_drop` and `max_rise` are how far the value may be below and above that of the reference.
    """

    metric: Annotated[
        Text,
        option(
            "what is compared with a bound: a number of metrics.json, a count of images, drift, what changed",
            example="macro_f1",
            more="see [Gates](#gates)",
        ),
    ]
    subset: Annotated[
        Text | None,
        option("the split or directory that it is measured on", example="test", unset="the report's main one"),
    ] = None
    class_name: Annotated[
        Text | None,
        option(
            'a class by its name, or "*" for each; for recall, precision and f1 only',
            example="*",
            unset="all classes together",
        ),
    ] = msgspec.field(default=None, name="class")
    slice: Annotated[
        Text | None,
        option(
            "a slice of the images, COLUMN=VALUE, or two joined by ' & '; for metrics of labels and predictions only",
            example="camera=3",
            unset="all images",
            more="see [Slices](slices.md#slices-in-the-gate)",
        ),
    ] = None
    min: Annotated[float | None, option("the least value", example=0.5, unset="no bound")] = None
    max: Annotated[float | None, option("the largest value", example=1.0, unset="no bound")] = None
    against: Annotated[
        Text | None,
        option(
            'bound the change instead: from "last-good", or from a name of [baselines]',
            example="last-good",
        ),
    ] = None
    max_drop: Annotated[
        NotNegative | None,
        option("how far the value may be below that of against", example=0.02, unset="no bound"),
    ] = None
    max_rise: Annotated[
        NotNegative | None, option("how far the value may be above that of against", example=0.02, unset="no bound")
    ] = None
    min_support: Annotated[Positive, option("fewer images are not enough evidence")] = 1
    when_uncertain: Annotated[
        WhenUncertain | None,
        option(
            "what too little evidence does to the run; value: the value alone decides",
            example="value",
            unset='value; pass with against and with class "*"',
        ),
    ] = None


class AlarmSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[gate.alarms]: what would go unseen after a silent run; all are on but those that `off` names.

    `count_fell_by` is the share of the last run's images; `one_class` is the share of the predictions.
    """

    off: Annotated[list[AlarmName], option("alarms to leave out", example=[])] = []
    count_fell_by: Annotated[
        Share,
        option("an alarm if this share of the last run's images is missing", more="see [Alarms](#alarms)"),
    ] = 0.5
    one_class: Annotated[Share, option("an alarm if one class takes this share of the predictions")] = 0.95


class GateSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[gate]: bounds as shares, 0 to 1; further rules; alarms."""

    min_test_accuracy: Annotated[
        Share | None,
        option("the least accuracy on the test split; shares are 0 to 1", example=0.86, unset="no bound"),
    ] = None
    max_gap: Annotated[
        Share | None,
        option("the most train minus test accuracy; needs both splits", example=0.06, unset="no bound"),
    ] = None
    rules: Annotated[list[RuleSpec], option("further rules, each as a table: bounds on a value, or on its change")] = []
    alarms: Annotated[AlarmSpec, option("what would go unseen after a silent run; all alarms are on")] = msgspec.field(
        default_factory=AlarmSpec
    )


class PublishSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[publish]: the reports folder, and where its runs are copied to."""

    reports: Annotated[PathText, option("the reports folder; runs go to REPORTS/NAME/RUN_ID")] = "../reports"
    to: Annotated[
        PathText | None,
        option(
            "an address in an object store to which published runs are copied, as TO/NAME/RUN_ID",
            example="s3://bucket/reports",
            unset="nowhere",
            more="see [Publishing to an object store](remote.md#publishing-to-an-object-store)",
        ),
    ] = None


class ReportSpec(ReportOptions, frozen=True, forbid_unknown_fields=True):
    """[report]: `subset` is the split or directory that the report is about, see `main_subset`."""

    subset: Annotated[
        Text | None,
        option(
            "what the report is about: a split or the NAME of a folder",
            example="test",
            unset="test, else the first folder that may have labels",
        ),
    ] = None


class NotifySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[notify]: who is notified after the run. Commands get the summary on standard input.

    `prometheus` and `junit` are files to write; `webhook` is an address that the summary is posted to.
    """

    on_success: Annotated[
        Command | None,
        option(
            "a command after a good run; it gets the summary as JSON on standard input",
            example=["logger", "-t", "batchclf"],
            more="see [Notifications](notify.md)",
        ),
    ] = None
    on_failure: Annotated[
        Command | None,
        option("a command after any other run", example=["logger", "-p", "user.err", "-t", "batchclf"]),
    ] = None
    webhook: Annotated[
        Text | None, option("address that the summary is posted to", example="https://example.org/hook")
    ] = None
    webhook_on: Annotated[Literal["failure", "always"], option("when the summary is posted")] = "failure"
    prometheus: Annotated[
        PathText | None,
        option(
            "a textfile of metrics for Prometheus' node exporter, .prom",
            example="../reports/nightly.prom",
        ),
    ] = None
    junit: Annotated[
        PathText | None,
        option("the gate as a JUnit XML file", example="../reports/nightly.xml"),
    ] = None
    timeout: Annotated[Positive, option("seconds that each command and the webhook may take")] = 60


class JobSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A job file. Paths in it are relative to the file's own folder.

    `baselines` are runs by name: a run id of this job, or the path of a run directory or a metrics.json.
    """

    name: Annotated[
        Name | None,
        option("the job's folder under the reports folder", example="nightly", unset="the file's name without .toml"),
    ] = None
    deadline: DeadlineText = None
    data: Annotated[
        DataSpec | None,
        option(
            "what the model is trained on, and whose splits are scored; without it model.bundle must be given",
            more="",
        ),
    ] = None
    predictions: Annotated[
        PredictionsSpec | None,
        option("tables of predictions that something else writes, in place of data, model and scoring", more=""),
    ] = None
    model: Annotated[ModelSpec, option("how the model is trained, and where it is kept")] = msgspec.field(
        default_factory=ModelSpec
    )
    scoring: Annotated[ScoringSpec, option("what is scored, and how")] = msgspec.field(default_factory=ScoringSpec)
    slices: Annotated[SliceOptions, option("by what the labelled images are sliced, besides what they look like")] = (
        msgspec.field(default_factory=SliceOptions)
    )
    thresholds: Annotated[
        ThresholdOptions, option("from which probability on an image is positive, and what errors cost")
    ] = msgspec.field(default_factory=ThresholdOptions)
    baselines: Annotated[
        dict[Name, PathText],
        option(
            "a run by a name of its own: a run id of this job, or the path of a run directory or metrics.json",
            example="../baselines/metrics.json",
        ),
    ] = {}
    gate: Annotated[
        GateSpec, option(f"what a run must keep to be good; otherwise the exit code is {ExitCode.GATE_FAILED}")
    ] = msgspec.field(default_factory=GateSpec)
    publish: Annotated[PublishSpec, option("where runs are published")] = msgspec.field(default_factory=PublishSpec)
    report: Annotated[ReportSpec, option("the report in the run directory")] = msgspec.field(default_factory=ReportSpec)
    retention: Annotated[RetentionSpec, option("which runs stay; the others are removed after a run")] = msgspec.field(
        default_factory=RetentionSpec
    )
    notify: Annotated[NotifySpec, option("who is notified after a run")] = msgspec.field(default_factory=NotifySpec)


def splits_of(spec: JobSpec) -> list[SplitName]:
    """Name the splits that a job scores: those it asks for, else both of its data set."""
    if spec.scoring.splits is not None:
        return sorted(spec.scoring.splits)
    return ["test", "train"] if spec.data else []


def main_subset(spec: JobSpec) -> str:
    """Name what a job is about: what [report] says, the test split, or the first directory that may have labels."""
    from batchclf.core.records.run import main_of  # which needs numpy

    if spec.predictions is not None:  # whose splits are not known before they are read
        return spec.report.subset or ""
    directories = spec.scoring.directories
    labelled = sorted(name for name, each in directories.items() if each.labels != "none")
    others = sorted({*directories, *splits_of(spec)}.difference(labelled))
    return main_of(spec.report.subset or "", [*labelled, *others] or [""])
