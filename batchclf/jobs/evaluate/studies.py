"""Slices and thresholds of a run, from its predictions, its images.csv and metadata."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from msgspec import convert

from batchclf.core.metrics.thresholds import Scored, ThresholdFindings, refusal, two_classes
from batchclf.core.options import not_default
from batchclf.core.records.studies import Studies
from batchclf.core.slices.measure import find_slice, measure_column, measure_slice, trends, with_intervals
from batchclf.core.slices.result import SliceFindings, SliceMetrics, WeakSlice
from batchclf.core.slices.search import find_weakest
from batchclf.core.types import Say
from batchclf.data.metadata_table import MetadataTable, Roots, read_metadata
from batchclf.data.sources.addresses import Location, located
from batchclf.errors import DataError, RunError, UsageError
from batchclf.jobs.config.options import SliceOptions, ThresholdOptions
from batchclf.jobs.config.study_options import check_costs, check_positive_class, other_cost, path_pattern
from batchclf.jobs.evaluate.labelled_images import Collector, LabelledImages
from batchclf.storage.run.directory import read_record
from batchclf.storage.run.metrics import METRICS_FILE
from batchclf.storage.run.studies import read_studies

SHOWN_ERRORS = 6
"""So many errors of each slice that is weak are shown."""

NO_CONFIDENCE = "The predictions have no confidence, so no threshold can be set."


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be studied: the options, checked, the metadata, and the slices that rules name."""

    slices: SliceOptions
    thresholds: ThresholdOptions
    metadata: MetadataTable | None = None
    pattern: re.Pattern[str] | None = None
    asked: tuple[str, ...] = ()

    def given_slices(self) -> dict[str, str | int | float]:
        """The options of slices that are not at their defaults; the metadata by its whole path."""
        source = None if self.metadata is None else self.metadata.source
        file = {} if source is None else {"metadata": str(source.resolve() if isinstance(source, Path) else source)}
        return not_default(self.slices) | file

    def given_thresholds(self) -> dict[str, str | int | float]:
        """The options of thresholds that are not at their defaults."""
        return not_default(self.thresholds)


def plan_studies(
    slices: SliceOptions,
    thresholds: ThresholdOptions,
    class_names: Sequence[str] | None,
    *,
    metadata: Location | None,
    roots: Roots = MappingProxyType({}),
    asked: Collection[str | None] = (),
) -> Plan:
    """Check the options, and read the metadata: before the scoring rather than after hours of it.

    `class_names` are None if only the rows of predictions name them. `metadata` is the file that `slices` names,
    `roots` are the folders that its paths may lead into, by subset, `asked` the slices that rules name. Raises
    DataError if the metadata cannot be used, UsageError if a pattern is none or costs come alone, and ModelError if the
    positive class is not one of two.
    """
    if cost := check_costs(thresholds):
        what, hint = other_cost(cost)
        raise UsageError(what, hint=hint)
    if class_names and thresholds.positive_class is not None:
        check_positive_class(thresholds.positive_class, class_names)
    return Plan(
        slices,
        thresholds,
        None if metadata is None else read_metadata(metadata, roots),
        None if slices.path_pattern is None else path_pattern(slices.path_pattern),
        tuple(sorted({name for name in asked if name is not None})),
    )


def plan_again(
    run: Path, slices: SliceOptions, thresholds: ThresholdOptions, class_names: Sequence[str] | None
) -> Plan | None:
    """Plan the same again for the run in a folder, with the options that are given now in place of its own.

    None if neither it nor anybody asks for anything. Raises what `plan_studies` does; so also if the metadata that the
    run was sliced by are gone.
    """
    roots: Roots = {}
    try:
        record = read_record(run)
        roots = {
            None if subset.kind == "predictions" else subset.split: located(subset.images or subset.source)
            for subset in record.subsets
            if subset.kind == "directory" or subset.images
        }
        slices = convert({**record.slices, **not_default(slices)}, SliceOptions)
        thresholds = convert({**record.thresholds, **not_default(thresholds)}, ThresholdOptions)
    except RunError:
        pass  # predictions of others have no run.json beside them
    if slices == SliceOptions() and thresholds == ThresholdOptions() and not _asked_before(run):
        return None
    metadata = None if slices.metadata is None else located(slices.metadata)
    if isinstance(metadata, Path) and not metadata.is_file():
        hint = "give the file: --metadata FILE; without it the run would lose its slices"
        raise DataError(f"the metadata {metadata} are gone", hint=hint)
    return plan_studies(slices, thresholds, class_names, metadata=metadata, roots=roots, asked=_asked_before(run))


