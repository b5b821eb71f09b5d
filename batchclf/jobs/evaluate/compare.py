"""Compare two runs on the images that both have scored."""

import filecmp
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from batchclf.core.compare.pair_tally import PairTally
from batchclf.core.compare.result import Comparison
from batchclf.core.records.run import RunRecord
from batchclf.core.text import counted, first_of
from batchclf.core.types import PredictionRows, Say, unheard
from batchclf.errors import ComparisonError
from batchclf.storage.images.facts import IMAGES_FILE
from batchclf.storage.predictions.flips import FlipsWriter
from batchclf.storage.predictions.pairs import (
    PairedPredictions,
    UnsortedRowsError,
    pair_alone,
    read_alone,
    read_by_content,
    read_pairs,
    share_contents,
)
from batchclf.storage.predictions.write import predictions_in
from batchclf.storage.run.directory import PREDICTIONS_FILE, read_record
from batchclf.storage.run.written import check_written

NAMES_IN_MESSAGE = 5


def compare_runs(
    first: Path, second: Path, split: str | None = None, *, record: RunRecord | None = None, warn: Say = unheard
) -> Comparison:
    """Compare the runs in two run directories, the earlier one first, on a split of both.

    `split` is "test", "train", the name of a directory of a job or "" for a directory without one; None takes the first
    of test, directory and train that both have. Images are matched as `tally_runs` does. `record` is that of the second
    run if its run.json has not been written yet. `warn` gets what was edited since a run wrote it. Raises
    ComparisonError if the runs have different classes, no split or no image in common, and RunError or PredictionsError
    if a run directory cannot be read or its files have other rows than the run wrote.
    """
    of_first, of_second = read_record(first), record or read_record(second)
    names = shared_classes(of_first, of_second)
    split = common_split(of_first, of_second) if split is None else split
    (found,) = tally_runs((first, of_first.run_id), (second, of_second.run_id), names, [split], warn=warn)
    check_numbered_rows(of_first, of_second, [found])
    if not found.images:
        replaced = f", {found.replaced:,} have the same path but another content" if found.replaced else ""
        raise ComparisonError(
            f"the runs {first} and {second} have no image in common: {counted(found.only_first, 'image')} "
            f"only in the first, {found.only_second:,} only in the second{replaced}",
            hint="images are matched by path and content; compare runs of the same folder or data set",
        )
    return found.comparison()


def tally_runs(
    first: tuple[Path, str],
    second: tuple[Path, str],
    class_names: tuple[str, ...],
    splits: Sequence[str],
    writer: FlipsWriter | None = None,
    *,
    rows: Sequence[PredictionRows] | None = None,
    warn: Say = unheard,
) -> list[PairTally]:
    """Tally the predictions of two runs, (directory, run id) each, for the images of some splits that both have.

    Gives a tally for each split, in the order of `splits`; `writer` takes the flips, `rows` are all rows of the second
    run, with these class names, if they are in memory. Images are matched by path and, if
    both runs have an images.csv, by content, too; if none is matched so, by content alone, as files that were renamed.
    Raises as `read_pairs` does, and RunError as `check_written`.
    """
    for folder, _ in (first, second):
        check_written(folder, (PREDICTIONS_FILE, IMAGES_FILE), warn=warn)

    def tally(pieces: Iterator[PairedPredictions]) -> list[PairTally]:
        made = {split: PairTally(first[1], second[1], split, class_names) for split in splits}
        for pairs in pieces:
            of_split = made[pairs.split]
            of_split.update(pairs.first, pairs.second)
            of_split.only_first += pairs.only_first
            of_split.only_second += pairs.only_second
            of_split.replaced += pairs.replaced
            if writer is not None:
                writer.write(pairs.split, pairs.first, pairs.second)
        return list(made.values())

    of_both = first[0], second[0], class_names, splits
    try:
        found = tally(_paired_predictions(*of_both, rows=rows, whole=False, warn=warn))
    except UnsortedRowsError:
        if writer is not None:
            writer.clear()
        found = tally(_paired_predictions(*of_both, whole=True, warn=warn))
    if not any(each.images or each.replaced for each in found):
        files = predictions_in(first[0]), predictions_in(second[0])
        images = first[0] / IMAGES_FILE, second[0] / IMAGES_FILE
        if all(path.is_file() for path in images) and share_contents(images):
            found = tally(read_by_content(files, class_names, splits, images, warn=warn))
            pairs = sum(each.images for each in found)
            warn(
                f"{counted(pairs, 'image')} of {first[1]} and {second[1]} have other paths; they are matched by content"
            )
    return found


