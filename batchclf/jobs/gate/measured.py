"""What one run measured, as the gate reads it: the current run's from memory, a reference's from its files."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from batchclf import atomic
from batchclf.core.estimate import Interval
from batchclf.core.gate.evidence import Measure, Share
from batchclf.core.gate.rules import AlarmName
from batchclf.core.images.drift import Drift
from batchclf.core.metrics.catalog import top_rank
from batchclf.core.metrics.entry import Entry
from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.metrics.formulas import OfClass, OfRun
from batchclf.core.metrics.gap import Gap
from batchclf.core.metrics.thresholds import ThresholdFindings
from batchclf.core.records.run import RunRecord
from batchclf.core.records.studies import Studies
from batchclf.errors import RunError
from batchclf.jobs.evaluate.image_checks import ImageFindings
from batchclf.storage.run.directory import RECORD_FILE, read_record
from batchclf.storage.run.metrics import FILES, ClassCounts, metrics_dict, read_class_counts, read_metrics_file
from batchclf.storage.run.studies import read_studies

METRICS_FILE, CLASSES_FILE = FILES[:2]

_Values = dict[str, float | None]


class _Metrics(msgspec.Struct):
    """What a metrics.json must look like for its numbers to be read."""

    splits: dict[str, dict[str, float | _Values | None]]
    gap: dict[str, float | str | _Values | None] | None = None


class NotThereError(Exception):
    """A metric that cannot be read; the message says why, and what to do about it.

    `alarm` is the alarm that reports the same of a directory, if there is one.
    """

    def __init__(self, why: str, *, alarm: AlarmName | None = None) -> None:
        super().__init__(why)
        self.alarm = alarm


@dataclass(frozen=True, eq=False)
class Reading:
    """One run: the values of its metrics.json, its counts of each class by split, and its run.json.

    `folder` is its run directory; None, as `record`, if only the metrics are there. `classes` is None without
    per_class.csv. `studies` are its slices and thresholds.
    """

    metrics: _Metrics
    classes: Mapping[str, Mapping[str, ClassCounts]] | None
    record: RunRecord | None
    folder: Path | None
    studies: Studies = field(default_factory=Studies)

    def class_names(self) -> set[str]:
        """Name the classes of the model."""
        if self.record is not None:
            return set(self.record.model.class_names)
        predicted = (split.get("predicted") for split in self.metrics.splits.values())
        return {name for each in predicted if isinstance(each, dict) for name in each}


def reading_of(
    folder: Path,
    record: RunRecord,
    evaluations: Sequence[Evaluation],
    gap: Gap | None,
    studies: Studies | None = None,
) -> Reading:
    """Take the current run, whose files are not all written yet."""
    classes = {
        each.split: {of.name: ClassCounts(of.support, of.predicted, of.correct) for of in each.labelled.per_class}
        for each in evaluations
        if each.labelled is not None
    }
    return Reading(
        msgspec.convert(metrics_dict(evaluations, gap), _Metrics), classes, record, folder, studies or Studies()
    )


def read_reading(path: Path) -> Reading:
    """Read a run directory, or a metrics.json and the per_class.csv beside it.

    Raises RunError if the metrics are missing, or a file is damaged or of another format.
    """
    path = atomic.followed(path)
    folder = path if path.is_dir() else None
    file = path / METRICS_FILE if folder else path
    try:
        metrics = msgspec.convert(read_metrics_file(file), _Metrics)
    except msgspec.ValidationError as error:
        raise RunError(f"{file} is damaged: {error}", hint="make it again with: batchclf evaluate") from error
    beside = file.with_name(CLASSES_FILE)
    classes = read_class_counts(beside) if beside.exists() else None
    record = read_record(folder) if folder is not None and (folder / RECORD_FILE).exists() else None
    studies = read_studies(file.read_bytes(), file)
    return Reading(metrics, classes, record, folder if record is not None else None, studies)


def read_measure(of: Reading, metric: Entry, subset: str) -> Measure:
    """Read a metric that is neither one of a class, nor of drift, nor of two runs; raises NotThereError."""
    if metric.source == "gap":
        return _gap(of, metric)
    if metric.name in ("skipped", "skipped_share"):
        return _skipped(of, metric, subset)
    if metric.source == "thresholds":
        return read_threshold(of, metric, subset)
    split = _split(of, subset)
    images = _whole(split.get("images"))
    if metric.name == "images":
        return Measure(images, images)
    n = images if metric.source == "scores" else _labelled(split, subset)
    return _value(metric, split.get(metric.name), n)


def read_slice(of: Reading, metric: Entry, subset: str, name: str) -> Measure | Share:
    """Read a metric of a slice, accuracy as a share; raises NotThereError."""
    _labelled(_split(of, subset), subset)
    found = of.studies.slices.get(subset)
    if found is None:
        raise NotThereError("it was made by a batchclf that knew no slices")
    each = found.named(name)
    if each is None:
        nearest = difflib.get_close_matches(name, [each.name for each in found.slices], 1, 0.5)
        left_out = (out for out in found.left_out if name.startswith(f"{out.column}="))
        why = next((f" ({out.column} is left out: {out.reason})" for out in left_out), "")
        what = f"did you mean '{nearest[0]}'?" if nearest else "slices.csv has all of them"
        raise NotThereError(f"{subset} has no image in the slice '{name}'{why}: {what}")
    if metric.name == "accuracy":
        return Share(each.correct, each.images)
    return Measure(each.metrics[metric.name], each.images, each.intervals.get(metric.name))


def read_threshold(of: Reading, metric: Entry, subset: str) -> Measure:
    """Read a metric of a threshold; raises NotThereError."""
    _labelled(_split(of, subset), subset)
    found = of.studies.thresholds.get(subset)
    if found is None or found.missing:
        raise NotThereError(found.missing if found else "it was made by a batchclf that set no thresholds")
    of_costs = isinstance(metric.formula, OfRun) and metric.formula.needs == "costs"
    return _of_refusal(metric, found) if of_costs else _of_positive(metric, found)


def _of_refusal(metric: Entry, found: ThresholdFindings) -> Measure:
    best = None if found.refusal is None else found.refusal.best
    if best is None:
        raise NotThereError("no threshold was chosen: give error_cost and review_cost in [thresholds], and more images")
    if metric.name == "cost":
        return Measure(best.cost or 0.0, best.images)
    value = best.coverage if metric.name == "coverage" else best.accuracy
    if value is None:
        raise NotThereError("no image is kept")
    return Measure(value.value, value.n, value.interval)


def _of_positive(metric: Entry, found: ThresholdFindings) -> Measure:
    of = found.two_classes
    if of is None:
        raise NotThereError("a positive class is one of two, and the model has more")
    chosen = {"precision_at_recall": of.at_recall, "recall_at_precision": of.at_precision}.get(metric.name)
    if chosen is not None and chosen.judged is None:
        raise NotThereError(chosen.missing)
    at = of.fixed if chosen is None or chosen.judged is None else chosen.judged
    value = at.precision if metric.name in ("threshold_precision", "precision_at_recall") else at.recall
    if value is None:
        raise NotThereError("there is no image to compute it on")
    return Measure(value.value, value.n, value.interval)


def read_accuracy(of: Reading, subset: str) -> Share | None:
    """Read the counts behind the accuracy of a subset; None if there are none."""
    split = of.metrics.splits.get(subset, {})
    hits, n = _whole(split.get("correct")), _whole(split.get("labelled"))
    return Share(hits, n) if 0 <= hits <= n and n else None


def read_class_shares(of: Reading, metric: Entry, subset: str) -> dict[str, Share | None]:
    """Read a metric of every class, in order; None for a class that has none. Raises NotThereError."""
    _labelled(_split(of, subset), subset)
    if of.classes is None or subset not in of.classes:
        raise NotThereError(f"metrics of classes need {CLASSES_FILE}: put it beside {METRICS_FILE}")
    return {name: _share(metric, counts) for name, counts in of.classes[subset].items()}


def read_class_share(of: Reading, metric: Entry, subset: str, name: str) -> Share:
    """Read a metric of one class; raises NotThereError."""
    shares = read_class_shares(of, metric, subset)
    if name not in shares:
        nearest = difflib.get_close_matches(name, shares, 1, 0.5)
        what = f"did you mean '{nearest[0]}'?" if nearest else "correct the rule"
        raise NotThereError(f"there is no class '{name}': {what}")
    share = shares[name]
    if share is None:
        raise NotThereError(f"{_of_class(metric).missing} in {subset}: give images of it, or remove the rule")
    return share


def read_drift(images: ImageFindings, subset: str) -> list[Drift]:
    """Take what was compared of a subset, checked or not; raises NotThereError if that is nothing."""
    found = [drift for drift in images.drift if drift.split == subset]
    if not found:
        other = f"drift was measured in {images.drift[0].split} only" if images.drift else "no drift was looked for"
        raise NotThereError((images.drift_note or other).rstrip("."))
    return found


def _split(of: Reading, subset: str) -> dict[str, float | _Values | None]:
    split = of.metrics.splits.get(subset)
    if split is None:
        scored = ", ".join(of.metrics.splits) or "nothing"
        why = f"no image of {subset} was scored (only {scored}): check whether its images are there"
        raise NotThereError(why, alarm="no-images")
    return split


def _labelled(split: Mapping[str, Any], subset: str) -> int:
    if n := _whole(split.get("labelled")):
        return n
    why = f"no image of {subset} has a label: give labels, or remove the rule"
    # The folders gave labels until one came that is not a class
    raise NotThereError(why, alarm="class-folders")


def _gap(of: Reading, metric: Entry) -> Measure:
    if of.metrics.gap is None:
        raise NotThereError("the gap needs labelled images of both splits, test and train: have both scored")
    n = min(_whole(of.metrics.splits.get(name, {}).get("labelled")) for name in ("test", "train"))
    return _value(metric, of.metrics.gap.get(metric.name), n)


def _value(metric: Entry, found: float | str | _Values | None, n: int) -> Measure:
    """Take a number, or a value with its interval; raises NotThereError."""
    values = found if isinstance(found, dict) else {"value": found}
    value, low, high = (values.get(key) for key in ("value", "low", "high"))
    if not isinstance(value, float | int):
        raise NotThereError(_why_not(metric))
    return Measure(
        value, n, Interval(low, high) if isinstance(low, float | int) and isinstance(high, float | int) else None
    )


def _skipped(of: Reading, metric: Entry, subset: str) -> Measure:
    if of.record is None:
        raise NotThereError(f"{METRICS_FILE} does not say what was skipped: name the run directory instead")
    record = next((each for each in of.record.subsets if each.split == subset), None)
    if record is None:
        raise NotThereError(f"{subset} was not scored")
    n = record.scored + record.skipped
    if metric.name == "skipped":
        return Measure(record.skipped, n)
    if not n:
        raise NotThereError(f"{subset} has no image: check whether its images are there", alarm="no-images")
    return Measure(record.skipped / n, n)


def _share(metric: Entry, counts: ClassCounts) -> Share | None:
    of = _of_class(metric)
    n = of.images(counts.support, counts.predicted, counts.correct)
    return Share(counts.correct, n, f1=of.f1) if n else None


def _of_class(metric: Entry) -> OfClass:
    assert isinstance(metric.formula, OfClass)
    return metric.formula


def _why_not(metric: Entry) -> str:
    if metric.needs_probabilities:
        return "it needs a column for each class's probability: set probabilities = true in [scoring]"
    if rank := top_rank(metric.name):
        return f"it needs {rank} classes a row: set topk = {rank} in [scoring], at most the number of classes"
    return "the run does not have it"


def _whole(value: object) -> int:
    return int(value) if isinstance(value, float | int) else 0
