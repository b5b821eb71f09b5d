"""Write a finished run's report anew, from what its run directory holds."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from batchclf.core.compare.result import Comparison
from batchclf.core.records.run import RunRecord
from batchclf.core.records.studies import Studies
from batchclf.core.types import Prediction, Say, unheard
from batchclf.errors import BatchclfError
from batchclf.jobs.evaluate.compare import compare_runs
from batchclf.jobs.evaluate.findings import gather, runs_to_compare
from batchclf.jobs.evaluate.flips import write_flips
from batchclf.jobs.evaluate.image_checks import ImageFindings, image_findings, look_at_images
from batchclf.jobs.evaluate.predictions import evaluate_run
from batchclf.jobs.report.reload_splits import splits_again
from batchclf.jobs.report.thumbnails import Pictures, load_pictures
from batchclf.jobs.report.write import Outs, write_comparison_formats, write_formats
from batchclf.storage.images.duplicates import DUPLICATES_FILE
from batchclf.storage.images.facts import IMAGES_FILE
from batchclf.storage.predictions.flips import FLIPS_FILE
from batchclf.storage.run.directory import SKIPPED_FILE, read_record
from batchclf.storage.run.metrics import METRICS_FILE
from batchclf.storage.run.studies import read_studies
from batchclf.storage.run.written import check_written


def report_again(
    folder: Path,
    outs: Outs,
    *,
    templates: Path | None = None,
    pictures: bool | None = None,
    say: Say,
    warn: Say = unheard,
) -> RunRecord:
    """Render the report of a finished run, a file for each format, from its run.json and CSVs.

    Pictures come from where the images were when they were scored; if they are gone the report goes without, in a
    line that says why. The network is not used. Whether there are any, the run says unless `pictures` does. `warn` gets
    what was edited since the run wrote it.

    Raises RunError or PredictionsError if the run directory is incomplete or its predictions or skipped images have
    other rows than the run wrote, BatchclfError if a template of the user's is wrong, and OSError if a file cannot be
    written. An images.csv or duplicates.csv with other rows costs the section on images.
    """
    record = _with_pictures(read_record(folder), pictures, say)
    warn = cache(warn)  # what is read twice is checked twice
    check_written(folder, [SKIPPED_FILE], warn=warn)
    evaluations, gap = evaluate_run(folder, record, warn=warn)
    try:
        check_written(folder, (IMAGES_FILE, DUPLICATES_FILE), warn=warn)
        look = look_at_images(folder, record.subsets)
        reference, main = record.model.reference, record.main_subset
        images = image_findings(folder, look, reference, evaluations, gap, main)
    except BatchclfError as error:
        say(f"the report goes without what the images look like: {error.message}")
        images = ImageFindings(drift_note=f"What the images look like cannot be read: {error.message}.")
    beside = folder.resolve().parent
    history = runs_to_compare(beside, record)
    with TemporaryDirectory() as aside:  # the run directory stays as it was published
        flips, _ = write_flips(folder, beside, record, history, to=Path(aside) / FLIPS_FILE, say=say, warn=warn)
    findings = gather(folder, record, evaluations, gap, images, history, flips, _studies(folder, say))
    write_formats(
        outs,
        folder,
        findings,
        lambda shown: load_pictures(shown, record.subsets, lambda: splits_again(record, say), say=say),
        templates=templates,
    )
    return record


def _studies(folder: Path, say: Say) -> Studies | None:
    """Read slices and thresholds as the run wrote them: the metadata may be gone. None in an earlier batchclf's run."""
    try:
        file = folder / METRICS_FILE
        return read_studies(file.read_bytes(), file)
    except OSError:
        return None
    except BatchclfError as error:
        say(f"the report goes without slices and thresholds: {error.message}")
        return None


def _with_pictures(record: RunRecord, pictures: bool | None, say: Say) -> RunRecord:
    if pictures is None and not record.pictures:
        say(f"the run {record.run_id} was made without pictures, and so is the page (--pictures shows them)")
    return record if pictures is None else replace(record, pictures=pictures)


def report_comparison(
    first: Path,
    second: Path,
    outs: Outs,
    *,
    say: Say,
    warn: Say = unheard,
    templates: Path | None = None,
    pictures: bool | None = None,
) -> Comparison:
    """Compare the runs in two directories, the earlier one first, and write each format to its file.

    Pictures come from where the images of the second run were when they were scored; there are none if one of the runs
    says so, unless `pictures` does. Raises what `compare_runs` and
    `write_formats` raise.
    """
    comparison = compare_runs(first, second, warn=warn)
    earlier, later = (_with_pictures(read_record(folder), pictures, say) for folder in (first, second))
    records = earlier, later
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
    flips = (*comparison.negative_flips, *comparison.positive_flips, *comparison.other)
    wanted = [
        Prediction(
            flip.path, comparison.split, flip.label, flip.second_prediction, flip.second_confidence, float("nan")
        )
        for flip in flips
    ]
    return load_pictures(wanted, record.subsets, lambda: splits_again(record, say), say=say)
