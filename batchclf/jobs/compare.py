"""Compare two runs on the images that both have scored."""

import filecmp
from collections.abc import Iterable
from pathlib import Path

from batchclf.core.comparison import Comparison
from batchclf.core.pair_tally import PairTally
from batchclf.core.run_record import RunRecord
from batchclf.errors import ComparisonError
from batchclf.storage.paired_predictions import PairedAnswers, UnsortedRowsError, read_alone, read_pairs
from batchclf.storage.run_directory import PREDICTIONS_FILE, read_record

NAMES_IN_MESSAGE = 5


def compare_runs(first: Path, second: Path, split: str | None = None, *, record: RunRecord | None = None) -> Comparison:
    """Compare the runs in two run directories, the earlier one first, on a split of both.

    `split` is "test", "train" or "" for a directory; None takes the first of test, directory and train that both have.
    `record` is that of the second run where its run.json has not been written yet. Two files that are the same to the
    byte are read once. Raises ComparisonError where the runs have different classes, no split or no image in common,
    and RunError or PredictionsError where a run directory cannot be read.
    """
    of_first, of_second = read_record(first), record or read_record(second)
    check_classes(of_first, of_second)
    split = common_split(of_first, of_second) if split is None else split
    files, names = (first / PREDICTIONS_FILE, second / PREDICTIONS_FILE), tuple(of_first.model.class_names)

    def tally(pairs: Iterable[PairedAnswers]) -> PairTally:
        made = PairTally(of_first.run_id, of_second.run_id, split, names)
        for each in pairs:
            made.update(each.first, each.second)
            made.only_first += each.only_first
            made.only_second += each.only_second
        return made

    if _same_content(*files):
        found = tally(read_alone(files[0], names, split))
    else:
        try:
            found = tally(read_pairs(*files, names, split))
        except UnsortedRowsError:
            found = tally(read_pairs(*files, names, split, whole=True))
    if not found.images:
        raise ComparisonError(
            f"the runs {first} and {second} have no image in common: {found.only_first:,} images are only in the "
            f"first, {found.only_second:,} only in the second",
            hint="images are matched by their path; compare runs of the same folder or data set",
        )
    return found.comparison()


def check_classes(first: RunRecord, second: RunRecord) -> None:
    """Raise ComparisonError where the runs have different classes; another order of the same ones will do."""
    here, there = first.model.class_names, second.model.class_names
    missing, more = [name for name in here if name not in there], [name for name in there if name not in here]
    if missing or more:
        parts = [f"only the first has {_listed(missing)}"] if missing else []
        parts += [f"only the second has {_listed(more)}"] if more else []
        raise ComparisonError(
            f"the runs {first.run_id} and {second.run_id} have different classes: {'; '.join(parts)}",
            hint="compare runs of models with the same classes",
        )


def common_split(first: RunRecord, second: RunRecord) -> str:
    """Choose what to compare: the first of test, directory and train that both have; raises ComparisonError."""
    splits = [{target.split for target in record.targets} for record in (first, second)]
    for split in ("test", "", "train"):
        if split in splits[0] and split in splits[1]:
            return split
    words = [" and ".join(sorted(split or "a directory" for split in of_run)) or "nothing" for of_run in splits]
    raise ComparisonError(
        f"the runs have scored different things: {first.run_id} {words[0]}, {second.run_id} {words[1]}",
        hint="compare runs of the same split, or of the same directory",
    )


def _same_content(first: Path, second: Path) -> bool:
    try:
        return filecmp.cmp(first, second, shallow=False)
    except OSError:  # reading it will tell what is wrong
        return False


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:NAMES_IN_MESSAGE])
    rest = len(names) - NAMES_IN_MESSAGE
    return f"{shown} and {rest:,} more" if rest > 0 else shown