def _paired_predictions(
    first: Path,
    second: Path,
    class_names: tuple[str, ...],
    splits: Collection[str],
    *,
    rows: Sequence[PredictionRows] | None = None,
    whole: bool,
    warn: Say,
) -> Iterator[PairedPredictions]:
    """Give the predictions of two run directories for the images of some splits that both have, piece by piece.

    Images are matched by path, and by content unless an images.csv is missing. Files that are the same to the byte are
    read once, or not at all if their `rows` are there. Raises as `read_pairs` does; `whole` is for rows that are not
    sorted, `warn` for those that stand twice.
    """
    files, images = (predictions_in(first), predictions_in(second)), (first / IMAGES_FILE, second / IMAGES_FILE)
    by_path = not all(path.is_file() for path in images) or _same_content(*images)
    if by_path and _same_content(*files):
        if rows is not None:
            return pair_alone(rows, splits)
        return read_alone(files[0], class_names, splits, whole=whole, warn=warn)
    return read_pairs(files, class_names, splits, images=None if by_path else images, whole=whole, warn=warn)


def shared_classes(first: RunRecord, second: RunRecord) -> tuple[str, ...]:
    """Give the classes of both runs, in the first's order; another order of the same ones will do.

    Of predictions that name their classes only by themselves, some class may not occur in one of the runs: then these
    are the classes of both. Raises ComparisonError if the runs have different classes otherwise.
    """
    here, there = first.model.class_names, second.model.class_names
    missing, more = [name for name in here if name not in there], [name for name in there if name not in here]
    if first.is_of_predictions and second.is_of_predictions:
        return (*here, *more)
    if missing or more:
        parts = [f"only the first has {_listed(missing)}"] if missing else []
        parts += [f"only the second has {_listed(more)}"] if more else []
        raise ComparisonError(
            f"the runs {first.run_id} and {second.run_id} have different classes: {'; '.join(parts)}",
            hint="compare runs of models with the same classes",
        )
    return tuple(here)


def check_numbered_rows(first: RunRecord, second: RunRecord, found: Sequence[PairTally]) -> None:
    """Raise ComparisonError if rows were matched by their number only, and are not those of the same images.

    Rows without paths are taken for the same images if there are as many of them with the same labels in both runs.
    """
    if not all(each.is_of_predictions and "path" not in each.model.settings for each in (first, second)):
        return
    for each in found:
        if each.only_first or each.only_second or each.relabelled:
            raise ComparisonError(
                f"the runs {first.run_id} and {second.run_id} were read from tables without paths, and their rows are "
                "not those of the same images: they differ in number or labels",
                hint="give both tables a column with the path of each image",
            )


def common_split(first: RunRecord, second: RunRecord) -> str:
    """Choose what to compare: test, else the first directory that both have, else train; raises ComparisonError."""
    splits = [{subset.split for subset in record.subsets} for record in (first, second)]
    both = splits[0] & splits[1]
    for split in ("test", *sorted(both - {"test", "train"}), "train"):
        if split in both:
            return split
    words = [" and ".join(sorted(split or "a directory" for split in of_run)) or "nothing" for of_run in splits]
    raise ComparisonError(
        f"the runs have scored different things: {first.run_id} {words[0]}, {second.run_id} {words[1]}",
        hint="compare runs of the same split, or of the same directory",
    )


def _same_content(first: Path, second: Path) -> bool:
    try:
        return filecmp.cmp(first, second, shallow=False)
    except OSError:  # reading it will show what is wrong
        return False


def _listed(names: list[str]) -> str:
    return first_of([f"'{name}'" for name in names], NAMES_IN_MESSAGE)
