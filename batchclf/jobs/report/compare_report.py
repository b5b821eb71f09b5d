"""Compare two run directories and write what came of it."""

from pathlib import Path

from batchclf.core.compare.comparison import Comparison
from batchclf.core.records.run import RunRecord
from batchclf.core.types import Prediction, Say
from batchclf.jobs.evaluate.compare import compare_runs
from batchclf.jobs.report.reload_splits import splits_again
from batchclf.jobs.report.thumbnails import Pictures, load_pictures
from batchclf.jobs.report.write import Outs, write_comparison_formats
from batchclf.storage.run.directory import read_record


def report_comparison(first: Path, second: Path, outs: Outs, *, say: Say, templates: Path | None = None) -> Comparison:
    """Compare the runs in two directories, the earlier one first, and write each format to its file.

    Pictures come from where the images of the second run were when they were scored. Raises what `compare_runs` and
    `write_formats` raise.
    """
    comparison = compare_runs(first, second)
    records = read_record(first), read_record(second)
    write_comparison_formats(
        outs,
        (first, second),
        records,
        comparison,
        lambda: _pictures(comparison, records[1], say),
        templates=templates,
    )
    return comparison


def _pictures(comparison: Comparison, record: RunRecord, say: Say) -> Pictures:
    flips = (*comparison.lost, *comparison.gained, *comparison.other)
    wanted = [
        Prediction(
            flip.path, comparison.split, flip.label, flip.second_prediction, flip.second_confidence, float("nan")
        )
        for flip in flips
    ]
    return load_pictures(wanted, record.targets, lambda: splits_again(record, say))
