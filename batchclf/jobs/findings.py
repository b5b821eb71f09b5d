"""Gather what a run's report is made from, out of the run directory and those beside it."""

from dataclasses import replace
from pathlib import Path

from batchclf.core.comparison import Comparison
from batchclf.core.evaluation import Evaluation
from batchclf.core.findings import Findings
from batchclf.core.gap import Gap
from batchclf.core.history import RunSummary
from batchclf.core.run_record import RunRecord
from batchclf.errors import BatchclfError
from batchclf.jobs.compare import compare_runs
from batchclf.jobs.history import earlier_runs
from batchclf.jobs.image_findings import ImageFindings
from batchclf.jobs.suspicions import find_suspicions
from batchclf.storage.run_directory import PREDICTIONS_FILE


def gather(
    folder: Path,
    beside: Path,
    record: RunRecord,
    evaluations: list[Evaluation],
    gap: Gap | None,
    images: ImageFindings,
) -> Findings:
    """Put together the findings of the run in `folder`, whose earlier runs lie in `beside`.

    An earlier run that cannot be read costs no more than itself. Raises PredictionsError where predictions.csv cannot
    be read.
    """
    findings = Findings(
        record,
        tuple(evaluations),
        gap,
        duplicates=images.duplicates,
        statistics=images.statistics,
        drift=images.drift,
        drift_note=images.drift_note,
        history=_same_targets(earlier_runs(beside, record.run_id), record),
    )
    main = findings.main
    suspicions = None
    if main.labelled is not None:
        csv, names = folder / PREDICTIONS_FILE, tuple(record.model.class_names)
        suspicions = find_suspicions(csv, names, main.split, main.labelled.total)
    return replace(findings, change=_change(folder, beside, findings), suspicions=suspicions)


def _same_targets(runs: tuple[RunSummary, ...], record: RunRecord) -> tuple[RunSummary, ...]:
    """Keep the runs of the same job or, without a job, those that scored the same: only they can be held against it."""
    sources = tuple(target.source for target in record.targets)
    return tuple(run for run in runs if run.job == record.job and (record.job or run.sources == sources))


def _change(folder: Path, beside: Path, findings: Findings) -> Comparison | None:
    if not findings.history:
        return None
    last = findings.history[-1]
    try:
        return compare_runs(beside / last.folder, folder, findings.main.split, record=findings.record)
    except BatchclfError:  # other classes, nothing in common, removed meanwhile: then there is nothing to compare
        return None