def _asked_before(run: Path) -> set[str]:
    """Name the slices that rules of a run were about, which its metrics.json has more of."""
    file = run / METRICS_FILE
    try:
        found = read_studies(file.read_bytes(), file).slices.values()
    except (OSError, RunError):
        return set()
    return {each.name for of in found for each in of.slices if each.intervals or not each.column}


def study(collector: Collector, plan: Plan | None, class_names: Sequence[str], *, warn: Say) -> Studies | None:
    """Slice the labelled images of each split, and set thresholds on them; None if no image has a label.

    `warn` gets a line if rows of the metadata name no image, or repeat each other, and if there is a plan for nothing.
    """
    asked = plan
    plan = plan or Plan(SliceOptions(), ThresholdOptions())
    if plan.metadata is not None:
        for line in (plan.metadata.repeats, plan.metadata.unmatched(), plan.metadata.shared()):
            if line:
                warn(line)
    slices, thresholds = {}, {}
    for split, of in collector.images():
        slices[split] = _slices(of, plan)
        thresholds[split] = _thresholds(of, class_names, plan.thresholds)
    if slices:
        return Studies(slices, thresholds)
    if asked is not None:
        warn("no image has a label, so there is nothing to slice, and no threshold to set")
    return None


def _slices(of: LabelledImages, plan: Plan) -> SliceFindings:
    rows = of.rows
    slices = {each.name: each for column in of.columns for each in measure_column(rows, column)}
    for each in _asked(of, plan.asked):
        slices[each.name] = replace(each, column=slices[each.name].column if each.name in slices else "")
    search = find_weakest(rows, of.columns, of.second_half, plan.slices.min_slice)
    if search is not None:
        search = replace(search, weakest=tuple(_with_errors(each, of) for each in search.weakest))
    steepest = trends(rows, of.columns)
    return SliceFindings(len(rows), tuple(slices.values()), of.left_out, steepest, search, missing=of.missing)


def _with_errors(weak: WeakSlice, of: LabelledImages) -> WeakSlice:
    found = find_slice(of.columns, weak.judged.name) if weak.is_weak else None
    if found is None:
        return weak
    wrong = np.fromiter(of.errors, np.int64, len(of.errors))
    places = wrong[found[0][wrong]]
    # The surest first; a confidence may be nan
    order = np.argsort(-np.nan_to_num(of.confidence[places], nan=-1.0), kind="stable")[:SHOWN_ERRORS]
    return replace(weak, errors=tuple(of.errors[place] for place in places[order].tolist()))


def _asked(of: LabelledImages, names: Sequence[str]) -> list[SliceMetrics]:
    found = {name: find_slice(of.columns, name) for name in names}
    everything = of.rows.group()
    return [
        with_intervals(measure_slice(chosen := of.rows.only(each[0]), everything, name, each[1]), chosen)
        for name, each in found.items()
        if each is not None and each[0].any()
    ]


def _thresholds(of: LabelledImages, class_names: Sequence[str], options: ThresholdOptions) -> ThresholdFindings:
    if not np.isfinite(of.confidence).all():
        return ThresholdFindings(len(of.rows), NO_CONFIDENCE, None, None)
    found = None
    if of.scores is not None:
        assumed = options.positive_class is None
        if not assumed and options.positive_class not in class_names:
            missing = f"There is no class '{options.positive_class}', which would be the positive one."
            return ThresholdFindings(len(of.rows), missing, None, None)
        place = 1 if assumed else class_names.index(options.positive_class or "")
        scored = Scored(of.scores if place else 1 - of.scores, of.rows.labels == place)
        found = two_classes(
            scored,
            of.second_half,
            class_names[place],
            assumed=assumed,
            threshold=options.threshold,
            at_recall=options.at_recall,
            at_precision=options.at_precision,
        )
    refused = refusal(
        of.confidence,
        of.rows.right,
        of.second_half,
        error_cost=options.error_cost,
        review_cost=options.review_cost,
    )
    return ThresholdFindings(len(of.rows), "", found, refused)
