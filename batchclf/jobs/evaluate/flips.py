"""What has changed since the run before: flips.csv, and a comparison for each subset."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from batchclf.core.records.history import RunSummary
from batchclf.core.records.run import RunRecord, WrittenFile, main_of
from batchclf.core.types import PredictionRows, Say, unheard
from batchclf.errors import BatchclfError
from batchclf.storage.predictions.flips import FLIPS_FILE, FlipsWriter
from batchclf.storage.run.directory import read_record

if TYPE_CHECKING:
    from batchclf.core.compare.result import Comparison


def write_flips(
    folder: Path,
    beside: Path,
    record: RunRecord,
    history: Sequence[RunSummary],
    *,
    to: Path | None = None,
    rows: Sequence[PredictionRows] | None = None,
    say: Say = unheard,
    warn: Say = unheard,
) -> "tuple[tuple[Comparison, ...], WrittenFile]":
    """Compare the run in `folder`, whose record need not be written yet, with the last one before it; write flips.csv
    into `folder`, or to the file `to`. `rows` are those of the run, if they are in memory.

    `history` are the earlier runs of the same job, oldest first, in `beside`; the last one whose folder is still there
    counts, whatever its status. Each subset that both have scored is compared, and the one that the report is about
    comes first; subsets without an image in common have no comparison. flips.csv has a row for each image with another
    prediction, by subset and path; without an earlier run, or if that cannot be read or has other classes, only its
    header, and `say` gets the reason; `warn` gets what was edited since a run wrote it. Returns the comparisons, and
    what the file is. Raises OSError if the disk refuses.
    """
    found: tuple[Comparison, ...] = ()
    with FlipsWriter(to or folder / FLIPS_FILE, record.model.class_names) as writer:
        last = next((beside / run.folder for run in reversed(history) if (beside / run.folder).is_dir()), None)
        if last is not None:
            try:
                found = _against(last, folder, record, writer, rows, say, warn)
            except BatchclfError as error:
                writer.clear()
                say(f"the predictions are not compared with those of {last.name}: {error.message}")
    return found, writer.written()


def _against(
    last: Path,
    folder: Path,
    record: RunRecord,
    writer: FlipsWriter,
    rows: Sequence[PredictionRows] | None,
    say: Say,
    warn: Say,
) -> "tuple[Comparison, ...]":
    # The comparison is a dozen modules, which a first run does without.
    from batchclf.jobs.evaluate.compare import check_numbered_rows, shared_classes, tally_runs

    earlier = read_record(last)
    names = shared_classes(record, earlier)
    writer.name_classes(names)
    kinds = {(subset.split, subset.kind) for subset in earlier.subsets}
    splits = [subset.split for subset in record.subsets if (subset.split, subset.kind) in kinds]
    main = main_of(record.main_subset, splits or [""])
    found = tally_runs((last, earlier.run_id), (folder, record.run_id), names, splits, writer, rows=rows, warn=warn)
    check_numbered_rows(earlier, record, found)
    found.sort(key=lambda each: (each.split != main, each.split))
    for each in found:
        if not each.images:
            replaced = f"; {each.replaced:,} have the name of another one" if each.replaced else ""
            say(f"no image of {each.split or 'the directory'} was scored by the last run, {last.name}, too{replaced}")
    return tuple(each.comparison() for each in found if each.images)
