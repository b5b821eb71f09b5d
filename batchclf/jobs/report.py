"""Write a run's report: read what the run directory holds, find the pictures, render, write in one step."""

import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from batchclf import atomic
from batchclf.core.evaluation import Evaluation
from batchclf.core.gap import Gap
from batchclf.core.run_record import RunRecord
from batchclf.core.types import Say, Split
from batchclf.data.catalog import DATASET_NAMES, load_dataset
from batchclf.data.folders import load_class_folders
from batchclf.errors import BatchclfError
from batchclf.jobs.evaluate import evaluate_predictions
from batchclf.jobs.pictures import load_pictures
from batchclf.storage.run_directory import PREDICTIONS_FILE, SKIPPED_FILE, read_record
from batchclf.storage.skipped import read_skipped

Splits = Mapping[str, Split]


def load_ahead() -> None:
    """Begin to load what draws the report, in a thread: matplotlib takes as long as scoring thousands of images."""
    threading.Thread(target=importlib.import_module, args=("batchclf.report.render",), daemon=True).start()


def write_report(
    folder: Path,
    out: Path,
    record: RunRecord,
    evaluations: Sequence[Evaluation],
    gap: Gap | None,
    splits: Callable[[], Splits],
) -> None:
    """Render the report of the run in `folder` to the file `out`; `splits` gives the images of the data set.

    Raises OSError where `out` cannot be written.
    """
    from batchclf.report.render import render
    from batchclf.report.view import build_view

    main = next((each for each in evaluations if each.split == "test"), evaluations[0])
    view = build_view(
        record,
        evaluations,
        gap,
        pictures=load_pictures([main], record.targets, splits),
        skipped=read_skipped(folder / SKIPPED_FILE),
        generated=datetime.now(UTC),
    )
    atomic.write_text(out, render(view))


def report_again(folder: Path, out: Path, *, say: Say) -> RunRecord:
    """Render the report of a finished run anew, from its run.json and CSVs.

    Pictures come from where the images were when they were scored; where they are gone the report goes without.
    Raises RunError or PredictionsError where the run directory is incomplete.
    """
    record = read_record(folder)
    evaluations, gap = evaluate_predictions(folder / PREDICTIONS_FILE, tuple(record.model.class_names))
    write_report(folder, out, record, evaluations, gap, lambda: _splits_again(record, say))
    return record


def _splits_again(record: RunRecord, say: Say) -> Splits:
    source = next(target.source for target in record.targets if target.kind == "split")
    try:
        if source in DATASET_NAMES:
            dataset = load_dataset(source, data_dir=None, say=say)
        else:
            model = record.model
            dataset = load_class_folders(
                Path(source),
                say=say,
                input_shape=model.input_shape,
                color_mode=model.color_mode,
                class_names=tuple(model.class_names),
                seed=int(model.settings.get("seed", 0)),
            )
    except BatchclfError as error:
        say(f"the report goes without pictures: {error.message}")
        return {}
    return dataset.splits
