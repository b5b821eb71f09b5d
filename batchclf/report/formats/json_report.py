"""A report as JSON: the numbers of the page for programs; docs/report.schema.json is made from these types."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, cast, get_type_hints

import msgspec

from batchclf.core.compare.result import Comparison
from batchclf.core.metrics.calibration import Calibration
from batchclf.core.metrics.confusion import ConfusedPair
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.metrics.gap import Gap
from batchclf.core.metrics.labelled import ClassMetrics
from batchclf.core.metrics.overall import Metric
from batchclf.core.metrics.ranking import ClassRanking
from batchclf.core.metrics.temperature import WithoutTemperature
from batchclf.core.metrics.thresholds import ThresholdFindings
from batchclf.core.records.findings import Findings
from batchclf.core.records.regularisation import Regularisation, compare_variants
from batchclf.core.records.run import GateResult, ModelRecord, RunRecord, RunState
from batchclf.core.slices.result import SliceFindings
from batchclf.core.types import Prediction, SkippedImage
from batchclf.report.formats.json_values import json_values
from batchclf.report.formats.record_parts import part, part_of
from batchclf.report.sections.gate import in_order
from batchclf.report.sections.section_list import SECTIONS, Material, load
from batchclf.report.sections.verdict import Direction, verdict_view

DOCUMENT_FORMAT = 2
CURVE_DECIMALS = 5
_FIRST = ("gap", "duplicates", "statistics", "drift", "label_issues", "skipped", "history", "change", "flips")
"""Keys of sections that stand in this order since format 1; those of further sections follow."""
_LATER = {
    "Comparison": Comparison,
    "Gap": Gap,
    "SliceFindings": SliceFindings,
    "ThresholdFindings": ThresholdFindings,
}
"""What findings name without loading it."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@part_of(GateResult, "outcome passed kind name subset class_name against value bound sentence because")
class GatePart:
    """One rule or alarm of the gate, `value` compared with `bound`; both null where there was nothing to compare.

    `outcome` says what came of it, `passed` decides on the run's status whatever the evidence. `subset` and
    `class_name` are empty if it is about all of them; `against` is what a change is compared with. `because` is the
    name of the alarm that reports why a rule was not checked, empty if none does.
    """


@dataclass(frozen=True)
class VerdictPart:
    """What the page says first; `change` is null for a run that has no earlier one.

    `partial` says why the run is only partial, null for a whole one; `cause` where a failure comes from, null if that
    is not known. `gates` has what failed first.
    """

    state: RunState
    headline: str
    reason: str
    partial: str | None
    cause: str | None
    change: str | None
    direction: Direction | None
    gates: list[GatePart]


@part_of(
    ModelRecord,
    "path digest recipe settings class_names input_shape color_mode parameters geometry trained_on created history "
    "trained_in_this_run training regularisation source",
)
class ModelPart:
    """The model that scored; `history` has one value an epoch, null where training gave no finite one.

    `training` says how the training went, null where that was not kept; `regularisation` compares the variants that
    were trained, null where there are none.
    """

    history: dict[str, list[float | None]]
    regularisation: Regularisation | None


@part_of(
    RunRecord,
    "run_id job command status started run_date seconds runtime precision device resize batch_size model subsets "
    "dataset timings versions",
)
class RunPart:
    """How the run came about. Times are ISO 8601 with offset, durations in seconds.

    `run_date` is the job's run date, YYYY-MM-DD, or empty.
    """

    model: ModelPart


@dataclass(frozen=True)
class LabelledPart:
    """What can be known only with labels. `confusion` has a row for each true class and a column for each
    predicted class.

    `without_temperature` is null where the model has no temperature or its probabilities are not all known. The curves
    of `ranking` are rounded to 5 decimals.
    """

    images: int
    correct: int
    metrics: list[Metric]
    confusion: list[list[int]]
    per_class: list[ClassMetrics]
    confused_pairs: list[ConfusedPair]
    worst_errors: list[Prediction]
    calibration: Calibration | None
    without_temperature: WithoutTemperature | None
    ranking: list[ClassRanking] | None


@dataclass(frozen=True)
class SplitPart:
    """One split, or a directory by its name (empty for that of `score`).

    `predicted` counts the predictions of each class.
    """

    split: str
    images: int
    mean_confidence: float | None
    predicted: list[int]
    least_confident: list[Prediction]
    labelled: LabelledPart | None


class ReportHead(msgspec.Struct, frozen=True):
    """The report of one run. Shares are 0 to 1, differences of shares -1 to 1; what cannot be known is null.

    `main` is the split or directory that the verdict is about. `history` has the earlier runs of the job, oldest first.
    `flips` compares each subset with the last of them, `change` the main one.
    """

    generated: str
    verdict: VerdictPart
    run: RunPart
    main: str
    class_names: list[str]
    splits: list[SplitPart]


@dataclass(frozen=True)
class ComparisonDocument:
    """Two runs on the same images. Differences are second minus first."""

    generated: str
    first: RunPart
    second: RunPart
    comparison: Comparison
    kind: Literal["comparison"] = "comparison"
    format: int = DOCUMENT_FORMAT


