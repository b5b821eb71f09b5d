"""Write a finished run's report anew, from what its run directory holds."""

import importlib
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from batchclf.core.metrics.temperature import temperature_of
from batchclf.core.records.run import RunRecord
from batchclf.core.types import Say
from batchclf.errors import BatchclfError
from batchclf.jobs.evaluate.evaluate import evaluate_predictions
from batchclf.jobs.evaluate.findings import gather, runs_to_compare
from batchclf.jobs.evaluate.flips import write_flips
from batchclf.jobs.evaluate.image_checks import ImageFindings, image_findings, look_at_images
from batchclf.jobs.report.reload_splits import splits_again
from batchclf.jobs.report.thumbnails import load_pictures
from batchclf.jobs.report.write import Outs, write_formats
from batchclf.storage.predictions.flips import FLIPS_FILE
from batchclf.storage.run.directory import PREDICTIONS_FILE, read_record


def load_ahead() -> None:
    """Begin to load what draws the report, in a thread: matplotlib takes as long as scoring thousands of images."""
    threading.Thread(target=_load_drawing, daemon=True).start()


def _load_drawing() -> None:
    # What goes wrong here, such as too little memory for a library, is told where the report is drawn.
    with suppress(ImportError, MemoryError, OSError):
        importlib.import_module("batchclf.report.html.render")


def report_again(folder: Path, outs: Outs, *, templates: Path | None = None, say: Say) -> RunRecord:
    """Render the report of a finished run, a file for each format, from its run.json and CSVs.

    Pictures come from where the images were when they were scored; where they are gone the report goes without.
    Raises RunError or PredictionsError where the run directory is incomplete, BatchclfError where a template of the
    user's is wrong, and OSError where a file cannot be written.
    """
    record = read_record(folder)
    names, temperature = tuple(record.model.class_names), temperature_of(record.model.training)
    evaluations, gap = evaluate_predictions(folder / PREDICTIONS_FILE, names, temperature)
    try:
        look = look_at_images(folder, record.targets)
        reference, main = record.model.reference, record.main_target
        images = image_findings(folder, look, reference, evaluations, gap, main)
    except BatchclfError as error:
        say(f"the report goes without what the images look like: {error.message}")
        images = ImageFindings(drift_note=f"What the images look like cannot be told: {error.message}.")
    beside = folder.resolve().parent
    history = runs_to_compare(beside, record)
    with TemporaryDirectory() as aside:  # the run directory stays as it was published
        flips = write_flips(folder, beside, record, history, to=Path(aside) / FLIPS_FILE, say=say)
    findings = gather(folder, record, evaluations, gap, images, history, flips)
    write_formats(
        outs,
        folder,
        findings,
        lambda shown: load_pictures(shown, record.targets, lambda: splits_again(record, say)),
        templates=templates,
    )
    return record
