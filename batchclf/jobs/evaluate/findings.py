"""Gather what a run's report is made from, out of the run directory and those beside it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.core.metrics.evaluation import Evaluation
from batchclf.core.records.findings import Findings
from batchclf.core.records.history import RunSummary
from batchclf.core.records.run import RunRecord
from batchclf.jobs.evaluate.image_checks import ImageFindings
from batchclf.jobs.history.runs import earlier_runs
from batchclf.storage.predictions.write import predictions_in

if TYPE_CHECKING:
    from batchclf.core.compare.result import Comparison
    from batchclf.core.metrics.gap import Gap
    from batchclf.core.records.studies import Studies
    from batchclf.jobs.evaluate.label_issues import LabelledRows


def gather(
    folder: Path,
    record: RunRecord,
    evaluations: list[Evaluation],
    gap: "Gap | None",
    images: ImageFindings,
    history: tuple[RunSummary, ...],
    flips: "tuple[Comparison, ...]",
    studies: "Studies | None" = None,
    labelled: "LabelledRows | None" = None,
) -> Findings:
    """Put together the findings of the run in `folder`.

    `history` are the earlier runs, `flips` the comparisons with the last of them, `studies` the slices and thresholds,
    None without labels, `labelled` the rows to look for label issues in, if they were kept. Raises PredictionsError if
    the predictions cannot be read.
    """
    findings = Findings(
        record,
        tuple(evaluations),
        gap,
        duplicates=images.duplicates,
        statistics=images.statistics,
        drift=images.drift,
        drift_note=images.drift_note,
        history=history,
        flips=flips,
    )
    main = findings.main
    label_issues = None
    if main.labelled is not None:
        from batchclf.jobs.evaluate.label_issues import find_label_issues

        predictions, names = predictions_in(folder), tuple(record.model.class_names)
        label_issues = find_label_issues(predictions, names, main.split, main.labelled.total, labelled)
    change = next((each for each in flips if each.split == main.split), None)
    findings = replace(findings, change=change, label_issues=label_issues)
    if studies is None:
        return findings
    of_main = studies.slices.get(main.split), studies.thresholds.get(main.split)
    return replace(findings, slices=of_main[0], thresholds=of_main[1])


def runs_to_compare(beside: Path, record: RunRecord) -> tuple[RunSummary, ...]:
    """List the earlier runs that lie in `beside`, oldest first, that a run can be compared with.

    These are the runs of the same job or, without a job, those that scored the same. Never raises.
    """
    sources = tuple(subset.source for subset in record.subsets)
    runs = earlier_runs(beside, record.run_id)
    return tuple(run for run in runs if run.job == record.job and (record.job or run.sources == sources))