def report_document(findings: Findings, *, skipped: Iterable[SkippedImage], generated: datetime) -> ReportHead:
    """Put together what report.json holds; `generated` is an aware time."""
    verdict = verdict_view(findings, generated)
    change = verdict.change
    material = Material(findings, skipped)
    return _report_type()(
        generated=generated.isoformat(timespec="seconds"),
        verdict=VerdictPart(
            verdict.state,
            verdict.headline,
            verdict.reason,
            verdict.partial or None,
            verdict.cause or None,
            change.sentence if change else None,
            change.direction if change else None,
            [part(GatePart, gate) for gate in in_order(findings.record.gates)],
        ),
        run=_run(findings.record),
        main=findings.main.split,
        class_names=list(findings.main.class_names),
        splits=[_split(each) for each in findings.evaluations],
        **{key: material.made(how) for key, how in _keys().items()},
    )


def _keys() -> dict[str, str]:
    """List the keys of the sections, and how each is made."""
    found = {key: how for section in SECTIONS for key, how in section.json.items()}
    return dict(sorted(found.items(), key=lambda item: _FIRST.index(item[0]) if item[0] in _FIRST else len(_FIRST)))


def _report_type() -> type[ReportHead]:
    """Make the type of report.json: the head, the keys of the sections, and what says which document it is."""
    attributes = get_type_hints(Findings, localns=_LATER)
    keys = [
        (key, get_type_hints(load(how.split()[0]))["return"] if ":" in how else attributes[how.split(".")[1]])
        for key, how in _keys().items()
    ]
    kind = [("kind", Literal["run"], "run"), ("format", int, DOCUMENT_FORMAT)]
    made = msgspec.defstruct(
        "ReportDocument", [*keys, *kind], bases=(ReportHead,), namespace={"__doc__": ReportHead.__doc__}, frozen=True
    )
    return cast("type[ReportHead]", made)


def comparison_document(
    comparison: Comparison, first: RunRecord, second: RunRecord, *, generated: datetime
) -> ComparisonDocument:
    """Put together what the comparison of two runs holds as JSON; `generated` is an aware time."""
    return ComparisonDocument(generated.isoformat(timespec="seconds"), _run(first), _run(second), comparison)


def encoded(document: ReportHead | ComparisonDocument) -> bytes:
    """Write a document as JSON in UTF-8, a line for each key of the outermost object."""
    values = json_values(msgspec.to_builtins(document))
    lines = [msgspec.json.encode(name) + b": " + msgspec.json.encode(value) for name, value in values.items()]
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def document_schema() -> dict[str, Any]:
    """Make the JSON schema of both documents."""
    references, parts = msgspec.json.schema_components([_report_type(), ComparisonDocument])
    return {
        "$schema": _DIALECT,
        "title": "report.json of batchclf",
        "anyOf": list(references),
        "$defs": {name: _complete(parts[name]) for name in sorted(parts)},
    }


def _run(record: RunRecord) -> RunPart:
    model, training = record.model, record.model.training
    regularisation = compare_variants(training.variants) if training else None
    return part(RunPart, record, model=part(ModelPart, model, regularisation=regularisation))


def _split(evaluation: Evaluation) -> SplitPart:
    labelled = evaluation.labelled
    return SplitPart(
        split=evaluation.split,
        images=evaluation.total,
        mean_confidence=evaluation.mean_confidence,
        predicted=evaluation.predicted_counts.tolist(),
        least_confident=list(evaluation.least_confident),
        labelled=None
        if labelled is None
        else LabelledPart(
            images=labelled.total,
            correct=labelled.correct,
            metrics=list(labelled.overall),
            confusion=labelled.confusion.counts.tolist(),
            per_class=list(labelled.per_class),
            confused_pairs=list(labelled.confused_pairs),
            worst_errors=list(labelled.worst_errors),
            calibration=labelled.calibration,
            without_temperature=labelled.without_temperature,
            ranking=None if labelled.ranking is None else [_rounded(each) for each in labelled.ranking],
        ),
    )


def _rounded(ranking: ClassRanking) -> ClassRanking:
    roc, precision_recall = (
        tuple((round(x, CURVE_DECIMALS), round(y, CURVE_DECIMALS)) for x, y in curve)
        for curve in (ranking.roc, ranking.precision_recall)
    )
    return replace(ranking, roc=roc, precision_recall=precision_recall)


def _complete(schema: dict[str, Any]) -> dict[str, Any]:
    """Say that every property is always there, so that none has a default, and tidy the description."""
    made = {key: value for key, value in schema.items() if key not in ("default", "nullable")}
    if schema.get("nullable"):  # a number that is nan where it is not known
        made["type"] = [made["type"], "null"]
    if "description" in made:
        made["description"] = " ".join(made["description"].split())
    if "properties" in made:
        made["properties"] = {name: _complete(each) for name, each in made["properties"].items()}
        made["required"] = list(made["properties"])
    return made


if __name__ == "__main__":  # python -m batchclf.report.formats.json_report > docs/report.schema.json
    print(msgspec.json.format(msgspec.json.encode(document_schema()), indent=2).decode())
